//! The peer's way: each set of addresses is a sorted list of ranges, and every allocation and release is surgery on
//! several of them.

/// Free, released, available, used and reserved addresses of a subnet, as lists of inclusive ranges.
pub(crate) struct Lists {
    free: Ranges,
    released: Ranges,
    available: Ranges,
    used: Ranges,
    reserved: Ranges,
}

type Range = (u128, u128);

impl Lists {
    /// Some of `first..=last` are held.
    pub(crate) fn with(first: u128, last: u128, held: impl Iterator<Item = u128>) -> Self {
        let all = Ranges(vec![(first, last)]);
        let mut lists = Lists {
            free: all.clone(),
            released: Ranges::default(),
            available: all,
            used: Ranges::default(),
            reserved: Ranges::default(),
        };
        held.for_each(|n| lists.take(n));
        lists
    }

    /// The lowest free address; what was released becomes free when nothing else is.
    pub(crate) fn allocate(&mut self) -> Option<u128> {
        self.free = self.free.without(&self.reserved);
        if self.free.0.is_empty() {
            self.free = std::mem::take(&mut self.released).without(&self.reserved);
        }
        let n = self.free.0.first()?.0;
        self.take(n);
        Some(n)
    }

    /// A free address by number.
    pub(crate) fn take(&mut self, n: u128) {
        if !self.free.remove(n) {
            self.released.remove(n);
        }
        self.available.remove(n);
        self.used.add(n);
    }

    /// Gives an address back.
    pub(crate) fn release(&mut self, n: u128) {
        if self.used.remove(n) {
            self.available.add(n);
            self.released.add(n);
        }
    }
}

#[derive(Clone, Default)]
struct Ranges(Vec<Range>);

impl Ranges {
    fn add(&mut self, n: u128) {
        let at = self.0.partition_point(|range| range.1 < n);
        let before = at.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|range| range.1 + 1 == n);
        let after = self.0.get(at).is_some_and(|range| range.0 == n + 1);
        match (before, after) {
            (true, true) => {
                let (_, last) = self.0.remove(at);
                self.0[at - 1].1 = last;
            }
            (true, false) => self.0[at - 1].1 = n,
            (false, true) => self.0[at].0 = n,
            (false, false) => self.0.insert(at, (n, n)),
        }
    }

    fn remove(&mut self, n: u128) -> bool {
        let at = self.0.partition_point(|range| range.1 < n);
        let Some((first, last)) = self.0.get(at).copied().filter(|range| range.0 <= n) else { return false };
        match (first == n, last == n) {
            (true, true) => _ = self.0.remove(at),
            (true, false) => self.0[at].0 = n + 1,
            (false, true) => self.0[at].1 = n - 1,
            (false, false) => {
                self.0[at].1 = n - 1;
                self.0.insert(at + 1, (n + 1, last));
            }
        }
        true
    }

    /// A copy of the list without another one's addresses.
    fn without(&self, other: &Ranges) -> Ranges {
        let mut left = Vec::with_capacity(self.0.len());
        let mut cuts = other.0.iter().peekable();
        for (mut first, last) in self.0.iter().copied() {
            while cuts.next_if(|cut| cut.1 < first).is_some() {}
            while let Some(cut) = cuts.peek().filter(|cut| cut.0 <= last) {
                if cut.0 > first {
                    left.push((first, cut.0 - 1));
                }
                first = cut.1 + 1;
                if cut.1 > last {
                    break;
                }
                cuts.next();
            }
            if first <= last {
                left.push((first, last));
            }
        }
        Ranges(left)
    }
}
