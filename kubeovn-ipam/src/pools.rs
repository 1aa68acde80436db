//! The pools of one prefix: the named ones, and what they leave over. Every address that hosts may have is in one.

use std::sync::Arc;

use kubeovn_core::contract::ipam::Order;

use crate::{
    pool::Pool,
    range_set::RangeSet,
    shape::{Prefix, Shape},
};

/// A prefix cut into pools.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    prefix: Prefix,
    /// By name; that of the addresses that no named pool has is empty. None without an address.
    all: Vec<(Arc<str>, Pool)>,
    /// Which pool has which runs, rising; only of named ones.
    named: Vec<(u128, u128, usize)>,
}

impl Pools {
    /// Cuts a prefix anew. Pools that come out as they were are kept as they are; of the others `left` gets back what
    /// was held and what rests.
    pub(crate) fn new(
        prefix: Prefix,
        order: Order,
        parts: impl Iterator<Item = (Arc<str>, RangeSet)>,
        left: &mut Vec<Pool>,
        mut before: Vec<(Arc<str>, Pool)>,
    ) -> Self {
        let parts: Vec<_> = parts.collect();
        let taken: RangeSet = parts.iter().flat_map(|(_, part)| part.runs()).collect();
        let rest = (Arc::default(), prefix.whole().without(&taken));
        let (mut pools, mut named) = (Vec::with_capacity(parts.len() + 1), Vec::new());
        for (name, own) in [rest].into_iter().chain(parts) {
            let runs: Vec<_> = own.runs().collect();
            let Some(shape) = Shape::new(&prefix, own) else { continue };
            if !name.is_empty() {
                named.extend(runs.into_iter().map(|(first, last)| (first, last, pools.len())));
            }
            let same = before.iter().position(|(known, pool)| *known == name && pool.is_of(&shape, order));
            let pool = same.map_or_else(|| Pool::new(shape, order), |at| before.swap_remove(at).1);
            pools.push((name, pool));
        }
        left.extend(before.into_iter().map(|(_, pool)| pool));
        named.sort_unstable();
        Pools { prefix, all: pools, named }
    }

    /// Takes it apart, to cut the prefix anew.
    pub(crate) fn into_pools(self) -> Vec<(Arc<str>, Pool)> {
        self.all
    }

    /// What they are cut from.
    pub(crate) fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// A pool by name; the empty name is what no named pool has.
    pub(crate) fn get(&self, name: &str) -> Option<&Pool> {
        self.all.iter().find(|(known, _)| **known == *name).map(|(_, pool)| pool)
    }

    /// A pool by name, to change it.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Pool> {
        self.all.iter_mut().find(|(known, _)| **known == *name).map(|(_, pool)| pool)
    }

    /// All of them with their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Pool)> {
        self.all.iter().map(|(name, pool)| (name, pool))
    }

    /// The pool that has an address, and its name.
    pub(crate) fn of(&self, n: u128) -> Option<(&Arc<str>, &Pool)> {
        self.all.get(self.place(n)?).map(|(name, pool)| (name, pool))
    }

    /// The pool that has an address, to change it.
    pub(crate) fn of_mut(&mut self, n: u128) -> Option<&mut Pool> {
        let place = self.place(n)?;
        self.all.get_mut(place).map(|(_, pool)| pool)
    }

    /// A sum over all pools.
    pub(crate) fn sum(&self, of: impl Fn(&Pool) -> u128) -> u128 {
        self.all.iter().map(|(_, pool)| of(pool)).fold(0, u128::saturating_add)
    }

    fn place(&self, n: u128) -> Option<usize> {
        if !self.prefix.contains(n) {
            return None;
        }
        let before = self.named.partition_point(|run| run.0 <= n).checked_sub(1);
        let named = before.and_then(|at| self.named.get(at)).filter(|run| n <= run.1).map(|run| run.2);
        // What no named pool has is in the first one, whose name is empty.
        named.or_else(|| self.all.first().is_some_and(|(name, _)| name.is_empty()).then_some(0))
    }
}
