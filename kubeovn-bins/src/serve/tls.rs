//! `--secure-serving`: probes and metrics over TLS.
//!
//! ```text
//!  TcpListener ──> one task per handshake, with a limit ──> channel ──> axum
//!                      └── certificate: of a folder, read before each handshake, or our own
//! ```
//!
//! # Guarantees
//! * Whoever does not finish a handshake keeps nobody else waiting.
//! * A certificate that is replaced is shown from the next connection on. Files that can't be used change nothing: what was
//!   read before is shown, and a line of the log says so.

mod limits;

use std::{
    fs,
    io::{self, ErrorKind},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    },
    server::TlsStream,
};
use tracing::{debug, warn};

pub use self::limits::Limits;
use super::PortError;

/// Handshakes at a time: probes and a scraper or two need few.
const HANDSHAKES: usize = 32;
/// How long one may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long to wait when the system gives no connection.
const PAUSE: Duration = Duration::from_secs(1);
/// Names of the files, as a Secret of type kubernetes.io/tls has them.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// What the port shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// That of a folder with `tls.crt` and `tls.key`, in PEM.
    Folder(PathBuf),
    /// One that is made at the start, for these names and addresses. Nobody can check it.
    Own(Vec<String>),
}

/// The means of a handshake.
#[derive(Debug)]
pub struct Serving {
    certificate: Certificate,
    limits: Limits,
    last: Mutex<Last>,
}

/// What was read last and could be used.
#[derive(Debug)]
struct Last {
    config: Arc<ServerConfig>,
    /// What was last wrong with the files.
    complaint: Option<String>,
}

impl Serving {
    /// Reads the certificate, or makes one.
    ///
    /// # Errors
    /// [`PortError::Certificate`]
    pub fn new(certificate: Certificate, limits: Limits) -> Result<Self, PortError> {
        let config = match &certificate {
            Certificate::Folder(folder) => read(folder, &limits).map_err(|source| (folder.clone(), source)),
            Certificate::Own(names) => {
                own(names, &limits).map_err(|source| (PathBuf::from("(made here)"), source))
            }
        };
        let config = config.map_err(|(folder, source)| PortError::Certificate { folder, source })?;
        let last = Mutex::new(Last { config: Arc::new(config), complaint: None });
        Ok(Serving { certificate, limits, last })
    }

    /// What to show now. Blocks for as long as reading two files takes.
    fn now(&self) -> Arc<ServerConfig> {
        let read = match &self.certificate {
            Certificate::Folder(folder) => Some(read(folder, &self.limits)),
            Certificate::Own(_) => None,
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            None => {}
            Some(Ok(config)) => {
                last.complaint = None;
                last.config = Arc::new(config);
            }
            Some(Err(error)) => {
                let complaint = error.to_string();
                if last.complaint.as_ref() != Some(&complaint) {
                    warn!(%error, "the certificate of the port can't be used, what was read before is shown");
                    last.complaint = Some(complaint);
                }
            }
        }
        last.config.clone()
    }
}

fn read(folder: &Path, limits: &Limits) -> io::Result<ServerConfig> {
    let text = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    };
    let chain = CertificateDer::pem_slice_iter(&text(CERTIFICATE)?).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| unusable(CERTIFICATE, &error))?;
    let key = PrivateKeyDer::from_pem_slice(&text(KEY)?).map_err(|error| unusable(KEY, &error))?;
    config(chain, key, limits)
}

fn own(names: &[String], limits: &Limits) -> io::Result<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(names);
    let made = made.map_err(|error| unusable("a certificate of our own", &error))?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    config(vec![made.cert.der().clone()], key.into(), limits)
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    limits: &Limits,
) -> io::Result<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(limits.provider()))
        .with_protocol_versions(&limits.versions())
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    config.map_err(|error| unusable("the certificate", &error))
}

fn unusable(what: &str, error: &dyn std::error::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{what}: {error}"))
}

/// Gives connections once they are safe. Ends when it is dropped.
pub(super) struct Secure {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    _tasks: JoinSet<()>,
}

impl Secure {
    pub(super) fn new(listener: TcpListener, serving: Arc<Serving>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (give, ready) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, serving, give));
        Ok(Secure { address, ready, _tasks: tasks })
    }
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // Whoever gives them ends with this.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept(
    listener: TcpListener,
    serving: Arc<Serving>,
    give: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let permits = Arc::new(Semaphore::new(HANDSHAKES));
    let mut handshakes = JoinSet::new();
    loop {
        // It is never closed.
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        while handshakes.try_join_next().is_some() {}
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(%error, "no connection");
                sleep(PAUSE).await;
                continue;
            }
        };
        let (serving, give) = (serving.clone(), give.clone());
        handshakes.spawn(async move {
            let _permit = permit;
            // Fails only when the runtime is shutting down.
            let Ok(config) = spawn_blocking(move || serving.now()).await else { return };
            match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
                Ok(Ok(stream)) => drop(give.send((stream, peer)).await),
                Ok(Err(error)) => debug!(%peer, %error, "no handshake"),
                Err(_) => debug!(%peer, "no handshake in time"),
            }
        });
    }
}
