//! Inclusive address ranges, written `a` or `a..b`.

use std::{fmt, net::IpAddr, str::FromStr};

use super::{AddrParseError, Cidr, Family, number, parse_ip};

/// An inclusive range of one family, first ≤ last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpRange {
    family: Family,
    first: u128,
    last: u128,
}

impl IpRange {
    /// A range from two addresses, or `None` when they are of different families or in the wrong order.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (Family::of(first) == Family::of(last) && first <= last).then(|| IpRange {
            family: Family::of(first),
            first: number(first),
            last: number(last),
        })
    }

    /// The caller knows that both numbers fit the family and are in order.
    pub(crate) fn from_numbers(family: Family, first: u128, last: u128) -> Self {
        debug_assert!(first <= last);
        IpRange { family, first, last }
    }

    /// Its family.
    pub fn family(self) -> Family {
        self.family
    }

    /// First and last address as numbers.
    pub fn numbers(self) -> (u128, u128) {
        (self.first, self.last)
    }

    /// The first address.
    pub fn first(self) -> IpAddr {
        self.end(self.first)
    }

    /// The last address.
    pub fn last(self) -> IpAddr {
        self.end(self.last)
    }

    /// Is the address inside?
    pub fn contains(self, ip: IpAddr) -> bool {
        Family::of(ip) == self.family && (self.first..=self.last).contains(&number(ip))
    }

    /// What both ranges share, if anything.
    pub fn intersection(self, other: IpRange) -> Option<IpRange> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (self.family == other.family && first <= last).then_some(IpRange { family: self.family, first, last })
    }

    /// How many addresses; the whole of IPv6 saturates at `u128::MAX`.
    pub fn count(self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    fn end(self, n: u128) -> IpAddr {
        match self.family {
            #[allow(
                clippy::cast_possible_truncation,
                reason = "numbers of a v4 range fit 32 bits by construction"
            )]
            Family::V4 => IpAddr::V4((n as u32).into()),
            Family::V6 => IpAddr::V6(n.into()),
        }
    }
}

impl From<IpAddr> for IpRange {
    fn from(ip: IpAddr) -> Self {
        IpRange { family: Family::of(ip), first: number(ip), last: number(ip) }
    }
}

impl From<Cidr> for IpRange {
    /// All of its addresses, those too that no host may have.
    fn from(cidr: Cidr) -> Self {
        let net = cidr.net();
        IpRange { family: cidr.family(), first: number(net.network()), last: number(net.broadcast()) }
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            self.first().fmt(f)
        } else {
            write!(f, "{}..{}", self.first(), self.last())
        }
    }
}

impl FromStr for IpRange {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |_| AddrParseError::Range { text: text.to_owned() };
        match text.split_once("..") {
            None => parse_ip(text).map(IpRange::from).map_err(bad),
            Some((first, last)) => {
                let (first, last) = (parse_ip(first).map_err(bad)?, parse_ip(last).map_err(bad)?);
                IpRange::new(first, last).ok_or_else(|| AddrParseError::RangeOrder { text: text.to_owned() })
            }
        }
    }
}
