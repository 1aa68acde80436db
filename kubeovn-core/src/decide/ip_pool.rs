//! The annotation `ip_pool`: a list of addresses, or the name of a pool.

use std::net::IpAddr;

use crate::{
    addr::{AddrParseError, DualStack},
    contract::ipam::{AddrError, Source},
    index::objects::Name,
};

/// What an `ip_pool` annotation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpPool {
    /// The name of an IPPool object.
    Named(Name),
    /// Addresses of which one item is taken.
    Items(Vec<DualStack<IpAddr>>),
}

/// Which pod of a StatefulSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The number at the end of its name.
    pub ordinal: u64,
    /// `spec.ordinals.start` of the StatefulSet, 0 by default.
    pub start: u64,
}

impl IpPool {
    /// Reads an annotation of a pod, in Kube-OVN's forms: items with `;` between, each `v4`, `v6` or `v4,v6`; single
    /// addresses with `,` between, of which exactly two of different families are one item; or a name.
    ///
    /// # Errors
    /// The item that is no address, a pair of one family, or nothing at all.
    pub fn parse(text: &str) -> Result<Self, AddrParseError> {
        let unreadable = || AddrParseError::Ip { text: text.to_owned() };
        let items = |separator: char| -> Vec<&str> {
            text.split(separator).map(str::trim).filter(|item| !item.is_empty()).collect()
        };
        let pairs = text.contains(';');
        let items = items(if pairs { ';' } else { ',' });
        let read: Vec<DualStack<IpAddr>> = match items.as_slice() {
            [name] if !pairs && name.parse::<IpAddr>().is_err() => return Ok(IpPool::Named((*name).into())),
            [a, b] if !pairs => {
                let (a, b): (DualStack<IpAddr>, DualStack<IpAddr>) = (a.parse()?, b.parse()?);
                let pair = DualStack { v4: a.v4.or(b.v4), v6: a.v6.or(b.v6) };
                let one = pair.v4.is_some() && pair.v6.is_some();
                if one { vec![pair] } else { vec![a, b] }
            }
            items => items.iter().map(|item| item.parse()).collect::<Result<_, _>>()?,
        };
        // An item without an address would let any address do.
        if read.is_empty() || read.iter().any(DualStack::is_empty) {
            return Err(unreadable());
        }
        Ok(IpPool::Items(read))
    }

    /// Which addresses will do for a pod. A member of a StatefulSet gets the item of its ordinal; where that is past
    /// the end, and the StatefulSet's ordinals don't start at 0, it is counted from their start.
    ///
    /// # Errors
    /// [`AddrError::ListEnds`] when the list has no item for the member.
    pub fn source(&self, member: Option<Member>) -> Result<Source, AddrError> {
        let items = match self {
            IpPool::Named(name) => return Ok(Source::Pools(vec![name.clone()])),
            IpPool::Items(items) => items,
        };
        let Some(Member { ordinal, start }) = member else { return Ok(Source::OneOf(items.clone())) };
        let item = |n: u64| items.get(usize::try_from(n).ok()?).copied();
        let from_start = || item(ordinal.checked_sub(start).filter(|_| start > 0)?);
        let found = item(ordinal).or_else(from_start);
        found.map(Source::from).ok_or(AddrError::ListEnds { ordinal, listed: items.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<String> {
        match IpPool::parse(text) {
            Ok(IpPool::Items(items)) => items.iter().map(ToString::to_string).collect(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn lists_are_read_in_every_form() {
        for (text, all) in [
            ("10.0.0.5", &["10.0.0.5"][..]),
            (" 10.0.0.5 , 10.0.0.6 ,10.0.0.7", &["10.0.0.5", "10.0.0.6", "10.0.0.7"]),
            ("10.0.0.5,fd00::5", &["10.0.0.5,fd00::5"]),
            ("fd00::5,10.0.0.5", &["10.0.0.5,fd00::5"]),
            ("10.0.0.5,10.0.0.6", &["10.0.0.5", "10.0.0.6"]),
            ("10.0.0.5,fd00::5;10.0.0.6,fd00::6", &["10.0.0.5,fd00::5", "10.0.0.6,fd00::6"]),
            ("10.0.0.5; fd00::6;", &["10.0.0.5", "fd00::6"]),
            ("10.0.0.5,fd00::5,10.0.0.6", &["10.0.0.5", "fd00::5", "10.0.0.6"]),
        ] {
            assert_eq!(items(text), all, "{text}");
        }
        assert_eq!(IpPool::parse(" web "), Ok(IpPool::Named("web".into())));
        for bad in [
            "10.0.0.5,web",
            "10.0.0.5;10.0.0.x",
            "10.0.0.5,10.0.0.6;10.0.0.7",
            "web,db",
            "10.0.0.300,x",
            "",
            ";",
            "10.0.0.5;,",
        ] {
            assert!(IpPool::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_member_gets_the_item_of_its_ordinal() {
        let list = IpPool::parse("10.0.0.5,10.0.0.6,10.0.0.7").unwrap();
        let of = |ordinal, start| list.source(Some(Member { ordinal, start }));
        let item = |text: &str| Ok(Source::from(text.parse::<DualStack<IpAddr>>().unwrap()));
        assert_eq!(of(0, 0), item("10.0.0.5"));
        assert_eq!(of(2, 0), item("10.0.0.7"));
        assert_eq!(of(2, 2), item("10.0.0.7"), "the raw ordinal, as long as the list has it");
        assert_eq!(of(4, 2), item("10.0.0.7"), "past the end it is counted from the start");
        assert_eq!(of(5, 2), Err(AddrError::ListEnds { ordinal: 5, listed: 3 }));
        assert_eq!(of(3, 0), Err(AddrError::ListEnds { ordinal: 3, listed: 3 }));
        assert!(matches!(list.source(None), Ok(Source::OneOf(items)) if items.len() == 3));
        let named = IpPool::Named("web".into());
        assert_eq!(
            named.source(Some(Member { ordinal: 9, start: 0 })),
            Ok(Source::Pools(vec!["web".into()]))
        );
    }
}
