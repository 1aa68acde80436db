//! The in-memory server over a unix socket, in the protocol of ovsdb-server: `ovn-nbctl`, `ovsdb-client`, libraries
//! and our own client use it as they use a real one.
//!
//! ```text
//! Served ── listener ── connection (reads frames, writes what is queued, one task each)
//!                            │ a frame, under the lock of the hub
//!                       methods ── Server (transactions) ── Service: sessions, monitors, locks, blocked transactions,
//!                                                                     the last 100 transactions
//! ```
//!
//! ```no_run
//! use kubeovn_ovn::memory::{Server, serve::{ServeConfig, Served}};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::read(&std::fs::read_to_string("/usr/share/ovn/ovn-nb.ovsschema")?)?;
//! let served = Served::bind(server, "/run/lab/nb.sock", ServeConfig::default())?;
//! println!("ovn-nbctl --db={} show", served.endpoint());
//! # Ok(())
//! # }
//! ```
//!
//! # What a real server guarantees and this one does too
//! * Transactions are atomic and happen one after the other; all clients see them in that order.
//! * What a transaction of a client changed is told to it before the transaction is answered.
//! * A `wait` that is not met waits for others to change the rows, up to its timeout, and holds up nobody else, also
//!   not later requests of its own client. Transactions that wait are tried again in the order in which they came.
//! * `monitor`, `monitor_cond` and `monitor_cond_since` with columns, kinds of change and conditions; conditions can be
//!   changed. Locks, with `assert`.
//! * A `_Server` database that says: standalone, connected, leader.
//!
//! # What is other than with a real server
//! * Nothing is on disk: who restarts the process begins with nothing. Transaction ids are of this process, so nobody
//!   resumes what another process served.
//! * Transaction ids and the last 100 transactions are kept, which of the real ones only a clustered server does.
//! * `_version` is made of a row's contents: it is the same again when a row is what it was.
//! * Each transaction is told by itself, never several in one.
//! * Details of errors have other words; their kind (`error`) is the same. Values are checked as
//!   [`Server`](super::Server) says: no enumerations, ranges, lengths.
//! * There is no `convert`. A canceled transaction is answered `canceled`, as RFC 7047 says; ovsdb-server 3.1 is
//!   silent. All conditions of one table in one monitor must be the same.
//! * No probes: on a unix socket a peer that is gone is noticed without. No TCP, no TLS, no roles.
//! * All are served under one lock. A client that asks for a dump of a large database makes others wait.
//!
//! # Bounds
//! See [`ServeConfig`]. A client with a full backlog is not read any more; if changes of others keep coming and it
//! does not take them, it is dropped.

mod about;
mod blocked;
mod condition;
mod connection;
mod locks;
mod methods;
mod monitor;
mod outbox;
mod reply;
mod request;
mod schema;
mod service;
mod told;

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use kubeovn_core::rows::Schema;
use tokio::{net::UnixListener, runtime::Handle, task::AbortHandle};

pub(super) use self::service::Service;
use super::{
    Memory, Server,
    hub::{self, Shared, lock},
};
use crate::ovsdb::connect::Endpoint;

/// How much clients may ask for.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// The longest message accepted, in bytes. A longer one ends the connection.
    pub max_message: usize,
    /// How many bytes may wait for a client to take them before it is dropped. One message may exceed it, so a dump
    /// of any size can be had.
    pub max_backlog: usize,
    /// How many connections there may be. Further ones are closed at once.
    pub max_connections: usize,
    /// How many monitors, and how many locks, a client may have, and how many of its transactions may wait.
    pub max_held: usize,
}

/// A server that is served until this value is dropped. Then all connections are closed and the socket is removed.
#[derive(Debug)]
pub struct Served {
    path: PathBuf,
    /// Device and number of the socket, so that no other's is removed.
    socket: (u64, u64),
    hub: Shared,
    tasks: [AbortHandle; 2],
}

/// Why a server can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Somebody listens there already.
    #[error("OVSDB-SERVE-IN-USE: a process listens on {path} already; end it or choose another path")]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something else than a socket is there.
    #[error("OVSDB-SERVE-NO-SOCKET: {path} is there and is no socket; remove it or choose another path")]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("OVSDB-SERVE-SOCKET: no socket at {path}: {error}; the directory must exist and be writable")]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's words.
        #[source]
        error: io::Error,
    },
    /// There is no tokio runtime to serve on.
    #[error("OVSDB-SERVE-NO-RUNTIME: serving needs a tokio runtime; call it within one")]
    NoRuntime,
}

impl Default for ServeConfig {
    /// 64 MiB a message, 64 MiB of backlog, 100 connections, 100 monitors, locks and waiting transactions each.
    fn default() -> Self {
        Self { max_message: 64 << 20, max_backlog: 64 << 20, max_connections: 100, max_held: 100 }
    }
}

impl Served {
    /// Serves a server on a new unix socket, which only this user may open. A socket that nobody listens on any more
    /// is replaced. Must be called within a tokio runtime with time and I/O.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub fn bind(server: Server, path: impl Into<PathBuf>, config: ServeConfig) -> Result<Self, ServeError> {
        Self::start(hub::shared(server), path.into(), config)
    }

    pub(super) fn start(hub: Shared, path: PathBuf, config: ServeConfig) -> Result<Self, ServeError> {
        let runtime = Handle::try_current().map_err(|_| ServeError::NoRuntime)?;
        clear(&path)?;
        let listen = || -> io::Result<(UnixListener, (u64, u64))> {
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok((listener, identity(&path)?))
        };
        let (listener, socket) = listen().map_err(|error| ServeError::Io { path: path.clone(), error })?;
        let changed = {
            let mut open = lock(&hub);
            open.open_service();
            open.service.deadlines()
        };
        let listening = runtime.spawn(connection::listen(listener, hub.clone(), config));
        let timing = runtime.spawn(blocked::expire(hub.clone(), changed));
        Ok(Self { path, socket, hub, tasks: [listening.abort_handle(), timing.abort_handle()] })
    }

    /// Where it is served, as clients write it: `unix:PATH`.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Unix(self.path.clone())
    }

    /// A client in this process. It and those of the socket see each other's changes.
    pub fn client(&self, schema: &'static Schema) -> Memory {
        Memory::join(schema, self.hub.clone())
    }

    /// How many clients are connected to all sockets of this server.
    pub fn connections(&self) -> usize {
        lock(&self.hub).service.sessions()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if identity(&self.path).is_ok_and(|socket| socket == self.socket) {
            // gone already is as good
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket that nobody listens on.
fn clear(path: &Path) -> Result<(), ServeError> {
    let failed = |error| ServeError::Io { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ServeError::NoSocket { path: path.to_owned() });
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
        Ok(_) => Err(ServeError::InUse { path: path.to_owned() }),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}
