//! Compact tables: records by small ids, and indexes that hold nothing but ids.
//!
//! A key is stored once, in its record; an index costs 8 bytes per slot. That is what keeps a grant small, and
//! what makes a copy of the whole ledger a few copies of plain memory.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// A map with fixed hash keys: the same calls leave the same memory. Never iterated.
pub(crate) type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// The hash that an [`Index`] is asked by. Not stable across versions, so it never leaves the process.
pub(crate) fn hash(key: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Records by id; ids of removed records are given again.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    items: Vec<Option<T>>,
    vacant: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { items: Vec::new(), vacant: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, item: T) -> u32 {
        if let Some(id) = self.vacant.pop()
            && let Some(place) = self.items.get_mut(id as usize)
        {
            *place = Some(item);
            return id;
        }
        self.items.push(Some(item));
        // 2^32 records would be 256 GiB.
        u32::try_from(self.items.len() - 1).unwrap_or(u32::MAX)
    }

    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.items.get(id as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.items.get_mut(id as usize)?.as_mut()
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        let item = self.items.get_mut(id as usize)?.take();
        if item.is_some() {
            self.vacant.push(id);
        }
        item
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().flatten()
    }
}

/// No id, in the low half of a slot.
const EMPTY: u64 = u32::MAX as u64;

/// A hash index of ids: open addressing, linear probing, no tombstones. Keys stay in the records; a slot has half of
/// the hash beside the id, so that neither a miss nor growing touches a record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Hash in the high half, id in the low one. A power of two, at most three quarters full; or empty.
    slots: Vec<u64>,
    len: usize,
}

impl Index {
    /// The id with this hash for which `is` holds.
    pub(crate) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let slot = self.slots.get(at).copied().filter(|slot| !is_empty(*slot))?;
            if tag(slot) == tag(hash) && is(id_in(slot)) {
                return Some(id_in(slot));
            }
            at = self.after(at);
        }
    }

    /// Adds an id that is not in.
    pub(crate) fn insert(&mut self, hash: u64, id: u32) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            let bigger = vec![EMPTY; (self.slots.len() * 2).max(8)];
            for slot in std::mem::replace(&mut self.slots, bigger) {
                if !is_empty(slot) {
                    self.place(slot);
                }
            }
        }
        self.place(tag(hash) | u64::from(id));
        self.len += 1;
    }

    /// Removes an id and closes the gap that it leaves in its chain.
    pub(crate) fn remove(&mut self, hash: u64, id: u32) {
        let mut hole = self.home(hash);
        while self.slots.get(hole).is_some_and(|slot| !is_empty(*slot) && id_in(*slot) != id) {
            hole = self.after(hole);
        }
        if self.slots.get(hole).is_none_or(|slot| is_empty(*slot)) {
            return;
        }
        self.len -= 1;
        let mut at = self.after(hole);
        while let Some(moved) = self.slots.get(at).copied().filter(|slot| !is_empty(*slot)) {
            let way = |from: usize| at.wrapping_sub(from) & self.mask();
            if way(self.home(moved)) >= way(hole) {
                self.set(hole, moved);
                hole = at;
            }
            at = self.after(at);
        }
        self.set(hole, EMPTY);
    }

    fn place(&mut self, slot: u64) {
        let mut at = self.home(slot);
        while self.slots.get(at).is_some_and(|taken| !is_empty(*taken)) {
            at = self.after(at);
        }
        self.set(at, slot);
    }

    fn set(&mut self, at: usize, slot: u64) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// Where the chain of a hash, or of a slot with its tag, begins.
    fn home(&self, hash: u64) -> usize {
        (hash >> 32) as usize & self.mask()
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & self.mask()
    }
}

fn is_empty(slot: u64) -> bool {
    slot & EMPTY == EMPTY
}

fn tag(hash: u64) -> u64 {
    hash & !EMPTY
}

#[allow(clippy::cast_possible_truncation, reason = "the low half is the id")]
fn id_in(slot: u64) -> u32 {
    slot as u32
}

/// Names as small numbers, counted, so that names that nobody uses any more are forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    names: Slab<(Arc<str>, u32)>,
    ids: FixedMap<Arc<str>, u32>,
}

impl Names {
    /// The id of a name, used once more.
    pub(crate) fn acquire(&mut self, name: &Arc<str>) -> u32 {
        if let Some(id) = self.ids.get(name).copied() {
            if let Some((_, users)) = self.names.get_mut(id) {
                *users += 1;
            }
            return id;
        }
        let id = self.names.insert((name.clone(), 1));
        self.ids.insert(name.clone(), id);
        id
    }

    /// The name is used once less.
    pub(crate) fn release(&mut self, id: u32) {
        let Some((_, users)) = self.names.get_mut(id) else { return };
        *users -= 1;
        if *users == 0
            && let Some((name, _)) = self.names.remove(id)
        {
            self.ids.remove(&name);
        }
    }

    /// The name of an id; the empty one where there is none.
    pub(crate) fn get(&self, id: u32) -> Arc<str> {
        self.names.get(id).map_or_else(Arc::default, |(name, _)| name.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few distinct hashes, so that chains are long, wrap around, and are cut in the middle.
        #[test]
        fn index_finds_what_is_in_and_nothing_else(ops in prop::collection::vec((0u64..24, any::<bool>()), 0..120)) {
            let hash = |key: u64| (key * 5 % 13) << 32;
            let (mut index, mut slab, mut naive) = (Index::default(), Slab::default(), BTreeMap::new());
            for (key, insert) in ops {
                match (insert, naive.get(&key).copied()) {
                    (true, None) => {
                        let id = slab.insert(key);
                        index.insert(hash(key), id);
                        naive.insert(key, id);
                    }
                    (false, Some(id)) => {
                        index.remove(hash(key), id);
                        slab.remove(id);
                        naive.remove(&key);
                    }
                    _ => {}
                }
                for key in 0..24 {
                    let found = index.find(hash(key), |id| slab.get(id) == Some(&key));
                    prop_assert_eq!(found, naive.get(&key).copied());
                }
            }
            prop_assert_eq!(slab.iter().count(), naive.len());
        }
    }

    #[test]
    fn names_are_forgotten_with_their_last_user() {
        let (mut names, net1): (Names, Arc<str>) = (Names::default(), "net1".into());
        let id = names.acquire(&net1);
        assert_eq!((names.acquire(&net1), names.get(id)), (id, net1.clone()));
        names.release(id);
        assert_eq!(names.get(id), net1);
        names.release(id);
        assert_eq!((names.get(id), names.acquire(&"net2".into())), (Arc::default(), id));
    }
}
