//! Random matches.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{super::symbols, *};

fn side() -> impl Strategy<Value = Side> + Clone {
    select(vec![Src, Dst])
}

fn family() -> impl Strategy<Value = Family> + Clone {
    select(Family::BOTH.to_vec())
}

fn set_name() -> impl Strategy<Value = SetName> + Clone {
    "[a-zA-Z_.][a-zA-Z0-9_.]{0,8}".prop_map(|text| name(&text))
}

fn prefix() -> impl Strategy<Value = IpNet> + Clone {
    let v4 = (any::<u32>(), 0..=32u8).prop_map(|(n, len)| Ipv4Net::new_assert(Ipv4Addr::from(n), len).into());
    let v6 =
        (any::<u128>(), 0..=128u8).prop_map(|(n, len)| Ipv6Net::new_assert(Ipv6Addr::from(n), len).into());
    prop_oneof![v4, v6]
}

fn term() -> impl Strategy<Value = Match> {
    let l4 = || select(vec![L4::Tcp, L4::Udp, L4::Sctp]);
    prop_oneof![
        any::<String>().prop_map(|port| Match::inport(&port)),
        any::<String>().prop_map(|port| Match::outport(&port)),
        set_name().prop_map(|group| Match::outport_group(&group)),
        (side(), prefix()).prop_map(|(side, net)| side.is(net)),
        (side(), prefix()).prop_map(|(side, net)| side.is(net.addr())),
        (side(), family(), set_name()).prop_map(|(side, family, set)| side.in_set(family, &set)),
        (side(), family(), set_name()).prop_map(|(side, family, set)| side.not_in_set(family, &set)),
        (side(), family(), vec(prefix(), 1..4))
            .prop_filter_map("no prefix of the family", |(side, family, nets)| side.none_of(family, nets)),
        l4().prop_map(L4::any),
        (l4(), side(), any::<u16>()).prop_map(|(l4, side, port)| l4.port(side, port)),
        (l4(), side(), any::<u16>(), any::<u16>())
            .prop_filter_map("empty", |(l4, side, first, last)| l4.ports(side, first, last)),
        family().prop_map(Match::icmp),
        vec(any::<u8>(), 1..4).prop_filter_map("empty", Match::icmp6_on_link),
        any::<u8>().prop_map(Match::ip_proto),
    ]
}

/// Anything that the builder can make.
pub(super) fn built() -> impl Strategy<Value = Match> {
    term().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.or(b)),
            inner.prop_map(Match::group),
        ]
    })
}

/// Texts made of well-formed pieces, of which few are matches.
pub(super) fn soup() -> impl Strategy<Value = String> {
    let constant = select(vec![
        "0",
        "1",
        "7",
        "80",
        "65536",
        "0x1/0x3",
        "0/0x3",
        "10.0.0.1",
        "10.0.0.0/8",
        "::1",
        "fd00::/8",
        "00:00:00:00:00:01",
        "\"p\"",
        "$s",
        "@pg",
        "{1, 2}",
        "{10.0.0.1, $s}",
        "{\"p\", @pg}",
        "{0}",
    ]);
    let operator = || select(vec!["==", "==", "==", "!=", "<", "<=", ">", ">="]);
    let names: Vec<_> = symbols::all().map(|symbol| symbol.name).collect();
    let field = (select(names), select(vec!["", "", "", "[0]", "[0..3]"]))
        .prop_map(|(name, bits)| format!("{name}{bits}"));
    let term = prop_oneof![
        field.clone(),
        (field.clone(), operator(), constant.clone()).prop_map(|(f, op, c)| format!("{f} {op} {c}")),
        (constant.clone(), operator(), field.clone()).prop_map(|(c, op, f)| format!("{c} {op} {f}")),
        (constant.clone(), operator(), field, operator(), constant)
            .prop_map(|(a, o, f, p, b)| format!("{a} {o} {f} {p} {b}")),
        Just("is_chassis_resident(\"p\")".to_owned()),
    ];
    term.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.clone().prop_map(|a| format!("!{a}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} && {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
        ]
    })
}
