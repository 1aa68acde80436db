//! When an owner has rows at all, and who wins a name.

use kubeovn_core::{
    contract::{ipam::Usage, model::Model},
    error::Problem,
    index::{
        Decision, World,
        objects::{Kind, Object, ObjectKey, StaticRoute, SubnetSpec, Vpc, VpcSpec},
    },
    rows::{OwnerKey, OwnerKind, Render, Rendered, RowKey},
};

use super::world::Facts;
use crate::{nb, render::Fabric};

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
fn a_router_stays_while_subnets_name_it_or_addresses_of_its_vpc_are_held() {
    let mut world = shop();
    remove(&mut world, Kind::Vpc, "shop");
    assert_eq!(Fabric.render(&world, &owner(OwnerKind::Vpc, "shop")), Render::Hold(Vec::new()));
    remove(&mut world, Kind::Subnet, "shop-a");
    assert_eq!(Fabric.render(&world, &owner(OwnerKind::Vpc, "shop")), Render::Hold(Vec::new()));
    world.grant(&OwnerKey::pod("default", "web-0"), Vec::new(), None);
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

fn refuse(world: &mut World, subnet: &str) {
    let why = vec![Problem::new("SUBNET-GATEWAY-INVALID", "as it happens")];
    world.decide(&subnet.into(), Decision { plan: None, problems: why });
}

fn wanted(world: &World, owner: &OwnerKey) -> Rendered {
    match Fabric.render(world, owner) {
        Render::Want(rendered) => rendered,
        other => panic!("{owner}: {other:?}"),
    }
}

/// Of what was there, what would go or be another.
fn lost(before: &Rendered, now: &Rendered) -> Vec<RowKey> {
    let stays = |row: &RowKey| match now.rows.get(row) {
        Some(spec) => before.rows.get(row) == Some(spec),
        None => now.keeps(row),
    };
    before.rows.keys().filter(|row| !stays(row)).cloned().collect()
}

fn route(cidr: &str, hop: &str, table: &str) -> StaticRoute {
    StaticRoute { cidr: cidr.into(), next_hop: hop.into(), table: table.into(), ..StaticRoute::default() }
}

/// The pods of a refused subnet go on by their VPC's router, and that by its hits, drops and the users' destinations.
#[test]
fn a_refused_subnet_keeps_what_it_lives_by_in_its_vpc() {
    let table = |name: &str| SubnetSpec { route_table: name.into(), ..SubnetSpec::default() };
    let to = |routes: &[(&str, &str, &str)]| VpcSpec {
        static_routes: routes.iter().map(|(cidr, hop, table)| route(cidr, hop, table)).collect(),
        ..VpcSpec::default()
    };
    let vpc = OwnerKey::new(OwnerKind::Vpc, "shop");
    for (what, routes, main, other) in [
        ("the only one of its table", &[][..], "10.1.0.0/24", "10.2.0.0/24"),
        ("the only one of its family", &[("2001:db8::/32", "fd00:2::9", "")], "10.1.0.0/24", "fd00:2::/64"),
        ("with a default route beside it", &[("0.0.0.0/0", "10.1.0.9", "")], "10.1.0.0/24", "10.2.0.0/24"),
        (
            "with one in both tables",
            &[("0.0.0.0/0", "10.1.0.9", ""), ("0.0.0.0/0", "10.2.0.9", "t1")],
            "10.1.0.0/24",
            "10.2.0.0/24,fd00:2::/64",
        ),
    ] {
        let facts = Facts::new().vpc("shop", to(routes));
        let facts = facts.subnet("shop-a", "shop", main, SubnetSpec::default());
        let mut world = facts.subnet("shop-b", "shop", other, table("t1")).done();
        let before = wanted(&world, &vpc);
        for refused in ["shop-b", "shop-a"] {
            refuse(&mut world, refused);
            assert_eq!(lost(&before, &wanted(&world, &vpc)), [], "{what}, {refused} is refused");
        }
    }
}

/// What is kept for the one must not stand against what the user asks for the others.
#[test]
fn a_default_route_is_in_effect_though_a_subnet_is_refused() {
    let facts = Facts::new().vpc("shop", VpcSpec::default());
    let facts = facts.subnet("shop-a", "shop", "10.1.0.0/24", SubnetSpec::default());
    let mut world = facts.subnet("shop-b", "shop", "10.2.0.0/24", SubnetSpec::default()).done();
    let vpc = OwnerKey::new(OwnerKind::Vpc, "shop");
    let before = wanted(&world, &vpc);
    refuse(&mut world, "shop-b");
    let mut routed = Vpc::clone(world.vpc("shop").unwrap());
    routed.spec.static_routes = vec![route("0.0.0.0/0", "10.1.0.9", "")];
    world.apply(Object::Vpc(routed));
    let gone = lost(&before, &wanted(&world, &vpc));
    let names: Vec<_> = gone.iter().map(ToString::to_string).collect();
    let hit = "Logical_Router_Static_Route/shop/hit//0.0.0.0/0/10.1.0.1";
    assert_eq!(names, ["Logical_Router_Policy/shop/1/ip4", hit]);
}

/// Probes come from nodes, whatever is wrong with the network that connects them.
#[test]
fn nodes_reach_a_private_subnet_also_while_join_is_refused() {
    let private = || SubnetSpec { private: true, ..SubnetSpec::default() };
    let facts = Facts::new().vpc("shop", VpcSpec::default()).node("n1", "192.168.0.1", "100.64.0.2");
    let facts = facts.subnet("db", "", "10.1.0.0/24,fd00:1::/64", private());
    let mut world = facts.subnet("shop-db", "shop", "10.1.0.0/24", private()).done();
    let db = owner(OwnerKind::Subnet, "db");
    let before = wanted(&world, &db);
    assert!(before.rows.keys().any(|row| &*row.id == "db/3000/nodes/IPv4"), "{before:?}");
    refuse(&mut world, "join");
    assert_eq!(lost(&before, &wanted(&world, &db)), []);
    // Nodes are not connected to other VPCs: what may have been there goes.
    let shop = wanted(&world, &owner(OwnerKind::Subnet, "shop-db"));
    assert!(!shop.keeps(&RowKey::new(nb::ACL, "shop-db/3000/nodes/IPv4")));
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
