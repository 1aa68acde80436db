//! Prefixes and the addresses in them that hosts may use.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

use super::{AddrParseError, Family, IpRange, number};

/// A prefix with its host bits cleared: `10.16.0.5/16` reads as `10.16.0.0/16`, as Kube-OVN does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(IpNet);

impl Cidr {
    /// The prefix an address and a length lie in.
    pub fn new(net: IpNet) -> Self {
        Cidr(net.trunc())
    }

    /// Its family.
    pub fn family(self) -> Family {
        if matches!(self.0, IpNet::V4(_)) { Family::V4 } else { Family::V6 }
    }

    /// The prefix as `ipnet` knows it.
    pub fn net(self) -> IpNet {
        self.0
    }

    /// Prefix length in bits.
    pub fn prefix_len(self) -> u8 {
        self.0.prefix_len()
    }

    /// Is the address inside? Never, when it is of the other family.
    pub fn contains(self, ip: IpAddr) -> bool {
        self.0.contains(&ip)
    }

    /// Do the two share an address?
    pub fn overlaps(self, other: Cidr) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }

    /// The span that hosts may use: without the first and the last address (the last is left out for IPv6 too,
    /// as Kube-OVN does), except for /31 and /127 (both, RFC 3021 and RFC 6164) and single addresses.
    pub fn usable(self) -> IpRange {
        let (first, last) = (number(self.0.network()), number(self.0.broadcast()));
        let host_bits = self.family().bits() - self.prefix_len();
        let (first, last) = if host_bits >= 2 { (first + 1, last - 1) } else { (first, last) };
        IpRange::from_numbers(self.family(), first, last)
    }

    /// Address and prefix length as one interface address, like `10.16.0.5/16`.
    pub fn with_host(self, ip: IpAddr) -> String {
        format!("{ip}/{}", self.prefix_len())
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cidr {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map(Cidr::new).map_err(|_| AddrParseError::Cidr { text: text.to_owned() })
    }
}

impl From<Cidr> for Family {
    fn from(cidr: Cidr) -> Self {
        cidr.family()
    }
}
