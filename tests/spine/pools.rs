//! Addresses by `ip_pool`: lists, IPPool objects, pools of namespaces.

use kubeovn_core::{
    annotations::{namespace as on_namespace, nic},
    contract::cluster::FINALIZER,
    index::objects::{IpPool, IpPoolSpec, Kind, Meta, Object, ObjectKey},
    rows::OwnerKey,
};

use crate::{
    database::Late,
    oracle,
    sim::Sim,
    user::{member, namespace, pod, stateful_set, subnet},
};

fn fabric() -> Sim {
    let mut sim = Sim::new();
    sim.apply(namespace("red"));
    sim.apply(subnet("s1", "", "10.1.0.0/28", |s| s.namespaces = vec!["red".into()]));
    sim.settle();
    sim
}

fn ip_pool(name: &str, ips: &[&str], namespaces: &[&str]) -> Object {
    let spec = IpPoolSpec {
        subnet: "s1".into(),
        ips: ips.iter().map(|ip| (*ip).to_owned()).collect(),
        namespaces: namespaces.iter().map(|name| (*name).into()).collect(),
        ..IpPoolSpec::default()
    };
    Object::IpPool(IpPool { meta: Meta::named(name), spec, ..IpPool::default() })
}

fn held(sim: &Sim, name: &str) -> String {
    has(sim, "red", name)
}

fn has(sim: &Sim, namespace: &str, name: &str) -> String {
    let grants = sim.spine.world().grants(&OwnerKey::pod(namespace, name));
    grants.iter().map(|grant| grant.ips.to_string()).collect()
}

/// A pod that asks for a pool, and what it gets.
fn asks(sim: &mut Sim, name: &str, pool: &str) -> String {
    let wishes = [(nic::IP_POOL.ovn(), pool)];
    sim.apply(pod("red", name, "n1", if pool.is_empty() { &[] } else { &wishes }));
    sim.settle();
    held(sim, name)
}

fn problem(sim: &Sim, key: &ObjectKey) -> String {
    sim.spine.problems().get(key).map(|problems| format!("{problems:?}")).unwrap_or_default()
}

fn pool_status(sim: &Sim, name: &str) -> (String, String, String) {
    let Some(Object::IpPool(pool)) = sim.shop.cluster.get(&ObjectKey::cluster(Kind::IpPool, name)) else {
        panic!("no pool {name}")
    };
    let ready = pool.status.conditions.iter().find(|condition| &*condition.r#type == "Ready").unwrap();
    (ready.status.to_string(), pool.status.v4UsingIPRange, pool.status.v4AvailableIPs.to_string())
}

#[test]
fn a_list_gives_its_addresses_in_order_and_to_members_by_their_ordinals() {
    let mut sim = fabric();
    assert_eq!(asks(&mut sim, "p0", "10.1.0.9,10.1.0.7"), "10.1.0.9");
    assert_eq!(asks(&mut sim, "p1", "10.1.0.9,10.1.0.7"), "10.1.0.7");
    assert_eq!(asks(&mut sim, "p2", "10.1.0.9,10.1.0.7"), "");
    sim.apply(stateful_set("red", 3, ""));
    sim.settle();
    for (name, ip) in [("st-1", "10.1.0.11"), ("st-0", "10.1.0.10"), ("st-2", "")] {
        let Some(Object::Pod(mut pod)) = member(&sim, "red", name, "n1") else { panic!() };
        pod.meta.annotations.insert(nic::IP_POOL.ovn().into(), "10.1.0.10;10.1.0.11".into());
        sim.apply(Object::Pod(pod));
        sim.settle();
        assert_eq!(held(&sim, name), ip, "{name}");
    }
    oracle::a_restart_writes_nothing(&sim);
}

#[test]
fn a_named_pool_is_nobody_elses_and_counts_its_addresses() {
    let mut sim = fabric();
    sim.apply(ip_pool("front", &["10.1.0.2..10.1.0.3", "10.1.0.12"], &[]));
    sim.settle();
    assert_eq!(asks(&mut sim, "p0", ""), "10.1.0.4", "what no pool has");
    for (name, ip) in [("p1", "10.1.0.2"), ("p2", "10.1.0.3"), ("p3", "10.1.0.12"), ("p4", "")] {
        assert_eq!(asks(&mut sim, name, "front"), ip, "{name}");
    }
    assert_eq!(pool_status(&sim, "front"), ("True".into(), "10.1.0.2-10.1.0.3,10.1.0.12".into(), "0".into()));
    sim.restart(Late::Never);
    sim.settle();
    assert_eq!(held(&sim, "p3"), "10.1.0.12");
    oracle::a_restart_writes_nothing(&sim);
    oracle::equals_from_scratch(&sim);
    // Who waits is served when one is free; and when the pool grows.
    sim.delete(Kind::Pod, "red", "p2");
    sim.settle();
    assert_eq!(held(&sim, "p4"), "10.1.0.3");
    assert_eq!(asks(&mut sim, "p5", "front"), "");
    sim.apply(ip_pool("front", &["10.1.0.2..10.1.0.3", "10.1.0.12/31"], &[]));
    sim.settle();
    assert_eq!(held(&sim, "p5"), "10.1.0.13");
    // The pool goes: nobody loses anything, and what is left is everybody's.
    sim.delete(Kind::IpPool, "", "front");
    sim.settle();
    assert_eq!(held(&sim, "p5"), "10.1.0.13");
    oracle::a_restart_writes_nothing(&sim);
}

#[test]
fn a_namespaces_pods_get_theirs_from_its_pools_and_from_nowhere_else() {
    let mut sim = fabric();
    sim.apply(ip_pool("mine", &["10.1.0.5"], &["red"]));
    sim.settle();
    let red = sim.shop.cluster.get(&ObjectKey::cluster(Kind::Namespace, "red")).unwrap();
    assert_eq!(red.meta().annotation(on_namespace::IP_POOL), Some("mine"));
    assert_eq!(asks(&mut sim, "p0", ""), "10.1.0.5");
    assert_eq!(asks(&mut sim, "p1", ""), "", "there is room outside of the pool");
    sim.apply(pod("red", "p2", "n1", &[(nic::IP_ADDRESS.ovn(), "10.1.0.6")]));
    sim.settle();
    assert_eq!(held(&sim, "p2"), "10.1.0.6", "who asks for an address gets it");
    sim.delete(Kind::IpPool, "", "mine");
    sim.settle();
    let red = sim.shop.cluster.get(&ObjectKey::cluster(Kind::Namespace, "red")).unwrap();
    assert_eq!(red.meta().annotation(on_namespace::IP_POOL), None);
    assert_eq!(held(&sim, "p1"), "10.1.0.2");
}

#[test]
fn what_stands_against_a_pool_is_said_on_it_and_to_who_asks() {
    let mut sim = fabric();
    sim.apply(ip_pool("a", &["10.1.0.2..10.1.0.4"], &[]));
    sim.settle();
    sim.apply(ip_pool("b", &["10.1.0.4..10.1.0.6"], &[]));
    sim.apply(ip_pool("c", &["10.1.0.x"], &[]));
    sim.settle();
    for (name, code) in [("b", "IPPOOL-OVERLAP"), ("c", "IPPOOL-INVALID")] {
        let told = problem(&sim, &ObjectKey::cluster(Kind::IpPool, name));
        assert!(told.contains(code), "{told}");
        assert_eq!(pool_status(&sim, name).0, "False");
    }
    assert_eq!(asks(&mut sim, "p0", "nobody"), "");
    let key = ObjectKey { kind: Kind::Pod, namespace: "red".into(), name: "p0".into() };
    assert!(problem(&sim, &key).contains("IPPOOL-UNKNOWN"), "{}", problem(&sim, &key));
    // The younger comes up when the older one goes.
    sim.delete(Kind::IpPool, "", "a");
    sim.settle();
    assert_eq!(asks(&mut sim, "p1", "b"), "10.1.0.4");
    sim.delete(Kind::Subnet, "", "s1");
    sim.settle();
    assert!(problem(&sim, &ObjectKey::cluster(Kind::IpPool, "c")).contains("IPPOOL-"));
}

#[test]
fn a_pod_of_a_dual_stack_subnet_may_ask_for_one_family() {
    let mut sim = Sim::new();
    sim.apply(subnet("s1", "", "10.1.0.0/28,fd01::/124", |s| s.namespaces = vec!["red".into()]));
    sim.settle();
    for (name, family, ips) in [
        ("p0", "ipv6", "fd01::2"),
        ("p1", "ipv4", "10.1.0.2"),
        ("p2", "", "10.1.0.3,fd01::3"),
        ("p3", "IPv4", ""),
    ] {
        sim.apply(pod("red", name, "n1", &[(nic::IP_FAMILY.ovn(), family)]));
        sim.settle();
        assert_eq!(held(&sim, name), ips, "{name}");
    }
    let key = ObjectKey { kind: Kind::Pod, namespace: "red".into(), name: "p3".into() };
    assert!(problem(&sim, &key).contains("POD-IP-FAMILY"));
    sim.restart(Late::Never);
    sim.settle();
    assert_eq!(held(&sim, "p0"), "fd01::2");
    oracle::a_restart_writes_nothing(&sim);
}

#[test]
fn a_pool_with_kube_ovns_finalizer_goes() {
    let mut sim = fabric();
    let mut pool = ip_pool("front", &["10.1.0.2"], &[]);
    pool.meta_mut().finalizers = vec![FINALIZER.into()];
    sim.apply(pool);
    sim.settle();
    assert_eq!(asks(&mut sim, "p0", "front"), "10.1.0.2");
    sim.delete(Kind::IpPool, "", "front");
    sim.settle();
    assert_eq!(sim.shop.cluster.get(&ObjectKey::cluster(Kind::IpPool, "front")), None);
    assert_eq!(held(&sim, "p0"), "10.1.0.2");
}

/// Who waits for a place that is full keeps nobody waiting for another one.
mod line {
    use super::*;

    #[test]
    fn a_full_pool_is_not_a_full_subnet() {
        let mut sim = Sim::new();
        sim.apply(subnet("s1", "", "10.1.0.0/29", |s| s.namespaces = vec!["red".into()]));
        sim.apply(ip_pool("front", &["10.1.0.2"], &[]));
        sim.settle();
        assert_eq!(
            (asks(&mut sim, "f0", "front"), asks(&mut sim, "w1", "front")),
            ("10.1.0.2".into(), String::new())
        );
        for (name, ip) in
            [("a", "10.1.0.3"), ("b", "10.1.0.4"), ("c", "10.1.0.5"), ("d", "10.1.0.6"), ("w2", "")]
        {
            assert_eq!(asks(&mut sim, name, ""), ip, "{name}");
        }
        for (gone, served, ip) in [("a", "w2", "10.1.0.3"), ("f0", "w1", "10.1.0.2")] {
            sim.delete(Kind::Pod, "red", gone);
            sim.settle();
            assert_eq!(held(&sim, served), ip);
        }
        oracle::a_restart_writes_nothing(&sim);
    }

    #[test]
    fn who_may_have_another_subnet_does_not_wait_for_the_first() {
        let mut sim = Sim::new();
        sim.apply(subnet("s1", "", "10.1.0.0/30", |s| s.namespaces = vec!["red".into(), "blue".into()]));
        sim.apply(subnet("s2", "", "10.2.0.0/30", |s| s.namespaces = vec!["blue".into()]));
        sim.settle();
        for (namespace, name, ip) in
            [("red", "p0", "10.1.0.2"), ("blue", "p1", "10.2.0.2"), ("red", "w1", ""), ("blue", "w2", "")]
        {
            sim.apply(pod(namespace, name, "n1", &[]));
            sim.settle();
            assert_eq!(has(&sim, namespace, name), ip, "{name}");
        }
        sim.delete(Kind::Pod, "blue", "p1");
        sim.settle();
        assert_eq!((has(&sim, "red", "w1"), has(&sim, "blue", "w2")), (String::new(), "10.2.0.2".into()));
        sim.delete(Kind::Pod, "red", "p0");
        sim.settle();
        assert_eq!(has(&sim, "red", "w1"), "10.1.0.2");
    }

    #[test]
    fn who_wants_one_family_does_not_wait_for_the_other() {
        let mut sim = Sim::new();
        // Room for five of the one and for one of the other.
        sim.apply(subnet("s1", "", "10.1.0.0/29,fd01::/126", |s| s.namespaces = vec!["red".into()]));
        sim.settle();
        let wishes = [(nic::IP_FAMILY.ovn(), "ipv4")];
        let mut comes = |name: &str, family: &[(&str, &str)]| {
            sim.apply(pod("red", name, "n1", family));
            sim.settle();
            held(&sim, name)
        };
        assert_eq!(comes("p0", &[]), "10.1.0.2,fd01::2");
        for name in ["a", "b", "c", "d"] {
            assert_ne!(comes(name, &wishes), "");
        }
        assert_eq!((comes("w1", &[]), comes("w2", &wishes)), (String::new(), String::new()));
        sim.delete(Kind::Pod, "red", "a");
        sim.settle();
        assert_eq!((held(&sim, "w1"), held(&sim, "w2")), (String::new(), "10.1.0.3".into()));
        sim.delete(Kind::Pod, "red", "p0");
        sim.settle();
        assert_eq!(held(&sim, "w1"), "10.1.0.2,fd01::2");
    }

    /// However many wait for the same: one is served, one finds that it was the last, and nobody else asks.
    #[test]
    fn a_release_does_not_make_all_ask_who_wait_for_the_same() {
        let mut sim = Sim::new();
        sim.apply(subnet("s1", "", "10.1.0.0/30", |s| s.namespaces = vec!["red".into(), "blue".into()]));
        sim.apply(subnet("s2", "", "10.2.0.0/30", |s| s.namespaces = vec!["blue".into()]));
        sim.settle();
        for n in 0..60 {
            sim.apply(pod(["red", "blue"][n % 2], &format!("p{n}"), "n1", &[]));
        }
        sim.settle();
        let asked = sim.ledger.asked();
        sim.delete(Kind::Pod, "red", "p0");
        sim.settle();
        let asked = sim.ledger.asked() - asked;
        assert_eq!(has(&sim, "red", "p2") + &has(&sim, "blue", "p3"), "10.1.0.2");
        assert!(asked <= 12, "{asked} asked for one release");
    }
}

/// A pool in a subnet that the namespace does not offer is no reason to give its pods something else.
#[test]
fn a_namespace_whose_pools_are_elsewhere_gives_nothing_but_to_who_chose_a_subnet() {
    let mut sim = fabric();
    sim.apply(subnet("s2", "", "10.2.0.0/28", |_| {}));
    let Object::IpPool(mut pool) = ip_pool("theirs", &["10.2.0.5"], &["red"]) else { unreachable!() };
    pool.spec.subnet = "s2".into();
    sim.apply(Object::IpPool(pool));
    sim.settle();
    assert_eq!(asks(&mut sim, "p0", ""), "", "s1 has room, and the namespace a pool");
    let told = problem(&sim, &ObjectKey { kind: Kind::Pod, namespace: "red".into(), name: "p0".into() });
    assert!(told.contains("IPAM-NO-POOL") && told.contains("NoAvailableAddress"), "{told}");
    sim.apply(pod("red", "p1", "n1", &[(nic::LOGICAL_SWITCH.ovn(), "s1")]));
    sim.settle();
    assert_eq!(held(&sim, "p1"), "10.1.0.2", "it chose for itself");
    oracle::a_restart_writes_nothing(&sim);
    // Now the namespace offers the pool's subnet, too.
    sim.apply(subnet("s2", "", "10.2.0.0/28", |s| s.namespaces = vec!["red".into()]));
    sim.settle();
    assert_eq!(held(&sim, "p0"), "10.2.0.5");
    oracle::a_restart_writes_nothing(&sim);
}
