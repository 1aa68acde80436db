//! A hash index of ids: keys stay in the records.

/// Bits of the hash that a slot has beside the id.
const TAG_BITS: u32 = 24;
/// An id that no record has.
const NONE: u32 = u32::MAX;

/// Ids by hash: open addressing, linear probing, no tombstones. A slot has 24 bits of the hash beside the id, so that
/// neither a miss nor growing touches a record; 7 bytes, 70 to 88 % of them in use. Of one hash there may be several
/// ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    slots: Vec<Slot>,
    len: usize,
}

/// Id and tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    id: [u8; 4],
    tag: [u8; 3],
}

const EMPTY: Slot = Slot { id: NONE.to_le_bytes(), tag: [0; 3] };

impl Slot {
    fn new(tag: u32, id: u32) -> Self {
        let [a, b, c, _] = tag.to_le_bytes();
        Slot { id: id.to_le_bytes(), tag: [a, b, c] }
    }

    fn id(self) -> u32 {
        u32::from_le_bytes(self.id)
    }

    fn is_empty(self) -> bool {
        self.id() == NONE
    }

    fn tag(self) -> u32 {
        let [a, b, c] = self.tag;
        u32::from_le_bytes([a, b, c, 0])
    }
}

impl Index {
    /// The id with this hash for which `is` holds.
    pub(crate) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.all(hash).find(|id| is(*id))
    }

    /// Every id that may have this hash.
    pub(crate) fn all(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let tag = tag(hash);
        let mut at = self.home(tag);
        // At most 7 of 8 slots are in use, so every chain ends.
        std::iter::from_fn(move || {
            loop {
                let slot = self.slots.get(at)?;
                if slot.is_empty() {
                    return None;
                }
                at = self.after(at);
                if slot.tag() == tag {
                    return Some(slot.id());
                }
            }
        })
    }

    /// Adds an id that is not in.
    pub(crate) fn insert(&mut self, hash: u64, id: u32) {
        if (self.len + 1) * 8 > self.slots.len() * 7 {
            let bigger = vec![EMPTY; (self.slots.len() + self.slots.len() / 4).max(8)];
            for slot in std::mem::replace(&mut self.slots, bigger) {
                if !slot.is_empty() {
                    self.put(slot);
                }
            }
        }
        self.put(Slot::new(tag(hash), id));
        self.len += 1;
    }

    /// Removes an id and closes the gap that it leaves in its chain.
    pub(crate) fn remove(&mut self, hash: u64, id: u32) {
        let gone = Slot::new(tag(hash), id);
        let mut hole = self.home(gone.tag());
        while !self.at(hole).is_empty() && self.at(hole) != gone {
            hole = self.after(hole);
        }
        if self.at(hole).is_empty() {
            return;
        }
        self.len -= 1;
        let mut at = self.after(hole);
        while !self.at(at).is_empty() {
            let moved = self.at(at);
            if self.way(self.home(moved.tag()), at) >= self.way(hole, at) {
                self.set(hole, moved);
                hole = at;
            }
            at = self.after(at);
        }
        self.set(hole, EMPTY);
    }

    fn put(&mut self, slot: Slot) {
        let mut at = self.home(slot.tag());
        while !self.at(at).is_empty() {
            at = self.after(at);
        }
        self.set(at, slot);
    }

    fn at(&self, at: usize) -> Slot {
        self.slots.get(at).copied().unwrap_or(EMPTY)
    }

    fn set(&mut self, at: usize, slot: Slot) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }

    /// Where the chain of a tag begins: tags are spread over the table in their order, whatever its size.
    fn home(&self, tag: u32) -> usize {
        (tag as usize * self.slots.len()) >> TAG_BITS
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 >= self.slots.len() { 0 } else { at + 1 }
    }

    /// How far it is from one slot to another, around the end.
    fn way(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.slots.len() - from }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "24 bits are left")]
fn tag(hash: u64) -> u32 {
    (hash >> (64 - TAG_BITS)) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few distinct hashes, so that chains are long, wrap around, and are cut in the middle.
        #[test]
        fn finds_what_is_in_and_nothing_else(ops in prop::collection::vec((0u32..24, any::<bool>()), 0..120)) {
            let hash = |key: u32| u64::from(key * 5 % 13) * 0x13b1_3b13_b13b_13b1;
            let (mut index, mut naive) = (Index::default(), BTreeSet::new());
            for (key, insert) in ops {
                match (insert, naive.contains(&key)) {
                    (true, false) => {
                        index.insert(hash(key), key);
                        naive.insert(key);
                    }
                    (false, true) => {
                        index.remove(hash(key), key);
                        naive.remove(&key);
                    }
                    _ => {}
                }
                for key in 0..24 {
                    let found = index.find(hash(key), |id| id == key);
                    prop_assert_eq!(found, naive.contains(&key).then_some(key));
                    let all: BTreeSet<u32> = index.all(hash(key)).collect();
                    let same = naive.iter().copied().filter(|other| hash(*other) == hash(key));
                    prop_assert_eq!(all, same.collect::<BTreeSet<_>>());
                }
            }
            prop_assert_eq!(index.len, naive.len());
        }
    }

    #[test]
    fn a_slot_takes_7_bytes() {
        assert_eq!(size_of::<Slot>(), 7);
    }
}
