//! Which cluster, and how it is reached.

use std::{path::PathBuf, time::Duration};

use clap::Args as Group;
use kubeovn_core::index::Settings;

use crate::ctl::{
    error::CtlError,
    nb::{
        cli::{self, Output},
        snapshot::{self, Source},
    },
    paint::{Paint, When},
};

/// The API server, and the names that this installation gave to what is built in.
#[derive(Clone, Debug, Group)]
pub struct Server {
    /// Access to the API server; without it as kubectl finds it
    #[arg(long, value_name = "PATH")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; without it the current one
    #[arg(long, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// Seconds that the API server may take to tell all objects
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    within: u64,
    /// Namespace of the controller's lease
    #[arg(long, value_name = "NAMESPACE", default_value = "kube-system")]
    pub(in crate::ctl) lease_namespace: String,
    /// Name of the default VPC, as the controller has it
    #[arg(long, value_name = "NAME", default_value = "ovn-cluster")]
    cluster_router: String,
    /// Name of the default subnet, as the controller has it
    #[arg(long, value_name = "NAME", default_value = "ovn-default")]
    default_ls: String,
    /// Name of the subnet that connects nodes, as the controller has it
    #[arg(long, value_name = "NAME", default_value = "join")]
    node_switch: String,
}

impl Server {
    /// What a controller with these names would have chosen.
    pub fn settings(&self) -> Settings {
        Settings {
            vpc: self.cluster_router.as_str().into(),
            subnet: self.default_ls.as_str().into(),
            join: self.node_switch.as_str().into(),
            ..Settings::default()
        }
    }

    /// Is a cluster named, or is it the one that is found?
    pub(in crate::ctl) fn is_named(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }

    pub(in crate::ctl) fn within(&self) -> Duration {
        Duration::from_secs(self.within.max(1))
    }
}

/// The API server, the Northbound, and what is printed.
#[derive(Clone, Debug, Group)]
pub struct Target {
    #[command(flatten)]
    pub(in crate::ctl) server: Server,
    /// Where Northbound is served: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, several with commas between
    #[arg(long, value_name = "ENDPOINTS", default_value = cli::DEFAULT)]
    db: String,
    /// The private key for ssl: endpoints
    #[arg(short, long, value_name = "PEM", requires_all = ["certificate", "ca_cert"])]
    private_key: Option<PathBuf>,
    /// The certificate for ssl: endpoints
    #[arg(short, long, value_name = "PEM", requires = "private_key")]
    certificate: Option<PathBuf>,
    /// The CA to which the server's certificate must lead
    #[arg(short = 'C', long, value_name = "PEM")]
    ca_cert: Option<PathBuf>,
    #[command(flatten)]
    printed: Printed,
}

/// What is printed.
#[derive(Clone, Copy, Debug, Group)]
pub struct Printed {
    /// What to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, value_enum, default_value_t)]
    color: When,
}

impl Printed {
    /// For programs, and not for people?
    pub fn json(&self) -> bool {
        self.output == Output::Json
    }

    /// Colours, or none.
    pub fn paint(&self) -> Paint {
        Paint::choose(self.color)
    }
}

impl Target {
    /// Where the Northbound is read.
    ///
    /// # Errors
    /// The text after `--db` names no endpoint.
    pub(super) fn northbound(&self) -> Result<Source, CtlError> {
        let tls = cli::tls(self.private_key.clone(), self.certificate.clone(), self.ca_cert.clone());
        Ok(Source::Server(snapshot::config(self.db.parse()?, tls)))
    }

    /// For programs, and not for people?
    pub fn json(&self) -> bool {
        self.printed.json()
    }

    /// Colours, or none.
    pub fn paint(&self) -> Paint {
        self.printed.paint()
    }
}
