//! The process: command line, environment, log, signals, exit code.

use std::{ffi::OsString, io::Write, path::Path, process::ExitCode, sync::Arc};

use kubeovn_node::{daemon::Daemon, ovs};
use kubeovn_ovn::ovsdb::{
    client::Client,
    connect::{ConnectConfig, Connector, Endpoint, Endpoints},
    txn::Identity,
};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::{
    error::StartError,
    flags::PROGRAM,
    install,
    installation::{Environment, Installation},
    serve::{self, Health},
};
use crate::{
    cluster::kube::{self as cluster, KubeCluster, Options},
    controller::serve::listen,
    flags::{FlagError, Flags},
    process,
};

/// Does what the command line says. The exit code is 0 after a signal to end or a copy, 1 when something can't go on, and
/// 2 for a command line or an environment that can't be used.
pub async fn main(arguments: Vec<OsString>) -> ExitCode {
    let flags = match Flags::parse(&PROGRAM, arguments) {
        Ok(flags) => flags,
        Err(FlagError::Usage(error)) => {
            // There is nobody else to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
        Err(error) => return unusable(&error.into()),
    };
    process::log(&flags);
    if flags.is_on("install-cni-config") {
        let (from, folder) = (Path::new(flags.text("cni-conf-file")), Path::new(flags.text("cni-conf-dir")));
        return match install::install(from, folder, flags.text("cni-conf-name")) {
            Ok(place) => {
                info!(place = %place.display(), "the description of the network is in its place");
                ExitCode::SUCCESS
            }
            Err(error) => unusable(&error),
        };
    }
    let environment = Environment::read(|name| std::env::var(name).ok());
    let install = match Installation::new(&flags, &environment) {
        Ok(install) => install,
        Err(error) => return unusable(&error),
    };
    info!(version = env!("CARGO_PKG_VERSION"), node = install.daemon.node, "kubeovn-daemon");
    match run(install).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn unusable(error: &StartError) -> ExitCode {
    // There is nobody else to tell.
    let _ = writeln!(std::io::stderr(), "{error}");
    ExitCode::from(2)
}

/// Works until a signal comes. Links, ports and rules stay as they are: no packet notices.
async fn run(install: Installation) -> Result<(), StartError> {
    if !install.in_vain.is_empty() {
        warn!(
            flags = install.in_vain.join(" "),
            "these flags are taken, but this version does not act on them; docs/kubernetes.md lists which do"
        );
    }
    let no_access = |reason| StartError::Access { reason };
    let access = cluster::access(install.kubeconfig.as_deref()).await.map_err(no_access)?;
    let client = cluster::client(access).map_err(|error| no_access(error.to_string()))?;
    let options = Options {
        component: "kube-ovn-daemon".to_owned(),
        node: install.daemon.node.clone(),
        ..Options::default()
    };
    let objects = Arc::new(KubeCluster::new(client, options));
    let endpoint = Endpoints::from(Endpoint::Unix(install.ovs.clone()));
    let connector =
        Connector::new(ConnectConfig::new(endpoint, ovs::SCHEMA.database), Box::new(cluster::random));
    let switch = Client::new(&ovs::SCHEMA, connector, Identity::Given(Uuid::nil()), None);
    let address = install.listen;
    let listener = listen(address).await.map_err(|source| StartError::Port { address, source })?;
    let socket = install.daemon.socket.clone();
    let daemon = Daemon::new(install.daemon, Box::new(switch), objects)?;
    let health = Arc::new(Health { obstacles: daemon.obstacles(), socket, metrics: install.metrics });
    info!(%address, "listening for /livez, /readyz and /metrics");
    tokio::select! {
        () = daemon.run(process::ended()) => Ok(()),
        served = serve::serve(listener, health) => match served {
            Ok(()) => Ok(()),
            Err(source) => Err(StartError::Port { address, source }),
        },
    }
}
