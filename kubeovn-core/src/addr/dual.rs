//! One value per address family.

use std::{fmt, net::IpAddr, str::FromStr};

use super::{AddrParseError, Cidr, Family};

/// At most one value of each family; `Display` writes v4 first with a comma between, Kube-OVN's dual-stack form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DualStack<T> {
    /// The IPv4 value.
    pub v4: Option<T>,
    /// The IPv6 value.
    pub v6: Option<T>,
}

impl<T> Default for DualStack<T> {
    fn default() -> Self {
        DualStack { v4: None, v6: None }
    }
}

impl<T> DualStack<T> {
    /// The value of one family.
    pub fn get(&self, family: Family) -> Option<&T> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }

    /// The place of one family's value.
    pub fn slot(&mut self, family: Family) -> &mut Option<T> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    /// The values present, v4 first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.v4.iter().chain(&self.v6)
    }

    /// The families present, v4 first.
    pub fn families(&self) -> impl Iterator<Item = Family> + '_ {
        Family::BOTH.into_iter().filter(|f| self.get(*f).is_some())
    }

    /// Neither family has a value.
    pub fn is_empty(&self) -> bool {
        self.v4.is_none() && self.v6.is_none()
    }

    /// Each value turned into another, its family kept.
    pub fn map<U>(&self, mut f: impl FnMut(&T) -> U) -> DualStack<U> {
        DualStack { v4: self.v4.as_ref().map(&mut f), v6: self.v6.as_ref().map(&mut f) }
    }
}

impl DualStack<IpAddr> {
    /// Puts an address into its family's place and returns what was there.
    pub fn put(&mut self, ip: IpAddr) -> Option<IpAddr> {
        self.slot(Family::of(ip)).replace(ip)
    }
}

impl<T: fmt::Display> fmt::Display for DualStack<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, value) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            value.fmt(f)?;
        }
        Ok(())
    }
}

/// Parses `v4`, `v6` or both with a comma between, in either order; empty text is the empty pair.
fn parse<T: FromStr<Err = AddrParseError>>(
    text: &str,
    family: impl Fn(&T) -> Family,
) -> Result<DualStack<T>, AddrParseError> {
    let mut dual = DualStack::default();
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let value: T = part.parse()?;
        if dual.slot(family(&value)).replace(value).is_some() {
            return Err(AddrParseError::Dual { text: text.to_owned() });
        }
    }
    Ok(dual)
}

impl FromStr for DualStack<Cidr> {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text, |cidr: &Cidr| cidr.family())
    }
}

impl FromStr for DualStack<IpAddr> {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // IpAddr's own error doesn't say what was given.
        struct Ip(IpAddr);
        impl FromStr for Ip {
            type Err = AddrParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                super::parse_ip(text).map(Ip)
            }
        }
        Ok(parse(text, |ip: &Ip| Family::of(ip.0))?.map(|ip| ip.0))
    }
}
