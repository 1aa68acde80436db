//! Texts that users might write, and what becomes of them.

use super::super::{Problem, Where, parse};

/// Matches that are fine in an ACL to a port.
pub(super) const GOOD: &[&str] = &[
    "1",
    "0",
    "ip4.src==10.0.0.1&&tcp",
    "ip4 /* comment */ && tcp",
    "tcp == 1 && udp != 0",
    "10 <= tcp.dst <= 20",
    "20 > tcp.dst >= 10",
    "80 == tcp.dst",
    "$s == ip4.src",
    "tcp.dst != {80, 443}",
    "icmp6.type == {130 134,}",
    "ip4.src == {10.0.0.0/8, $s, 0xa000001}",
    "ip4.src == 10.0.0.1/8",
    "ip4.src == 1.2.3.4/255.0.255.0",
    "ip6.src == fd00::/64 || ip6.dst == ::1",
    "eth.src == 00:11:22:33:44:55/ff:ff:ff:00:00:00",
    "eth.dst[40]",
    "eth.src[0..15] > 0x1111",
    "ip4.src[28..31] == 0xe",
    "tcp.flags == 0x2/0x12",
    "tcp.dst == 0/0xff",
    "ct.est && !ct.rpl && ct_mark == 0",
    "!eth.bcast && !vlan.present && !eth.mcast",
    "!(inport != \"a\") && !(!tcp)",
    "!(ip4.src == 10.0.0.1 || ip4.dst == 10.0.0.2)",
    "!(tcp.dst == 80)",
    "!ip.frag[0] || (ip.later_frag && tcp) || icmp4.type == 3",
    "ip.first_frag && tcp.dst == 80",
    "is_chassis_resident(\"p\") || !is_chassis_resident(\"q\")",
    "inport == {\"a\", @pg} && outport == \"\\u0041\\\"\"",
    "((((ip4))))",
    "nd.target == fe80::1 && nd.sll == 00:00:00:00:00:01",
];

/// Matches that are refused in an ACL to a port: the text, why, at which byte, and whether OVN 23.03 refuses it too.
/// Where it doesn't, it reads the text otherwise than its author.
pub(super) const BAD: &[(&str, Problem, usize, bool)] = &[
    ("", Problem::Syntax, 0, true),
    ("ip4 &&", Problem::Syntax, 6, true),
    ("ip4 && tcp ||", Problem::Mixed, 11, true),
    ("ip4 || tcp && udp", Problem::Mixed, 11, true),
    ("(ip4 && tcp", Problem::Syntax, 11, true),
    ("ip4 tcp", Problem::Syntax, 4, true),
    ("ip4.dst == 10.0.0.1:80", Problem::Character, 19, true),
    ("ip4 & tcp", Problem::Character, 4, true),
    ("ip4 and tcp", Problem::Syntax, 4, true),
    ("ip4.src = 10.0.0.1", Problem::Syntax, 8, true),
    ("2", Problem::Syntax, 1, true),
    ("{1}", Problem::Syntax, 3, true),
    ("1 < 2", Problem::Syntax, 4, true),
    ("tcp.dst == {}", Problem::Syntax, 12, true),
    ("tcp.dst == {80,,90}", Problem::Syntax, 15, true),
    ("!ip4.src == 1.1.1.1", Problem::Syntax, 1, true),
    ("!!eth.bcast", Problem::Syntax, 1, true),
    ("inport == web", Problem::Syntax, 10, true),
    ("inport == \"web", Problem::Quote, 10, true),
    ("inport == \"\\u0000\"", Problem::Quote, 11, true),
    ("inport == \"\\q\"", Problem::Quote, 11, true),
    ("tcp.dport == 80", Problem::Symbol, 0, true),
    ("icmp4.frag_mtu == 1", Problem::Internal, 0, false),
    ("vlan.tci == 3", Problem::Internal, 0, false),
    ("tcp.dst == 080", Problem::Constant, 11, true),
    ("tcp.dst == 0x", Problem::Constant, 11, true),
    ("ip4.src == 10.0.0", Problem::Constant, 11, true),
    ("ip4.src == 10.0.0.0/33", Problem::Constant, 20, true),
    ("ip4.src == 10.0.0.0/", Problem::Constant, 20, true),
    ("tcp.dst == 80/0xff", Problem::Constant, 14, true),
    ("tcp.dst == 18446744073709551616", Problem::Constant, 11, true),
    ("tcp.dst == 65536", Problem::Range, 11, true),
    ("tcp.dst == 0x1/0x1ffff", Problem::Range, 11, true),
    ("tcp.dst[0..16] == 1", Problem::Range, 7, true),
    ("tcp.dst[3..1] == 1", Problem::Range, 7, true),
    ("eth.src[0..3] == 16", Problem::Range, 17, false),
    ("20 <= tcp.dst <= 10", Problem::Range, 17, false),
    ("10 < tcp.dst < 11", Problem::Range, 15, false),
    ("10 == tcp.dst == 10", Problem::Operator, 14, true),
    ("10 < tcp.dst > 5", Problem::Operator, 13, true),
    ("ip.proto > 6", Problem::Operator, 0, true),
    ("eth.bcast <= 1", Problem::Operator, 0, true),
    ("tcp.dst > {1, 2}", Problem::Operator, 0, true),
    ("tcp.dst > 0x50/0xff", Problem::Operator, 0, true),
    ("ip.dscp[0]", Problem::Operator, 7, true),
    ("tcp.dst", Problem::Operator, 0, true),
    ("!ip4.src", Problem::Operator, 1, false),
    ("ip4.src > $s", Problem::Operator, 0, false),
    ("ip4.src == ::1", Problem::Type, 11, true),
    ("ip4.src == ::/0", Problem::Type, 11, false),
    ("ip6.src == 10.0.0.1", Problem::Type, 11, false),
    ("tcp.dst == \"80\"", Problem::Type, 11, true),
    ("tcp.dst == $s", Problem::Type, 11, true),
    ("ip4.src[0..15] == $s", Problem::Type, 18, false),
    ("inport == 1", Problem::Type, 10, true),
    ("inport == $s", Problem::Type, 10, true),
    ("ip4.src == @pg", Problem::Type, 11, true),
    ("inport == {\"a\", 1}", Problem::Type, 16, true),
    ("outport != \"x\"", Problem::Negation, 0, true),
    ("ip.proto != 6", Problem::Negation, 0, true),
    ("!(ip.proto == 6)", Problem::Negation, 2, true),
    ("!tcp", Problem::Negation, 1, true),
    ("tcp == 0", Problem::Negation, 0, true),
    ("icmp6.type != 130", Problem::Negation, 0, true),
    ("!ip.is_frag", Problem::Negation, 1, false),
    ("!(ip4.src == $s && tcp.dst == 80)", Problem::Prerequisite, 0, false),
    ("ip4 && !(ip4.src == $s || eth.src == 00:00:00:00:00:01)", Problem::Prerequisite, 7, false),
    ("ip.later_frag && tcp.dst == 80", Problem::Fragment, 0, false),
    ("udp.src == 1 && ip.frag == 2", Problem::Fragment, 16, false),
    ("reg0[0..3] == 1", Problem::Internal, 0, false),
    ("flags.loopback == 1", Problem::Internal, 0, false),
    ("ip4.src == ^backends", Problem::Template, 11, true),
    ("ip4 // and more", Problem::Comment, 4, false),
    ("ip4 /* and more", Problem::Comment, 4, true),
    ("ip4.src == $1x", Problem::Name, 11, true),
    ("inport == @", Problem::Name, 10, true),
];

#[test]
fn good_matches_pass() {
    for text in GOOD {
        assert_eq!(parse(text, Where::ToLport).map(|found| found.to_string()).as_deref(), Ok(*text));
    }
}

#[test]
fn bad_matches_are_refused_where_they_are_wrong() {
    for &(text, problem, at, _) in BAD {
        let error = parse(text, Where::ToLport).expect_err(text);
        assert_eq!((error.problem, error.at), (problem, at), "{text}\n{error}");
    }
}

#[test]
fn parentheses_have_a_limit() {
    let nested = |depth: usize| format!("{}ip4{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(64), Where::ToLport).is_ok());
    assert_eq!(parse(&nested(65), Where::ToLport).unwrap_err().problem, Problem::Depth);
    assert_eq!(parse(&"!(".repeat(100_000), Where::ToLport).unwrap_err().problem, Problem::Depth);
}

#[test]
fn ports_are_known_only_in_their_place() {
    use Where::{FromLport, RouterPolicy, ToLport};
    let refused = |text: &str| {
        [FromLport, ToLport, RouterPolicy].map(|place| parse(text, place).err().map(|error| error.problem))
    };
    let place = Some(Problem::Place);
    assert_eq!(refused("inport == \"a\""), [None, None, None]);
    assert_eq!(refused("outport == \"a\""), [place, None, None]);
    assert_eq!(refused("inport == @pg"), [None, None, place]);
}
