//! One plan per feature, as text in `tests/golden/gateway/`: `masquerade` whole, the others as what they differ in from it.
//! `UPDATE_GOLDEN=1 cargo test -p kubeovn-node --lib gateway` writes them anew.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use super::*;
use crate::gateway::facts::{Carrier, Egress, Gateway, NatAction, NatRule, Pod, Subnet};
use crate::gateway::samples;

fn golden(name: &str, text: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/gateway/{name}.txt"));
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().expect("a folder")).expect("make the folder");
        fs::write(&file, text).expect("write");
        return;
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, expected, "{} is another plan now", file.display());
}

/// What differs from the plan of the samples.
fn golden_difference(name: &str, facts: &Facts) {
    let (old, new) = (plan(&samples::facts()).to_string(), plan(facts).to_string());
    golden(name, &difference(&old, &new));
}

/// The lines that came (+) and went (-), each part under the last line above it that is less indented.
fn difference(old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    // common[i][j]: lines that a[i..] and b[j..] have in common.
    let mut common = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] =
                if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let (mut i, mut j, mut text) = (0, 0, String::new());
    let mut above: Vec<(&str, bool)> = Vec::new();
    while i < a.len() || j < b.len() {
        let same = i < a.len() && j < b.len() && a[i] == b[j];
        let gone = !same && (j == b.len() || i < a.len() && common[i + 1][j] >= common[i][j + 1]);
        let line = if same || gone { a[i] } else { b[j] };
        above.retain(|(other, _)| indent(other) < indent(line));
        if same {
            above.push((line, false));
        } else {
            for (other, shown) in above.iter_mut().filter(|(_, shown)| !shown) {
                let _ = writeln!(text, "  {other}");
                *shown = true;
            }
            let _ = writeln!(text, "{} {line}", if gone { '-' } else { '+' });
        }
        (i, j) = (i + usize::from(same || gone), j + usize::from(same || !gone));
    }
    text
}

fn subnet<'a>(facts: &'a mut Facts, name: &str) -> &'a mut Subnet {
    facts.subnets.iter_mut().find(|subnet| subnet.name == name).expect("a subnet of the samples")
}

fn rule(id: &str, src: &str, dst: &str, action: NatAction) -> NatRule {
    let parse = |text: &str| {
        text.split(',').filter(|t| !t.is_empty()).map(|t| t.parse().expect("a prefix")).collect()
    };
    NatRule { id: id.to_owned(), src: parse(src), dst: parse(dst), action }
}

#[test]
fn a_node_with_a_masqueraded_subnet() {
    golden("masquerade", &plan(&samples::facts()).to_string());
}

#[test]
fn a_centralized_subnet_leaves_as_the_address_behind_its_gateway() {
    let mut facts = samples::facts();
    subnet(&mut facts, "web").gateway = Gateway::Centralized {
        nodes: "n2:172.18.0.9,n1:172.18.0.8, n1:fd18::8".to_owned(),
        selected: false,
        all: false,
        active: "n1".to_owned(),
    };
    golden_difference("own-address", &facts);
    let snat = |facts: &Facts| plan(facts).rules.iter().map(|rules| rules.snat.len()).sum::<usize>();
    assert_eq!(snat(&facts), 2);
    let central = |all, active: &str, nodes: &str| Gateway::Centralized {
        nodes: nodes.to_owned(),
        selected: true,
        all,
        active: active.to_owned(),
    };
    for (gateway, expected) in [
        (central(false, "n2", "n1:172.18.0.8,n2"), 0),
        (central(true, "", "n1:172.18.0.8,n2"), 1),
        (central(false, "n1", "n1"), 0),
        (central(false, "n1", "n11:172.18.0.8"), 0),
    ] {
        subnet(&mut facts, "web").gateway = gateway.clone();
        assert_eq!(snat(&facts), expected, "{gateway:?}");
    }
    subnet(&mut facts, "web").gateway = central(true, "", "n1:nonsense");
    assert_eq!(plan(&facts).problems.first().map(|problem| problem.code), Some("GATEWAY-EGRESS-IP"));
    subnet(&mut facts, "web").gateway = central(true, "", "n1:172.18.0.8");
    subnet(&mut facts, "web").nat_outgoing = false;
    assert_eq!(snat(&facts), 0, "what is not masqueraded leaves with its own addresses");
}

#[test]
fn exceptions_are_asked_in_their_order() {
    let mut facts = samples::facts();
    subnet(&mut facts, "web").nat_rules = vec![
        rule("0123456789abcdef", "10.16.0.0/28,10.16.0.4/32", "192.0.2.0/24", NatAction::Forward),
        rule("r2", "", "192.0.2.0/24", NatAction::Nat),
        rule("r3", "fd16::/120", "", NatAction::Forward),
        rule("r4", "10.16.0.9/32", "2001:db8::/32", NatAction::Nat),
        rule("r5", "", "", NatAction::Nat),
    ];
    golden_difference("exceptions", &facts);
}

#[test]
fn a_gateway_outside_of_the_cluster() {
    let mut facts = samples::facts();
    let egress =
        Egress { gateways: "172.18.0.254,fd18::fe".parse().expect("gateways"), priority: 100, table: 1000 };
    let web = subnet(&mut facts, "web");
    (web.nat_outgoing, web.egress) = (false, Some(egress));
    let dns = subnet(&mut facts, "plain");
    dns.egress =
        Some(Egress { gateways: "172.18.0.253".parse().expect("gateways"), priority: 101, table: 1001 });
    dns.gateway =
        Gateway::Centralized { nodes: String::new(), selected: true, all: false, active: "n1".to_owned() };
    let pod =
        |subnet: &str, ips: &str| Pod { subnet: subnet.to_owned(), ips: ips.parse().expect("addresses") };
    facts.pods = vec![pod("web", "10.16.0.10,fd16::a"), pod("web", "10.16.0.11"), pod("plain", "10.17.0.10")];
    golden_difference("egress", &facts);
    subnet(&mut facts, "web").nat_outgoing = true;
    assert_eq!(plan(&facts).routing.rules.len(), 1, "who is masqueraded leaves by the host's own routes");
}

#[test]
fn tables_are_the_users_own_and_have_one_gateway() {
    let mut facts = samples::facts();
    let egress = |gateways: &str, table| {
        Some(Egress { gateways: gateways.parse().expect("gateways"), priority: 100, table })
    };
    facts.pods = ["web", "plain"]
        .map(|subnet| Pod { subnet: subnet.to_owned(), ips: "10.16.0.10".parse().expect("addresses") })
        .to_vec();
    subnet(&mut facts, "web").nat_outgoing = false;
    for table in [0, 252, 254, 255, 0x8000_0000] {
        subnet(&mut facts, "web").egress = egress("172.18.0.254", table);
        let plan = plan(&facts);
        assert_eq!(plan.problems.first().map(|problem| problem.code), Some("GATEWAY-TABLE"), "{table}");
        assert!(plan.routing.rules.is_empty() && plan.routing.gateways.is_empty());
    }
    subnet(&mut facts, "web").egress = egress("172.18.0.254", 7);
    subnet(&mut facts, "plain").egress = egress("172.18.0.253", 7);
    let plan = plan(&facts);
    assert_eq!(plan.routing.gateways.len(), 1);
    assert!(plan.problems.first().is_some_and(|problem| problem.message.contains("subnet web")), "{plan}");
}

#[test]
fn what_carries_a_subnet_decides_whether_the_host_has_to_do_with_it() {
    let mut facts = samples::facts();
    subnet(&mut facts, "web").carrier = Carrier::LogicalGateway;
    subnet(&mut facts, "plain").carrier = Carrier::Underlay { connected: true };
    golden_difference("underlay", &facts);
    subnet(&mut facts, "plain").carrier = Carrier::Underlay { connected: false };
    assert!(plan(&facts).routing.routes.iter().all(|route| !route.dst.to_string().starts_with("10.17")));
}

#[test]
fn kube_proxy_with_ipvs() {
    let mut facts = samples::facts();
    facts.kube_proxy.ipvs.v4 = Some(());
    facts.kube_proxy.local_tcp.v4 = Some(BTreeSet::from([30080, 30443]));
    golden_difference("ipvs", &facts);
}

#[test]
fn the_order_of_facts_is_of_no_consequence() {
    let mut facts = samples::facts();
    let before = plan(&facts);
    facts.subnets.reverse();
    facts.other_nodes.reverse();
    facts.services.reverse();
    assert_eq!(plan(&facts), before);
}

#[test]
fn a_subnet_that_is_being_deleted_is_masqueraded_no_more_but_counted() {
    let mut facts = samples::facts();
    subnet(&mut facts, "web").deleting = true;
    let v4 = plan(&facts).rules.v4.expect("rules");
    assert_eq!(v4.sets.get(&Set::Nat), Some(&BTreeSet::new()));
    assert!(v4.counted.values().any(|name| name == "web"));
}

#[test]
fn of_subnets_that_overlap_the_first_by_name_counts() {
    let mut facts = samples::facts();
    let mut other = subnet(&mut facts, "web").clone();
    other.cidrs = "10.16.0.0/20".parse().expect("a prefix");
    for (name, kept) in [("zzz", "10.16.0.0/24"), ("aaa", "10.16.0.0/20")] {
        name.clone_into(&mut other.name);
        facts.subnets.push(other.clone());
        let v4 = plan(&facts).rules.v4.expect("rules");
        let nat = v4.sets.get(&Set::Nat).expect("a set");
        assert_eq!(nat.iter().map(ToString::to_string).collect::<Vec<_>>(), [kept]);
        facts.subnets.pop();
    }
}

#[test]
fn a_subnet_around_the_host_gets_no_route() {
    let mut facts = samples::facts();
    subnet(&mut facts, "plain").cidrs = "172.18.0.0/16".parse().expect("a prefix");
    let dsts: Vec<_> = plan(&facts).routing.routes.iter().map(|route| route.dst.to_string()).collect();
    assert_eq!(dsts, ["10.16.0.0/24", "fd16::/112"]);
}
