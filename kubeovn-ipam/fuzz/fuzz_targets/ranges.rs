//! Texts of addresses: whatever is read is written, and read again as the same.
#![no_main]

use std::{
    fmt::{Debug, Display},
    net::IpAddr,
    str::FromStr,
};

use kubeovn_core::{
    decide::ip_pool::{IpPool, Member},
    index::objects::member,
};
use kubeovn_ipam::{Cidr, DualStack, Family, IpRange, Mac, OwnerKey, RangeSet};
use libfuzzer_sys::fuzz_target;

fn same<T: FromStr<Err: Display> + Display + Debug + PartialEq>(text: &str) -> Option<T> {
    let read = text.parse::<T>().map_err(|error| error.to_string()).ok()?;
    let written = read.to_string();
    assert_eq!(written.parse::<T>().ok().as_ref(), Some(&read), "{text:?} is written {written:?}");
    Some(read)
}

fuzz_target!(|text: &str| {
    same::<Mac>(text);
    same::<OwnerKey>(text);
    same::<DualStack<Cidr>>(text);
    same::<DualStack<IpAddr>>(text);
    if let Some(cidr) = same::<Cidr>(text) {
        let usable = cidr.usable();
        assert!(cidr.contains(usable.first()) && cidr.contains(usable.last()));
    }
    if let Some(range) = same::<IpRange>(text) {
        assert!(range.contains(range.first()) && range.contains(range.last()) && range.count() > 0);
    }
    for family in Family::BOTH {
        let ranges = |text: &str| -> RangeSet {
            let all = text.split(',').filter_map(|item| item.parse::<IpRange>().ok());
            all.filter(|range| range.family() == family).map(IpRange::numbers).collect()
        };
        let set = ranges(text);
        assert_eq!(ranges(&set.text(family).replace('-', "..")), set, "{text:?}");
        assert_eq!(set.common(&set), set);
        assert_eq!(set.without(&set), RangeSet::default());
    }
    match IpPool::parse(text) {
        Ok(IpPool::Named(name)) => assert_eq!(IpPool::parse(&name), Ok(IpPool::Named(name.clone()))),
        Ok(IpPool::Items(items)) => {
            let written: String = items.iter().map(|item| format!("{item};")).collect();
            assert_eq!(IpPool::parse(&written), Ok(IpPool::Items(items)), "{text:?} is written {written:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let ordinal = ordinal(text).unwrap_or_default();
    _ = IpPool::parse(text).map(|pool| pool.source(Some(Member { ordinal, start: text.len() as u64 })));
});
