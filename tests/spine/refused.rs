//! A subnet that can't be used as it stands: what its pods live by stays, also what is in rows of others.

use kubeovn_core::{
    annotations::nic,
    index::objects::{Kind, ObjectKey},
    rows::OwnerKey,
};

use crate::{
    database::Late,
    oracle,
    sim::Sim,
    user::{namespace, node_that, pod, subnet},
};

fn problem(sim: &Sim, kind: Kind, name: &str) -> String {
    let problems = sim.spine.problems().get(&ObjectKey::cluster(kind, name));
    problems.map(|problems| format!("{problems:?}")).unwrap_or_default()
}

fn held(sim: &Sim, namespace: &str, name: &str) -> String {
    let grants = sim.spine.world().grants(&OwnerKey::pod(namespace, name));
    grants.iter().map(|grant| grant.ips.to_string()).collect()
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
