//! A hash index of ids: keys stay in the records.

/// Bits of the hash that a slot has beside the id.
const TAG_BITS: u32 = 24;
/// An id that no record has.
const NONE: u32 = u32::MAX;
/// So many slots are added behind the end at once.
const MARGIN: usize = 16;

/// Ids by hash: open addressing, linear probing, no tombstones. A slot has 24 bits of the hash beside the id, so that
/// neither a miss nor growing touches a record; 7 bytes, 70 to 88 % of them in use. Of one hash there may be several
/// ids.
///
/// Slots lie in the order of their tags over the whole table: a search that meets a higher one ends, also in a
/// crowded place. What is pushed over the end makes the table a little longer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    slots: Vec<Slot>,
    /// So many slots the tags are spread over; the rest is for what was pushed over the end.
    spread: usize,
    len: usize,
}

/// The complement of the id, then that of the tag, so that one that is not in use is all zeros (a new table is memory
/// that nobody has touched yet) and counts as the highest tag: where a search ends.
type Slot = [u8; 7];

const EMPTY: Slot = [0; 7];

fn slot(tag: u32, id: u32) -> Slot {
    let ([a, b, c, d], [e, f, g, _]) = ((!id).to_le_bytes(), (!tag).to_le_bytes());
    [a, b, c, d, e, f, g]
}

fn id_of([a, b, c, d, ..]: Slot) -> u32 {
    !u32::from_le_bytes([a, b, c, d])
}

fn tag_of([_, _, _, d, e, f, g]: Slot) -> u32 {
    // The same bytes as above, but four of them are read at once.
    !u32::from_le_bytes([d, e, f, g]) >> 8
}

fn is_empty(slot: Slot) -> bool {
    id_of(slot) == NONE
}

impl Index {
    /// The id with this hash for which `is` holds.
    pub(crate) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.all(hash).find(|id| is(*id))
    }

    /// Every id that may have this hash.
    pub(crate) fn all(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let tag = tag(hash);
        let chain = self.slots.get(self.first_of(tag)..).unwrap_or_default().iter();
        chain.copied().take_while(move |slot| tag_of(*slot) == tag && !is_empty(*slot)).map(id_of)
    }

    /// Reads where the ids of a hash are, or would be, so that it is in the processor's cache when they are looked for.
    pub(crate) fn touch(&self, hash: u64) {
        std::hint::black_box(self.slots.get(self.home(tag(hash))).copied());
    }

    /// Adds an id that is not in.
    pub(crate) fn insert(&mut self, hash: u64, id: u32) {
        if (self.len + 1) * 8 > self.spread * 7 {
            // A quarter more slots.
            self.spread_over((self.spread + self.spread / 4).max(8));
        }
        let place = self.first_of(tag(hash));
        // What lies there, and all up to the next gap, makes room.
        let gap = self.skip(place, |slot| !is_empty(slot));
        if gap == self.slots.len() {
            self.lengthen(EMPTY);
        }
        self.slots.copy_within(place..gap, place + 1);
        self.set(place, slot(tag(hash), id));
        self.len += 1;
    }

    /// Removes an id; what lies behind it and could not be at its home moves up.
    pub(crate) fn remove(&mut self, hash: u64, id: u32) {
        let gone = slot(tag(hash), id);
        let place = self.skip(self.first_of(tag(hash)), |slot| slot != gone && tag_of(slot) == tag(hash));
        if self.slots.get(place) != Some(&gone) {
            return;
        }
        let mut end = place + 1;
        while self.slots.get(end).is_some_and(|slot| !is_empty(*slot) && self.home(tag_of(*slot)) < end) {
            end += 1;
        }
        self.slots.copy_within(place + 1..end, place);
        self.set(end - 1, EMPTY);
        self.len -= 1;
    }

    /// Makes room for so many ids more.
    pub(crate) fn reserve(&mut self, more: usize) {
        let wanted = ((self.len + more) * 8).div_ceil(7);
        if wanted > self.spread {
            self.spread_over(wanted);
        }
    }

    /// More slots. All ids stay in their order, so that the old table and the new one are gone through once.
    fn spread_over(&mut self, slots: usize) {
        self.spread = slots;
        let before = std::mem::replace(&mut self.slots, vec![EMPTY; self.spread]);
        let mut end = 0;
        for slot in before.into_iter().filter(|slot| !is_empty(*slot)) {
            end = end.max(self.home(tag_of(slot)));
            match self.slots.get_mut(end) {
                Some(place) => *place = slot,
                None => self.lengthen(slot),
            }
            end += 1;
        }
    }

    /// Adds a slot behind the end; not room for as many again, which the vector would take by itself.
    fn lengthen(&mut self, slot: Slot) {
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(MARGIN);
        }
        self.slots.push(slot);
    }

    /// Where the first one of a tag is, or would be.
    fn first_of(&self, tag: u32) -> usize {
        self.skip(self.home(tag), |slot| tag_of(slot) < tag)
    }

    /// The first slot from here that is not `passed`; behind the last one if there is none.
    fn skip(&self, from: usize, passed: impl Fn(Slot) -> bool) -> usize {
        let chain = self.slots.get(from..).unwrap_or_default();
        from + chain.iter().position(|slot| !passed(*slot)).unwrap_or(chain.len())
    }

    fn set(&mut self, at: usize, slot: Slot) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }

    /// Where the chain of a tag begins: tags are spread over the table in their order, whatever its size.
    fn home(&self, tag: u32) -> usize {
        (tag as usize * self.spread) >> TAG_BITS
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
}
