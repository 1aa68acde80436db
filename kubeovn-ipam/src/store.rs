//! Where changes are made durable, before anybody is told of them.
//!
//! ```text
//!  plan (nothing changed) ──> append ──> commit (memory) ──> sync ──> answer
//!     under the ledger's lock, in one go ─────────┘            └─ waits, with others, without the lock
//! ```
//!
//! A store keeps entries in the order in which they were appended, and makes them durable in that order. So a change
//! may be built on an earlier one that is not durable yet: if the later one survives, the earlier one does.
//!
//! [`Journal`] is a file that several processes may use in turn, [`Memory`] is for tests.
//!
//! A store that takes its time (an API server) goes the same way: plan, write, then
//! [`Ledger::commit`](crate::Ledger::commit), which refuses the plan if the ledger has changed meanwhile. What was
//! written must be taken back then, before another plan is made: so let nobody else plan while the write is on its way.

use std::sync::Arc;

use crate::Entry;

mod error;
mod journal;
mod memory;

pub use error::{Damage, LineError, StoreError};
#[doc(hidden)]
pub use journal::disk;
pub use journal::{Journal, Options};
pub use memory::Memory;

/// The place of an entry in its store. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A durable list of entries.
///
/// # Guarantees
/// What [`Store::sync`] said is durable is read again by whoever opens the store next, whole, in order, and with all
/// that was appended before it. What was appended and not synced is read in order up to some point, or not at all;
/// never in part.
///
/// # Errors
/// After a failed write or sync nobody knows what is on the disk: the store refuses everything from then on. Open it
/// anew.
pub trait Store: Send + Sync {
    /// Calls `each` for every entry that survived, the oldest first. Called once, before anything is appended.
    fn load(&self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreError>;

    /// Puts an entry behind all others. Does not wait: it is not durable yet.
    fn append(&self, entry: &Entry) -> Result<Ticket, StoreError>;

    /// Waits until an entry and all before it are durable. Many may wait at once and share one write. What is durable
    /// already is so after a failure too.
    fn sync(&self, ticket: Ticket) -> Result<(), StoreError>;

    /// The ticket of the last entry, loaded or appended; 0 when there is none. Whoever appended a loaded one may have
    /// died before it was durable: who answers from what was loaded, and appends nothing, syncs this one first.
    fn tip(&self) -> Ticket;

    /// Would a snapshot make the store considerably smaller?
    fn is_wasteful(&self) -> bool;

    /// Puts a snapshot in place of all entries appended so far, which it must be made from. Durable when it returns;
    /// if it fails, the entries are still there. Refused if something was appended while `snapshot` was read.
    fn compact(&self, snapshot: &mut dyn Iterator<Item = Entry>) -> Result<(), StoreError>;
}

/// Does a list have far more entries than its state needs? The last snapshot says what it needed, the thousand keeps a
/// small ledger from being written anew all the time. So over the life of a store less than half as many entries are
/// written into snapshots as are appended, and a restart reads at most five times what it must.
fn outgrown(entries: u64, snapshot: u64) -> bool {
    entries.saturating_sub(snapshot) > snapshot.saturating_mul(4).saturating_add(1000)
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn load(&self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        (**self).load(each)
    }

    fn append(&self, entry: &Entry) -> Result<Ticket, StoreError> {
        (**self).append(entry)
    }

    fn sync(&self, ticket: Ticket) -> Result<(), StoreError> {
        (**self).sync(ticket)
    }

    fn tip(&self) -> Ticket {
        (**self).tip()
    }

    fn is_wasteful(&self) -> bool {
        (**self).is_wasteful()
    }

    fn compact(&self, snapshot: &mut dyn Iterator<Item = Entry>) -> Result<(), StoreError> {
        (**self).compact(snapshot)
    }
}
