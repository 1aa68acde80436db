//! Pods with further interfaces, from what they ask for to rows, records and annotations, and back.

use kubeovn_core::{
    annotations::nic,
    index::objects::{Kind, Object, ObjectKey, Pod},
    rows::{OwnerKey, Replica as _, RowKey},
};
use kubeovn_ovn::nb;

use crate::{
    database::Late,
    oracle,
    sim::Sim,
    user::{member, namespace, pod_in, stateful_set, subnet},
};

/// The cluster's own network, `lan` whose interfaces are OVN's, and `phys` whose interfaces are another plugin's.
fn fabric() -> Sim {
    let mut sim = Sim::new();
    sim.apply(namespace("red"));
    sim.apply(subnet("lan", "", "10.1.0.0/29", |s| s.provider = "lan.red.ovn".into()));
    sim.apply(subnet("phys", "", "10.2.0.0/29", |s| s.provider = "phys.red".into()));
    sim.settle();
    sim
}

fn held(sim: &Sim, name: &str) -> Vec<(String, String)> {
    let grants = sim.spine.world().grants(&OwnerKey::pod("red", name));
    grants.iter().map(|grant| (grant.nic.to_string(), grant.ips.to_string())).collect()
}

fn all(own: &str, lan: &str, phys: &str) -> Vec<(String, String)> {
    let all = [("", own), ("lan.red.ovn", lan), ("phys.red", phys)];
    all.map(|(nic, ip)| (nic.to_owned(), ip.to_owned())).to_vec()
}

fn has_port(sim: &Sim, name: &str) -> bool {
    sim.db.replica.has(&RowKey::new(nb::LOGICAL_SWITCH_PORT, name))
}

fn record(sim: &Sim, name: &str) -> bool {
    sim.shop.cluster.get(&ObjectKey::cluster(Kind::Ip, name)).is_some()
}

fn get(sim: &Sim, name: &str) -> Pod {
    let key = ObjectKey { kind: Kind::Pod, namespace: "red".into(), name: name.into() };
    let Some(Object::Pod(pod)) = sim.shop.cluster.get(&key) else { panic!("no {name}") };
    pod
}

#[test]
fn a_pod_has_an_interface_in_each_of_its_networks_and_takes_all_with_it() {
    let mut sim = fabric();
    sim.apply(pod_in("red", "p", "n1", "lan,phys,theirs"));
    sim.settle();
    assert_eq!(held(&sim, "p"), all("10.16.0.2", "10.1.0.2", "10.2.0.2"));
    assert!(
        has_port(&sim, "p.red") && has_port(&sim, "p.red.lan.red.ovn") && !has_port(&sim, "p.red.phys.red")
    );
    assert!(record(&sim, "p.red.lan.red.ovn") && record(&sim, "p.red.phys.red"));
    let told = get(&sim, "p");
    let told = |network: &str| told.meta.annotation(&nic::IP_ADDRESS.of(network)).map(str::to_owned);
    assert_eq!((told("lan.red.ovn"), told("phys.red")), (Some("10.1.0.2".into()), Some("10.2.0.2".into())));
    let switch = |name: &str| sim.db.replica.has(&RowKey::new(nb::LOGICAL_SWITCH, name));
    assert!(switch("lan") && !switch("phys"), "another plugin's network is no switch");
    oracle::at_rest(&sim);
    oracle::all_is_well(&sim);

    sim.restart(Late::Never);
    sim.settle();
    assert_eq!(held(&sim, "p"), all("10.16.0.2", "10.1.0.2", "10.2.0.2"));
    oracle::a_restart_writes_nothing(&sim);
    oracle::equals_from_scratch(&sim);

    sim.delete(Kind::Pod, "red", "p");
    sim.settle();
    assert_eq!(held(&sim, "p"), []);
    for name in ["p.red", "p.red.lan.red.ovn", "p.red.phys.red"] {
        assert!(!has_port(&sim, name) && !record(&sim, name), "{name}");
    }
}

#[test]
fn a_running_pod_enters_and_leaves_networks() {
    let mut sim = fabric();
    sim.apply(pod_in("red", "p", "n1", ""));
    sim.settle();
    let change = |sim: &mut Sim, networks: &str| {
        let Object::Pod(asks) = pod_in("red", "p", "n1", networks) else { panic!() };
        sim.apply(Object::Pod(Pod { networks: asks.networks, ..get(sim, "p") }));
        sim.settle();
    };
    change(&mut sim, "lan,phys");
    assert_eq!(held(&sim, "p"), all("10.16.0.2", "10.1.0.2", "10.2.0.2"));
    change(&mut sim, "phys");
    assert_eq!(held(&sim, "p").len(), 2);
    assert!(!has_port(&sim, "p.red.lan.red.ovn") && !record(&sim, "p.red.lan.red.ovn"));
    let left = get(&sim, "p");
    assert!(
        left.meta.annotations.keys().all(|key| !key.starts_with("lan.red")),
        "{:?}",
        left.meta.annotations
    );
    assert_eq!(left.meta.annotation("phys.red.kubernetes.io/allocated"), Some("true"));
    oracle::a_restart_writes_nothing(&sim);
}

#[test]
fn networks_come_in_any_order() {
    let mut sim = Sim::new();
    sim.apply(pod_in("red", "p", "n1", "lan,phys"));
    sim.settle();
    assert_eq!(held(&sim, "p").len(), 1, "nobody says yet that the others are ours");
    sim.apply(subnet("phys", "", "10.2.0.0/29", |s| s.provider = "phys.red".into()));
    sim.settle();
    sim.apply(subnet("lan", "", "10.1.0.0/29", |s| s.provider = "lan.red.ovn".into()));
    sim.settle();
    assert_eq!(held(&sim, "p"), all("10.16.0.2", "10.1.0.2", "10.2.0.2"));
    // The subnet is to go while somebody is in it.
    sim.delete(Kind::Subnet, "", "lan");
    sim.settle();
    assert_eq!(held(&sim, "p"), all("10.16.0.2", "10.1.0.2", "10.2.0.2"));
    assert!(has_port(&sim, "p.red.lan.red.ovn"));
    sim.delete(Kind::Pod, "red", "p");
    sim.settle();
    assert!(!sim.db.replica.has(&RowKey::new(nb::LOGICAL_SWITCH, "lan")));
}

#[test]
fn a_full_network_holds_its_pod_back_and_nobody_else() {
    let mut sim = fabric();
    for number in 0..5 {
        sim.apply(pod_in("red", &format!("p{number}"), "n1", "phys"));
    }
    sim.settle();
    sim.apply(pod_in("red", "late", "n1", "phys"));
    sim.apply(pod_in("red", "plain", "n1", ""));
    sim.settle();
    assert_eq!((held(&sim, "late").len(), held(&sim, "plain").len()), (0, 1));
    assert!(get(&sim, "late").meta.annotation(nic::ERROR.ovn()).is_some_and(|why| why.contains("phys")));
    sim.delete(Kind::Pod, "red", "p3");
    sim.settle();
    assert_eq!(held(&sim, "late").len(), 2, "who waits is served");
}

#[test]
fn a_member_of_a_set_comes_back_to_all_of_its_addresses() {
    let mut sim = fabric();
    sim.apply(stateful_set("red", 1, ""));
    sim.settle();
    let comes = |sim: &mut Sim, node: &str| {
        let Some(Object::Pod(pod)) = member(sim, "red", "st-0", node) else { panic!() };
        let Object::Pod(asks) = pod_in("red", "st-0", node, "lan,phys") else { panic!() };
        sim.apply(Object::Pod(Pod { networks: asks.networks, ..pod }));
        sim.settle();
    };
    comes(&mut sim, "n1");
    let before = held(&sim, "st-0");
    assert_eq!(before.len(), 3);
    sim.delete(Kind::Pod, "red", "st-0");
    sim.settle();
    sim.apply(pod_in("red", "other", "n1", "lan,phys"));
    sim.settle();
    sim.restart(Late::Never);
    sim.settle();
    assert_eq!(held(&sim, "st-0"), before, "kept over the pod's end and a restart");
    comes(&mut sim, "n2");
    assert_eq!(held(&sim, "st-0"), before);
    sim.delete(Kind::Pod, "red", "st-0");
    sim.delete(Kind::StatefulSet, "red", "st");
    sim.settle();
    assert_eq!(held(&sim, "st-0"), []);
}
