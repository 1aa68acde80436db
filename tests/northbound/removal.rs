//! Deleting an object removes exactly its rows.

use kubeovn_core::index::objects::{Kind, ObjectKey};

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
        let wanted = without(rig.rows(), |seat| seat.owner.as_deref().is_some_and(|owner| owners.contains(&owner)));
        rig.cluster.delete(&key).unwrap();
        rig.settle();
        rig.becomes(&format!("{key} to be gone, and nothing else"), &wanted);
    }
    let blue = ["vpc/blue", "subnet/blue-net", "pod/blue/b1"];
    let wanted = without(rig.rows(), |seat| seat.owner.as_deref().is_some_and(|owner| blue.contains(&owner)));
    for key in [ObjectKey::cluster(Kind::Vpc, "blue"), ObjectKey::cluster(Kind::Subnet, "blue-net"), pod_key("blue", "b1")]
    {
        rig.cluster.delete(&key).unwrap();
    }
    rig.settle();
    rig.becomes("the tenant blue to be gone, and nothing else", &wanted);
}

#[test]
fn a_subnet_stays_until_its_last_pod_is_gone() {
    let rig = Rig::settled(tenants());
    let subnet = ObjectKey::cluster(Kind::Subnet, "blue-net");
    let before = rig.rows();
    rig.cluster.delete(&subnet).unwrap();
    wait_for("the deletion to be asked for", || rig.cluster.get(&subnet)?.meta().deleting.then_some(()));
    // a subnet that goes takes nobody in: that it says so is the sign that the deletion was noticed
    rig.apply(pod("blue", "too-late", "n1", &[("ovn.kubernetes.io/logical_switch", "blue-net")]));
    if std::env::var_os("DBG").is_some() { std::thread::sleep(std::time::Duration::from_secs(2)); eprintln!("{:#?}\n{:#?}\n{:?}", rig.cluster.notes(), rig.cluster.get(&pod_key("blue","too-late")), rig.seen.ports()); }
    wait_for("the pod to be refused", || {
        let of_it = |told: &kubeovn_core::cluster::memory::Told| &*told.note.key.name == "too-late";
        rig.cluster.notes().iter().any(of_it).then_some(())
    });
    assert!(rig.cluster.get(&subnet).is_some(), "the finalizer went before the last pod");
    rig.becomes("the switch and its ports to stay", &before);
    rig.cluster.delete(&pod_key("blue", "too-late")).unwrap();
    rig.cluster.delete(&pod_key("blue", "b1")).unwrap();
    wait_for("the subnet to go", || rig.cluster.get(&subnet).is_none().then_some(()));
    wait_for("its switch to go", || {
        let rows = rig.rows();
        let left = rows.values().any(|seat| matches!(seat.owner.as_deref(), Some("subnet/blue-net" | "pod/blue/b1")));
        (!left).then_some(())
    });
    rig.settle();
}
