//! A subnet that can't be used as it stands: what its pods live by stays, also what is in rows of others.

use std::collections::BTreeSet;

use kubeovn_core::{
    annotations::nic,
    index::objects::{Kind, Object, ObjectKey, StaticRoute, SubnetSpec, VpcPeering},
    rows::{OwnerKey, Replica as _, RowKey},
};
use kubeovn_ovn::nb;

use crate::{
    database::Late,
    oracle::{self, dump},
    sim::Sim,
    user::{namespace, node_that, pod, subnet, vpc},
};

/// A VPC for the pods of some namespaces, with a policy and a route of its user's.
fn shop(name: &str, namespaces: &[&str]) -> Object {
    let Object::Vpc(mut made) = vpc(name, &["ip4.dst == 10.9.0.0/16"]) else { unreachable!() };
    made.spec.namespaces = namespaces.iter().map(|name| (*name).into()).collect();
    let route =
        StaticRoute { cidr: "10.8.0.0/16".into(), next_hop: "10.1.0.9".into(), ..StaticRoute::default() };
    made.spec.static_routes = vec![route];
    Object::Vpc(made)
}

/// The only subnet of that VPC, with a route table of its own.
fn tabled(vpc: &str) -> Object {
    subnet("s1", vpc, "10.1.0.0/24", |s| {
        s.route_table = "t1".into();
        s.namespaces = vec!["red".into()];
    })
}

fn has(sim: &Sim, table: &'static str, id: &str) -> bool {
    sim.db.replica.has(&RowKey::new(table, id))
}

fn problem(sim: &Sim, kind: Kind, name: &str) -> String {
    let problems = sim.spine.problems().get(&ObjectKey::cluster(kind, name));
    problems.map(|problems| format!("{problems:?}")).unwrap_or_default()
}

fn held(sim: &Sim, namespace: &str, name: &str) -> String {
    let grants = sim.spine.world().grants(&OwnerKey::pod(namespace, name));
    grants.iter().map(|grant| grant.ips.to_string()).collect()
}

/// Nothing of what is there changes, now and when another controller finds it so.
fn stays(sim: &mut Sim, before: &BTreeSet<String>) {
    sim.settle();
    let differing =
        |sim: &Sim| -> Vec<String> { dump(&sim.db.replica).symmetric_difference(before).cloned().collect() };
    assert_eq!(differing(sim), [""; 0]);
    sim.restart(Late::Never);
    sim.settle();
    assert_eq!(differing(sim), [""; 0], "after a restart");
}

#[test]
fn the_router_of_a_refused_subnet_goes_on_leading_its_pods() {
    let mut sim = Sim::new();
    sim.apply(shop("va", &["red"]));
    sim.apply(tabled("va"));
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.settle();
    let before = dump(&sim.db.replica);
    assert!(has(&sim, nb::LOGICAL_ROUTER_STATIC_ROUTE, "va/hit/t1/0.0.0.0/0/10.1.0.1"));
    for broken in [
        shop("va", &["blue"]),
        subnet("s1", "va", "10.1.0.0/24", |s| {
            s.route_table = "t1".into();
            s.gateway = "10.9.9.9".into();
        }),
        subnet("s1", "va", "nonsense", |s| s.exclude_ips = vec!["nonsense".into()]),
    ] {
        sim.apply(broken);
        stays(&mut sim, &before);
        assert!(sim.spine.world().plan("s1").is_none(), "it is in effect");
        sim.apply(shop("va", &["red"]));
        sim.apply(tabled("va"));
        stays(&mut sim, &before);
        assert!(sim.spine.world().plan("s1").is_some(), "it is refused");
    }
    oracle::equals_from_scratch(&sim);
}

#[test]
fn nodes_reach_the_pods_of_a_private_subnet_though_join_is_refused() {
    let mut sim = Sim::new();
    sim.apply(node_that("n1", "172.18.0.2", true, false));
    sim.apply(subnet("s1", "", "10.1.0.0/24", |s| {
        s.private = true;
        s.namespaces = vec!["red".into()];
    }));
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.settle();
    let before = dump(&sim.db.replica);
    assert!(before.iter().any(|row| row.starts_with("ACL/s1/3000/nodes/")), "{before:?}");
    let Object::Subnet(join) = sim.shop.cluster.get(&ObjectKey::cluster(Kind::Subnet, "join")).unwrap()
    else {
        panic!("no subnet")
    };
    let with = |change: fn(&mut SubnetSpec)| {
        let mut join = join.clone();
        change(&mut join.spec);
        Object::Subnet(join)
    };
    sim.apply(with(|s| s.gateway = "100.64.0".into()));
    let rules = |rows: BTreeSet<String>| -> BTreeSet<String> {
        rows.into_iter().filter(|row| row.starts_with("ACL/")).collect()
    };
    for when in ["", "after a restart"] {
        sim.settle();
        assert!(sim.spine.world().plan("join").is_none(), "{when}");
        assert_eq!(rules(dump(&sim.db.replica)), rules(before.clone()), "{when}");
        sim.restart(Late::Never);
    }
    // A node that gets an address in it does not even refuse it.
    sim.apply(with(|_| {}));
    sim.settle();
    assert_eq!(dump(&sim.db.replica), before);
    sim.apply(node_that("n2", "100.64.7.7", true, false));
    sim.settle();
    assert!(sim.spine.world().plan("join").is_some());
    assert!(problem(&sim, Kind::Subnet, "join").contains("SUBNET-NODE-INSIDE"));
    oracle::equals_from_scratch(&sim);
}

/// Its pods keep it where it is, and need there what they needed.
#[test]
fn a_subnet_that_can_not_move_keeps_what_it_lives_by_in_its_old_vpc() {
    let mut sim = Sim::new();
    sim.apply(shop("va", &[]));
    sim.apply(shop("vb", &[]));
    sim.apply(tabled("va"));
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.settle();
    let before = dump(&sim.db.replica);
    sim.apply(tabled("vb"));
    stays(&mut sim, &before);
    assert!(problem(&sim, Kind::Subnet, "s1").contains("IPAM-SPACE-FIXED"));
    // Even without the VPC.
    sim.delete(Kind::Vpc, "", "va");
    stays(&mut sim, &before);
    sim.delete(Kind::Pod, "red", "p0");
    sim.settle();
    assert!(has(&sim, nb::LOGICAL_ROUTER_PORT, "vb-s1"));
    assert!(!dump(&sim.db.replica).iter().any(|row| row.contains("va/") || row.contains("va-")));
    oracle::a_restart_writes_nothing(&sim);
    oracle::equals_from_scratch(&sim);
}

/// Two ports with one network on a router: what comes back would go by either.
#[test]
fn a_younger_subnet_does_not_take_the_place_of_a_refused_one_with_pods() {
    let mut sim = Sim::new();
    sim.apply(subnet("s1", "", "10.1.0.0/24", |s| s.namespaces = vec!["red".into()]));
    sim.apply(subnet("s2", "", "10.1.0.0/25", |_| {}));
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.apply(pod("red", "p1", "n1", &[]));
    sim.settle();
    let before = dump(&sim.db.replica);
    sim.apply(subnet("s1", "", "10.1.0.0/24", |s| s.gateway = "10.9.9.9".into()));
    stays(&mut sim, &before);
    for (gone, in_effect) in [("p0", false), ("p1", true)] {
        sim.delete(Kind::Pod, "red", gone);
        sim.settle();
        assert_eq!(sim.spine.world().plan("s2").is_some(), in_effect, "after {gone} has gone");
        oracle::a_restart_writes_nothing(&sim);
    }
}

#[test]
fn a_subnet_that_comes_ends_no_connection() {
    let connected = |name: &str, to: &str, ip: &str| {
        let Object::Vpc(mut made) = vpc(name, &[]) else { unreachable!() };
        made.spec.vpc_peerings = vec![VpcPeering { remote_vpc: to.into(), local_connect_ip: ip.into() }];
        Object::Vpc(made)
    };
    let mut sim = Sim::new();
    sim.apply(connected("va", "vb", "10.7.0.1/30"));
    sim.apply(connected("vb", "va", "10.7.0.2/30"));
    sim.settle();
    let router = |sim: &Sim| -> BTreeSet<String> {
        let router = |row: &String| row.starts_with("Logical_Router/va ") || row.contains("va-vb");
        let ports = |line: &&str| !line.contains("  ports=");
        let rows = dump(&sim.db.replica).into_iter().filter(router);
        rows.map(|row| row.lines().filter(ports).collect()).collect()
    };
    let before = router(&sim);
    assert!(has(&sim, nb::LOGICAL_ROUTER_PORT, "va-vb"));
    sim.apply(subnet("s1", "va", "10.7.0.0/24", |_| {}));
    sim.settle();
    assert!(has(&sim, nb::LOGICAL_ROUTER_PORT, "va-s1"), "it has its place");
    assert!(problem(&sim, Kind::Vpc, "va").contains("VPC-PEERING-OVERLAP"), "and that is told");
    for _ in 0..2 {
        assert!(has(&sim, nb::LOGICAL_ROUTER_PORT, "va-vb"));
        let lost: Vec<String> = before.difference(&router(&sim)).cloned().collect();
        assert!(lost.iter().all(|row| !row.contains("va-vb") && !row.contains("always_learn")), "{lost:#?}");
        sim.restart(Late::Never);
        sim.settle();
    }
    sim.delete(Kind::Subnet, "", "s1");
    sim.settle();
    assert_eq!(problem(&sim, Kind::Vpc, "va"), "");
    assert_eq!(router(&sim), before);
}

/// Whoever may write one node's status must not be able to stop a cluster.
#[test]
fn a_node_that_joins_inside_a_subnet_costs_it_one_address() {
    let mut sim = Sim::new();
    sim.apply(namespace("red"));
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.settle();
    assert_eq!(held(&sim, "red", "p0"), "10.16.0.2");
    sim.apply(node_that("n8", "10.16.0.2", true, false));
    sim.apply(node_that("n9", "10.16.0.3", true, false));
    sim.apply(pod("red", "p1", "n1", &[]));
    sim.settle();
    assert_eq!(held(&sim, "red", "p1"), "10.16.0.4");
    assert_eq!(held(&sim, "red", "p0"), "10.16.0.2", "it runs with it");
    assert!(problem(&sim, Kind::Subnet, "ovn-default").contains("10.16.0.3 of node n9"));
    assert!(problem(&sim, Kind::Node, "n9").contains("NodeAddressConflictWithSubnet"));
    // Who asks for that very address has it, as with excluded ones.
    sim.apply(pod("red", "p2", "n1", &[(nic::IP_ADDRESS.ovn(), "10.16.0.3")]));
    sim.settle();
    assert_eq!(held(&sim, "red", "p2"), "10.16.0.3");
    sim.restart(Late::Never);
    sim.settle();
    assert_eq!((held(&sim, "red", "p0"), held(&sim, "red", "p2")), ("10.16.0.2".into(), "10.16.0.3".into()));
    oracle::a_restart_writes_nothing(&sim);
    oracle::at_rest(&sim);
}

#[test]
fn an_address_of_a_node_is_given_when_the_node_has_gone() {
    let mut sim = Sim::new();
    sim.apply(subnet("s1", "", "10.1.0.0/30", |s| s.namespaces = vec!["red".into()]));
    sim.settle();
    sim.apply(node_that("n1", "10.1.0.2", true, false));
    sim.apply(pod("red", "p0", "n2", &[]));
    sim.settle();
    assert_eq!(held(&sim, "red", "p0"), "");
    let key = ObjectKey { kind: Kind::Pod, namespace: "red".into(), name: "p0".into() };
    let told = format!("{:?}", sim.spine.problems().get(&key));
    assert!(told.contains("IPAM-POOL-SKIPPED"), "{told}");
    sim.apply(node_that("n1", "172.18.0.2", true, false));
    sim.settle();
    assert_eq!(held(&sim, "red", "p0"), "10.1.0.2");
    assert_eq!(problem(&sim, Kind::Subnet, "s1"), "");
    oracle::a_restart_writes_nothing(&sim);
}
