//! What can be wrong with certificates and handshakes, in words that lead on.

use std::{io, path::PathBuf};

use tokio_rustls::rustls::{AlertDescription as Alert, CertificateError, Error as RustlsError};

use super::TlsConfig;

/// Why there is no TLS with a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// [`ConnectConfig::tls`](super::super::ConnectConfig::tls) is not set.
    #[error(
        "OVSDB-TLS-NOT-CONFIGURED: an ssl: endpoint needs a private key, a certificate and a CA certificate; \
         configure their files"
    )]
    NotConfigured,
    /// A file can't be read, and never could.
    #[error("OVSDB-TLS-FILE-UNREADABLE: {}: {error}; correct the path or its permissions", file.display())]
    FileUnreadable {
        /// Which.
        file: PathBuf,
        /// The system's words.
        #[source]
        error: io::Error,
    },
    /// A file does not hold what it should, and never did.
    #[error(
        "OVSDB-TLS-FILE-INVALID: {}: no {what} that can be used: {detail}; write it anew, in PEM{}",
        file.display(),
        if *what == "private key" { " and not encrypted" } else { "" }
    )]
    FileInvalid {
        /// Which.
        file: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// What is the matter.
        detail: String,
    },
    /// The private key belongs to another certificate.
    #[error(
        "OVSDB-TLS-KEY-MISMATCH: {} is not the private key of the certificate {}; \
         replace both files by those of one pair",
        private_key.display(),
        certificate.display()
    )]
    KeyMismatch {
        /// The key.
        private_key: PathBuf,
        /// The certificate.
        certificate: PathBuf,
    },
    /// The server's chain leads to none of our CA certificates.
    #[error(
        "OVSDB-TLS-SERVER-UNTRUSTED: the server's certificate is not signed by a CA of {}; if that file is of \
         another CA than the server's, replace it, if not, this is not the server that it should be",
        ca.display()
    )]
    ServerUntrusted {
        /// The file with the CA certificates.
        ca: PathBuf,
    },
    /// A certificate in the server's chain has expired, or is not valid yet.
    #[error("OVSDB-TLS-SERVER-DATES: {detail}; renew the server's certificate, or set the clock right")]
    ServerDates {
        /// The dates.
        detail: String,
    },
    /// The server's certificate is made out to somebody else.
    #[error(
        "OVSDB-TLS-SERVER-NAME: the server's certificate is made out to {names:?}, not to {host:?}; give it a subject \
         alternative name for this host, or ask for the chain alone, as OVN's own programs do"
    )]
    ServerName {
        /// The endpoint's host.
        host: String,
        /// Its subject alternative names.
        names: Vec<String>,
    },
    /// A certificate in the server's chain is of X.509 version 1, in which nothing says what it may be used for.
    #[error(
        "OVSDB-TLS-SERVER-VERSION: a certificate of the server is of X.509 version 1, which can't be verified; sign it \
         anew with extensions, such as `basicConstraints=CA:FALSE`, by `ovs-pki sign` or `openssl x509 -extfile`"
    )]
    ServerVersion,
    /// The server shows the certificate of a CA as its own.
    #[error(
        "OVSDB-TLS-SERVER-IS-CA: the certificate of the server is one of a CA (`CA:TRUE`); \
         give the server one of its own, signed with `basicConstraints=CA:FALSE`"
    )]
    ServerIsCa,
    /// The server's certificate can't be accepted for another reason.
    #[error(
        "OVSDB-TLS-SERVER-CERTIFICATE: the server's certificate can't be accepted: {detail}; sign another for it"
    )]
    ServerCertificate {
        /// The reason.
        detail: String,
    },
    /// The server wants a certificate and we have none.
    #[error(
        "OVSDB-TLS-CLIENT-MISSING: the server wants to see a certificate ({detail}); configure a private key and a \
         certificate of the server's CA"
    )]
    ClientMissing {
        /// The server's words.
        detail: String,
    },
    /// The server does not accept our certificate.
    #[error(
        "OVSDB-TLS-CLIENT-REFUSED: the server does not accept the certificate {}: {detail}; replace it by one that is \
         valid and signed by the CA that the server was started with (--ca-cert)",
        certificate.display()
    )]
    ClientRefused {
        /// Our certificate.
        certificate: PathBuf,
        /// The server's words.
        detail: String,
    },
    /// What answers there does not speak TLS, or does not want to with us.
    #[error(
        "OVSDB-TLS-NO-HANDSHAKE: no TLS with the server: {detail}; \
         see its log, and whether it listens there for TLS (pssl:, not ptcp:)"
    )]
    NoHandshake {
        /// What happened.
        detail: String,
    },
}

impl TlsError {
    /// A failed handshake.
    pub(super) fn of_handshake(error: &io::Error, host: &str, config: &TlsConfig) -> Self {
        match cause(error) {
            Some(cause) => Self::of(cause, host, config),
            None => Self::NoHandshake { detail: error.to_string() },
        }
    }

    /// What the library says, in our words.
    pub(super) fn of(error: &RustlsError, host: &str, config: &TlsConfig) -> Self {
        match error {
            RustlsError::InvalidCertificate(error) => Self::of_certificate(error, host, config),
            RustlsError::AlertReceived(alert) => Self::of_alert(*alert, error.to_string(), config),
            _ => Self::NoHandshake { detail: error.to_string() },
        }
    }

    fn of_certificate(error: &CertificateError, host: &str, config: &TlsConfig) -> Self {
        match error {
            // a new CA of the same name as the old one shows as a bad signature
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::ServerUntrusted { ca: config.ca.clone() }
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::ServerDates { detail: error.to_string() },
            CertificateError::NotValidForName => {
                Self::ServerName { host: host.to_owned(), names: Vec::new() }
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::ServerName { host: host.to_owned(), names: presented.clone() }
            }
            _ => match webpki_error(error) {
                Some(webpki::Error::UnsupportedCertVersion) => Self::ServerVersion,
                Some(webpki::Error::CaUsedAsEndEntity) => Self::ServerIsCa,
                _ => Self::ServerCertificate { detail: error.to_string() },
            },
        }
    }

    fn of_alert(alert: Alert, detail: String, config: &TlsConfig) -> Self {
        match (&config.client, alert) {
            // TLS 1.2 has no word of its own for it
            (None, Alert::CertificateRequired | Alert::HandshakeFailure) => Self::ClientMissing { detail },
            (
                Some(client),
                Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::DecryptError,
            ) => Self::ClientRefused { certificate: client.certificate.clone(), detail },
            _ => Self::NoHandshake { detail },
        }
    }
}

/// What the TLS library put into a stream's error.
pub(super) fn cause(error: &io::Error) -> Option<&RustlsError> {
    error.get_ref()?.downcast_ref()
}

/// What is behind an error that the TLS library has no word of its own for.
pub(super) fn webpki_error(error: &CertificateError) -> Option<&webpki::Error> {
    match error {
        CertificateError::Other(other) => other.0.downcast_ref(),
        _ => None,
    }
}
