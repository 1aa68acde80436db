//! The builder writes Kube-OVN's texts; the parser takes these and refuses what OVN would refuse or misread.

mod generate;
mod live;
mod table;

use ipnet::IpNet;
use kubeovn_core::addr::Family::{self, V4, V6};
use proptest::prelude::*;

use super::{Side::*, *};

fn name(text: &str) -> SetName {
    SetName::new(text).unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn all(matches: impl IntoIterator<Item = Match>) -> Match {
    Match::all_of(matches).unwrap()
}

/// What Kube-OVN writes for its features, and how it is built here.
fn examples() -> Vec<(Match, &'static str)> {
    policies().into_iter().chain(switches_and_groups()).collect()
}

fn policies() -> Vec<(Match, &'static str)> {
    let web = Match::outport_group(&name("allow.web.prod"));
    let from_web = Match::inport_group(&name("allow.web.prod"));
    let set = |text: &str| name(&format!("allow.web.prod.{text}"));
    let peers = |side: Side, allow: &str, except: &str| {
        Match::ip().and(side.in_set(V4, &set(allow))).and(side.not_in_set(V4, &set(except)))
    };
    let ingress = web.clone().and(peers(Src, "ingress.allow.IPv4.0", "ingress.except.IPv4.0"));
    let protocols = Match::any_of([L4::Tcp, L4::Udp, L4::Sctp].map(L4::any)).unwrap();
    let block = |side: Side, block: &str, except: &[&str]| {
        let except = side.none_of(V4, except.iter().map(|text| net(text)));
        all([side.is(net(block))].into_iter().chain(except))
    };
    vec![
        (web.clone().and(Match::ip()), "outport == @allow.web.prod && ip"),
        (web.clone().and(protocols), "outport == @allow.web.prod && (tcp || udp || sctp)"),
        (
            all([web.clone(), L4::Udp.port(Src, 547), L4::Udp.port(Dst, 546), Match::ip6()]),
            "outport == @allow.web.prod && udp.src == 547 && udp.dst == 546 && ip6",
        ),
        (
            ingress.clone(),
            "outport == @allow.web.prod && ip && ip4.src == $allow.web.prod.ingress.allow.IPv4.0 \
             && ip4.src != $allow.web.prod.ingress.except.IPv4.0",
        ),
        (
            ingress.and(L4::Tcp.ports(Dst, 8000, 8080).unwrap()),
            "outport == @allow.web.prod && ip && ip4.src == $allow.web.prod.ingress.allow.IPv4.0 \
             && ip4.src != $allow.web.prod.ingress.except.IPv4.0 && 8000 <= tcp.dst <= 8080",
        ),
        (
            from_web
                .and(peers(Dst, "egress.allow.IPv4.0", "egress.except.IPv4.0"))
                .and(L4::Tcp.port(Dst, 443)),
            "inport == @allow.web.prod && ip && ip4.dst == $allow.web.prod.egress.allow.IPv4.0 \
             && ip4.dst != $allow.web.prod.egress.except.IPv4.0 && tcp.dst == 443",
        ),
        (
            all([web.clone(), Match::ip(), block(Src, "10.0.0.0/8", &[]).group()]),
            "outport == @allow.web.prod && ip && (ip4.src == 10.0.0.0/8)",
        ),
        (
            all([
                web,
                Match::ip(),
                block(Src, "10.0.0.0/8", &["10.1.0.0/16", "fd00::/64", "10.2.0.0/16"]).group(),
                L4::Tcp.port(Dst, 80),
            ]),
            "outport == @allow.web.prod && ip \
             && (ip4.src == 10.0.0.0/8 && ip4.src != {10.1.0.0/16, 10.2.0.0/16}) && tcp.dst == 80",
        ),
        (
            all([
                Match::inport_group(&name("p")),
                Match::ip(),
                block(Dst, "10.0.0.0/8", &["10.1.0.0/16"]).or(block(Dst, "192.168.0.0/16", &[])),
            ]),
            "inport == @p && ip && ((ip4.dst == 10.0.0.0/8 && ip4.dst != {10.1.0.0/16}) || ip4.dst == 192.168.0.0/16)",
        ),
        (Match::icmp6(), "icmp6"),
    ]
}

fn switches_and_groups() -> Vec<(Match, &'static str)> {
    let sg = Match::outport_group(&name("ovn.sg.web"));
    let node = "172.18.0.2".parse::<std::net::IpAddr>().unwrap();
    let within = |from: &str, to: &str| Match::src(net(from)).and(Match::dst(net(to)));
    vec![
        (
            Match::src(node).and(Match::dst_set(V4, &name("node.kube.worker").addresses(V4))),
            "ip4.src == 172.18.0.2 && ip4.dst == $node.kube.worker_ip4",
        ),
        (
            all([
                Match::inport_group(&name("deny.db")),
                Match::ip(),
                Match::dst_set(V6, &name("deny.db.egress.0.block.IPv6")),
                L4::Tcp.port(Dst, 443),
            ]),
            "inport == @deny.db && ip && ip6.dst == $deny.db.egress.0.block.IPv6 && tcp.dst == 443",
        ),
        (
            within("10.10.0.0/16", "10.20.0.0/16").or(within("10.20.0.0/16", "10.10.0.0/16")),
            "(ip4.src == 10.10.0.0/16 && ip4.dst == 10.20.0.0/16) \
             || (ip4.src == 10.20.0.0/16 && ip4.dst == 10.10.0.0/16)",
        ),
        (Match::ip().and(Match::outport("s1-ovn-cluster")), "ip && outport == \"s1-ovn-cluster\""),
        (sg.clone().and(Match::arp()), "outport == @ovn.sg.web && arp"),
        (
            sg.clone().and(Match::icmp6_on_link([130, 134, 135, 136]).unwrap()),
            "outport == @ovn.sg.web && icmp6.type == {130, 134, 135, 136} && icmp6.code == 0 && ip.ttl == 255",
        ),
        (sg.clone().and(Match::ip_proto(112)), "outport == @ovn.sg.web && ip.proto == 112"),
        (
            all([sg.clone(), Match::ip4(), Match::src(net("0.0.0.0/0")), Match::icmp4()]),
            "outport == @ovn.sg.web && ip4 && ip4.src == 0.0.0.0/0 && icmp4",
        ),
        (
            all([
                sg,
                Match::family(V4),
                Match::src(net("0.0.0.0/0")),
                Match::dst(net("10.10.10.0/24")),
                L4::Tcp.ports(Dst, 80, 80).unwrap(),
                L4::Tcp.ports(Src, 10, 2000).unwrap(),
            ]),
            "outport == @ovn.sg.web && ip4 && ip4.src == 0.0.0.0/0 && ip4.dst == 10.10.10.0/24 \
             && 80 <= tcp.dst <= 80 && 10 <= tcp.src <= 2000",
        ),
        (
            Match::src_set(V4, &name("ovn.default.node")).and(Match::dst(net("fd00:10:96::/112"))),
            "ip4.src == $ovn.default.node && ip6.dst == fd00:10:96::/112",
        ),
        (
            Match::inport("localnet.ul").and(Match::arp_request([10, 0, 0, 1].into())),
            "inport == \"localnet.ul\" && arp.op == 1 && arp.tpa == 10.0.0.1",
        ),
    ]
}

#[test]
fn texts_are_kube_ovns_byte_for_byte() {
    for (built, text) in examples() {
        assert_eq!(built.to_string(), text);
        parse(text, Where::ToLport).unwrap();
    }
}

#[test]
fn a_users_match_stays_verbatim_and_takes_parentheses_when_it_needs_them() {
    let user = |text: &str| Match::from(parse(text, Where::ToLport).unwrap());
    assert_eq!(user(" tcp||udp ").to_string(), " tcp||udp ");
    assert_eq!(user("tcp || udp").and(Match::ip4()).to_string(), "(tcp || udp) && ip4");
    assert_eq!(user("(tcp || udp)").and(Match::ip4()).to_string(), "(tcp || udp) && ip4");
    let refers = parse("inport == {\"a\", @g} && ip4.src == {$s, $t, 10.0.0.1}", Where::ToLport).unwrap();
    assert_eq!(refers.address_sets().iter().collect::<Vec<_>>(), ["s", "t"]);
    assert_eq!(refers.port_groups().iter().collect::<Vec<_>>(), ["g"]);
}

#[test]
fn what_would_be_wrong_cannot_be_built() {
    for bad in ["", "1sub.node", "a-b", "a b", "ü", "$a", "a:b"] {
        assert_eq!(SetName::new(bad).unwrap_err().problem, Problem::Name, "{bad}");
    }
    assert_eq!(L4::Tcp.ports(Dst, 2, 1), None);
    assert_eq!(Src.none_of(V6, [net("10.0.0.0/8")]), None);
    assert_eq!(Match::all_of([]), None);
    assert_eq!(Match::icmp6_on_link([]), None);
    assert_eq!(Match::inport("a\"\\\n\0").to_string(), "inport == \"a\\\"\\\\\\u000a\u{fffd}\"");
}

#[test]
fn errors_say_where_what_and_what_next() {
    let error = parse("ip4 && tcp.dst == 99999", Where::ToLport).unwrap_err();
    assert_eq!(
        error.to_string(),
        "MATCH-RANGE: at byte 18: found \"99999\", expected at most 16 bits, not 17, for tcp.dst. \
         Write a value that the field can have; otherwise the rule would never apply."
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn all_that_can_be_built_is_accepted(built in generate::built()) {
        let text = built.to_string();
        let parsed = parse(&text, Where::ToLport);
        prop_assert!(parsed.is_ok(), "{text}\n{}", parsed.unwrap_err());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,40}", soup in generate::soup()) {
        for text in [text, soup] {
            if let Err(error) = parse(&text, Where::FromLport) {
                prop_assert!(error.at <= text.len() && text.is_char_boundary(error.at), "{text:?} {error:?}");
            }
        }
    }
}
