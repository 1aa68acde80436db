//! A database that is read as a replica and written by transactions: Northbound, Open_vSwitch, or one in memory.

use async_trait::async_trait;

use crate::rows::{Outcome, Replica, RowChange, Txn};

/// What a database tells, in the order in which it happened.
#[derive(Debug, PartialEq, Eq)]
pub enum DbEvent {
    /// The replica is complete and new: after connecting, and after each loss. Forget what was compared before.
    Resynced,
    /// Rows changed; the replica holds the changes already.
    Changed(Vec<RowChange>),
    /// What became of a transaction. Its rows were in earlier `Changed` events.
    Committed {
        /// [`Txn::id`].
        id: u64,
        /// The outcome.
        outcome: Outcome,
    },
    /// The server is out of reach; the replica keeps its last state and can't be written to. Reconnecting goes on by
    /// itself and ends with `Resynced`.
    Lost {
        /// Why, for the log.
        reason: String,
    },
}

/// A database.
///
/// # Guarantees
/// Events come in the order of the wire: the replica holds a transaction's effect before its `Committed` is
/// answered. Every submitted transaction is answered exactly once. After `Outcome::Unknown` comes a `Resynced`.
#[async_trait]
pub trait Database: Send {
    /// Sends a transaction. Returns at once; an empty one is answered `Done`.
    fn submit(&mut self, txn: Txn);

    /// The next event. Waits for ever when nothing happens.
    ///
    /// # Cancellation
    /// Safe: no event is lost when the future is dropped.
    async fn next(&mut self) -> DbEvent;

    /// The state as of the last event answered by [`next`](Database::next).
    fn replica(&self) -> &dyn Replica;
}
