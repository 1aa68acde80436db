//! Every code that a subnet can be refused with: what leads to it, what it says, and what avoids it.

use super::facts::Facts;
use crate::{
    error::Problem,
    index::objects::{Name, SubnetSpec, VpcSpec},
};

/// A subnet that is refused, and a small change after which it isn't.
struct Case {
    code: &'static str,
    bad: fn(&mut SubnetSpec),
    /// What the message must hold: the offending value and the next step.
    says: &'static [&'static str],
    good: fn(&mut SubnetSpec),
}

const CASES: &[Case] = &[
    Case {
        code: "SUBNET-UNDERLAY",
        bad: |s| s.vlan = "vlan10".into(),
        says: &["vlan10", "Remove vlan"],
        good: |_| {},
    },
    Case {
        code: "SUBNET-PROVIDER",
        bad: |s| s.provider = "net1".into(),
        says: &["\"net1\"", "<name>.<namespace>", "leave it out"],
        good: |s| s.provider = " net1.default.ovn".into(),
    },
    Case {
        code: "SUBNET-CIDR-INVALID",
        bad: |s| s.cidr_block = "10.1.0.0-24".into(),
        says: &["10.1.0.0-24", "write it like 10.16.0.0/16"],
        good: |s| s.cidr_block = " 10.1.0.7/24 ".into(),
    },
    Case {
        code: "SUBNET-CIDR-INVALID",
        bad: |s| s.cidr_block = String::new(),
        says: &["cidrBlock is empty", "Give a prefix like 10.16.0.0/16"],
        good: |s| s.cidr_block = "fd00:1::/64,10.1.0.0/24".into(),
    },
    Case {
        code: "SUBNET-CIDR-INVALID",
        bad: |s| s.cidr_block = "10.1.0.0/24,10.2.0.0/24".into(),
        says: &["10.1.0.0/24,10.2.0.0/24", "one IPv4 and one IPv6"],
        good: |s| s.cidr_block = "10.1.0.0/24,fd00:1::/64".into(),
    },
    Case {
        code: "SUBNET-CIDR-INVALID",
        bad: |s| s.cidr_block = "10.1.0.1/32".into(),
        says: &["10.1.0.1/32", "/31 or shorter"],
        good: |s| s.cidr_block = "10.1.0.0/31".into(),
    },
    Case {
        code: "SUBNET-CIDR-INVALID",
        bad: |s| s.cidr_block = "10.1.0.0/24,fd00::1/128".into(),
        says: &["fd00::1/128", "/127 or shorter"],
        good: |s| s.cidr_block = "10.1.0.0/24,fd00::/127".into(),
    },
    Case {
        code: "SUBNET-GATEWAY-INVALID",
        bad: |s| s.gateway = "10.1.1.1".into(),
        says: &["10.1.1.1", "10.1.0.1..10.1.0.254", "Choose one of them"],
        good: |s| s.gateway = "10.1.0.254".into(),
    },
    Case {
        code: "SUBNET-GATEWAY-INVALID",
        bad: |s| s.gateway = "10.1.0.255".into(),
        says: &["10.1.0.255"],
        good: |s| s.gateway = "10.1.0.1".into(),
    },
    Case {
        code: "SUBNET-GATEWAY-INVALID",
        bad: |s| s.gateway = "10.1.0.0".into(),
        says: &["10.1.0.0 is not among the usable"],
        good: |s| s.gateway = " ".into(),
    },
    Case {
        code: "SUBNET-GATEWAY-INVALID",
        bad: |s| s.gateway = "fd00::1".into(),
        says: &["fd00::1 is IPv6", "10.1.0.0/24"],
        good: |s| (s.cidr_block, s.gateway) = ("10.1.0.0/24,fd00::/64".into(), "fd00::1".into()),
    },
    Case {
        code: "SUBNET-GATEWAY-INVALID",
        bad: |s| s.gateway = "first".into(),
        says: &["\"first\" is no IP address"],
        good: |s| s.gateway = "10.1.0.9".into(),
    },
    Case {
        code: "SUBNET-EXCLUDE-INVALID",
        bad: |s| s.exclude_ips = vec!["10.1.0.9-10.1.0.20".into()],
        says: &["10.1.0.9-10.1.0.20", "write a single address or first..last"],
        good: |s| s.exclude_ips = vec!["10.1.0.9..10.1.0.20".into(), String::new()],
    },
    Case {
        code: "SUBNET-EXCLUDE-INVALID",
        bad: |s| s.exclude_ips = vec!["10.1.0.20..10.1.0.9".into()],
        says: &["10.1.0.20..10.1.0.9", "from a lower to a higher"],
        good: |s| s.exclude_ips = vec!["10.1.0.9..10.1.0.9".into()],
    },
    Case {
        code: "SUBNET-ALLOW-INVALID",
        bad: |s| s.allow_subnets = vec!["10.2.0.0".into()],
        says: &["10.2.0.0", "write it like 10.16.0.0/16"],
        good: |s| s.allow_subnets = vec!["10.2.0.0/16".into(), " ".into()],
    },
    Case {
        code: "SUBNET-MTU-INVALID",
        bad: |s| (s.mtu, s.cidr_block) = (1279, "fd00::/64".into()),
        says: &["1279", "1280", "Raise it, or leave it out"],
        good: |s| (s.mtu, s.cidr_block) = (1280, "fd00::/64".into()),
    },
    Case {
        code: "SUBNET-VPC-UNKNOWN",
        bad: |s| s.vpc = "shpo".into(),
        says: &["no VPC shpo", "Create it, or correct spec.vpc"],
        good: |s| s.vpc = "shop".into(),
    },
    Case {
        code: "SUBNET-NAME-IS-VPC",
        bad: |s| s.vpc = "a".into(),
        says: &["VPC a", "Rename one of the two"],
        good: |s| s.vpc = "ovn-cluster".into(),
    },
    Case {
        code: "SUBNET-NAMESPACE-FOREIGN",
        bad: |s| (s.vpc, s.namespaces) = ("shop".into(), vec!["shop".into(), "intruder".into()]),
        says: &["intruder", "VPC shop", "Add it there, or remove it here"],
        good: |s| (s.vpc, s.namespaces) = ("shop".into(), vec!["shop".into()]),
    },
    Case {
        code: "SUBNET-CIDR-OVERLAP",
        bad: |s| s.cidr_block = "10.16.128.0/24".into(),
        says: &[
            "10.16.128.0/24",
            "10.16.0.0/16 of subnet ovn-default",
            "Choose another prefix, or another VPC",
        ],
        good: |s| (s.cidr_block, s.vpc) = ("10.16.128.0/24".into(), "shop".into()),
    },
    Case {
        code: "SUBNET-CIDR-NODE",
        bad: |s| s.cidr_block = "192.168.0.0/24".into(),
        says: &["192.168.0.0/24", "192.168.0.5 of node n1", "Choose another prefix"],
        good: |s| (s.cidr_block, s.vpc) = ("192.168.0.0/24".into(), "shop".into()),
    },
];

/// The decision about a subnet `a` in a world with a VPC `shop` and a node.
fn decide(change: fn(&mut SubnetSpec)) -> (bool, Vec<Problem>) {
    let mut facts = Facts::new();
    facts.vpc("shop", VpcSpec { namespaces: vec!["shop".into()], ..VpcSpec::default() });
    facts.vpc("a", VpcSpec::default());
    facts.node("n1", "192.168.0.5");
    let mut spec = SubnetSpec { cidr_block: "10.1.0.0/24".into(), ..SubnetSpec::default() };
    change(&mut spec);
    facts.subnet("a", &spec.vpc.clone(), &spec.cidr_block.clone(), spec);
    facts.decide();
    let decision = facts.world.decision("a").unwrap();
    (decision.plan.is_some(), decision.problems.clone())
}

#[test]
fn what_is_wrong_is_refused_with_its_code_and_a_way_out() {
    for case in CASES {
        let (accepted, problems) = decide(case.bad);
        assert!(!accepted, "{} accepted", case.code);
        let [problem] = problems.as_slice() else { panic!("{}: {problems:?}", case.code) };
        assert_eq!(problem.code, case.code, "{problem}");
        assert!(problem.message.starts_with("subnet a: "), "{problem}");
        for part in case.says {
            assert!(problem.message.contains(part), "{part:?} is not in: {problem}");
        }
        assert_eq!(decide(case.good), (true, Vec::new()), "{}", case.code);
    }
}

#[test]
fn no_subnet_lies_where_addresses_have_a_meaning_of_their_own() {
    for reserved in [
        "224.1.0.0/16",
        "127.0.0.0/30",
        "0.0.0.0/1",
        "0.0.0.0/0",
        "169.254.1.0/24",
        "255.255.255.0/24",
        "::/64",
        "ff02::/64",
        "fe80::/64",
        "fe00::/8",
    ] {
        let mut facts = Facts::new();
        facts.subnet("a", "", reserved, SubnetSpec::default());
        facts.decide();
        let problem = facts.world.decision("a").unwrap().problems.first().cloned().unwrap();
        assert_eq!(problem.code, "SUBNET-CIDR-INVALID", "{reserved}");
        assert!(problem.message.contains("which is reserved. Choose another prefix"), "{problem}");
    }
}

#[test]
fn a_field_that_nothing_acts_on_is_named_and_the_rest_is_in_effect() {
    let mut facts = Facts::new();
    let inert: Vec<Name> = vec!["vips".into()];
    facts.subnet(
        "a",
        "",
        "10.1.0.0/24",
        SubnetSpec {
            inert: inert.clone(),
            // Nodes read it, and that alone is no effect.
            enable_lb: Some(true),
            ..SubnetSpec::default()
        },
    );
    facts.subnet("b", "", "10.1.0.0/24", SubnetSpec { inert, ..SubnetSpec::default() });
    facts.decide();
    let a = facts.world.decision("a").unwrap();
    assert!(a.plan.is_some());
    let [problem] = a.problems.as_slice() else { panic!("{:?}", a.problems) };
    assert_eq!(problem.code, "FIELD-NOT-SUPPORTED");
    for part in ["Subnet a", "enableLb, vips", "docs/compatibility.md"] {
        assert!(problem.message.contains(part), "{problem}");
    }
    // Who is refused is told why, first and only.
    let codes: Vec<_> = facts.world.decision("b").unwrap().problems.iter().map(|p| p.code).collect();
    assert_eq!(codes, ["SUBNET-CIDR-OVERLAP"]);
}
