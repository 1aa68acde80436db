//! Short runs, each of which shows one promise.

use kubeovn_core::{
    annotations::nic,
    index::objects::{Kind, Object, ObjectKey, Pod},
    rows::{OwnerKey, Replica as _, RowKey},
};
use kubeovn_ovn::nb;

use crate::{
    cluster::Luck,
    database::Late,
    oracle,
    sim::{HOUR, MINUTE, Sim},
    user::{namespace, node_that, pod, subnet, vpc},
};

/// A settled fabric with a subnet for the pods of one namespace.
fn fabric(cidr: &str) -> Sim {
    let mut sim = Sim::new();
    sim.apply(subnet("s1", "", cidr, |s| s.namespaces = vec!["red".into()]));
    sim.settle();
    sim
}

fn the_pod(sim: &Sim, name: &str) -> Pod {
    let key = ObjectKey { kind: Kind::Pod, namespace: "red".into(), name: name.into() };
    let Some(Object::Pod(pod)) = sim.shop.cluster.get(&key) else { panic!("no pod {name}") };
    pod
}

fn told(sim: &Sim, name: &str, annotation: &str) -> String {
    the_pod(sim, name).meta.annotation(annotation).unwrap_or("").to_owned()
}

fn held(sim: &Sim, name: &str) -> String {
    let grants = sim.spine.world().grants(&OwnerKey::pod("red", name));
    grants.iter().map(|grant| grant.ips.to_string()).collect()
}

#[test]
fn a_pod_is_never_renumbered() {
    let mut sim = fabric("10.1.0.0/24");
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.settle();
    assert_eq!(held(&sim, "p0"), "10.1.0.2");
    // The namespace moves to another subnet, the controller restarts, and the database is lost.
    sim.apply(subnet("s1", "", "10.1.0.0/24", |_| {}));
    sim.apply(subnet("s2", "", "10.2.0.0/24", |s| s.namespaces = vec!["red".into()]));
    sim.settle();
    sim.db.replace(false, Late::Never);
    sim.restart(Late::Never);
    sim.apply(pod("red", "p1", "n1", &[]));
    sim.settle();
    assert_eq!((held(&sim, "p0"), held(&sim, "p1")), ("10.1.0.2".into(), "10.2.0.2".into()));
    assert_eq!(told(&sim, "p0", nic::IP_ADDRESS.ovn()), "10.1.0.2");
}

#[test]
fn a_successor_that_is_refused_has_nothing_of_its_predecessor() {
    for wish in ["10.1.0.2", "10.9.0.1", "no address"] {
        let mut sim = fabric("10.1.0.0/29");
        sim.apply(pod("red", "other", "n1", &[]));
        sim.settle();
        sim.apply(pod("red", "p0", "n1", &[]));
        sim.settle();
        assert_eq!(held(&sim, "p0"), "10.1.0.3");
        // The old one's end and the new one are heard of in one breath.
        sim.delete(Kind::Pod, "red", "p0");
        sim.apply(pod("red", "p0", "n1", &[(nic::IP_ADDRESS.ovn(), wish)]));
        sim.settle();
        assert_eq!(held(&sim, "p0"), "", "asked for {wish}");
        assert_eq!(told(&sim, "p0", nic::IP_ADDRESS.ovn()), wish, "the wish stands");
        assert_ne!(told(&sim, "p0", nic::ERROR.ovn()), "", "asked for {wish}");
        // What the predecessor had is free, also for one that had been waiting for it.
        sim.apply(pod("red", "p1", "n1", &[(nic::IP_ADDRESS.ovn(), "10.1.0.3")]));
        sim.settle();
        assert_eq!(held(&sim, "p1"), "10.1.0.3");
        oracle::at_rest(&sim);
        let port = RowKey::new(nb::LOGICAL_SWITCH_PORT, "p0.red");
        assert!(!sim.db.replica.has(&port), "its predecessor's port, with an address that is another's now");
    }
}

#[test]
fn a_pod_whose_subnet_has_no_switch_is_told_what_it_waits_for() {
    let mut sim = fabric("10.1.0.0/29");
    // While the switch is not there yet the subnet is moved to another VPC, which it can't be any more.
    sim.apply(subnet("s2", "", "10.2.0.0/29", |s| s.namespaces = vec!["blue".into()]));
    sim.apply(pod("blue", "p0", "n1", &[]));
    sim.hear_all();
    sim.run();
    sim.apply(subnet("s2", "nowhere", "10.2.0.0/29", |s| s.namespaces = vec!["blue".into()]));
    sim.hear_all();
    sim.db.lose(Late::Never);
    sim.settle();
    oracle::at_rest(&sim);
    let key = ObjectKey { kind: Kind::Pod, namespace: "blue".into(), name: "p0".into() };
    let error = |sim: &Sim| {
        let pod = sim.shop.cluster.get(&key).unwrap();
        pod.meta().annotation(nic::ERROR.ovn()).map(str::to_owned)
    };
    assert!(error(&sim).is_some_and(|error| error.contains("Logical_Switch/s2")), "{:?}", error(&sim));
    // It comes up by itself.
    sim.apply(subnet("s2", "", "10.2.0.0/29", |s| s.namespaces = vec!["blue".into()]));
    sim.settle();
    assert_eq!(error(&sim), None);
    oracle::at_rest(&sim);
}

#[test]
fn an_old_version_that_comes_late_changes_nothing() {
    let mut sim = fabric("10.1.0.0/29");
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.settle();
    let (before, said) = (sim.txns, sim.shop.written.len());
    for kind in 0..Kind::ALL.len() {
        for nth in 0..12 {
            sim.watch.late(kind, nth);
            sim.hear_of(kind);
            sim.settle();
            oracle::at_rest(&sim);
        }
    }
    assert_eq!((sim.txns, sim.shop.written.len()), (before, said), "something was written");
}

#[test]
fn what_vanished_while_nobody_watched_is_released() {
    let mut sim = fabric("10.1.0.0/29");
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.apply(namespace("red"));
    sim.settle();
    let (pods, namespaces) = (Kind::Pod as usize, Kind::Namespace as usize);
    sim.delete(Kind::Pod, "red", "p0");
    sim.delete(Kind::Namespace, "", "red");
    sim.watch.relist(&sim.shop.cluster, pods);
    sim.watch.relist(&sim.shop.cluster, namespaces);
    sim.settle();
    assert_eq!(held(&sim, "p0"), "");
    oracle::at_rest(&sim);
    oracle::all_is_well(&sim);
}

#[test]
fn a_clock_that_is_set_back_delays_nothing() {
    let mut sim = Sim::new();
    // The first write of all fails, and then the clock is set back: it is due in a second, not in an hour.
    sim.hear_all();
    sim.run();
    sim.reconnect();
    sim.run();
    while sim.write(0, Luck::Failed) {}
    sim.now -= HOUR;
    assert!(sim.settle() < MINUTE);
    assert!(sim.spine.idle());
    // The same for one whose rows the database refuses.
    sim.apply(subnet("s1", "", "10.1.0.0/29", |s| s.namespaces = vec!["red".into()]));
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.hear_all();
    sim.run();
    sim.db.arrive(crate::database::Fate::Rejected { named: true });
    while sim.hear_database(1) {}
    sim.now -= HOUR;
    assert!(sim.settle() < MINUTE);
    oracle::at_rest(&sim);
}

#[test]
fn a_backup_gives_no_address_to_two() {
    // Whether the one that had the address is gone, or is there and has another one now.
    for gone in [true, false] {
        let mut sim = fabric("10.1.0.0/28");
        let wants = |ip| [(nic::IP_ADDRESS.ovn(), ip)];
        sim.apply(pod("red", "p1", "n1", &wants("10.1.0.7")));
        sim.settle();
        sim.db.back_up();
        if gone {
            sim.delete(Kind::Pod, "red", "p1");
        } else {
            sim.apply(pod("red", "p1", "n1", &wants("10.1.0.8")));
        }
        sim.settle();
        sim.apply(pod("red", "p0", "n1", &wants("10.1.0.7")));
        sim.settle();
        // The database looks at every step whether an address is live twice.
        sim.db.replace(true, Late::Never);
        sim.settle();
        assert_eq!(held(&sim, "p0"), "10.1.0.7");
        oracle::at_rest(&sim);
        oracle::all_is_well(&sim);
    }
}

/// What could not be taken back at a start keeps the port of nobody but the one whose it was.
#[test]
fn a_successor_of_one_that_had_a_conflict_at_the_start_has_nothing_of_it() {
    let mut sim = fabric("10.1.0.0/28");
    let wants = |ip| [(nic::IP_ADDRESS.ovn(), ip)];
    sim.apply(pod("red", "p1", "n1", &wants("10.1.0.7")));
    sim.settle();
    sim.db.back_up();
    sim.apply(pod("red", "p1", "n1", &wants("10.1.0.8")));
    sim.settle();
    sim.apply(pod("red", "p0", "n1", &wants("10.1.0.7")));
    sim.settle();
    // The port of p1 has, in the backup, what p0 has by now.
    sim.db.replace(true, Late::Never);
    sim.restart(Late::Never);
    sim.settle();
    let p0 = OwnerKey::pod("red", "p0");
    assert!(sim.spine.recovery_conflicts().contains(&p0), "counted until the next start");
    assert_eq!(held(&sim, "p0"), "10.1.0.7");
    sim.delete(Kind::Pod, "red", "p0");
    sim.apply(pod("red", "p0", "n1", &wants("10.9.0.1")));
    sim.settle();
    assert_eq!(held(&sim, "p0"), "");
    let port = RowKey::new(nb::LOGICAL_SWITCH_PORT, "p0.red");
    assert!(!sim.db.replica.has(&port), "its predecessor's port");
    oracle::at_rest(&sim);
}

#[test]
fn a_subnet_that_could_not_move_moves_when_it_is_empty() {
    let mut sim = fabric("10.1.0.0/29");
    sim.apply(vpc("va", &[]));
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.apply(pod("red", "p1", "n1", &[]));
    sim.settle();
    sim.apply(subnet("s1", "va", "10.1.0.0/29", |s| s.namespaces = vec!["red".into()]));
    sim.settle();
    assert!(sim.spine.world().plan("s1").is_none(), "it has pods");
    for (pod, in_effect) in [("p0", false), ("p1", true)] {
        sim.delete(Kind::Pod, "red", pod);
        sim.settle();
        assert_eq!(sim.spine.world().plan("s1").is_some(), in_effect, "after {pod} has gone");
        oracle::a_restart_writes_nothing(&sim);
    }
}

#[test]
fn who_waits_longest_is_served_first() {
    // Room for one.
    let mut sim = fabric("10.1.0.0/30");
    for name in ["p9", "p5", "p7"] {
        sim.apply(pod("red", name, "n1", &[]));
        sim.settle();
    }
    for (gone, served) in [("p9", "p5"), ("p5", "p7")] {
        sim.delete(Kind::Pod, "red", gone);
        sim.settle();
        assert_eq!(held(&sim, served), "10.1.0.2");
        oracle::at_rest(&sim);
    }
}

#[test]
fn who_waits_for_room_is_served_also_when_another_subnet_lets_go() {
    // The only address is held from a subnet that is gone.
    let mut sim = fabric("10.1.0.0/30");
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.settle();
    sim.delete(Kind::Subnet, "", "s1");
    sim.apply(subnet("s1", "", "10.9.0.0/30", |_| {}));
    sim.apply(subnet("s2", "", "10.1.0.0/30", |s| s.namespaces = vec!["red".into()]));
    sim.settle();
    sim.apply(subnet("s1", "", "10.9.0.0/30", |_| {}));
    sim.settle();
    sim.apply(pod("red", "p1", "n1", &[(nic::LOGICAL_SWITCH.ovn(), "s2")]));
    sim.settle();
    assert_eq!((held(&sim, "p0"), held(&sim, "p1")), ("10.1.0.2".into(), String::new()));
    sim.delete(Kind::Pod, "red", "p0");
    sim.settle();
    assert_eq!(held(&sim, "p1"), "10.1.0.2", "{}", told(&sim, "p1", nic::ERROR.ovn()));
}

#[test]
fn what_somebody_changes_back_before_we_see_it_is_told_again() {
    let mut sim = fabric("10.1.0.0/29");
    sim.apply(namespace("red"));
    sim.hear_all();
    sim.run();
    assert!(sim.write(0, Luck::Done), "the namespace is told its subnet");
    let key = ObjectKey::cluster(Kind::Namespace, "red");
    let Some(Object::Namespace(mut red)) = sim.shop.cluster.get(&key) else { panic!("no namespace") };
    red.meta.annotations.insert(nic::LOGICAL_SWITCH.ovn().into(), "mine".into());
    sim.apply(Object::Namespace(red));
    assert!(sim.settle() < MINUTE);
    let red = sim.shop.cluster.get(&key).unwrap();
    assert_eq!(red.meta().annotation(nic::LOGICAL_SWITCH.ovn()), Some("s1"));
    oracle::at_rest(&sim);
}

#[test]
fn what_the_cluster_refuses_is_asked_again_in_a_minute_or_at_once_when_it_is_something_else() {
    for other in [false, true] {
        let mut sim = fabric("10.1.0.0/29");
        sim.apply(namespace("red"));
        sim.hear_all();
        sim.run();
        assert!(sim.write(0, Luck::Refused), "the namespace is told its subnet");
        if other {
            sim.apply(subnet("s0", "", "10.2.0.0/29", |s| s.namespaces = vec!["red".into()]));
        }
        let took = sim.settle();
        let wanted = if other { 0..MINUTE } else { MINUTE..2 * MINUTE };
        assert!(wanted.contains(&took), "another wish {other}: {took} ms");
        let red = sim.shop.cluster.get(&ObjectKey::cluster(Kind::Namespace, "red")).unwrap();
        let wanted = if other { "s1,s0" } else { "s1" };
        assert_eq!(red.meta().annotation(nic::LOGICAL_SWITCH.ovn()), Some(wanted));
        oracle::at_rest(&sim);
    }
}

#[test]
fn what_is_heard_while_nobody_knows_what_the_database_has_is_answered_when_it_is_known() {
    let mut sim = fabric("10.1.0.0/24");
    sim.apply(pod("red", "p0", "n1", &[(nic::IP_ADDRESS.ovn(), "10.9.0.1")]));
    sim.hear_all();
    sim.run();
    // Its refusal is on its way to it, and the rows of another pod to the database, when it ends.
    sim.apply(pod("red", "p1", "n1", &[]));
    sim.hear_all();
    sim.run();
    let mut done = the_pod(&sim, "p0");
    done.finished = true;
    sim.apply(Object::Pod(done));
    sim.hear_all();
    sim.run();
    sim.db.lose(Late::Never);
    while sim.hear_database(1) {}
    sim.run();
    while sim.write(0, Luck::Done) {}
    sim.hear_all();
    sim.run();
    sim.settle();
    oracle::at_rest(&sim);
}

#[test]
fn a_record_is_not_taken_from_who_holds_by_it() {
    // The record of node `a.b` is called like that of pod `node-a` in namespace `b`.
    for node_first in [true, false] {
        let mut sim = Sim::new();
        sim.apply(subnet("s1", "", "10.1.0.0/24", |s| s.namespaces = vec!["b".into()]));
        let mut both = [node_that("a.b", "172.18.0.9", true, false), pod("b", "node-a", "n1", &[])];
        if !node_first {
            both.reverse();
        }
        let [first, second] = both.clone().map(|object| object.key());
        for object in both {
            sim.apply(object);
            sim.settle();
        }
        let whose = |sim: &Sim| {
            let key = ObjectKey::cluster(Kind::Ip, "node-a.b");
            let Some(Object::Ip(ip)) = sim.shop.cluster.get(&key) else { panic!("no record") };
            ip.spec.pod_name.to_string()
        };
        let [had, has] = if node_first { ["a.b", "node-a"] } else { ["node-a", "a.b"] };
        assert_eq!(whose(&sim), had);
        let told = |sim: &Sim| sim.spine.problems().get(&second).map(|problems| problems[0].code);
        assert_eq!(told(&sim), Some("NAME-TAKEN"), "node first {node_first}");
        // It comes up by itself.
        sim.delete(first.kind, &first.namespace, &first.name);
        sim.settle();
        assert_eq!((whose(&sim), told(&sim)), (has.to_owned(), None), "node first {node_first}");
    }
}

/// Who holds most of a full subnet changes all the time: who waits is told of it once, not each time.
#[test]
fn who_waits_is_not_told_each_time_that_others_come_and_go() {
    let mut sim = Sim::new();
    sim.apply(subnet("s1", "", "10.1.0.0/29", |s| s.namespaces = vec!["red".into(), "blue".into()]));
    sim.settle();
    for name in ["a", "b", "c", "d", "e"] {
        sim.apply(pod("red", name, "n1", &[]));
    }
    sim.settle();
    for (namespace, name) in [("blue", "w1"), ("blue", "w2"), ("red", "late")] {
        sim.apply(pod(namespace, name, "n1", &[]));
        sim.settle();
    }
    let key = ObjectKey { kind: Kind::Pod, namespace: "red".into(), name: "late".into() };
    let first = sim.spine.problems()[&key].clone();
    assert!(first[0].message.contains("most are held by red (5)"), "{first:?}");
    sim.shop.written.clear();
    for (gone, served) in [("a", "w1"), ("b", "w2")] {
        sim.delete(Kind::Pod, "red", gone);
        sim.settle();
        assert_eq!(sim.spine.world().grants(&OwnerKey::pod("blue", served)).len(), 1);
        // As the echo of something that somebody wrote into it.
        let mut late = the_pod(&sim, "late");
        late.meta.labels.insert("seen".into(), gone.into());
        sim.apply(Object::Pod(late));
        sim.settle();
    }
    let told: Vec<_> = sim.shop.written.iter().filter(|write| write.key() == key).collect();
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(sim.spine.problems()[&key], first, "no event either");
    oracle::a_restart_writes_nothing(&sim);
    // Another reason is news.
    sim.apply(subnet("s1", "", "10.1.0.0/29", |s| s.namespaces = vec!["blue".into()]));
    sim.apply(subnet("s2", "", "10.2.0.0/32", |s| s.namespaces = vec!["red".into()]));
    sim.settle();
    assert_ne!(sim.spine.problems()[&key], first);
    assert!(told_error(&sim).contains("s2"), "{}", told_error(&sim));
}

fn told_error(sim: &Sim) -> String {
    told(sim, "late", nic::ERROR.ovn())
}
