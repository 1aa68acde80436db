//! Why the controller can't start or go on: a code, what happened to what, and the next step.

use std::{io, net::SocketAddr, path::PathBuf};

use kubeovn_ovn::ovsdb::connect::EndpointError;
use thiserror::Error;

use crate::{flags::FlagError, serve::PortError};

/// Why there is no controller.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// The command line.
    #[error(transparent)]
    Flag(#[from] FlagError),
    /// It is not known where the database is.
    #[error(
        "CONTROLLER-NO-DATABASE: neither --ovn-nb-addr nor OVN_DB_IPS says where OVN's Northbound is. Set \
         --ovn-nb-addr=tcp:IP:6641"
    )]
    NoDatabase,
    /// The text that names the database names none.
    #[error("{source} [--ovn-nb-addr]")]
    Endpoint {
        /// Why.
        #[from]
        source: EndpointError,
    },
    /// Two prefixes that must be apart.
    #[error(
        "CONTROLLER-PREFIXES-OVERLAP: --{one}={first} and --{other}={second} overlap, so that one address would mean two \
         things. Choose prefixes that are apart"
    )]
    Overlap {
        /// The one flag.
        one: &'static str,
        /// Its value.
        first: String,
        /// The other flag.
        other: &'static str,
        /// Its value.
        second: String,
    },
    /// No access to the API server.
    #[error(
        "CONTROLLER-NO-ACCESS: there is no usable access to an API server: {reason}. Set --kubeconfig, or run in a pod with \
         a service account"
    )]
    Access {
        /// Why.
        reason: String,
    },
    /// The port of the health checks is taken.
    #[error(
        "CONTROLLER-PORT: {address} for /livez, /readyz and /metrics: {source}. Free it, or set --pprof-port"
    )]
    Port {
        /// Where.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The certificate that the port should show can't be used.
    #[error(
        "CONTROLLER-CERTIFICATE: {}: {source}. Put tls.crt and tls.key there, in PEM, or leave SERVING_CERT_DIR out: then one \
         is made",
        folder.display()
    )]
    Certificate {
        /// Where it should be.
        folder: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The lease was lost.
    #[error(
        "CONTROLLER-LEASE-LOST: the lease {name} could not be renewed in time or was taken, so that another one works from \
         here on. Started again, this one waits for its turn"
    )]
    LeaseLost {
        /// Its name.
        name: String,
    },
    /// The driver ended though nobody asked it to.
    #[error("CONTROLLER-STREAM-ENDED: the stream of objects ended. Started again, everything is read anew")]
    Ended,
}

impl From<PortError> for ControllerError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Taken { address, source } => ControllerError::Port { address, source },
            PortError::Certificate { folder, source } => ControllerError::Certificate { folder, source },
        }
    }
}
