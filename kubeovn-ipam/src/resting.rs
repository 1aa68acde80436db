//! Freed addresses that wait before they are given again, so that late packets and caches find nobody.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::rows::Millis;

/// Addresses and when their rest ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resting {
    until: BTreeMap<u128, Millis>,
    queue: BTreeSet<(Millis, u128)>,
}

impl Resting {
    /// Lets an address rest, in place of an earlier rest.
    pub(crate) fn insert(&mut self, n: u128, until: Millis) {
        if let Some(before) = self.until.insert(n, until) {
            self.queue.remove(&(before, n));
        }
        self.queue.insert((until, n));
    }

    /// Ends the rest of one address; `false` when it was not resting.
    pub(crate) fn remove(&mut self, n: u128) -> bool {
        self.until.remove(&n).is_some_and(|until| self.queue.remove(&(until, n)))
    }

    /// An address whose rest is over at `now`, taken out.
    pub(crate) fn pop(&mut self, now: Millis) -> Option<u128> {
        let (until, n) = self.queue.first().copied().filter(|(until, _)| *until <= now)?;
        self.queue.remove(&(until, n));
        self.until.remove(&n);
        Some(n)
    }

    /// The addresses, the one whose rest ends first at the front.
    pub(crate) fn by_time(&self) -> impl Iterator<Item = (Millis, u128)> + '_ {
        self.queue.iter().copied()
    }

    /// The addresses from `first` to `last`.
    pub(crate) fn within(&self, first: u128, last: u128) -> impl Iterator<Item = u128> + '_ {
        self.until.range(first..=last).map(|(n, _)| *n)
    }

    /// When the rest of an address ends.
    pub(crate) fn until(&self, n: u128) -> Option<Millis> {
        self.until.get(&n).copied()
    }
}
