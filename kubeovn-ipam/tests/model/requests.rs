//! Random subnets and requests, of few names and few addresses.

use std::{net::IpAddr, sync::Arc};

use kubeovn_ipam::{
    DualStack, Family, IpRange, Mac, MacWish, NamedPool, Offer, Order, OwnerKey, Source, Want,
};
use proptest::prelude::*;

use crate::naive::SUBNETS;

/// One of some shapes of a subnet; the last one can't be.
pub(crate) fn offer(subnet: usize, shape: usize, rest: bool, elsewhere: bool, order: usize) -> Offer {
    let (cidrs, gateways, excludes, pools): (_, _, _, &str) = [
        ("10.0.0.0/29", "10.0.0.1", "", ""),
        ("10.0.0.0/28,fd00::/125", "10.0.0.1,fd00::1", "10.0.0.9..10.0.0.10", ""),
        ("fd00::/126,10.0.0.8/29", "10.0.0.9", "10.0.0.0..10.0.0.11", ""),
        (
            "10.0.0.0/28,fd00::/125",
            "10.0.0.1",
            "10.0.0.4",
            "x 10.0.0.3..10.0.0.5 fd00::2;y 10.0.0.14..10.0.0.30",
        ),
        ("fd00::/126", "fd00::1", "fd00::3", ""),
        ("10.0.0.2/31", "", "", ""),
        ("", "", "", ""),
        ("10.0.0.5/32", "10.0.0.9", "", ""),
        ("10.0.0.0/29", "", "", "x 10.0.0.0..10.0.0.9"),
        ("10.0.0.0/29", "", "", "x 10.0.0.3;y 10.0.0.4;z 10.0.0.1..10.0.0.3"),
    ][shape];
    let space = if (subnet == 2) == elsewhere { "v" } else { "w" };
    let pool = |text: &str| {
        let mut words = text.split(' ');
        NamedPool { name: words.next()?.into(), ranges: words.map(|range| range.parse().unwrap()).collect() }
            .into()
    };
    Offer {
        subnet: SUBNETS[subnet].into(),
        space: space.into(),
        cidrs: cidrs.parse().unwrap(),
        gateways: gateways.parse().unwrap(),
        gateway_mac: (shape % 2 == 1).then(|| mac(3)),
        excludes: excludes.parse::<IpRange>().into_iter().collect(),
        pools: pools.split(';').filter(|pool| !pool.is_empty()).filter_map(pool).collect(),
        order: [Order::Lowest, Order::Lowest, Order::NextFit, Order::Random { seed: 5 }][order],
        rest: if rest { 10 } else { 0 },
    }
}

pub(crate) fn mac(n: u8) -> Mac {
    Mac::local([0, 0, 0, 0, 0, n])
}

pub(crate) fn ips() -> impl Strategy<Value = DualStack<IpAddr>> {
    let v4 = prop::option::weighted(0.6, (0u8..18).prop_map(|n| IpAddr::from([10, 0, 0, n])));
    let v6 = prop::option::weighted(0.3, (0u16..9).prop_map(|n| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, n])));
    (v4, v6).prop_map(|(v4, v6)| DualStack { v4, v6 })
}

fn source() -> impl Strategy<Value = Source> {
    let pool = prop::sample::select(vec!["x", "y", "none"]).prop_map(Arc::from);
    prop_oneof![
        5 => Just(Source::Any),
        4 => prop::collection::vec(ips(), 0..3).prop_map(Source::OneOf),
        2 => prop::collection::vec(pool, 1..3).prop_map(Source::Pools),
    ]
}

pub(crate) fn want() -> impl Strategy<Value = Want> {
    let subnets = prop::collection::vec(0usize..3, 1..3);
    let family = prop::option::weighted(0.2, prop::sample::select(Family::BOTH.to_vec()));
    let mac = prop_oneof![
        6 => Just(MacWish::Any),
        1 => Just(MacWish::Without),
        1 => (0u8..4).prop_map(|n| MacWish::Is(mac(n))),
    ];
    let skip = prop::collection::vec((1u8..5).prop_map(|n| IpAddr::from([10, 0, 0, n])), 0..3);
    let skip = prop::option::weighted(0.15, skip).prop_map(Option::unwrap_or_default);
    let share = prop::option::weighted(0.15, prop::collection::vec((0usize..6).prop_map(key), 1..3));
    (any::<bool>(), subnets, source(), family, mac, skip, share).prop_map(
        |(main, subnets, from, family, mac, skip, share)| Want {
            nic: if main { "" } else { "net1" }.into(),
            subnets: subnets.into_iter().map(|i| SUBNETS[i].into()).collect(),
            from,
            family,
            mac,
            skip: skip.into(),
            share: share.unwrap_or_default(),
        },
    )
}

/// One object of the name: its uid.
pub(crate) fn object(owner: usize, uid: usize) -> Arc<str> {
    format!("uid-{owner}-{uid}").into()
}

pub(crate) fn key(i: usize) -> OwnerKey {
    OwnerKey::pod(["shop", "web"][i % 2], &format!("p{i}"))
}
