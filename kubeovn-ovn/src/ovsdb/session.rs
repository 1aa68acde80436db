//! One connection to an OVSDB server: requests go out, events come back in the order of the wire.
//!
//! ```text
//!  submit, monitor ─┐                       ┌─> Events: updates, dumps, replies to transact,
//!  call ────────────┴─> writer ═══> server ═══> reader ─┤           in wire order, then Closed
//!             echo replies, probes <────────────┘       └─> answers of `call`
//! ```
//!
//! Reader and writer are tasks of their own, because a server stops reading while its answers are not read: one task
//! doing both stands still under load.
//!
//! Everything is bounded ([`SessionConfig`]): requests that wait for an answer, bytes that wait to be written, events
//! that wait to be taken, the time for each answer, and the length of a message.

mod config;
mod error;
mod pending;
mod queue;
mod reader;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    task::AbortHandle,
    time::{Instant, timeout_at},
};

pub use self::{
    config::{MonitorMethod, SessionConfig},
    error::{CloseReason, RpcError},
    queue::Events,
};
use self::{
    pending::{Expected, NoRoom, Pending, Room},
    queue::{Outbox, Stuck},
};
use super::wire::{DbSchema, MonitorReply, Notification, OpResult, Operation, ServerError, encode_request};

/// The requesting side of a connection. Dropping it ends both tasks and with them the connection.
#[derive(Debug)]
pub struct Session {
    out: Outbox,
    pending: Arc<Pending>,
    next_id: AtomicU64,
    max_in_flight: usize,
    call_timeout: Duration,
    transact_timeout: Duration,
    dump_timeout: Duration,
    tasks: [AbortHandle; 2],
}

/// What a connection delivers, in the order in which the bytes arrived.
#[derive(Debug)]
pub enum SessionEvent {
    /// The first state of a monitor; no update of that monitor comes before it.
    Monitored {
        /// The identity given with [`Session::monitor`].
        monitor: Arc<str>,
        /// The dump, or why there is none.
        reply: Result<MonitorReply, ServerError>,
    },
    /// Rows changed.
    Update(Notification),
    /// A transaction was answered. Its changes of monitored rows were in earlier updates.
    Reply {
        /// The number given with [`Session::submit`].
        id: u64,
        /// One result per operation and one more if the commit failed, or why the whole request was refused.
        result: Result<Vec<OpResult>, ServerError>,
    },
    /// The connection is over. What was not answered by now never will be. Always the last event.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

impl Session {
    /// Starts the two tasks of a connection on the current runtime, over the halves of any stream.
    pub fn start(
        reader: impl AsyncRead + Unpin + Send + 'static,
        writer: impl AsyncWrite + Unpin + Send + 'static,
        config: &SessionConfig,
    ) -> (Self, Events) {
        let (out, frames) = queue::outbox(config);
        let (failed, failure) = oneshot::channel();
        let (events, received) = queue::events(config);
        let pending = Arc::new(Pending::new(config.max_in_flight));
        let writer = tokio::spawn(frames.write_to(writer, failed)).abort_handle();
        let reader = reader::Reader::new(reader, out.clone(), pending.clone(), events, config);
        let reader = tokio::spawn(reader.run(failure)).abort_handle();
        let session = Self {
            out,
            pending,
            next_id: AtomicU64::new(0),
            max_in_flight: config.max_in_flight,
            call_timeout: config.call_timeout,
            transact_timeout: config.transact_timeout,
            dump_timeout: config.dump_timeout,
            tasks: [reader, writer],
        };
        (session, received)
    }

    /// Whether [`submit`](Self::submit) and [`monitor`](Self::monitor) would find room now. It comes with answers.
    pub fn has_room(&self) -> bool {
        self.pending.has_room() && self.out.has_room()
    }

    /// How many requests wait for their answer; probes of ours are not among them.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Sends a transaction; the answer comes as [`SessionEvent::Reply`] with the same `id`. Does not wait. If the
    /// connection is closed already nothing is sent, and [`SessionEvent::Closed`] tells.
    ///
    /// # Errors
    /// Nothing was sent: [`RpcError::Busy`] and [`RpcError::Stuck`] when too much is on its way, which passes;
    /// [`RpcError::Json`] for operations that have no JSON form.
    pub fn submit(&self, id: u64, database: &str, operations: &[Operation]) -> Result<(), RpcError> {
        struct Params<'a>(&'a str, &'a [Operation]);
        impl Serialize for Params<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeSeq;
                let mut seq = serializer.serialize_seq(Some(1 + self.1.len()))?;
                seq.serialize_element(self.0)?;
                self.1.iter().try_for_each(|operation| seq.serialize_element(operation))?;
                seq.end()
            }
        }
        let expected = Expected::Transact { id };
        self.send("transact", &Params(database, operations), expected, self.transact_timeout)
    }

    /// Starts a monitor; its dump comes as [`SessionEvent::Monitored`] with the same identity. Does not wait.
    /// `params` are those of the method, `monitor` the identity that they contain.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn monitor(
        &self,
        method: MonitorMethod,
        monitor: Arc<str>,
        params: &(impl Serialize + ?Sized),
    ) -> Result<(), RpcError> {
        let expected = Expected::Monitor { monitor, since: method == MonitorMethod::CondSince };
        self.send(method.as_str(), params, expected, self.dump_timeout)
    }

    /// Calls a method and waits for its result, as JSON text; first for room if too many requests are on their way.
    /// The answer does not wait for events before it to be taken, unless so many are waiting that nothing is read:
    /// take events meanwhile if monitors are on.
    ///
    /// # Cancellation
    /// Safe: the request is forgotten, and its answer thrown away.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn call(
        &self,
        method: &'static str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<String, RpcError> {
        let deadline = Instant::now() + self.call_timeout;
        let Ok(room) = timeout_at(deadline, self.pending.wait_for_room()).await else {
            return Err(RpcError::Busy { method, limit: self.max_in_flight });
        };
        let room = room.ok_or(RpcError::Closed { method })?;
        let (answer, answered) = oneshot::channel();
        let id = self.put(method, params, Expected::Call { answer }, self.call_timeout, room)?;
        let _forget = pending::Forget { pending: &self.pending, id };
        match timeout_at(deadline, answered).await {
            Ok(Ok(Ok(result))) => Ok(result),
            Ok(Ok(Err(error))) => Err(RpcError::Refused { method, error }),
            Ok(Err(_)) => Err(RpcError::Closed { method }),
            Err(_) => Err(RpcError::TimedOut { method, seconds: self.call_timeout.as_secs() }),
        }
    }

    /// The databases that the server has.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn list_dbs(&self) -> Result<Vec<String>, RpcError> {
        let method = "list_dbs";
        let result = self.call(method, &[(); 0]).await?;
        serde_json::from_str(&result).map_err(|error| RpcError::Json { method, error })
    }

    /// The schema of a database.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn get_schema(&self, database: &str) -> Result<DbSchema, RpcError> {
        let method = "get_schema";
        let result = self.call(method, &[database]).await?;
        DbSchema::decode(&result).map_err(|error| RpcError::Json { method, error })
    }

    /// Tells the server that we watch `_Server`, so that it need not drop us when a database comes, goes or is
    /// converted.
    ///
    /// # Errors
    /// See [`RpcError`]; servers before OVS 2.9 refuse, and drop us then.
    pub async fn set_db_change_aware(&self) -> Result<(), RpcError> {
        self.call("set_db_change_aware", &[true]).await.map(drop)
    }

    /// A round trip.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn echo(&self) -> Result<(), RpcError> {
        self.call("echo", &[(); 0]).await.map(drop)
    }

    /// Sends without waiting.
    fn send(
        &self,
        method: &'static str,
        params: &(impl Serialize + ?Sized),
        expected: Expected,
        timeout: Duration,
    ) -> Result<(), RpcError> {
        match self.pending.room() {
            Ok(room) => self.put(method, params, expected, timeout, room).map(drop),
            Err(NoRoom::Full) => Err(RpcError::Busy { method, limit: self.max_in_flight }),
            Err(NoRoom::Closed) => Ok(()),
        }
    }

    fn put(
        &self,
        method: &'static str,
        params: &(impl Serialize + ?Sized),
        expected: Expected,
        timeout: Duration,
        room: Room,
    ) -> Result<u64, RpcError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = encode_request(id, method, params).map_err(|error| RpcError::Json { method, error })?;
        self.pending.expect(id, method, expected, timeout, Some(room));
        self.out.push(frame).map_err(|Stuck { bytes }| {
            self.pending.take(id);
            RpcError::Stuck { method, bytes, limit: self.out.limit() }
        })?;
        Ok(id)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
