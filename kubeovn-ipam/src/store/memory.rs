//! A store without a disk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Store, StoreError, Ticket, outgrown};
use crate::Entry;

/// A store in memory, for tests and for ledgers that need not outlive their process. A clone is the same store, as
/// the next process would open it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    list: Arc<Mutex<List>>,
}

#[derive(Debug, Default)]
struct List {
    entries: Vec<Entry>,
    last: u64,
    /// How many of the entries are the snapshot.
    snapshot: u64,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // No step leaves the list half changed, so a panic elsewhere does no harm.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn load(&self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        let entries = self.list().entries.clone();
        entries.into_iter().for_each(each);
        Ok(())
    }

    fn append(&self, entry: &Entry) -> Result<Ticket, StoreError> {
        let mut list = self.list();
        list.entries.push(entry.clone());
        list.last += 1;
        Ok(Ticket(list.last))
    }

    fn sync(&self, ticket: Ticket) -> Result<(), StoreError> {
        let last = self.list().last;
        if ticket.0 > last {
            return Err(StoreError::UnknownTicket { ticket: ticket.0, last });
        }
        Ok(())
    }

    fn tip(&self) -> Ticket {
        Ticket(self.list().last)
    }

    fn is_wasteful(&self) -> bool {
        let list = self.list();
        outgrown(list.entries.len() as u64, list.snapshot)
    }

    fn compact(&self, snapshot: &mut dyn Iterator<Item = Entry>) -> Result<(), StoreError> {
        let before = self.list().last;
        let entries: Vec<Entry> = snapshot.collect();
        let mut list = self.list();
        if list.last != before {
            return Err(StoreError::Outpaced { appended: list.last - before });
        }
        list.snapshot = entries.len() as u64;
        list.last += list.snapshot;
        list.entries = entries;
        Ok(())
    }
}
