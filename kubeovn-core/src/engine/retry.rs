//! When a refused owner is tried again.

use std::collections::{BTreeMap, BTreeSet};

use crate::rows::{Millis, OwnerKey};

/// First pause; doubles with every refusal.
const FIRST: Millis = 1_000;
/// Longest pause.
const LONGEST: Millis = 300_000;

/// Owners that the database refused, with the time of their next try.
#[derive(Debug, Default)]
pub(super) struct Retries {
    due: BTreeSet<(Millis, OwnerKey)>,
    owners: BTreeMap<OwnerKey, (u32, Millis)>,
}

impl Retries {
    /// Refused once more.
    pub(super) fn refused(&mut self, owner: &OwnerKey, now: Millis) {
        let count = match self.owners.get(owner) {
            Some((count, at)) => {
                self.due.remove(&(*at, owner.clone()));
                count.saturating_add(1)
            }
            None => 1,
        };
        let at = now + (FIRST << (count - 1).min(16)).min(LONGEST);
        self.owners.insert(owner.clone(), (count, at));
        self.due.insert((at, owner.clone()));
    }

    /// Went through, changed, or left.
    pub(super) fn forget(&mut self, owner: &OwnerKey) {
        if let Some((_, at)) = self.owners.remove(owner) {
            self.due.remove(&(at, owner.clone()));
        }
    }

    /// Is the owner waiting for its time?
    pub(super) fn waits(&self, owner: &OwnerKey) -> bool {
        self.owners.contains_key(owner)
    }

    /// Owners whose time has come. They keep their count until [`forget`](Self::forget).
    pub(super) fn take_due(&mut self, now: Millis) -> Vec<OwnerKey> {
        let mut out = Vec::new();
        while let Some((at, owner)) = self.due.first().filter(|(at, _)| *at <= now).cloned() {
            self.due.remove(&(at, owner.clone()));
            out.push(owner);
        }
        out
    }

    /// The next time.
    pub(super) fn next(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| *at)
    }
}
