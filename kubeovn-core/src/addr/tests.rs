//! What the address types promise about texts and bounds.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn mac_is_compared_by_value_and_must_be_unicast() {
    let lower: Mac = "0a:58:0a:10:00:05".parse().unwrap();
    assert_eq!("0A:58:0A:10:00:05".parse(), Ok(lower));
    assert_eq!(lower.to_string(), "0a:58:0a:10:00:05");
    assert!(matches!("01:00:5e:00:00:01".parse::<Mac>(), Err(AddrParseError::MacMulticast { .. })));
    for bad in [
        "",
        "0a:58:0a:10:00",
        "0a:58:0a:10:00:05:06",
        "a:58:0a:10:00:05",
        "0a-58-0a-10-00-05",
        "+a:58:0a:10:00:05",
    ] {
        assert!(matches!(bad.parse::<Mac>(), Err(AddrParseError::Mac { .. })), "{bad}");
    }
}

#[test]
fn cidr_drops_host_bits_and_knows_what_hosts_may_use() {
    let cases = [
        ("10.16.3.4/16", "10.16.0.0/16", "10.16.0.1..10.16.255.254"),
        ("10.0.0.0/31", "10.0.0.0/31", "10.0.0.0..10.0.0.1"),
        ("10.0.0.7/32", "10.0.0.7/32", "10.0.0.7"),
        ("10.0.0.0/30", "10.0.0.0/30", "10.0.0.1..10.0.0.2"),
        ("fd00::5/126", "fd00::4/126", "fd00::5..fd00::6"),
        ("fd00::/127", "fd00::/127", "fd00::..fd00::1"),
    ];
    for (text, canonical, usable) in cases {
        let cidr: Cidr = text.parse().unwrap();
        assert_eq!((cidr.to_string().as_str(), cidr.usable().to_string().as_str()), (canonical, usable));
    }
    assert!("10.0.0.0".parse::<Cidr>().is_err() && "10.0.0.0/33".parse::<Cidr>().is_err());
    let (a, b): (Cidr, Cidr) = ("10.0.0.0/8".parse().unwrap(), "10.3.0.0/16".parse().unwrap());
    assert!(a.overlaps(b) && b.overlaps(a) && !b.overlaps("10.4.0.0/16".parse().unwrap()));
    assert!(!a.overlaps("::/0".parse().unwrap()), "families never overlap");
}

#[test]
fn range_goes_upwards_in_one_family() {
    assert_eq!("10.0.0.3".parse(), Ok(IpRange::from(ip("10.0.0.3"))));
    assert!(matches!("10.0.0.3..10.0.0.2".parse::<IpRange>(), Err(AddrParseError::RangeOrder { .. })));
    assert!(matches!("10.0.0.3..fd00::1".parse::<IpRange>(), Err(AddrParseError::RangeOrder { .. })));
    for bad in ["", "..", "10.0.0.1..", "10.0.0.1...10.0.0.2", "10.0.0.1..10.0.0.2..10.0.0.3", "10.0.0.0/24"]
    {
        assert!(bad.parse::<IpRange>().is_err(), "{bad}");
    }
}

#[test]
fn dual_takes_one_of_each_in_either_order() {
    let dual: DualStack<IpAddr> = "fd00::2, 10.0.0.2".parse().unwrap();
    assert_eq!(dual.to_string(), "10.0.0.2,fd00::2");
    assert!(matches!("10.0.0.2,10.0.0.3".parse::<DualStack<IpAddr>>(), Err(AddrParseError::Dual { .. })));
    assert!("".parse::<DualStack<Cidr>>().unwrap().is_empty());
    assert!("10.0.0.0/8,x".parse::<DualStack<Cidr>>().is_err());
}

proptest! {
    #[test]
    fn texts_round_trip(bytes: [u8; 6], a: u32, b: u32, len in 0u8..=32, x: u128, y: u128) {
        let mac = Mac::local(bytes);
        prop_assert_eq!(mac.to_string().parse(), Ok(mac));
        for (first, last) in [(IpAddr::V4(a.min(b).into()), IpAddr::V4(a.max(b).into())),
                              (IpAddr::V6(x.min(y).into()), IpAddr::V6(x.max(y).into()))] {
            let range = IpRange::new(first, last).unwrap();
            prop_assert_eq!(range.to_string().parse(), Ok(range));
            prop_assert_eq!(number(last) - number(first), range.count() - 1);
        }
        let cidr: Cidr = format!("{}/{len}", std::net::Ipv4Addr::from(a)).parse().unwrap();
        prop_assert_eq!(cidr.to_string().parse(), Ok(cidr));
        prop_assert!(cidr.contains(cidr.usable().first()) && cidr.contains(cidr.usable().last()));
    }
}
