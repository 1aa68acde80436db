//! The daemon's side of the socket: reads requests, calls the [`Handler`], writes its answer.
//!
//! One request per connection. The socket is for root alone; the limits are against broken callers, not hostile
//! ones.

mod http;

use std::fs::Permissions;
use std::future::Future;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use self::http::Request;
use super::protocol::{
    GcRequest, PATH_ADD, PATH_CHECK, PATH_DEL, PATH_GC, PATH_STATUS, PodRequest, PodResponse,
};
use super::timing::{Observer, Unobserved};

/// How long a caller may take to send its request.
const READ_WITHIN: Duration = Duration::from_secs(3);
/// How long a caller may take to accept the answer.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// How long running requests may go on after the server was told to stop.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// Pause after a failed `accept`, which fails at once again while file descriptors are short.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// All that is answered.
const PATHS: [&str; 5] = [PATH_ADD, PATH_DEL, PATH_CHECK, PATH_GC, PATH_STATUS];

/// Why a request was not done. The text is for users: a stable code, the cause, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request itself is wrong: it fails again until somebody changes it. HTTP 400.
    BadRequest(String),
    /// It could not be done. HTTP 500.
    Failed(String),
    /// Nothing can be done now. HTTP 503.
    Unavailable(String),
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Failed(_) => 500,
            Self::Unavailable(_) => 503,
        }
    }

    /// What the user reads.
    pub fn text(&self) -> &str {
        match self {
            Self::BadRequest(text) | Self::Failed(text) | Self::Unavailable(text) => text,
        }
    }
}

/// Whoever waits for an answer.
#[derive(Debug)]
pub struct Caller(OwnedReadHalf);

impl Caller {
    /// Comes when the caller has closed the connection, so that nobody would read the answer. One that has only ended
    /// its own speech waits for it.
    pub async fn gone(&mut self) {
        let stream: &UnixStream = self.0.as_ref();
        // What comes after the request is nobody's.
        let mut rest = [0; 256];
        loop {
            if stream.ready(Interest::READABLE).await.is_err() {
                return;
            }
            match stream.try_read(&mut rest) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
        let listens = stream.ready(Interest::WRITABLE).await.is_ok_and(|ready| !ready.is_write_closed());
        if listens {
            std::future::pending::<()>().await;
        }
    }
}

/// What the server does for the plugin.
///
/// # Idempotence
/// Every verb may be repeated and answers the same; DEL and GC of what is not there succeed.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Wires an interface, or answers how it was wired before. When the caller goes, it is undone: nobody knows of it.
    async fn add(&self, request: PodRequest, caller: Caller) -> Result<PodResponse, Refusal>;
    /// Removes an interface.
    async fn del(&self, request: PodRequest) -> Result<(), Refusal>;
    /// Is the interface as [`Handler::add`] left it?
    async fn check(&self, request: PodRequest) -> Result<(), Refusal>;
    /// Removes the interfaces of one network that the runtime no longer knows.
    async fn gc(&self, request: GcRequest) -> Result<(), Refusal>;
    /// Could an interface be wired now?
    async fn status(&self) -> Result<(), Refusal>;
}

/// A socket that accepts requests.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
    observer: Arc<dyn Observer>,
}

impl Server {
    /// Listens on a socket that only root may use, in place of whatever was at `path`.
    ///
    /// Callers see either the old socket or the new one with its final mode, never something in between. Must be
    /// called inside a tokio runtime.
    pub fn bind(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let fresh = path.with_extension("new");
        remove(&fresh)?;
        let listener = UnixListener::bind(&fresh)?;
        std::fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
        let inode = std::fs::metadata(&fresh)?.ino();
        std::fs::rename(&fresh, &path)?;
        Ok(Self { listener, path, inode, observer: Arc::new(Unobserved) })
    }

    /// Tells how long each request took.
    pub fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Serves until `shutdown` ends, then lets running requests finish for a few seconds and removes the socket.
    pub async fn run(self, handler: Arc<dyn Handler>, shutdown: impl Future<Output = ()> + Send) {
        let mut running = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let observer = self.observer.clone();
                        running.spawn(serve(stream, handler.clone(), observer));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a CNI request");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                },
                Some(_) = running.join_next() => {}
            }
        }
        self.unlink();
        drop(self.listener);
        let drained = timeout(DRAIN_WITHIN, async { while running.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(requests = running.len(), "CNI requests were cut off by the shutdown");
        }
    }

    /// Removes our socket, but not one that a successor has put in its place.
    fn unlink(&self) {
        let ours = std::fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if ours && let Err(error) = remove(&self.path) {
            tracing::warn!(%error, socket = %self.path.display(), "cannot remove the CNI socket");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn serve(stream: UnixStream, handler: Arc<dyn Handler>, observer: Arc<dyn Observer>) {
    let began = Instant::now();
    let mut path = None;
    let (mut read, mut write) = stream.into_split();
    let (status, body) = match timeout(READ_WITHIN, http::read(&mut read)).await {
        Ok(Ok(Some(request))) => {
            path = PATHS.into_iter().find(|path| *path == request.path);
            answer(&request, handler.as_ref(), Caller(read)).await
        }
        // Closed without a word: somebody looked whether we listen.
        Ok(Ok(None)) => return,
        Ok(Err(refused)) => (refused.status, error_body(&refused.reason)),
        Err(_) => (408, error_body("the request did not come within 3 s")),
    };
    match timeout(WRITE_WITHIN, http::write(&mut write, status, &body)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the CNI caller did not wait for its answer"),
        Err(_) => tracing::debug!("the CNI caller does not read its answer"),
    }
    if let Some(path) = path {
        observer.answered(path, status, began.elapsed());
    }
}

async fn answer(request: &Request, handler: &dyn Handler, caller: Caller) -> (u16, Vec<u8>) {
    let done = match (request.method.as_str(), request.path.as_str()) {
        ("POST", PATH_ADD) => match parse(&request.body) {
            Ok(pod) => handler.add(pod, caller).await.map(Some),
            Err(refusal) => Err(refusal),
        },
        ("POST", PATH_DEL) => nothing(parse(&request.body).map(|pod| handler.del(pod))).await,
        ("POST", PATH_CHECK) => nothing(parse(&request.body).map(|pod| handler.check(pod))).await,
        ("POST", PATH_GC) => nothing(parse(&request.body).map(|gc| handler.gc(gc))).await,
        ("GET", PATH_STATUS) => handler.status().await.map(|()| None),
        (_, path) if PATHS.contains(&path) => {
            return (405, error_body("this path has another method"));
        }
        _ => return (404, error_body("no such path")),
    };
    match done {
        Ok(None) => (204, Vec::new()),
        Ok(Some(response)) => match serde_json::to_vec(&response) {
            Ok(body) => (200, body),
            Err(error) => (500, error_body(&error.to_string())),
        },
        Err(refusal) => (refusal.status(), error_body(refusal.text())),
    }
}

async fn nothing<F>(call: Result<F, Refusal>) -> Result<Option<PodResponse>, Refusal>
where
    F: Future<Output = Result<(), Refusal>>,
{
    call?.await.map(|()| None)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::BadRequest(format!("CNI-BAD-REQUEST: the request can't be read: {error}")))
}

fn error_body(error: &str) -> Vec<u8> {
    serde_json::json!({"error": error}).to_string().into_bytes()
}
