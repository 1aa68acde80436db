//! Who has an address: 64 addresses to a leaf, and of those only the held ones take room.

use super::{FixedMap, Ids};

/// A leaf has room for so many more ids at once.
const STEP: usize = 8;

/// Ids by address, at most one for each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses(FixedMap<u128, Leaf>);

/// The held ones of 64 addresses: which, and their ids in the order of the addresses.
#[derive(Clone, Debug, Default)]
struct Leaf {
    held: u64,
    ids: Ids,
}

impl Addresses {
    pub(crate) fn get(&self, n: u128) -> Option<u32> {
        let (key, bit) = place(n);
        let leaf = self.0.get(&key).filter(|leaf| leaf.held & bit != 0)?;
        leaf.ids.get(leaf.rank(bit)).copied()
    }

    /// Notes who has an address; answers who had it.
    pub(crate) fn insert(&mut self, n: u128, id: u32) -> Option<u32> {
        let (key, bit) = place(n);
        let leaf = self.0.entry(key).or_default();
        let rank = leaf.rank(bit);
        if leaf.held & bit != 0 {
            return leaf.ids.get_mut(rank).map(|place| std::mem::replace(place, id));
        }
        if leaf.ids.len() == leaf.ids.capacity() {
            // A few more at once, not twice as many: the memory of leaves adds up.
            leaf.ids.reserve_exact(STEP - leaf.ids.len() % STEP);
        }
        leaf.ids.insert(rank.min(leaf.ids.len()), id);
        leaf.held |= bit;
        None
    }

    pub(crate) fn remove(&mut self, n: u128) -> Option<u32> {
        let (key, bit) = place(n);
        let leaf = self.0.get_mut(&key).filter(|leaf| leaf.held & bit != 0)?;
        let rank = leaf.rank(bit);
        let id = (rank < leaf.ids.len()).then(|| leaf.ids.remove(rank));
        leaf.held &= !bit;
        if leaf.held == 0 {
            self.0.remove(&key);
        } else if leaf.ids.capacity() - leaf.ids.len() > 16 {
            leaf.ids.shrink_to_fit();
        }
        id
    }
}

impl Leaf {
    /// How many held ones lie below.
    fn rank(&self, bit: u64) -> usize {
        (self.held & (bit - 1)).count_ones() as usize
    }
}

/// Leaf and bit of an address.
fn place(n: u128) -> (u128, u64) {
    (n >> 6, 1 << (n & 63))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn answers_as_a_map_does(ops in prop::collection::vec((0u128..150, prop::option::of(0u32..9)), 0..200)) {
            let (mut addresses, mut naive) = (Addresses::default(), BTreeMap::new());
            for (n, id) in ops {
                let n = u128::MAX - n;
                if let Some(id) = id {
                    prop_assert_eq!(addresses.insert(n, id), naive.insert(n, id));
                } else {
                    prop_assert_eq!(addresses.remove(n), naive.remove(&n));
                }
                for n in (0..150).map(|n| u128::MAX - n) {
                    prop_assert_eq!(addresses.get(n), naive.get(&n).copied());
                }
            }
        }
    }
}
