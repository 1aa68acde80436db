//! What a pool is made from: the span that hosts may use, what of it is excluded, and how it is cut into windows.

use std::net::IpAddr;

use kubeovn_core::addr::{Cidr, Family, IpRange, number};

use crate::range_set::RangeSet;

/// Largest windows as powers of two: an IPv4 /8 is whole (6 MiB once used), IPv6 goes by 65 536 (24 KiB each).
const fn window_bits(family: Family) -> u8 {
    match family {
        Family::V4 => 24,
        Family::V6 => 16,
    }
}

/// What a pool is made from; a pool is built anew exactly when this changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    family: Family,
    first: u128,
    last: u128,
    gateway: Option<u128>,
    /// Configured excludes and the gateway, clipped to the usable span.
    excluded: RangeSet,
    window_bits: u8,
}

impl Shape {
    /// From a prefix, its gateway, and the ranges to exclude. Ranges of the other family and what lies outside of the usable span are left out.
    pub(crate) fn new(cidr: Cidr, gateway: Option<IpAddr>, ranges: &[IpRange]) -> Self {
        let (family, usable) = (cidr.family(), cidr.usable());
        let gateway = gateway.filter(|ip| usable.contains(*ip));
        let excluded = ranges
            .iter()
            .copied()
            .chain(gateway.map(IpRange::from))
            .filter_map(|range| range.intersection(usable))
            .map(IpRange::numbers)
            .collect();
        let (first, last) = usable.numbers();
        let window_bits = window_bits(family).min(family.bits() - cidr.prefix_len());
        Shape { family, first, last, gateway: gateway.map(number), excluded, window_bits }
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
    pub(crate) fn overlaps(&self, other: &Shape) -> bool {
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

    /// The lowest address that hosts may have.
    pub(crate) fn first(&self) -> u128 {
        self.first
    }

    /// The highest one.
    pub(crate) fn last(&self) -> u128 {
        self.last
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// What is given only to who asks for it by number, and the gateway.
    pub(crate) fn excluded(&self) -> &RangeSet {
        &self.excluded
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
        self.excluded.next_gap(n).filter(|n| *n <= self.last)
    }
}
