//! What was appended and acknowledged, and so what must be found again.

use std::time::Duration;

use kubeovn_ipam::{
    Entry, OwnerKey, OwnerKind,
    store::{Journal, Options, Store, StoreError, Ticket},
};

use crate::{
    help::{load, settled, uid},
    sim::Sim,
};

pub(crate) const DIR: &str = "/ledger";

/// Opens the journal of a simulated system. Who holds the lock there never waits for us.
pub(crate) fn open(sim: &Sim) -> Result<Journal, StoreError> {
    let options = Options { wait: Duration::ZERO, ..Options::default() };
    Journal::open_on(sim.disk(), DIR, options)
}

/// The list as a store would have it that loses nothing.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    appended: Vec<String>,
    /// How many of them are acknowledged.
    acknowledged: usize,
    /// Those cut off by a crash are never used again: so it would be seen if one came back.
    used: u64,
}

impl Lineage {
    /// Appends something new and says where it stands.
    pub(crate) fn append(&mut self, store: &impl Store) -> Result<(Ticket, usize), StoreError> {
        self.used += 1;
        // Of any length, so that lines lie across the ends of blocks in all ways.
        let fill = usize::try_from(self.used * 37 % 300).unwrap();
        let uid = format!("{}:{}", self.used, "x".repeat(fill));
        let ticket = store.append(&settled(&uid))?;
        self.appended.push(uid);
        Ok((ticket, self.appended.len()))
    }

    /// Syncs what [`Lineage::append`] gave.
    pub(crate) fn sync(&mut self, store: &impl Store, at: (Ticket, usize)) -> Result<(), StoreError> {
        store.sync(at.0)?;
        self.acknowledged = self.acknowledged.max(at.1);
        Ok(())
    }

    /// Appends and syncs.
    pub(crate) fn add(&mut self, store: &impl Store) -> Result<(), StoreError> {
        let at = self.append(store)?;
        self.sync(store, at)
    }

    /// One entry for all of them.
    pub(crate) fn compact(&mut self, store: &impl Store) -> Result<(), StoreError> {
        let last = self.appended.last().cloned().unwrap_or_default();
        let owner = OwnerKey::new(OwnerKind::Node, self.appended.len().to_string());
        store.compact(&mut [Entry::Activated { owner, nic: last.into() }].into_iter())?;
        self.acknowledged = self.appended.len();
        Ok(())
    }

    /// What a store has must be a beginning of what was appended, with all that was acknowledged. From here on it is
    /// what was appended.
    pub(crate) fn check(&mut self, store: &impl Store) {
        let mut entries = load(store);
        let mut found = Vec::new();
        if let Some(Entry::Activated { owner, nic }) = entries.first() {
            found = self.appended[..owner.name.parse::<usize>().unwrap()].to_vec();
            assert_eq!(**nic, *found.last().cloned().unwrap_or_default(), "a snapshot of something else");
            entries.remove(0);
        }
        found.extend(entries.iter().map(uid));
        assert!(found.len() >= self.acknowledged, "{} of {} found", found.len(), self.acknowledged);
        assert!(found.len() <= self.appended.len(), "more than was appended");
        self.appended.truncate(found.len());
        assert_eq!(found, self.appended);
    }
}
