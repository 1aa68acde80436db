//! One world and one golden file per feature.

use std::{collections::BTreeSet, fs};

use kubeovn_core::{
    contract::model::Model,
    index::{
        World,
        objects::{PolicyRoute, StaticRoute, SubnetSpec, VpcSpec},
    },
    rows::{Render, Rendered},
};

use super::{golden, laws, text::text, world::Facts};
use crate::render::{FEATURES, Fabric};

/// Compares what a feature renders for all owners of the world with its golden file.
pub(super) fn compare(feature: &str, world: &World) {
    let feature =
        FEATURES.iter().find(|f| f.name == feature).unwrap_or_else(|| panic!("no feature {feature}"));
    let mut all = String::new();
    for owner in world.owners().iter().filter(|owner| owner.kind == feature.kind) {
        let mut alone = Rendered::default();
        (feature.render)(world, owner, &mut alone);
        let elsewhere = alone.rows.keys().find(|row| !feature.tables.contains(&row.table));
        assert_eq!(elsewhere, None, "{} does not name the table", feature.name);
        all += &text(owner, &alone);
        // Whole owners keep the laws; a feature may add columns to a row that another attaches.
        match Fabric.render(world, owner) {
            Render::Want(whole) => laws::check(owner, &whole),
            other => panic!("{owner}: {other:?}"),
        }
    }
    golden::compare(&file(feature.name), &all);
}

fn file(feature: &str) -> String {
    feature.to_lowercase().replace(' ', "-")
}

#[test]
fn each_feature_has_a_golden_file_and_each_file_a_feature() {
    if golden::updating() {
        return; // The other tests are writing them.
    }
    let features: BTreeSet<String> = Fabric::features().map(|name| file(name) + ".txt").collect();
    let files = fs::read_dir(golden::folder()).unwrap();
    let files: BTreeSet<String> = files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(features, files);
}

#[test]
fn vpc() {
    compare("VPC", &Facts::new().vpc("shop", VpcSpec::default()).done());
}

#[test]
fn routing() {
    let route = |policy: &str, cidr: &str, hop: &str, table: &str| StaticRoute {
        policy: policy.into(),
        cidr: cidr.into(),
        next_hop: hop.into(),
        table: table.into(),
    };
    let policy = |priority, text: &str, action: &str, hops: &str| PolicyRoute {
        priority,
        r#match: text.into(),
        action: action.into(),
        next_hops: hops.into(),
    };
    let user = VpcSpec {
        static_routes: vec![
            route("", "0.0.0.0/0", "10.3.0.254", ""),
            route("policyDst", "192.0.2.9", "10.3.0.253", ""),
            route("policyDst", "198.51.100.0/24", "10.3.0.252", "t1"),
            route("policyDst", "198.51.100.0/24", "10.3.0.251", "t1"),
            route("policySrc", "10.3.0.0/25", "10.3.0.250", ""),
            route("policySrc", "10.3.0.0/25", "10.3.0.249", ""),
            route("policySrc", "10.3.0.7", "10.3.0.248", ""),
            route("policySrc", "10.3.1.0/24", "10.3.1.250", "t1"),
            route("policyDst", "2001:db8::/32", "10.3.0.9", ""),
        ],
        policy_routes: vec![
            policy(11, "ip4.src == 10.3.0.0/24 && ip4.dst == 203.0.113.0/24", "drop", "10.9.9.9"),
            policy(10, "ip4.src == 10.3.0.0/24", "reroute", "10.3.0.247,10.3.0.246"),
            policy(10, "ip4.src == 10.3.0.0/24", "allow", ""),
            policy(32_767, "ip6", "allow", ""),
            policy(9, "ip4.src = 10.3.0.0/24", "drop", ""),
            policy(40_000, "ip4", "drop", ""),
        ],
        ..VpcSpec::default()
    };
    let only_v6 = VpcSpec { static_routes: vec![route("", "::/0", "fd00:4::9", "")], ..VpcSpec::default() };
    let t1 = || SubnetSpec { route_table: "t1".into(), ..SubnetSpec::default() };
    let facts = Facts::new()
        .vpc("bare", VpcSpec::default())
        .subnet("bare-z", "bare", "10.2.0.0/24", SubnetSpec::default())
        .subnet("bare-a", "bare", "10.2.1.0/24,fd00:2:1::/64", t1())
        .vpc("empty", VpcSpec::default())
        .vpc("user", user)
        .subnet("user-a", "user", "10.3.0.0/24", SubnetSpec::default())
        .subnet("user-b", "user", "10.3.1.0/24", t1())
        .vpc("v6-default", only_v6)
        .subnet("v6-default-a", "v6-default", "10.4.0.0/24,fd00:4::/64", SubnetSpec::default());
    compare("routing", &facts.done());
}

#[test]
fn subnet() {
    let last = SubnetSpec { gateway: "10.1.0.254".into(), ..SubnetSpec::default() };
    let v6 = SubnetSpec { route_table: "t1".into(), ..SubnetSpec::default() };
    let facts = Facts::new()
        .vpc("shop", VpcSpec::default())
        .subnet("shop-a", "shop", "10.1.0.0/24,fd00:1::/64", last)
        .subnet("shop-v6", "shop", "fd00:1:1::/64", v6);
    compare("subnet", &facts.done());
}

#[test]
fn private_subnet() {
    let private = |allow: &[&str]| SubnetSpec {
        private: true,
        allow_subnets: allow.iter().map(ToString::to_string).collect(),
        ..SubnetSpec::default()
    };
    let allow = ["10.20.0.0/16", "", "fd00:20::/64", "10.30.0.1/16"];
    let facts = Facts::new()
        .node("n1", "172.18.0.2,fc00:18::2", "")
        .node("n2", "172.18.0.3", "")
        .subnet("s1", "", "10.10.0.0/16,fd00:10::/64", private(&allow))
        .vpc("shop", VpcSpec::default())
        .subnet("shop-db", "shop", "10.1.0.0/24", private(&[]))
        .subnet(&"n".repeat(64), "shop", "10.1.1.0/24", private(&["fd00:20::/64"]));
    compare("private subnet", &facts.done());
}

/// Three nodes, the last without an address of IPv6.
fn nodes() -> Facts {
    Facts::new()
        .node("n1", "192.168.0.1", "100.64.0.2,fd00:100:64::2")
        .node("kube-worker", "192.168.0.2", "100.64.0.3,fd00:100:64::3")
        .node("n3.example.org", "192.168.0.3", "100.64.0.4")
}

fn central(nodes: &str, all: bool) -> SubnetSpec {
    SubnetSpec {
        gateway_type: "centralized".into(),
        gateway_node: nodes.into(),
        enable_ecmp: all,
        ..SubnetSpec::default()
    }
}

#[test]
fn gateway() {
    let facts = nodes()
        .vpc("shop", VpcSpec::default())
        .subnet("one", "", "10.1.0.0/24,fd00:1::/64", central("n1:172.18.0.9, kube-worker", false))
        .subnet("all", "", "10.2.0.0/24,fd00:2::/64", central("n1,kube-worker,n3.example.org", true))
        .subnet("v4-node", "", "10.3.0.0/24,fd00:3::/64", central("n3.example.org", false))
        .subnet("nobody", "", "10.4.0.0/24", central("elsewhere", false))
        .subnet("own-vpc", "shop", "10.5.0.0/24", central("n1", false));
    compare("gateway", &facts.done());
}

/// Pods on nodes; the last on one that is not known, the one before in a subnet that is led by others.
fn pods(facts: Facts) -> World {
    let facts = facts
        .vpc("shop", VpcSpec::default())
        .subnet("dual", "", "10.1.0.0/24,fd00:1::/64", SubnetSpec::default())
        .subnet("1st", "", "10.2.0.0/24", SubnetSpec::default())
        .subnet("led", "", "10.3.0.0/24", central("n1", false))
        .subnet("shop-a", "shop", "10.5.0.0/24", SubnetSpec::default())
        .pod("a", &[], &[("", "dual", "10.1.0.5,fd00:1::5")])
        .pod("b", &[], &[("", "1st", "10.2.0.5"), ("net1.default.ovn", "dual", "10.1.0.6")])
        .pod("c", &[], &[("", "led", "10.3.0.5")])
        .pod("d", &[], &[("", "shop-a", "10.5.0.5")])
        .pod("e", &[], &[("", "dual", "10.1.0.7")])
        .pod("f", &[], &[("", "dual", "10.1.0.8")])
        .pod("g", &[], &[("", "dual", "10.1.0.9")])
        .pod("h", &[], &[("", "dual", "10.1.0.10")]);
    facts.on("e", "kube-worker").on("f", "n3.example.org").on("g", "unknown").on("h", "").done()
}

#[test]
fn local_gateway() {
    compare("local gateway", &pods(nodes()));
}

#[test]
fn node_group() {
    compare("node group", &nodes().done());
}

#[test]
fn pod_groups() {
    compare("pod groups", &pods(nodes()));
}

#[test]
fn north_gateway() {
    let north = |gateway: &'static str| [("ovn.kubernetes.io/north_gateway", gateway)];
    let facts = Facts::new()
        .vpc("shop", VpcSpec::default())
        .subnet("shop-a", "shop", "10.5.0.0/24", SubnetSpec::default())
        .pod("a", &north("172.31.0.1"), &[("", "ovn-default", "10.16.0.5,fd00:10:16::5")])
        .pod("b", &north("172.31.0.1,fd31::1"), &[("", "ovn-default", "10.16.0.6,fd00:10:16::6")])
        .pod("c", &north("fd31::1"), &[("", "ovn-default", "10.16.0.7")])
        .pod("d", &north("172.31.0"), &[("", "ovn-default", "10.16.0.8")])
        .pod("e", &north("172.31.0.1"), &[("", "shop-a", "10.5.0.5")])
        .pod("f", &[], &[("", "ovn-default", "10.16.0.9")]);
    compare("north gateway", &facts.done());
}

#[test]
fn node_port() {
    let facts = Facts::new()
        .node("n1", "192.168.0.1,fd00:192::1", "100.64.0.2,fd00:100:64::2")
        .node("n2.example.org", "192.168.0.2", "100.64.0.3,fd00:100:64::3")
        .node("n3", "192.168.0.3,fd00:192::3", "100.64.0.4");
    compare("node port", &facts.done());
}

#[test]
fn pod_port() {
    let second = "net1.default.ovn";
    let secured = [
        ("ovn.kubernetes.io/port_security", "true"),
        ("net1.default.ovn.kubernetes.io/port_security", "True"),
    ];
    let floating = [
        ("ovn.kubernetes.io/port_security", "true"),
        ("ovn.kubernetes.io/port_vips", "10.1.0.200, fd00::c8,10.1.0.200,10.1.0"),
    ];
    let facts = Facts::new()
        .vpc("shop", VpcSpec::default())
        .subnet("shop-a", "shop", "10.1.0.0/24", SubnetSpec::default())
        .pod("web-0", &[], &[("", "ovn-default", "10.16.0.9,fd00:10:16::9")])
        .pod("lb-0", &floating, &[("", "shop-a", "10.1.0.7")])
        .pod("lb-1", &floating[1..], &[("", "shop-a", "10.1.0.8")])
        .pod("vm-0", &[("ovn.kubernetes.io/layer2_forward", "true")], &[("", "shop-a", "10.1.0.6")])
        .pod("db-0", &secured, &[("", "shop-a", "10.1.0.5"), (second, "ovn-default", "10.16.0.6")]);
    compare("pod port", &facts.done());
}

#[test]
fn rows_do_not_depend_on_the_order_in_which_facts_came() {
    let net = |facts: Facts| {
        facts.vpc("shop", VpcSpec::default()).subnet(
            "shop-a",
            "shop",
            "10.1.0.0/24",
            SubnetSpec { private: true, ..SubnetSpec::default() },
        )
    };
    let node = |facts: Facts| facts.node("n1", "192.168.0.1", "100.64.0.2");
    let pod = |facts: Facts| facts.pod("db-0", &[], &[("", "shop-a", "10.1.0.5")]);
    let all = |world: &World| {
        world.owners().iter().fold(String::new(), |all, owner| match Fabric.render(world, owner) {
            Render::Want(rendered) => all + &text(owner, &rendered),
            other => panic!("{owner}: {other:?}"),
        })
    };
    assert_eq!(all(&pod(node(net(Facts::new()))).done()), all(&net(node(pod(Facts::new()))).done()));
}
