//! When an owner has rows at all, and who wins a name.

use kubeovn_core::{
    contract::{ipam::Usage, model::Model},
    error::Problem,
    index::{
        Decision, World,
        objects::{Kind, Object, ObjectKey, SubnetSpec, VpcSpec},
    },
    rows::{OwnerKey, OwnerKind, Render},
};

use super::world::Facts;
use crate::render::Fabric;

fn shop() -> World {
    Facts::new()
        .vpc("shop", VpcSpec::default())
        .subnet("shop-a", "shop", "10.1.0.0/24", SubnetSpec::default())
        .pod("web-0", &[], &[("", "shop-a", "10.1.0.5")])
        .pod("new-0", &[], &[])
        .node("n1", "192.168.0.1", "100.64.0.2")
        .node("n2", "192.168.0.2", "")
        .done()
}

fn owner(kind: OwnerKind, name: &str) -> OwnerKey {
    OwnerKey::new(kind, name)
}

fn remove(world: &mut World, kind: Kind, name: &str) {
    world.remove(&ObjectKey::cluster(kind, name), "");
}

#[test]
fn who_was_never_heard_of_is_gone() {
    let world = shop();
    for gone in [
        owner(OwnerKind::Vpc, "x"),
        owner(OwnerKind::Subnet, "x"),
        owner(OwnerKind::Node, "x"),
        OwnerKey::pod("default", "x"),
        owner(OwnerKind::Attachment, "x"),
    ] {
        assert_eq!(Fabric.render(&world, &gone), Render::Gone, "{gone}");
    }
}

#[test]
fn without_an_address_what_is_there_stays() {
    let world = shop();
    for unclear in [OwnerKey::pod("default", "new-0"), owner(OwnerKind::Node, "n2")] {
        assert_eq!(Fabric.render(&world, &unclear), Render::Hold(Vec::new()), "{unclear}");
    }
}

#[test]
fn a_pod_that_needs_no_network_is_gone() {
    let mut world = shop();
    let mut pod = (**world.pod("default", "web-0").unwrap()).clone();
    pod.finished = true;
    world.apply(Object::Pod(pod));
    let owner = OwnerKey::pod("default", "web-0");
    world.grant(&owner, Vec::new(), None);
    assert_eq!(Fabric.render(&world, &owner), Render::Gone);
}

/// It is kept for one that comes back.
#[test]
fn a_pod_that_is_not_there_has_a_port_while_it_holds_an_address() {
    let mut world = shop();
    world.remove(&ObjectKey { kind: Kind::Pod, namespace: "default".into(), name: "web-0".into() }, "");
    let Render::Want(rendered) = Fabric.render(&world, &OwnerKey::pod("default", "web-0")) else {
        panic!("its port goes")
    };
    assert!(rendered.rows.keys().any(|row| &*row.id == "web-0.default"));
}

#[test]
fn a_router_stays_while_subnets_name_it() {
    let mut world = shop();
    remove(&mut world, Kind::Vpc, "shop");
    assert_eq!(Fabric.render(&world, &owner(OwnerKind::Vpc, "shop")), Render::Hold(Vec::new()));
    remove(&mut world, Kind::Subnet, "shop-a");
    assert_eq!(Fabric.render(&world, &owner(OwnerKind::Vpc, "shop")), Render::Gone);
}

#[test]
fn a_switch_stays_while_addresses_are_held_in_it() {
    let mut world = shop();
    world.count(&"shop-a".into(), Some(Usage { owners: 1, ..Usage::default() }));
    remove(&mut world, Kind::Subnet, "shop-a");
    assert_eq!(Fabric.render(&world, &owner(OwnerKind::Subnet, "shop-a")), Render::Hold(Vec::new()));
    world.count(&"shop-a".into(), Some(Usage::default()));
    assert_eq!(Fabric.render(&world, &owner(OwnerKind::Subnet, "shop-a")), Render::Gone);
}

#[test]
fn a_refused_subnet_keeps_its_rows_and_says_why() {
    let mut world = shop();
    let why = vec![Problem::new("SUBNET-CIDR-OVERLAP", "as it happens")];
    world.decide(&"shop-a".into(), Decision { plan: None, problems: why.clone() });
    assert_eq!(Fabric.render(&world, &owner(OwnerKind::Subnet, "shop-a")), Render::Hold(why));
}

#[test]
fn infrastructure_wins_names_over_pods_however_old() {
    let world = shop();
    let rank = |owner: &OwnerKey| match Fabric.render(&world, owner) {
        Render::Want(rendered) => rendered.rank,
        other => panic!("{owner}: {other:?}"),
    };
    let pod = rank(&OwnerKey::pod("default", "web-0"));
    // The node came after the pod.
    let (subnet, node) = (rank(&owner(OwnerKind::Subnet, "shop-a")), rank(&owner(OwnerKind::Node, "n1")));
    assert!(subnet < node && node < pod, "{subnet} {node} {pod}");
}

#[test]
fn what_leads_pods_out_is_there_while_pods_are() {
    let local = OwnerKey::local("ovn-default", "n1");
    let mut world = Facts::new()
        .node("n1", "192.168.0.1", "100.64.0.2")
        .pod("web-0", &[], &[("", "ovn-default", "10.16.0.9")])
        .done();
    assert!(matches!(Fabric.render(&world, &local), Render::Want(_)));
    let plan = world.decision("ovn-default").unwrap().clone();
    world.decide(&"ovn-default".into(), Decision { plan: None, problems: Vec::new() });
    let held = Render::Hold(Vec::new());
    assert_eq!(Fabric.render(&world, &local), held, "refused");
    let pod = ObjectKey { kind: Kind::Pod, namespace: "default".into(), name: "web-0".into() };
    world.remove(&pod, "");
    assert_eq!(Fabric.render(&world, &local), held, "a pod may be in it that we do not know");
    world.decide(&"ovn-default".into(), plan);
    assert_eq!(Fabric.render(&world, &local), Render::Gone, "nobody is there");
}

#[test]
fn the_way_of_a_subnet_that_is_gone_stays_as_long_as_its_pods() {
    let mut world = shop();
    let local = OwnerKey::local("ovn-default", "n1");
    world = {
        drop(world);
        Facts::new()
            .node("n1", "192.168.0.1", "100.64.0.2")
            .pod("a", &[], &[("", "ovn-default", "10.16.0.9")])
            .done()
    };
    remove(&mut world, Kind::Subnet, "ovn-default");
    assert_eq!(Fabric.render(&world, &local), Render::Hold(Vec::new()));
    world.grant(&OwnerKey::pod("default", "a"), Vec::new(), None);
    assert_eq!(Fabric.render(&world, &local), Render::Gone);
}
