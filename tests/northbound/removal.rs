//! Deleting an object removes exactly its rows.

use kubeovn_core::index::objects::{Kind, Object, ObjectKey};

use crate::{
    objects::{pod, pod_key, tenants},
    rig::Rig,
    seen::without,
    server::wait_for,
};

#[test]
fn a_pod_goes_with_its_port_and_its_address() {
    let rig = Rig::settled(tenants());
    let wanted = without(rig.rows(), |seat| seat.owner.as_deref() == Some("pod/blue/b1"));
    assert_ne!(wanted, rig.rows());
    rig.cluster.delete(&pod_key("blue", "b1")).unwrap();
    rig.settle();
    rig.becomes("the port of b1 to be gone, and nothing else", &wanted);
    rig.apply(pod("blue", "heir", "n1", &[("ovn.kubernetes.io/ip_address", "10.0.0.10")]));
    rig.settle();
}

#[test]
fn subnets_and_vpcs_go_with_their_rows() {
    let rig = Rig::settled(tenants());
    for (key, owners) in [
        (pod_key("blue", "b2"), ["pod/blue/b2"]),
        (ObjectKey::cluster(Kind::Subnet, "blue-more"), ["subnet/blue-more"]),
    ] {
        let wanted =
            without(rig.rows(), |seat| seat.owner.as_deref().is_some_and(|owner| owners.contains(&owner)));
        rig.cluster.delete(&key).unwrap();
        rig.settle();
        rig.becomes(&format!("{key} to be gone, and nothing else"), &wanted);
    }
    let blue = ["vpc/blue", "subnet/blue-net", "pod/blue/b1"];
    let wanted = without(rig.rows(), |seat| seat.owner.as_deref().is_some_and(|owner| blue.contains(&owner)));
    for key in [
        ObjectKey::cluster(Kind::Vpc, "blue"),
        ObjectKey::cluster(Kind::Subnet, "blue-net"),
        pod_key("blue", "b1"),
    ] {
        rig.cluster.delete(&key).unwrap();
    }
    rig.settle();
    rig.becomes("the tenant blue to be gone, and nothing else", &wanted);
}

#[test]
fn a_subnet_stays_until_its_last_pod_is_gone() {
    let rig = Rig::settled(tenants());
    let subnet = ObjectKey::cluster(Kind::Subnet, "blue-net");
    rig.cluster.delete(&subnet).unwrap();
    // objects are told in one order: when this one has its port, the deletion was noticed
    rig.apply(pod("web", "later", "n1", &[]));
    wait_for("the later pod to have its port", || rig.seen.ports().contains_key("later.web").then_some(()));
    let before = rig.rows();
    assert!(
        before.contains_key("Logical_Switch/blue-net") && before.contains_key("Logical_Switch_Port/b1.blue")
    );
    rig.apply(asking("too-late"));
    is_refused(&rig, "too-late");
    rig.becomes("the switch and its ports to stay", &before);
    rig.cluster.delete(&pod_key("blue", "too-late")).unwrap();
    rig.cluster.delete(&pod_key("blue", "b1")).unwrap();
    wait_for("the subnet to go", || rig.cluster.get(&subnet).is_none().then_some(()));
    // the VPC's routing hit moves to its other subnet
    let goes = |owner: &str| ["subnet/blue-net", "pod/blue/b1", "vpc/blue"].contains(&owner);
    let wanted = without(before, |seat| seat.owner.as_deref().is_some_and(goes));
    let vpc = |owner: &str| owner == "vpc/blue";
    wait_for("its rows to go, and nothing else", || {
        (without(rig.rows(), |seat| seat.owner.as_deref().is_some_and(vpc)) == wanted).then_some(())
    });
    rig.settle();
}

/// The controller was away when it was deleted.
#[test]
fn a_subnet_that_goes_takes_nobody_in_after_a_restart() {
    let mut rig = Rig::settled(tenants());
    rig.stop();
    rig.cluster.delete(&ObjectKey::cluster(Kind::Subnet, "blue-net")).unwrap();
    rig.apply(asking("too-late"));
    rig.start();
    is_refused(&rig, "too-late");
}

/// Deletion and pod come in together: the pod must not slip in before the door is closed.
#[test]
fn a_subnet_that_goes_takes_nobody_in_at_once() {
    let rig = Rig::settled(tenants());
    rig.cluster.delete(&ObjectKey::cluster(Kind::Subnet, "blue-net")).unwrap();
    rig.apply(asking("too-late"));
    is_refused(&rig, "too-late");
}

/// A pod that asks for the subnet that goes.
fn asking(name: &str) -> Object {
    pod("blue", name, "n1", &[("ovn.kubernetes.io/logical_switch", "blue-net")])
}

/// It is told that it can't have it.
fn is_refused(rig: &Rig, name: &str) {
    wait_for("the pod to be refused", || {
        assert!(!rig.seen.ports().contains_key(&format!("{name}.blue")), "the subnet took somebody in");
        rig.cluster.notes().iter().any(|told| &*told.note.key.name == name).then_some(())
    });
}
