//! Keys and certificates in files, which may be replaced at any moment, one after the other and not in one piece.

use std::{fs, io, path::Path, sync::Arc};

use tokio::task::spawn_blocking;
use tokio_rustls::rustls::{
    ClientConfig, Error as RustlsError, InconsistentKeys, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{
    ClientCertificate, TlsConfig, TlsError, Verify,
    error::webpki_error,
    stream::Setup,
    verifier::{Trust, Verifier},
};

/// What was read last, and could be used.
#[derive(Default)]
pub(in super::super) struct Keyring {
    roots: Kept<RootCertStore>,
    client: Kept<CertifiedKey>,
}

/// Something made of files. While they can't be used, it stays what it was.
pub(super) struct Kept<T> {
    made: Option<Arc<T>>,
    /// What was last found wrong with the files; `None` while they are good.
    complaint: Option<String>,
}

impl Keyring {
    /// Reads all files and makes of them what a handshake needs.
    pub(in super::super) async fn renew(&mut self, config: Option<&TlsConfig>) -> Result<Setup, TlsError> {
        let config = config.ok_or(TlsError::NotConfigured)?.clone();
        let reading = config.clone();
        let read = spawn_blocking(move || {
            let roots = (reading.verify != Verify::Nothing).then(|| read_roots(&reading.ca));
            (roots, reading.client.as_ref().map(read_client))
        });
        // fails only when the runtime is shutting down
        let (roots, client) = read.await.map_err(|error| TlsError::FileUnreadable {
            file: config.ca.clone(),
            error: io::Error::other(error),
        })?;
        let roots = roots.map(|roots| self.roots.renew(roots)).transpose()?;
        let client = client.map(|client| self.client.renew(client)).transpose()?;

        let trust = match (config.verify, roots) {
            (Verify::Chain, Some(roots)) => Trust::Chain(roots),
            (Verify::ChainAndName, Some(roots)) => Trust::ChainAndName(roots),
            (Verify::Nothing, _) => Trust::Anybody,
            (Verify::Chain | Verify::ChainAndName, None) => return Err(TlsError::NotConfigured),
        };
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier { trust, algorithms: provider.signature_verification_algorithms };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::NoHandshake { detail: error.to_string() })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut rustls = match client {
            // whatever CAs the server names: it is the only one we have
            Some(client) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(client))),
            None => builder.with_no_client_auth(),
        };
        // a resumed session would be judged by the certificates of an earlier one
        rustls.resumption = Resumption::disabled();
        Ok(Setup { rustls: Arc::new(rustls), config })
    }
}

impl<T> Kept<T> {
    /// Takes over what was made of the files now, or falls back on what was made of them before.
    pub(super) fn renew(&mut self, made: Result<T, TlsError>) -> Result<Arc<T>, TlsError> {
        let error = match made {
            Ok(made) => {
                self.complaint = None;
                return Ok(self.made.insert(Arc::new(made)).clone());
            }
            Err(error) => error,
        };
        let Some(kept) = self.made.clone() else { return Err(error) };
        if self.is_news(&error) {
            tracing::warn!(%error, "TLS files can't be used, what was read before stays in use");
        }
        Ok(kept)
    }

    /// Whether this was not said already.
    pub(super) fn is_news(&mut self, error: &TlsError) -> bool {
        let complaint = error.to_string();
        let is_news = self.complaint.as_ref() != Some(&complaint);
        self.complaint = Some(complaint);
        is_news
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { made: None, complaint: None }
    }
}

pub(super) fn read_roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let what = "CA certificate";
    for certificate in certificates(file, what)? {
        roots.add(certificate).map_err(|error| invalid(file, what, error.to_string()))?;
    }
    Ok(roots)
}

pub(super) fn read_client(files: &ClientCertificate) -> Result<CertifiedKey, TlsError> {
    let ClientCertificate { private_key, certificate } = files;
    let chain = certificates(certificate, "certificate")?;
    let unusable = |detail| invalid(private_key, "private key", detail);
    let key = PrivateKeyDer::from_pem_slice(&read(private_key)?).map_err(|error| unusable(flaw(&error)))?;
    let key = ring::sign::any_supported_type(&key).map_err(|error| unusable(error.to_string()))?;
    let key = CertifiedKey::new(chain, key);
    match key.keys_match() {
        Ok(()) | Err(RustlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(key),
        Err(RustlsError::InconsistentKeys(_)) => {
            Err(TlsError::KeyMismatch { private_key: private_key.clone(), certificate: certificate.clone() })
        }
        // version 1 can't be parsed here, but it is the server who has to
        Err(RustlsError::InvalidCertificate(error))
            if webpki_error(&error) == Some(&webpki::Error::UnsupportedCertVersion) =>
        {
            Ok(key)
        }
        Err(error) => Err(invalid(certificate, "certificate", error.to_string())),
    }
}

fn certificates(file: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(file, what, flaw(&error)))?;
    if certificates.is_empty() {
        return Err(invalid(file, what, flaw(&pem::Error::NoItemsFound)));
    }
    Ok(certificates)
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|error| TlsError::FileUnreadable { file: file.to_owned(), error })
}

fn invalid(file: &Path, what: &'static str, detail: String) -> TlsError {
    TlsError::FileInvalid { file: file.to_owned(), what, detail }
}

fn flaw(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is none".to_owned(),
        pem::Error::MissingSectionEnd { .. } => "its end is missing".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "its first line is damaged".to_owned(),
        other => other.to_string(),
    }
}
