use super::*;
use crate::index::objects::{Meta, SubnetSpec};

fn rule(src: &str, dst: &str, action: &str) -> NatRule {
    NatRule { r#match: NatMatch { src: src.into(), dst: dst.into() }, action: action.into() }
}

fn subnet(rules: Vec<NatRule>) -> Subnet {
    let spec = SubnetSpec { nat_outgoing: true, nat_outgoing_policy_rules: rules, ..SubnetSpec::default() };
    Subnet { meta: Meta::named("shop"), spec, ..Subnet::default() }
}

/// Digests of sha256sum(1) of the text that stands beside them.
#[test]
fn an_exception_has_the_name_that_kube_ovn_gives_it() {
    let forward = rule("", "192.168.0.0/16", "forward");
    let nat = rule("10.0.11.128/26", "114.114.114.114,8.8.8.8", "nat");
    let v6 = rule("fd00::/64", "", "nat");
    for (index, rule, text, digest) in [
        (0, &forward, r#"{"match":{"dstIPs":"192.168.0.0/16"},"action":"forward"}"#, "2d68ef45f0b4"),
        (
            1,
            &nat,
            r#"{"match":{"srcIPs":"10.0.11.128/26","dstIPs":"114.114.114.114,8.8.8.8"},"action":"nat"}"#,
            "749988969964",
        ),
        (10, &v6, r#"{"match":{"srcIPs":"fd00::/64"},"action":"nat"}"#, "ab098ac5d3c2"),
    ] {
        assert_eq!((&*json(rule), &*id("shop", index, rule)), (text, digest));
    }
    assert_eq!(json(&NatRule::default()), r#"{"match":{},"action":""}"#);
    // As encoding/json writes it.
    let escaped = r#"{"match":{},"action":"\"\\\b\f\n\r\t\u0001\u001f\u003c\u003e\u0026\u2028\u2029é/'"}"#;
    assert_eq!(json(&rule("", "", "\"\\\u{8}\u{c}\n\r\t\u{1}\u{1f}<>&\u{2028}\u{2029}é/'")), escaped);
}

#[test]
fn exceptions_are_read_in_their_order() {
    let subnet = subnet(vec![
        rule("10.16.0.4, 10.16.0.64/26", "", " forward "),
        rule("fd00::7", "::/0,0.0.0.0/0", "nat"),
    ]);
    let NatExceptions { in_force, problem } = nat_exceptions(&subnet);
    assert_eq!(problem, None);
    let texts = |cidrs: &[Cidr]| cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let read: Vec<_> =
        in_force.iter().map(|(_, e)| (texts(&e.src), texts(&e.dst), e.action, e.id.len())).collect();
    let expected = [
        ("10.16.0.4/32,10.16.0.64/26", "", NatAction::Forward, 12),
        ("fd00::7/128", "::/0,0.0.0.0/0", NatAction::Nat, 12),
    ];
    assert_eq!(read, expected.map(|(src, dst, action, id)| (src.to_owned(), dst.to_owned(), action, id)));
}

#[test]
fn an_exception_that_cannot_be_in_force_is_told_and_the_others_are_in_force() {
    for (bad, why) in [
        (rule("10.16.0.300", "", "nat"), r#"srcIPs: "10.16.0.300" is neither an address nor a prefix"#),
        (rule("", "8.8.8.8,x", "nat"), r#"dstIPs: "x" is neither an address nor a prefix"#),
        (rule("10.16.0.4", "", "snat"), r#"action "snat" is neither nat nor forward"#),
        (rule(" , ", "", "nat"), "it has neither srcIPs nor dstIPs"),
        (rule("10.16.0.4", "fd00::/64", "nat"), "srcIPs and dstIPs are of different families"),
    ] {
        let mut subnet = subnet(vec![rule("10.16.0.4", "", "nat"), bad, rule("", "8.8.8.8", "forward")]);
        let NatExceptions { in_force, problem } = nat_exceptions(&subnet);
        assert_eq!(in_force.len(), 2);
        assert_eq!(in_force[1].1.id, id("shop", 2, in_force[1].0), "the index is that of the spec");
        let problem = problem.expect("a problem");
        let start = format!(
            "subnet shop: 1 of its 3 exceptions from natOutgoing do nothing: natOutgoingPolicyRules[1]: {why}"
        );
        assert!(problem.code == "SUBNET-NAT-RULE" && problem.message.starts_with(&start), "{problem}");
        subnet.spec.nat_outgoing = false;
        assert_eq!(nat_exceptions(&subnet), NatExceptions::default());
    }
}
