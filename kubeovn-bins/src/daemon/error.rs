//! Why the daemon can't start or go on: a code, what happened to what, and the next step.

use std::{io, net::SocketAddr, path::PathBuf};

use kubeovn_node::daemon::DaemonError;
use thiserror::Error;

use crate::{flags::FlagError, serve::PortError};

/// Why there is no daemon.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The command line.
    #[error(transparent)]
    Flag(#[from] FlagError),
    /// It is not known which node this is.
    #[error(
        "DAEMON-NO-NODE: neither --node-name nor KUBE_NODE_NAME says which node this is. Set one of them"
    )]
    NoNode,
    /// No access to the API server.
    #[error(
        "DAEMON-NO-ACCESS: there is no usable access to an API server: {reason}. Set --kubeconfig, or run in a pod with a \
         service account"
    )]
    Access {
        /// Why.
        reason: String,
    },
    /// The port of the health checks is taken.
    #[error(
        "DAEMON-PORT: {address} for /livez, /readyz and /metrics: {source}. Free it, or set --pprof-port"
    )]
    Port {
        /// Where.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The certificate that the port should show can't be used.
    #[error(
        "DAEMON-CERTIFICATE: {}: {source}. Put tls.crt and tls.key there, in PEM, or leave SERVING_CERT_DIR out: then one is \
         made",
        folder.display()
    )]
    Certificate {
        /// Where it should be.
        folder: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The description of the network can't be put in its place.
    #[error("DAEMON-CNI-CONF: {}: {source}. Look at --cni-conf-file, --cni-conf-dir and --cni-conf-name", path.display())]
    Install {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The node's parts.
    #[error("DAEMON-START: {0}. It needs root, or the capabilities that the manifest names")]
    Start(DaemonError),
    /// A part of the daemon has ended by a bug.
    #[error(
        "DAEMON-ENDED: {0}. The daemon ends too, so that it is started anew; pods keep their network. Please report what the \
         log says before this"
    )]
    Ended(DaemonError),
}

impl From<DaemonError> for StartError {
    fn from(error: DaemonError) -> Self {
        match error {
            DaemonError::Ended { .. } => StartError::Ended(error),
            other => StartError::Start(other),
        }
    }
}

impl From<PortError> for StartError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Taken { address, source } => StartError::Port { address, source },
            PortError::Certificate { folder, source } => StartError::Certificate { folder, source },
        }
    }
}
