//! Addresses as types: parsed once at the edge, compared by value, written in one canonical text form.
//!
//! Everything here is `Copy` or small, has a total order (v4 before v6), and `Display` is the form that goes
//! into manifests, annotations and OVN rows; `FromStr` accepts it back.

mod cidr;
mod dual;
mod mac;
mod range;

use std::net::IpAddr;

pub use cidr::Cidr;
pub use dual::DualStack;
pub use ipnet::IpNet;
pub use mac::Mac;
pub use range::IpRange;

use thiserror::Error;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Family {
    /// IPv4, 32 bits.
    V4,
    /// IPv6, 128 bits.
    V6,
}

impl Family {
    /// Both families, v4 first: the order of every dual-stack text in Kube-OVN.
    pub const BOTH: [Family; 2] = [Family::V4, Family::V6];

    /// Which family an address belongs to.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// Bits of an address: 32 or 128.
    pub fn bits(self) -> u8 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// The address with this number, or `None` when it doesn't fit the family.
    pub fn address(self, number: u128) -> Option<IpAddr> {
        match self {
            Family::V4 => u32::try_from(number).ok().map(|n| IpAddr::V4(n.into())),
            Family::V6 => Some(IpAddr::V6(number.into())),
        }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// An address as a number, for arithmetic: `10.0.0.1` is `0x0a000001`.
pub fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

/// Why a text is no address, prefix, range or MAC. The text itself is part of the message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddrParseError {
    /// Not an IP address.
    #[error("{text:?} is no IP address: write it like 10.16.0.5 or fd00::5")]
    Ip {
        /// What was given.
        text: String,
    },
    /// Not a prefix in CIDR notation.
    #[error("{text:?} is no CIDR: write it like 10.16.0.0/16 or fd00:10:16::/112")]
    Cidr {
        /// What was given.
        text: String,
    },
    /// Neither `a` nor `a..b`.
    #[error(
        "{text:?} is no address range: write a single address or first..last, like 10.16.0.10..10.16.0.20"
    )]
    Range {
        /// What was given.
        text: String,
    },
    /// First address after the last, or the ends are of different families.
    #[error(
        "range {text:?} does not go from a lower to a higher address of one family. Write the lower one first"
    )]
    RangeOrder {
        /// What was given.
        text: String,
    },
    /// Not six hexadecimal bytes.
    #[error("{text:?} is no MAC address: write it like 0a:58:0a:10:00:05")]
    Mac {
        /// What was given.
        text: String,
    },
    /// A group address where a station's own is needed.
    #[error(
        "MAC {text:?} is a multicast address, a port needs a unicast one (lowest bit of the first byte 0)"
    )]
    MacMulticast {
        /// What was given.
        text: String,
    },
    /// Two values of one family, or more than two.
    #[error(
        "{text:?} holds more than one value of a family: give one, or one IPv4 and one IPv6 with a comma between"
    )]
    Dual {
        /// What was given.
        text: String,
    },
}

/// Parses one address; blanks around it are ignored.
pub fn parse_ip(text: &str) -> Result<IpAddr, AddrParseError> {
    text.trim().parse().map_err(|_| AddrParseError::Ip { text: text.to_owned() })
}

#[cfg(test)]
mod tests;
