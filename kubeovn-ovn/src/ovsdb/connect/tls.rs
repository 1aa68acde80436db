//! TLS as OVN's own programs do it: both sides show certificates of one CA.
//!
//! ```text
//!  files ──> keyring ──> setup ──> handshake ──> reading half, writing half ──> Session
//!   read before every      │                          └─ an alert that comes later, for the error
//!   attempt, the last      └─ verifier: does the server's chain lead to the CA?
//!   good ones are kept
//! ```

mod error;
mod files;
mod stream;
#[cfg(test)]
mod tests;
mod verifier;

use std::path::PathBuf;

pub use self::error::TlsError;
pub(super) use self::files::Keyring;

/// What a client shows to servers at `ssl:` endpoints, and which servers it trusts: what `ovn-nbctl` is told by
/// `-p`, `-c` and `-C`. All files are PEM.
///
/// The files are read before every attempt to connect, so a rotated certificate needs no restart. A session that runs
/// is not cut. A file that is half-written or unreadable changes nothing: what was read before stays in use, and one
/// warning says so. Private key and certificate count as one there, the CA as another.
///
/// ```
/// use kubeovn_ovn::ovsdb::connect::{ConnectConfig, TlsConfig};
///
/// let mut config = ConnectConfig::new("ssl:10.0.0.1:6641,ssl:10.0.0.2:6641".parse()?, "OVN_Northbound");
/// config.tls = Some(TlsConfig::new("/var/run/tls/key", "/var/run/tls/cert", "/var/run/tls/cacert"));
/// # Ok::<(), kubeovn_ovn::ovsdb::connect::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// What we show when the server asks, as OVN's servers do.
    pub client: Option<ClientCertificate>,
    /// The CA certificates, any of which may stand at the end of the server's chain.
    pub ca: PathBuf,
    /// What is asked of the server's certificate.
    pub verify: Verify,
}

/// A certificate of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its private key, not encrypted: RSA from 2048 bits on, ECDSA (P-256, P-384) or Ed25519.
    pub private_key: PathBuf,
    /// The certificate itself, then those between it and the CA, if any.
    pub certificate: PathBuf,
}

/// What is asked of a server's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// It is valid now and leads to the CA, whoever it is made out to. That is what OVN's own programs ask:
    /// certificates by `ovs-pki` name no host.
    #[default]
    Chain,
    /// Also, it is made out to the host of the endpoint, among its subject alternative names.
    ChainAndName,
    /// Nothing, and the CA is not read: whoever gets between us and the server can read and change everything.
    Nothing,
}

impl TlsConfig {
    /// Private key, certificate and CA, in the order of `ovn-nbctl -p -c -C`, and [`Verify::Chain`].
    pub fn new(
        private_key: impl Into<PathBuf>,
        certificate: impl Into<PathBuf>,
        ca: impl Into<PathBuf>,
    ) -> Self {
        let client = ClientCertificate { private_key: private_key.into(), certificate: certificate.into() };
        Self { client: Some(client), ca: ca.into(), verify: Verify::default() }
    }
}
