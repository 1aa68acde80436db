//! How a session, or a call on it, can fail.

use crate::ovsdb::wire::{ServerError, codec::FrameError};

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The server closed it.
    #[error("the server closed the connection")]
    Ended,
    /// Reading or writing failed.
    #[error("the connection failed: {error}")]
    Failed {
        /// The system's words.
        error: String,
    },
    /// Not a byte came in spite of a probe.
    #[error("the server was silent for {seconds} s and did not answer a probe")]
    Silent {
        /// How long, in seconds.
        seconds: u64,
    },
    /// A transaction or dump was not answered in time, though the connection lives.
    #[error(
        "OVSDB-OVERDUE: {method} (request {id}) was not answered within {seconds} s, while the server gave signs of \
         life: it is overloaded, or its cluster has no majority. Look at `ovs-appctl -t <its control socket> \
         cluster/status <database>`; this side connects anew and reads what became of it"
    )]
    Overdue {
        /// The request on the wire.
        id: u64,
        /// What was asked for.
        method: &'static str,
        /// The time allowed, in seconds.
        seconds: u64,
    },
    /// The server sends, but does not read.
    #[error(
        "OVSDB-STUCK: {bytes} bytes wait to be written, and the server takes none of them. If this comes again on a new \
         connection, look at the server's load and at what is between it and us"
    )]
    Stuck {
        /// How many bytes wait.
        bytes: usize,
    },
    /// The stream can't be cut into messages.
    #[error("the server's stream is broken: {0}")]
    Framing(FrameError),
    /// A message can't be understood, so updates may be missing.
    #[error("a message can't be understood: {error}; it begins {begin:?}")]
    Decoding {
        /// What is wrong with it.
        error: String,
        /// Its first characters.
        begin: String,
    },
    /// The server stopped a monitor: its database went away or is being converted.
    #[error("the server canceled a monitor: {params}")]
    Canceled {
        /// What it said.
        params: String,
    },
    /// The [`Session`](super::Session) was dropped.
    #[error("closed on this side")]
    Dropped,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// The server refused.
    #[error("{method}: {error}")]
    Refused {
        /// The method called.
        method: &'static str,
        /// The server's words.
        error: ServerError,
    },
    /// Not sent: so many requests wait for their answer already. There is room again when one was answered.
    #[error(
        "OVSDB-BUSY: {method} not sent, {limit} requests wait for their answer; send it after one was answered"
    )]
    Busy {
        /// The method called.
        method: &'static str,
        /// [`SessionConfig::max_in_flight`](super::SessionConfig::max_in_flight).
        limit: usize,
    },
    /// Not sent: the server does not read what was sent before.
    #[error(
        "OVSDB-STUCK: {method} not sent, {bytes} bytes of other requests are not written yet (limit {limit}); send it \
         after one was answered"
    )]
    Stuck {
        /// The method called.
        method: &'static str,
        /// How many bytes wait.
        bytes: usize,
        /// [`SessionConfig::max_unwritten`](super::SessionConfig::max_unwritten).
        limit: usize,
    },
    /// No answer in time.
    #[error("{method} was not answered within {seconds} s")]
    TimedOut {
        /// The method called.
        method: &'static str,
        /// The time allowed, in seconds.
        seconds: u64,
    },
    /// The connection ended before the answer; the reason is in [`SessionEvent::Closed`](super::SessionEvent::Closed).
    #[error("{method}: the connection is closed")]
    Closed {
        /// The method called.
        method: &'static str,
    },
    /// The parameters or the result have the wrong shape.
    #[error("{method}: {error}")]
    Json {
        /// The method called.
        method: &'static str,
        /// What is wrong.
        #[source]
        error: serde_json::Error,
    },
}
