//! The server dies in the middle of the work, again and again.

use kubeovn_core::index::objects::{Kind, Object, ObjectKey};

use crate::{
    objects::{node, pod, pod_key, private, subnet, tenants},
    rig::Rig,
    seen::difference,
    server::wait_for,
};

/// Changes of one round; every round takes back some of what the ones before did.
fn change(rig: &Rig, round: usize) {
    for i in 0..30 {
        rig.apply(pod("web", &format!("r{round}-{i}"), "n1", &[]));
        if round > 0 && i % 2 == 0 {
            let _ = rig.cluster.delete(&pod_key("web", &format!("r{}-{i}", round - 1)));
        }
    }
    let allow: &[&str] = if round.is_multiple_of(2) { &["10.16.0.0/16"] } else { &[] };
    rig.apply(private(subnet("db", "", "10.30.0.0/24", "db"), allow));
    rig.apply(node(&format!("extra{round}"), &format!("172.18.1.{}", round + 2)));
    if round > 0 {
        rig.cluster.delete(&ObjectKey::cluster(Kind::Node, format!("extra{}", round - 1))).unwrap();
    }
}

#[test]
fn a_server_that_is_killed_again_and_again_ends_with_what_a_fresh_one_gets() {
    let mut rig = Rig::settled(tenants());
    for round in 0..6 {
        change(&rig, 2 * round);
        if round % 3 < 2 {
            // By what there is: the eye may come back after a kill when all has been done, and see no update then.
            let new = format!("r{}-", 2 * round);
            let begun = || rig.seen.ports().into_keys().any(|port| port.starts_with(&new));
            wait_for("the work to begin", || begun().then_some(()));
        }
        rig.server.kill();
        change(&rig, 2 * round + 1);
        rig.server.run();
        if round % 3 == 1 {
            rig.restart_on(rig.cluster.clone());
        }
    }
    rig.settle();
    assert_eq!(rig.seen.doubles(), [].into(), "an address was in two ports at once");
    let objects: Vec<Object> = Kind::ALL.iter().flat_map(|kind| rig.cluster.objects(*kind)).collect();
    let fresh = Rig::settled(objects);
    assert_eq!(difference(&fresh.rows(), &rig.rows()), "", "what a fresh start gives, and what there is");
    assert_eq!(fresh.addresses(), rig.addresses());
}
