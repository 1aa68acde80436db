//! An aligned window of addresses with its three bitmaps.

use crate::bitmap::Bitmap;

/// Which of a segment's sets an address that nobody holds is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// Given next: never used since the pool was built or since the last round began.
    Fresh,
    /// Used and freed in this round: given when nothing fresh is left.
    Released,
}

/// A window of `2^bits` addresses. An address is in at most one of the three sets; one that is in none is excluded,
/// resting, held from another subnet, or another pool's.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    base: u128,
    pub(crate) fresh: Bitmap,
    pub(crate) released: Bitmap,
    pub(crate) used: Bitmap,
}

impl Segment {
    /// A window without any address in it.
    pub(crate) fn new(base: u128, size: u32) -> Self {
        Segment { base, fresh: Bitmap::new(size), released: Bitmap::new(size), used: Bitmap::new(size) }
    }

    /// Its first address.
    pub(crate) fn base(&self) -> u128 {
        self.base
    }

    /// Place of an address in the bitmaps, if it is in the window.
    pub(crate) fn offset(&self, n: u128) -> Option<u32> {
        u32::try_from(n.checked_sub(self.base)?).ok().filter(|offset| *offset < self.fresh.size())
    }

    /// One of the two sets of free addresses.
    pub(crate) fn shelf(&self, which: Shelf) -> &Bitmap {
        match which {
            Shelf::Fresh => &self.fresh,
            Shelf::Released => &self.released,
        }
    }

    /// The lowest address of a shelf that is not to be skipped.
    pub(crate) fn lowest(&self, which: Shelf, skip: &dyn Fn(u128) -> bool) -> Option<u128> {
        let bits = self.shelf(which);
        let mut offset = bits.lowest()?;
        while skip(self.base + u128::from(offset)) {
            offset = bits.next_from(offset + 1)?;
        }
        Some(self.base + u128::from(offset))
    }

    /// The lowest address from `n` on that is on either shelf.
    pub(crate) fn next_from(&self, n: u128) -> Option<u128> {
        let from = match n.checked_sub(self.base) {
            None => 0,
            Some(offset) => u32::try_from(offset).ok()?,
        };
        let next = [self.fresh.next_from(from), self.released.next_from(from)].into_iter().flatten().min();
        next.map(|offset| self.base + u128::from(offset))
    }

    /// How many addresses are on both shelves.
    pub(crate) fn free(&self) -> u32 {
        self.fresh.count() + self.released.count()
    }

    /// One of them, by a number below [`Segment::free`].
    pub(crate) fn select(&self, k: u32) -> Option<u128> {
        let fresh = self.fresh.count();
        let offset = if k < fresh { self.fresh.select(k) } else { self.released.select(k - fresh) };
        offset.map(|offset| self.base + u128::from(offset))
    }

    /// Puts a whole run of addresses on the fresh shelf.
    pub(crate) fn refresh(&mut self, first: u128, last: u128) {
        if let (Some(first), Some(last)) = (self.offset(first), self.offset(last)) {
            self.fresh.put_range(first, last);
        }
    }

    /// Takes an address off both shelves.
    pub(crate) fn clear(&mut self, offset: u32) {
        if !self.fresh.take(offset) {
            self.released.take(offset);
        }
    }

    /// A new round: what was released is fresh. Called when nothing fresh is left.
    pub(crate) fn next_round(&mut self) {
        std::mem::swap(&mut self.fresh, &mut self.released);
    }

    /// Addresses of one of its sets as rising runs.
    pub(crate) fn runs<'a>(&self, of: &'a Bitmap) -> impl Iterator<Item = (u128, u128)> + use<'a> {
        let base = self.base;
        of.runs().map(move |(first, last)| (base + u128::from(first), base + u128::from(last)))
    }
}
