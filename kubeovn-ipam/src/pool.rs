//! Some addresses of a prefix: which are free, in which order they are given, how many are left.
//!
//! Windows ([`Segment`]) are opened in rising order, and only when an address of the lowest closed one is taken:
//! an untouched /8 or /64 costs nothing. Addresses taken by number far above wait in a sorted set until their
//! window is opened, so a few scattered ones in a /64 cost no bitmaps.
//!
//! A pool is a value of its own: it knows no owners, no other pool and no clock.

mod order;

use std::collections::BTreeSet;

use kubeovn_core::{contract::ipam::Order, rows::Millis};

use crate::{
    range_set::RangeSet,
    resting::Resting,
    segment::{Segment, Shelf},
    shape::Shape,
};

/// A random order reaches every address with the same probability only if all windows are open; smaller pools than
/// this are opened at once.
const OPEN_WHOLE: u128 = 1 << 24;
/// No more windows than this are opened at once, for an address or for what a snapshot says.
const MOST_OPENED: usize = 1 << 10;

/// The state of some addresses.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    shape: Shape,
    order: Order,
    /// Open windows, rising.
    segments: Vec<Segment>,
    /// The lowest eligible address of the lowest window that is not open.
    frontier: Option<u128>,
    /// Held addresses in windows that are not open.
    scattered: BTreeSet<u128>,
    /// Own addresses that are held in the same space from another subnet.
    foreign: BTreeSet<u128>,
    resting: Resting,
    used: u128,
    used_excluded: u128,
    foreign_excluded: u128,
    /// No segment before these has anything on the shelf.
    fresh_hint: usize,
    released_hint: usize,
    /// Where next-fit goes on.
    cursor: u128,
    /// How many addresses were drawn at random.
    draws: u64,
}

impl Pool {
    /// A pool in which everything is fresh.
    pub(crate) fn new(shape: Shape, order: Order) -> Self {
        let mut pool = Pool {
            frontier: shape.eligible_from(shape.first()),
            cursor: shape.first(),
            order,
            segments: Vec::new(),
            scattered: BTreeSet::new(),
            foreign: BTreeSet::new(),
            resting: Resting::default(),
            used: 0,
            used_excluded: 0,
            foreign_excluded: 0,
            fresh_hint: 0,
            released_hint: 0,
            draws: 0,
            shape,
        };
        if matches!(order, Order::Random { .. }) && pool.shape.last() - pool.shape.first() < OPEN_WHOLE {
            while let Some(base) = pool.lowest_closed() {
                pool.open(base);
            }
        }
        pool
    }

    /// Is it what would be made from these?
    pub(crate) fn is_of(&self, shape: &Shape, order: Order) -> bool {
        self.shape == *shape && self.order == order
    }

    /// Takes the address that [`Pool::pick`] answered.
    pub(crate) fn take_picked(&mut self, n: u128, now: Millis) {
        self.expire(now);
        match self.order {
            Order::Lowest => {
                let fresh_left = self.fresh_hint < self.segments.len() || self.unopened(&|_| false).is_some();
                if !fresh_left {
                    self.next_round();
                }
                // What was picked in a pool of another shape may lie far above now: then it is one of the scattered.
                for _ in 0..MOST_OPENED {
                    match self.lowest_closed().filter(|base| *base <= n) {
                        Some(base) => self.open(base),
                        None => break,
                    }
                }
            }
            Order::NextFit => self.cursor = n.checked_add(1).unwrap_or(self.shape.first()),
            _ => self.draws = self.draws.wrapping_add(1),
        }
        self.take(n);
    }

    /// Takes an address by its number: one of its own, held by nobody; excluded ones too.
    pub(crate) fn take(&mut self, n: u128) {
        self.open_with(n);
        self.resting.remove(n);
        self.used += 1;
        self.used_excluded += u128::from(self.shape.is_excluded(n));
        match self.segment_of(n) {
            Some((segment, offset)) => {
                segment.clear(offset);
                segment.used.put(offset);
            }
            None => _ = self.scattered.insert(n),
        }
        self.move_hints();
    }

    /// Gives back an address that was taken; it rests until then, if a time is given.
    pub(crate) fn give_back(&mut self, n: u128, until: Option<Millis>) {
        self.used -= 1;
        self.used_excluded -= u128::from(self.shape.is_excluded(n));
        match self.segment_of(n) {
            Some((segment, offset)) => _ = segment.used.take(offset),
            None => _ = self.scattered.remove(&n),
        }
        self.shelve(n, until);
    }

    /// An address was taken in the same space from another subnet: it is not given here. Again is no harm.
    pub(crate) fn block(&mut self, n: u128) {
        if !self.shape.contains(n) || !self.foreign.insert(n) {
            return;
        }
        self.foreign_excluded += u128::from(self.shape.is_excluded(n));
        self.open_with(n);
        self.resting.remove(n);
        if let Some((segment, offset)) = self.segment_of(n) {
            segment.clear(offset);
        }
        self.move_hints();
    }

    /// The other subnet gave it back; `false` when it was not blocked.
    pub(crate) fn unblock(&mut self, n: u128, until: Option<Millis>) -> bool {
        if !self.foreign.remove(&n) {
            return false;
        }
        self.foreign_excluded -= u128::from(self.shape.is_excluded(n));
        self.shelve(n, until);
        true
    }

    /// Lets an address rest that nobody holds, when a pool is built anew.
    pub(crate) fn rest(&mut self, n: u128, until: Millis) {
        let free = self.shape.contains(n) && !self.shape.is_excluded(n) && !self.foreign.contains(&n);
        if free && !self.is_used(n) {
            self.open_with(n);
            if let Some((segment, offset)) = self.segment_of(n) {
                segment.clear(offset);
            }
            self.resting.insert(n, until);
            self.move_hints();
        }
    }

    /// Opens the windows below an address, all of them if there is none: those that were open before the pool was built.
    pub(crate) fn open_below(&mut self, end: Option<u128>) {
        for _ in 0..MOST_OPENED {
            match self.frontier.filter(|frontier| end.is_none_or(|end| *frontier < end)) {
                Some(frontier) => self.open(self.shape.window_of(frontier)),
                None => break,
            }
        }
    }

    /// Puts what was used and freed before the pool was built where it lay then.
    pub(crate) fn recall(&mut self, released: &RangeSet, cursor: Option<u128>, draws: u64) {
        for (first, last) in released.runs() {
            for segment in &mut self.segments {
                let (first, last) =
                    (first.max(segment.base()), last.min(self.shape.window_end(segment.base())));
                for n in first..=last {
                    if let Some(offset) = segment.offset(n)
                        && segment.fresh.take(offset)
                    {
                        segment.released.put(offset);
                    }
                }
            }
        }
        self.cursor = cursor.unwrap_or(self.cursor);
        self.draws = draws;
        (self.fresh_hint, self.released_hint) = (0, 0);
        self.move_hints();
    }

    /// Used and freed since the round began.
    pub(crate) fn released_runs(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        self.segments.iter().flat_map(|segment| segment.runs(&segment.released))
    }

    /// The lowest eligible address of the windows that are not open, where next-fit goes on, and how many were drawn at
    /// random.
    pub(crate) fn progress(&self) -> (Option<u128>, u128, u64) {
        (self.frontier, self.cursor, self.draws)
    }

    /// The addresses that rest now and until when.
    pub(crate) fn resting(&self) -> impl Iterator<Item = (Millis, u128)> + '_ {
        self.resting.by_time()
    }

    /// When the rest of an address ends, if it rests.
    pub(crate) fn rests_until(&self, n: u128) -> Option<Millis> {
        self.resting.until(n)
    }

    /// Addresses that hosts may have.
    pub(crate) fn total(&self) -> u128 {
        self.shape.count()
    }

    /// Addresses held from this subnet.
    pub(crate) fn used(&self) -> u128 {
        self.used
    }

    /// Addresses not held from this subnet that are not given without being asked for by number: excluded ones,
    /// the gateway, and those held from another subnet of the space.
    pub(crate) fn reserved(&self) -> u128 {
        self.shape.excluded().count() - self.used_excluded
            + (self.foreign.len() as u128 - self.foreign_excluded)
    }

    /// Addresses that can be given without being asked for by number, resting ones included.
    pub(crate) fn available(&self) -> u128 {
        self.total() - self.used - self.reserved()
    }

    /// The held addresses.
    pub(crate) fn used_runs(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        let open = self.segments.iter().flat_map(|segment| segment.runs(&segment.used));
        open.chain(self.scattered.iter().map(|n| (*n, *n)))
    }

    /// The addresses that [`Pool::available`] counts.
    pub(crate) fn available_runs(&self) -> RangeSet {
        let foreign = self.foreign.iter().map(|n| (*n, *n));
        let taken: RangeSet = self.used_runs().chain(foreign).chain(self.shape.blocked().runs()).collect();
        taken.gaps(self.shape.first(), self.shape.last()).collect()
    }

    /// Puts addresses whose rest is over on the released shelf.
    fn expire(&mut self, now: Millis) {
        while let Some(n) = self.resting.pop(now) {
            if !self.is_used(n) && !self.foreign.contains(&n) {
                self.shelve(n, None);
            }
        }
    }

    fn is_used(&self, n: u128) -> bool {
        match self.segments.get(self.position(n)).and_then(|s| Some((s, s.offset(n)?))) {
            Some((segment, offset)) => segment.used.contains(offset),
            None => self.scattered.contains(&n),
        }
    }

    /// Index of the segment that an address is in, if any is.
    fn position(&self, n: u128) -> usize {
        self.segments.partition_point(|segment| segment.base() <= n).wrapping_sub(1)
    }

    fn segment_of(&mut self, n: u128) -> Option<(&mut Segment, u32)> {
        let position = self.position(n);
        let segment = self.segments.get_mut(position)?;
        let offset = segment.offset(n)?;
        Some((segment, offset))
    }

    /// Puts an address that nobody holds any more where it belongs. In a window that is not open it needs no place.
    fn shelve(&mut self, n: u128, until: Option<Millis>) {
        if self.shape.is_excluded(n) {
            return;
        }
        if let Some(until) = until {
            return self.resting.insert(n, until);
        }
        let position = self.position(n);
        if let Some((segment, offset)) = self.segment_of(n) {
            segment.released.put(offset);
            self.released_hint = self.released_hint.min(position);
        }
    }

    /// Start of the lowest window that is not open and has something to give.
    fn lowest_closed(&self) -> Option<u128> {
        self.frontier.map(|n| self.shape.window_of(n))
    }

    /// Opens the window of an address, if it is the lowest closed one: what happens to the address is seen there.
    fn open_with(&mut self, n: u128) {
        if let Some(base) = self.lowest_closed().filter(|base| *base == self.shape.window_of(n)) {
            self.open(base);
        }
    }

    fn open(&mut self, base: u128) {
        let end = self.shape.window_end(base);
        let mut segment = Segment::new(base, self.shape.window_size());
        let (first, last) = (base.max(self.shape.first()), end.min(self.shape.last()));
        for (first, last) in self.shape.blocked().gaps(first, last) {
            segment.refresh(first, last);
        }
        let held: Vec<u128> = self.scattered.range(base..=end).copied().collect();
        let not_given = held.iter().chain(self.foreign.range(base..=end)).copied();
        for n in not_given.chain(self.resting.within(base, end)) {
            if let Some(offset) = segment.offset(n) {
                segment.clear(offset);
            }
        }
        for n in held {
            self.scattered.remove(&n);
            if let Some(offset) = segment.offset(n) {
                segment.used.put(offset);
            }
        }
        self.segments.push(segment);
        self.frontier = end.checked_add(1).and_then(|next| self.shape.eligible_from(next));
    }

    /// What was released is fresh, as in Kube-OVN: a freed address is given again only after all others were.
    fn next_round(&mut self) {
        self.segments.iter_mut().for_each(Segment::next_round);
        (self.fresh_hint, self.released_hint) = (self.released_hint, 0);
    }

    /// Moves both hints to the first segment that has something, or behind the last.
    fn move_hints(&mut self) {
        let empty = |shelf: Shelf| move |segment: &&Segment| segment.shelf(shelf).is_empty();
        self.fresh_hint += self.segments.iter().skip(self.fresh_hint).take_while(empty(Shelf::Fresh)).count();
        self.released_hint +=
            self.segments.iter().skip(self.released_hint).take_while(empty(Shelf::Released)).count();
    }
}

#[cfg(test)]
mod tests;
