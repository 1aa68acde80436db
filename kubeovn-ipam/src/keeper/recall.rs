//! What a store remembers, taken back.

use std::sync::atomic::Ordering::Relaxed;

use super::{Keeper, lock};
use crate::{AddrError, Entry, Grant, Ledger, store::Store};

impl<S: Store> Keeper<S> {
    /// Takes an entry of the store.
    pub(super) fn recall(&self, entry: &Entry) -> Result<(), AddrError> {
        let (subnet, space) = match entry {
            Entry::Settled(settlement) => {
                let granted = settlement.granted.first().map(|granted| &granted.grant);
                let released = settlement.released.first().map(|released| &released.subnet);
                (granted.map(|grant| &grant.subnet).or(released), granted.map(|grant| &grant.space))
            }
            Entry::Shelved(shelves) => (Some(&shelves.subnet), None),
            Entry::Generation(generation) => {
                self.generation.fetch_max(*generation, Relaxed);
                (None, None)
            }
            Entry::Activated { .. } => (None, None),
        };
        let Some(subnet) = subnet else {
            return self.all().iter().try_for_each(|kept| lock(kept).ledger.apply(entry).map(|_| ()));
        };
        let mut directory = self.write();
        let known = directory.spaces.get(subnet).or(space).cloned();
        let Some(space) = known else { return Ok(()) };
        directory.spaces.entry(subnet.clone()).or_insert_with(|| space.clone());
        let kept = directory.ledger(&space);
        drop(directory);
        let mut kept = lock(&kept);
        kept.ledger.apply(entry)?;
        self.generation.fetch_max(kept.ledger.generation(), Relaxed);
        Ok(())
    }

    /// Takes the entries of a store in which subnets are in other spaces than now: what came of them all, since on the
    /// way two may have held what they can't hold together today. In which order addresses were given is lost.
    pub(super) fn recall_moved(&self, entries: &[Entry]) -> Result<(), AddrError> {
        let mut then = Ledger::new();
        entries.iter().try_for_each(|entry| then.apply(entry).map(|_| ()))?;
        self.generation.fetch_max(then.generation(), Relaxed);
        for (owner, uid) in then.owners() {
            for grant in then.held(&owner) {
                let mut directory = self.write();
                let space =
                    directory.spaces.entry(grant.subnet.clone()).or_insert_with(|| grant.space.clone());
                let space = space.clone();
                let kept = directory.ledger(&space);
                drop(directory);
                lock(&kept).ledger.restore(&owner, &uid, &Grant { space, ..grant })?;
            }
        }
        Ok(())
    }
}
