//! The control socket of ovn-northd, for who runs it: it can be told to wait while a database is rebuilt.
//!
//! northd carries every state of Northbound over to Southbound, an empty one, too, and then packets stop. Paused, it
//! sees only the state after the rebuilding. See ovn-northd(8), "Runtime Management Commands".

use std::{path::PathBuf, time::Duration};

use thiserror::Error;
use tokio::{net::UnixStream, time::timeout};

use crate::ovsdb::session::{RpcError, Session, SessionConfig};

/// How long northd may take to answer. While it computes it does not; what is to be rebuilt should not wait for long.
const PATIENCE: Duration = Duration::from_secs(2);

/// A northd of ours.
#[derive(Clone, Debug)]
pub struct Northd {
    socket: PathBuf,
}

/// northd could not be told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NorthdError {
    /// Nobody listens on its socket.
    #[error("NORTHD-SOCKET: {socket}: {error}. Is ovn-northd running, with this --unixctl?", socket = socket.display())]
    Socket {
        /// The socket.
        socket: PathBuf,
        /// The system's words.
        #[source]
        error: std::io::Error,
    },
    /// It did not do it.
    #[error("NORTHD-COMMAND: {error}")]
    Command {
        /// Why.
        #[source]
        error: RpcError,
    },
}

impl Northd {
    /// The northd whose control socket (`--unixctl`) this is.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Northd { socket: socket.into() }
    }

    /// Lets it wait. Doing it twice is no error.
    ///
    /// # Errors
    /// [`NorthdError`]
    pub async fn pause(&self) -> Result<(), NorthdError> {
        self.command("pause").await.map(drop)
    }

    /// Lets it go on with what the databases hold then. Doing it twice is no error.
    ///
    /// # Errors
    /// [`NorthdError`]
    pub async fn resume(&self) -> Result<(), NorthdError> {
        self.command("resume").await.map(drop)
    }

    /// Is it waiting?
    ///
    /// # Errors
    /// [`NorthdError`]
    pub async fn is_paused(&self) -> Result<bool, NorthdError> {
        Ok(self.command("is-paused").await?.contains("true"))
    }

    /// The control protocol is the same JSON-RPC as that of databases.
    async fn command(&self, command: &'static str) -> Result<String, NorthdError> {
        let socket = |error| NorthdError::Socket { socket: self.socket.clone(), error };
        let connected = timeout(PATIENCE, UnixStream::connect(&self.socket)).await;
        let stream =
            connected.map_err(|elapsed| socket(elapsed.into())).and_then(|stream| stream.map_err(socket))?;
        let (reader, writer) = stream.into_split();
        let config = SessionConfig { call_timeout: PATIENCE, ..SessionConfig::default() };
        let (session, _events) = Session::start(reader, writer, &config);
        let nothing: [&str; 0] = [];
        session.call(command, &nothing).await.map_err(|error| NorthdError::Command { error })
    }
}
