//! What a client counts.

use tokio::time::Instant;

/// Counters of a [`Client`](super::Client), from its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// See [`Client::epoch`](super::Client::epoch).
    pub epoch: u64,
    /// How often the consumer was told to compare anew.
    pub resyncs: u64,
    /// Sessions after the first.
    pub reconnects: u64,
    /// Requests on the wire now.
    pub in_flight: usize,
    /// Transactions that were submitted and not sent yet, because too much is in flight or the fence is not claimed.
    pub queued: usize,
    /// Answers of the server that were compared with the replica.
    pub audits: u64,
    /// How often the audit found rows that differ, and read all again.
    pub mismatches: u64,
    /// When the audit last compared something.
    pub last_audit: Option<Instant>,
}
