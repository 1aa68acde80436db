//! Addresses that outlive their pods.

use kubeovn_core::{
    annotations::nic,
    contract::cluster::FINALIZER,
    index::objects::{Ip, IpSpec, Kind, Labels, Meta, Name, Namespace, Object, ObjectKey, Selector},
    rows::{OwnerKey, Replica as _, RowKey},
};
use kubeovn_ovn::nb;

use crate::{
    database::Late,
    oracle,
    sim::Sim,
    user::{member, namespace, pod, stateful_set, subnet},
};

/// A subnet with room for three, and a StatefulSet of two.
fn fabric() -> Sim {
    let mut sim = Sim::new();
    sim.apply(namespace("red"));
    sim.apply(subnet("s1", "", "10.1.0.0/29", |s| s.namespaces = vec!["red".into()]));
    sim.apply(stateful_set("red", 2, ""));
    sim.settle();
    comes(&mut sim, "st-0", "n1");
    comes(&mut sim, "st-1", "n1");
    sim
}

fn comes(sim: &mut Sim, name: &str, node: &str) {
    let member = member(sim, "red", name, node).unwrap();
    sim.apply(member);
    sim.settle();
}

fn goes(sim: &mut Sim, name: &str) {
    sim.delete(Kind::Pod, "red", name);
    sim.settle();
}

fn held(sim: &Sim, name: &str) -> String {
    let grants = sim.spine.world().grants(&OwnerKey::pod("red", name));
    grants.iter().map(|grant| grant.ips.to_string()).collect()
}

fn record(sim: &Sim, name: &str) -> Option<Ip> {
    match sim.shop.cluster.get(&ObjectKey::cluster(Kind::Ip, format!("{name}.red"))) {
        Some(Object::Ip(ip)) => Some(ip),
        _ => None,
    }
}

fn has_port(sim: &Sim, name: &str) -> bool {
    sim.db.replica.has(&RowKey::new(nb::LOGICAL_SWITCH_PORT, format!("{name}.red")))
}

#[test]
fn a_member_comes_back_to_its_address_also_over_a_restart() {
    let mut sim = fabric();
    assert_eq!((held(&sim, "st-0"), held(&sim, "st-1")), ("10.1.0.2".into(), "10.1.0.3".into()));
    assert_eq!(record(&sim, "st-0").unwrap().spec.pod_type, "StatefulSet".into());
    goes(&mut sim, "st-0");
    goes(&mut sim, "st-1");
    // Nobody else gets what is kept, and what is left is two addresses.
    for (n, ip) in [(0, "10.1.0.4"), (1, "10.1.0.5"), (2, "10.1.0.6"), (3, "")] {
        sim.apply(pod("red", &format!("p{n}"), "n1", &[]));
        sim.settle();
        assert_eq!(held(&sim, &format!("p{n}")), ip);
    }
    sim.restart(Late::Never);
    sim.settle();
    assert_eq!((held(&sim, "st-0"), held(&sim, "st-1")), ("10.1.0.2".into(), "10.1.0.3".into()));
    oracle::a_restart_writes_nothing(&sim);
    oracle::equals_from_scratch(&sim);
    comes(&mut sim, "st-1", "n2");
    assert_eq!(held(&sim, "st-1"), "10.1.0.3");
    assert_eq!(record(&sim, "st-1").unwrap().spec.node_name, "n2".into());
}

#[test]
fn a_member_that_is_back_before_its_end_was_seen_keeps_its_address() {
    let mut sim = fabric();
    sim.delete(Kind::Pod, "red", "st-0");
    let again = member(&sim, "red", "st-0", "n2").unwrap();
    sim.apply(again);
    sim.apply(pod("red", "p0", "n1", &[(nic::IP_ADDRESS.ovn(), "10.1.0.2")]));
    sim.settle();
    assert_eq!((held(&sim, "st-0"), held(&sim, "p0")), ("10.1.0.2".into(), String::new()));
}

#[test]
fn what_is_kept_goes_with_its_reason() {
    type Reason = (&'static str, fn(&mut Sim));
    let reasons: [Reason; 5] = [
        ("scaled down", |sim| sim.apply(stateful_set("red", 1, ""))),
        ("deleted", |sim| sim.delete(Kind::StatefulSet, "red", "st")),
        ("another subnet in the template", |sim| sim.apply(stateful_set("red", 2, "ovn-default"))),
        ("its namespace left the subnet", |sim| sim.apply(subnet("s1", "", "10.1.0.0/29", |_| {}))),
        ("its record deleted by hand", |sim| sim.delete(Kind::Ip, "", "st-1.red")),
    ];
    for (why, happens) in reasons {
        let mut sim = fabric();
        goes(&mut sim, "st-1");
        assert!(!held(&sim, "st-1").is_empty() && has_port(&sim, "st-1"), "{why}");
        happens(&mut sim);
        sim.settle();
        assert_eq!(held(&sim, "st-1"), "", "{why}");
        assert!(!has_port(&sim, "st-1") && record(&sim, "st-1").is_none(), "{why}");
        assert_eq!(held(&sim, "st-0"), "10.1.0.2", "a running pod is never renumbered: {why}");
        oracle::a_restart_writes_nothing(&sim);
    }
}

/// Of a StatefulSet of the same name the pods are others.
#[test]
fn a_new_stateful_set_inherits_nothing() {
    let mut sim = fabric();
    goes(&mut sim, "st-0");
    sim.delete(Kind::StatefulSet, "red", "st");
    sim.apply(stateful_set("red", 2, ""));
    sim.settle();
    assert_eq!(held(&sim, "st-0"), "");
}

fn reservation(name: &str, spec: IpSpec) -> Object {
    let labels: Labels = [(Name::from("ovn.kubernetes.io/ip_reserved"), Name::from("true"))].into();
    let spec = IpSpec { pod_name: name.into(), namespace: "red".into(), ..spec };
    Object::Ip(Ip { meta: Meta { labels, ..Meta::named(&format!("{name}.red")) }, spec })
}

#[test]
fn an_address_reserved_before_its_pod_is_nobody_elses() {
    let mut sim = fabric();
    let spec = IpSpec { subnet: "s1".into(), v4_ip_address: "10.1.0.4".into(), ..IpSpec::default() };
    sim.apply(reservation("late", spec));
    sim.settle();
    assert_eq!(held(&sim, "late"), "10.1.0.4");
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.settle();
    assert_eq!(held(&sim, "p0"), "10.1.0.5");
    sim.restart(Late::Never);
    sim.settle();
    for _ in 0..2 {
        sim.apply(pod("red", "late", "n1", &[]));
        sim.settle();
        assert_eq!(held(&sim, "late"), "10.1.0.4");
        let told = record(&sim, "late").unwrap().spec;
        assert_eq!((&*told.ip_address, &*told.node_name), ("10.1.0.4", "n1"));
        goes(&mut sim, "late");
        assert_eq!(held(&sim, "late"), "10.1.0.4", "kept until the record goes");
    }
    oracle::a_restart_writes_nothing(&sim);
    sim.delete(Kind::Ip, "", "late.red");
    sim.settle();
    assert!(held(&sim, "late").is_empty() && !has_port(&sim, "late"));
}

/// A record that names a subnet alone is filled in.
#[test]
fn a_reservation_is_told_what_it_got_or_why_not() {
    let mut sim = fabric();
    sim.apply(reservation("any", IpSpec { subnet: "s1".into(), ..IpSpec::default() }));
    sim.settle();
    let told = record(&sim, "any").unwrap();
    assert_eq!((&*told.spec.v4_ip_address, &*told.spec.subnet), ("10.1.0.4", "s1"));
    assert!(!told.spec.mac_address.is_empty());

    let taken = IpSpec { subnet: "s1".into(), v4_ip_address: "10.1.0.2".into(), ..IpSpec::default() };
    sim.apply(reservation("taken", taken));
    sim.settle();
    let key = ObjectKey::cluster(Kind::Ip, "taken.red");
    let problem = format!("{:?}", sim.spine.problems().get(&key));
    assert!(problem.contains("pod/red/st-0"), "{problem}");
    assert_eq!(held(&sim, "taken"), "");
    sim.apply(reservation("nowhere", IpSpec::default()));
    sim.settle();
    let key = ObjectKey::cluster(Kind::Ip, "nowhere.red");
    assert_eq!(sim.spine.problems()[&key][0].code, "IP-RECORD-INVALID");
}

/// Of a member that goes while the controller starts, and whose record somebody removed meanwhile, nothing but the port is
/// there: what it holds is known only once that has been read.
#[test]
fn a_member_that_goes_before_its_port_was_read_gives_its_address_back_with_its_set() {
    let mut sim = fabric();
    sim.restart(Late::Never);
    sim.delete(Kind::Ip, "", "st-0.red");
    sim.hear_all();
    sim.delete(Kind::Pod, "red", "st-0");
    sim.hear_all();
    sim.settle();
    assert_eq!(held(&sim, "st-0"), "10.1.0.2", "the set brings it back");
    sim.delete(Kind::StatefulSet, "red", "st");
    sim.settle();
    assert_eq!((held(&sim, "st-0"), has_port(&sim, "st-0")), (String::new(), false));
    oracle::equals_from_scratch(&sim);
}

/// Whom a reservation blocks is looked at again when its user corrects it, or takes it away.
#[test]
fn a_reservation_that_blocks_its_pod_can_be_corrected_or_taken_away() {
    for corrected in [true, false] {
        let mut sim = fabric();
        let says = |ip: &str| {
            let spec = IpSpec { subnet: "s1".into(), v4_ip_address: ip.into(), ..IpSpec::default() };
            reservation("late", spec)
        };
        sim.apply(says("10.9.9.9"));
        sim.settle();
        sim.apply(pod("red", "late", "n1", &[]));
        sim.settle();
        assert_eq!(held(&sim, "late"), "");
        if corrected {
            sim.apply(says("10.1.0.5"));
        } else {
            sim.delete(Kind::Ip, "", "late.red");
        }
        sim.settle();
        assert_eq!(held(&sim, "late"), if corrected { "10.1.0.5" } else { "10.1.0.4" });
        oracle::a_restart_writes_nothing(&sim);
    }
}

/// Gives an object the finalizer that Kube-OVN's have, and one of somebody else's if that is asked for.
fn finalized(mut object: Object, other: bool) -> Object {
    let other = other.then_some("example.org/theirs");
    object.meta_mut().finalizers = [FINALIZER].into_iter().chain(other).map(Name::from).collect();
    object
}

#[test]
fn a_record_with_kube_ovns_finalizer_goes() {
    let mut sim = fabric();
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.settle();
    let finalize = |sim: &mut Sim| {
        let record = Object::Ip(record(sim, "p0").unwrap());
        sim.apply(finalized(record, false));
        sim.settle();
    };
    finalize(&mut sim);
    assert_eq!(record(&sim, "p0").unwrap().meta.finalizers.len(), 1, "of what is there it stays");
    // By hand, while the pod runs: it is made again, as ever.
    let before = record(&sim, "p0").unwrap().meta.uid;
    sim.delete(Kind::Ip, "", "p0.red");
    sim.settle();
    let after = record(&sim, "p0").unwrap().meta;
    assert!(after.uid != before && !after.deleting && after.finalizers.is_empty(), "{after:?}");
    assert_eq!(held(&sim, "p0"), "10.1.0.4");
    finalize(&mut sim);
    sim.restart(Late::Never);
    goes(&mut sim, "p0");
    assert_eq!((record(&sim, "p0"), held(&sim, "p0")), (None, String::new()));
    // One that says of nobody that it is his.
    let nobodys = Object::Ip(Ip { meta: Meta::named("nobodys"), ..Ip::default() });
    sim.apply(finalized(nobodys, false));
    sim.settle();
    sim.delete(Kind::Ip, "", "nobodys");
    sim.settle();
    assert_eq!(sim.shop.cluster.get(&ObjectKey::cluster(Kind::Ip, "nobodys")), None);
}

/// Also while somebody else's finalizer keeps the object.
#[test]
fn a_reservation_that_is_being_deleted_reserves_nothing() {
    for other in [false, true] {
        let mut sim = fabric();
        let spec = IpSpec { subnet: "s1".into(), v4_ip_address: "10.1.0.4".into(), ..IpSpec::default() };
        sim.apply(finalized(reservation("late", spec), other));
        sim.settle();
        assert!(held(&sim, "late") == "10.1.0.4" && has_port(&sim, "late"));
        sim.delete(Kind::Ip, "", "late.red");
        sim.settle();
        assert_eq!((held(&sim, "late"), has_port(&sim, "late")), (String::new(), false), "other {other}");
        let finalizers = record(&sim, "late").map(|record| record.meta.finalizers);
        assert_eq!(finalizers, other.then(|| vec!["example.org/theirs".into()]));
        sim.apply(pod("red", "p0", "n1", &[(nic::IP_ADDRESS.ovn(), "10.1.0.4")]));
        sim.settle();
        assert_eq!(held(&sim, "p0"), "10.1.0.4");
    }
}

#[test]
fn what_is_kept_goes_when_its_namespace_has_other_labels() {
    let mut sim = Sim::new();
    let team = |name: &str| {
        let labels = [(Name::from("team"), Name::from(name))].into();
        Object::Namespace(Namespace { meta: Meta { labels, ..Meta::named("red") } })
    };
    sim.apply(team("a"));
    sim.apply(subnet("s1", "", "10.1.0.0/29", |s| {
        let match_labels = [("team".into(), "a".into())].into();
        s.namespace_selectors = vec![Selector { match_labels, ..Selector::default() }];
    }));
    sim.apply(stateful_set("red", 2, ""));
    sim.settle();
    comes(&mut sim, "st-0", "n1");
    comes(&mut sim, "st-1", "n1");
    goes(&mut sim, "st-1");
    assert_eq!(held(&sim, "st-1"), "10.1.0.3");
    sim.apply(team("b"));
    sim.settle();
    assert_eq!((held(&sim, "st-0"), held(&sim, "st-1")), ("10.1.0.2".into(), String::new()));
    oracle::a_restart_writes_nothing(&sim);
}

/// A record of one that holds nothing by it goes, and nothing is remembered of its owner.
#[test]
fn who_is_gone_with_all_that_he_had_is_forgotten() {
    let mut sim = fabric();
    let labels: Labels = [(Name::from("ovn.kubernetes.io/subnet"), Name::from("s1"))].into();
    let spec = IpSpec {
        pod_name: "ghost-0".into(),
        namespace: "red".into(),
        subnet: "s1".into(),
        pod_type: "StatefulSet".into(),
        ..IpSpec::default()
    };
    sim.apply(Object::Ip(Ip { meta: Meta { labels, ..Meta::named("ghost-0.red") }, spec }));
    sim.settle();
    assert_eq!(record(&sim, "ghost-0"), None);
    assert!(!sim.spine.world().owners().contains(&OwnerKey::pod("red", "ghost-0")));
}

/// Kube-OVN's records of what is nobody's port: they say their own name where others say their pod's.
#[test]
fn a_record_of_no_pods_is_left_alone() {
    let names = ["u2o-interconnection.ovn-cluster.s1", "mcast-querier.s1"];
    let mut sim = fabric();
    for name in names {
        let labels: Labels = [(Name::from("ovn.kubernetes.io/subnet"), Name::from("s1"))].into();
        let spec = IpSpec {
            pod_name: name.into(),
            namespace: "default".into(),
            subnet: "s1".into(),
            v4_ip_address: "10.1.0.6".into(),
            ..IpSpec::default()
        };
        sim.apply(finalized(Object::Ip(Ip { meta: Meta { labels, ..Meta::named(name) }, spec }), false));
    }
    sim.settle();
    sim.restart(Late::Never);
    sim.settle();
    let there = |sim: &Sim| {
        names.map(|name| {
            let record = sim.shop.cluster.get(&ObjectKey::cluster(Kind::Ip, name));
            record.is_some_and(|record| !record.meta().deleting)
        })
    };
    assert_eq!(there(&sim), [true, true]);
    // With its subnet, or by hand.
    sim.delete(Kind::Ip, "", names[0]);
    sim.settle();
    assert_eq!(there(&sim), [false, true]);
}
