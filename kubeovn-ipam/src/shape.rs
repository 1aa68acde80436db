//! What a pool is made from: which addresses are its own, what of them is excluded, and how it is cut into windows.

use std::net::IpAddr;

use kubeovn_core::addr::{Cidr, Family, IpRange, number};

use crate::range_set::RangeSet;

/// Largest windows as powers of two: IPv4 goes by a /12 (400 KiB once used), IPv6 by 65 536 (24 KiB each).
const fn window_bits(family: Family) -> u8 {
    match family {
        Family::V4 => 20,
        Family::V6 => 16,
    }
}

/// The prefix that pools are cut from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    family: Family,
    first: u128,
    last: u128,
    gateway: Option<u128>,
    /// Configured excludes and the gateway, clipped to the usable span.
    excluded: RangeSet,
}

impl Prefix {
    /// From a prefix, its gateway, and the ranges to exclude. Ranges of the other family and what lies outside of the
    /// usable span are left out.
    pub(crate) fn new(cidr: Cidr, gateway: Option<IpAddr>, ranges: &[IpRange]) -> Self {
        let (family, usable) = (cidr.family(), cidr.usable());
        let gateway = gateway.filter(|ip| usable.contains(*ip));
        let not_given = ranges.iter().copied().chain(gateway.map(IpRange::from));
        let excluded = clipped(not_given, usable);
        let (first, last) = usable.numbers();
        Prefix { family, first, last, gateway: gateway.map(number), excluded }
    }

    /// What of some ranges hosts may have.
    pub(crate) fn part(&self, ranges: &[IpRange]) -> RangeSet {
        ranges
            .iter()
            .filter(|range| range.family() == self.family)
            .map(|range| range.numbers())
            .map(|(first, last)| (first.max(self.first), last.min(self.last)))
            .collect()
    }

    /// All that hosts may have.
    pub(crate) fn whole(&self) -> RangeSet {
        [(self.first, self.last)].into_iter().collect()
    }

    /// Its family.
    pub(crate) fn family(&self) -> Family {
        self.family
    }

    /// Is it an address that a host of this prefix may have?
    pub(crate) fn contains(&self, n: u128) -> bool {
        (self.first..=self.last).contains(&n)
    }

    /// Do hosts of the two share an address?
    pub(crate) fn overlaps(&self, other: &Prefix) -> bool {
        self.family == other.family && self.first <= other.last && other.first <= self.last
    }

    /// Does it share an address with a range?
    pub(crate) fn shares_with(&self, range: IpRange) -> bool {
        let (first, last) = range.numbers();
        self.family == range.family() && self.first <= last && first <= self.last
    }

    /// Is it the gateway?
    pub(crate) fn is_gateway(&self, n: u128) -> bool {
        self.gateway == Some(n)
    }

    /// Is it given only to who asks for it by number (or, the gateway, to nobody)?
    pub(crate) fn is_excluded(&self, n: u128) -> bool {
        self.excluded.contains(n)
    }
}

fn clipped(ranges: impl Iterator<Item = IpRange>, usable: IpRange) -> RangeSet {
    ranges.filter_map(|range| range.intersection(usable)).map(IpRange::numbers).collect()
}

/// What a pool is made from; a pool is built anew exactly when this changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Its addresses; not empty.
    own: RangeSet,
    /// Those of them that are given only to who asks for them by number, and the gateway.
    excluded: RangeSet,
    /// What of the span from the first to the last own address is not given by itself.
    blocked: RangeSet,
    first: u128,
    last: u128,
    window_bits: u8,
}

impl Shape {
    /// The part of a prefix that is `own`; `None` when that is nothing.
    pub(crate) fn new(prefix: &Prefix, own: RangeSet) -> Option<Self> {
        let (first, last) = own.span()?;
        let excluded = own.common(&prefix.excluded);
        let blocked = excluded.runs().chain(own.gaps(first, last)).collect();
        // Windows are aligned; a pool that lies in half of one gets the half.
        let varying = 128 - (first ^ last).leading_zeros();
        let window_bits = window_bits(prefix.family).min(u8::try_from(varying).unwrap_or(u8::MAX));
        Some(Shape { own, excluded, blocked, first, last, window_bits })
    }

    /// Is it one of its addresses?
    pub(crate) fn contains(&self, n: u128) -> bool {
        self.own.contains(n)
    }

    /// Is it given only to who asks for it by number (or, the gateway, to nobody)?
    pub(crate) fn is_excluded(&self, n: u128) -> bool {
        self.excluded.contains(n)
    }

    /// Its lowest address.
    pub(crate) fn first(&self) -> u128 {
        self.first
    }

    /// Its highest one.
    pub(crate) fn last(&self) -> u128 {
        self.last
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u128 {
        self.own.count()
    }

    /// What is given only to who asks for it by number, and the gateway.
    pub(crate) fn excluded(&self) -> &RangeSet {
        &self.excluded
    }

    /// What between the first and the last address is not given by itself.
    pub(crate) fn blocked(&self) -> &RangeSet {
        &self.blocked
    }

    /// How many addresses a window has.
    pub(crate) fn window_size(&self) -> u32 {
        1 << self.window_bits
    }

    /// First address of the window that `n` is in.
    pub(crate) fn window_of(&self, n: u128) -> u128 {
        n >> self.window_bits << self.window_bits
    }

    /// Last address of the window that starts at `base`.
    pub(crate) fn window_end(&self, base: u128) -> u128 {
        base + u128::from(self.window_size() - 1)
    }

    /// The lowest address from `n` on that is given without being asked for by number.
    pub(crate) fn eligible_from(&self, n: u128) -> Option<u128> {
        self.blocked.next_gap(n).filter(|n| *n <= self.last)
    }
}
