//! What a store remembers, taken back.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{Keeper, lock};
use crate::{AddrError, Entry, Grant, Ledger, store::Store};

impl<S: Store> Keeper<S> {
    /// Takes the entries of a store: each space its own, and all of them what is said of no subnet.
    pub(super) fn recall(&self, entries: &[Entry]) -> Result<(), AddrError> {
        let mut directory = self.write();
        let known = directory.ledgers.keys().map(|space| (space.clone(), Vec::new()));
        let mut parts: BTreeMap<Arc<str>, Vec<&Entry>> = known.collect();
        for entry in entries {
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
                parts.values_mut().for_each(|part| part.push(entry));
                continue;
            };
            if let Some(space) = directory.spaces.get(subnet).or(space).cloned() {
                directory.spaces.entry(subnet.clone()).or_insert_with(|| space.clone());
                parts.entry(space).or_default().push(entry);
            }
        }
        for (space, part) in parts {
            let kept = directory.ledger(&space);
            let mut kept = lock(&kept);
            kept.ledger.apply_all(&part)?;
            self.generation.fetch_max(kept.ledger.generation(), Relaxed);
        }
        Ok(())
    }

    /// Takes the entries of a store in which subnets are in other spaces than now: what came of them all, since on the
    /// way two may have held what they can't hold together today. In which order addresses were given is lost.
    pub(super) fn recall_moved(&self, entries: &[Entry]) -> Result<(), AddrError> {
        let mut then = Ledger::new();
        then.apply_all(entries)?;
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
