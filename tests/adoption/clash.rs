//! A port of somebody else has the name that a pod's port would have: it is not taken, and nothing else suffers.

use kubeovn_core::index::objects::{Kind, Meta, Object, ObjectKey, Pod};

use crate::{
    film::row_of,
    fixture::{
        Age, cluster, northbound,
        row::{Fate, map, set},
    },
    rig::Rig,
    server::wait_for,
    takeover::{PATIENCE, quiet, unfinished, with},
};

/// A pod that has been given nothing yet, whatever port there is.
fn newcomer() -> Object {
    let meta = Meta { namespace: "shop".into(), ..Meta::named("clash") };
    Object::Pod(Pod { meta, node: Some("n1".into()), ..Pod::default() })
}

/// It says nothing of whose it is, or that it is another system's, or another pod's, or nothing of Kube-OVN.
#[test]
fn a_port_of_somebody_else_is_not_taken_by_its_name() {
    for ids in [
        &[][..],
        &[("pod", "shop/clash"), ("vendor", "neutron")],
        &[("pod", "shop/other"), ("ls", "theirs"), ("vendor", "kube-ovn")],
        &[("pod", "shop/clash"), ("ls", "theirs")],
    ] {
        is_not_taken(ids);
    }
}

fn is_not_taken(ids: &[(&str, &str)]) {
    let objects = cluster::objects(&cluster::manifests());
    let mut northbound = northbound(&objects, Age::V1_15);
    northbound
        .row("Logical_Switch_Port", "clash.shop", Fate::Stays)
        .set("name", "clash.shop")
        .set("addresses", set(["02:00:00:00:00:55 10.16.0.55"]))
        .set("external_ids", map(ids.iter().copied()));
    northbound.refer(("Logical_Switch", "theirs"), "ports", ("Logical_Switch_Port", "clash.shop"));
    let mut rig = Rig::stopped(objects.clone());
    northbound.load(&rig);
    let uuid = northbound.uuid("Logical_Switch_Port", "clash.shop");
    let theirs = |rig: &Rig| row_of(&rig.seen.raw().0, "Logical_Switch_Port", uuid).cloned();
    let before = wait_for("the eye to see their port", || theirs(&rig));

    rig.restart_on(with(&objects, newcomer()));
    let mut left = Vec::new();
    let told = ObjectKey { kind: Kind::Pod, namespace: "shop".into(), name: "clash".into() };
    let deadline = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < deadline {
        left = unfinished(&rig, &northbound);
        if !rig.cluster.notes().iter().any(|note| note.note.key == told) {
            left.push("the pod was told nothing".into());
        }
        if left.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(left.is_empty(), "{ids:?}: {left:#?}");
    quiet(&rig);
    assert_eq!(theirs(&rig).as_ref(), Some(&before), "{ids:?}: their port was changed");
    let pod = rig.cluster.get(&told).unwrap();
    assert_eq!(pod.meta().annotation("ovn.kubernetes.io/allocated"), None, "{ids:?}");

    // when it goes, the pod comes up
    rig.server.nbctl(&["lsp-del", "clash.shop"]);
    wait_for("the pod's own port", || rig.seen.ports().contains_key("clash.shop").then_some(()));
}
