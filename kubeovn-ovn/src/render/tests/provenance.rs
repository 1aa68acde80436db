//! A field is about just the rows that change with it.

use std::collections::BTreeMap;

use kubeovn_core::{
    decide::Peering,
    index::{
        World,
        objects::{PolicyRoute, StaticRoute, SubnetAcl, SubnetSpec, VpcPeering, VpcSpec},
    },
    rows::{OwnerKey, OwnerKind, RowKey, RowSpec},
};

use super::world::Facts;
use crate::{
    nb,
    render::{FEATURES, Fabric, Origin},
};

fn rows(world: &World, owner: &OwnerKey, feature: &str) -> BTreeMap<RowKey, RowSpec> {
    let parts = Fabric.explain(world, owner).unwrap();
    parts.into_iter().find(|p| p.origin.name() == feature).map(|p| p.rendered.rows).unwrap_or_default()
}

/// Of the rows of both worlds those that differ are rows that the field says it is about, and there are some.
fn check(owner: &OwnerKey, feature: &str, path: &str, before: &World, after: &World) {
    let field = FEATURES.iter().find(|f| f.name == feature).unwrap().fields;
    let field = field.iter().find(|f| f.path() == path).unwrap_or_else(|| panic!("{feature} has no {path}"));
    assert_ne!(field.value(before, owner), field.value(after, owner), "{path}");
    let (old, new) = (rows(before, owner, feature), rows(after, owner, feature));
    let changed: Vec<&RowKey> =
        old.keys().chain(new.keys()).filter(|row| old.get(*row) != new.get(*row)).collect();
    assert!(!changed.is_empty(), "{path} changes nothing of {feature}");
    let others: Vec<_> = changed.iter().filter(|row| !field.concerns(row)).collect();
    assert!(others.is_empty(), "{path} is not said to be about {others:?}");
}

/// A subnet `db` of this spec, in the default VPC or another, with a node of this address.
fn world(spec: SubnetSpec, node: &str) -> World {
    let (vpc, cidr) = (spec.vpc.clone(), spec.cidr_block.clone());
    let facts = Facts::new().vpc("blue", VpcSpec::default()).subnet("db", &vpc, &cidr, spec);
    facts.node("n1", node, "100.64.0.2").done()
}

#[test]
fn fields_of_a_subnet() {
    let db = OwnerKey::new(OwnerKind::Subnet, "db");
    let base = || SubnetSpec {
        cidr_block: "10.30.0.0/24,fd00:30::/64".into(),
        private: true,
        acls: vec![SubnetAcl {
            direction: "to-lport".into(),
            priority: 9,
            r#match: "ip4".into(),
            action: "drop".into(),
        }],
        allow_ew_traffic: true,
        enable_dhcp: true,
        enable_ipv6_ra: true,
        allow_subnets: vec!["10.20.0.0/24".into()],
        ..SubnetSpec::default()
    };
    let before = world(base(), "172.18.0.2");
    let spec = |change: fn(&mut SubnetSpec)| {
        let mut spec = base();
        change(&mut spec);
        world(spec, "172.18.0.2")
    };
    for (feature, path, after) in vec![
        ("private subnet", "Subnet.spec.private", spec(|s| s.private = false)),
        ("private subnet", "Subnet.spec.allowSubnets", spec(|s| s.allow_subnets.clear())),
        (
            "private subnet",
            "Subnet.spec.cidrBlock",
            spec(|s| s.cidr_block = "10.31.0.0/24,fd00:30::/64".into()),
        ),
        ("private subnet", "Subnet.spec.vpc", spec(|s| s.vpc = "blue".into())),
        ("private subnet", "Node.status.addresses", world(base(), "172.18.0.3")),
        ("subnet", "Subnet.spec.cidrBlock", spec(|s| s.cidr_block = "10.31.0.0/24,fd00:30::/64".into())),
        ("subnet", "Subnet.spec.gateway", spec(|s| s.gateway = "10.30.0.9".into())),
        ("subnet", "Subnet.spec.vpc", spec(|s| s.vpc = "blue".into())),
        ("subnet", "Subnet.spec.routeTable", spec(|s| s.route_table = "t".into())),
        ("subnet ACL", "Subnet.spec.acls", spec(|s| s.acls.clear())),
        ("subnet ACL", "Subnet.spec.allowEWTraffic", spec(|s| s.allow_ew_traffic = false)),
        ("subnet ACL", "Subnet.spec.cidrBlock", spec(|s| s.cidr_block = "10.31.0.0/24,fd00:30::/64".into())),
        ("DHCP", "Subnet.spec.enableDHCP", spec(|s| s.enable_dhcp = false)),
        ("DHCP", "Subnet.spec.cidrBlock", spec(|s| s.cidr_block = "10.31.0.0/24,fd00:30::/64".into())),
        ("router advertisement", "Subnet.spec.enableIPv6RA", spec(|s| s.enable_ipv6_ra = false)),
        (
            "router advertisement",
            "Subnet.spec.cidrBlock",
            spec(|s| s.cidr_block = "10.30.0.0/24,fd00:30::/96".into()),
        ),
    ] {
        check(&db, feature, path, &before, &after);
    }
}

#[test]
fn fields_of_a_vpc() {
    let blue = OwnerKey::new(OwnerKind::Vpc, "blue");
    let world = |spec: VpcSpec, subnet: SubnetSpec| {
        Facts::new().vpc("blue", spec).subnet("net", "blue", "10.0.0.0/24", subnet).done()
    };
    let before = world(VpcSpec::default(), SubnetSpec::default());
    let route =
        StaticRoute { cidr: "192.168.7.0/24".into(), next_hop: "10.0.0.10".into(), ..StaticRoute::default() };
    let policy = PolicyRoute {
        priority: 900,
        r#match: "ip4.src == 10.0.0.9".into(),
        action: "drop".into(),
        ..PolicyRoute::default()
    };
    for (path, after) in [
        (
            "Vpc.spec.staticRoutes",
            world(VpcSpec { static_routes: vec![route], ..VpcSpec::default() }, SubnetSpec::default()),
        ),
        (
            "Vpc.spec.policyRoutes",
            world(VpcSpec { policy_routes: vec![policy], ..VpcSpec::default() }, SubnetSpec::default()),
        ),
        (
            "Subnet.spec.gateway",
            world(VpcSpec::default(), SubnetSpec { gateway: "10.0.0.9".into(), ..SubnetSpec::default() }),
        ),
        (
            "Subnet.spec.routeTable",
            world(VpcSpec::default(), SubnetSpec { route_table: "t".into(), ..SubnetSpec::default() }),
        ),
    ] {
        check(&blue, "routing", path, &before, &after);
    }
}

/// The port of the connection, and the option of the router that has one.
#[test]
fn fields_of_connections() {
    let world = |remotes: &[(&str, &str)]| {
        let peer = |(remote, ip): &(&str, &str)| VpcPeering {
            remote_vpc: (*remote).into(),
            local_connect_ip: (*ip).into(),
        };
        let vpc_peerings = remotes.iter().map(peer).collect();
        let blue = VpcSpec { vpc_peerings, ..VpcSpec::default() };
        Facts::new().vpc("blue", blue).vpc("green", VpcSpec::default()).done()
    };
    let before = world(&[("green", "169.254.0.1/30")]);
    let (blue, side) = (OwnerKey::new(OwnerKind::Vpc, "blue"), Peering::owner("blue", "green"));
    check(&side, "VPC peering", "Vpc.spec.vpcPeerings", &before, &world(&[("green", "169.254.0.2/30")]));
    check(&blue, "VPC", "Vpc.spec.vpcPeerings", &before, &world(&[]));
}

#[test]
fn fields_of_pods_and_nodes() {
    let pod = OwnerKey::pod("default", "web-0");
    let world = |security: &str, ip: &str| {
        let annotations = [("ovn.kubernetes.io/port_security", security)];
        Facts::new().pod("web-0", &annotations, &[("", "ovn-default", ip)]).done()
    };
    let before = world("false", "10.16.0.7");
    let path = |name: &str| format!("Pod.metadata.annotations[ovn.kubernetes.io/{name}]");
    check(&pod, "pod port", &path("port_security"), &before, &world("true", "10.16.0.7"));
    check(&pod, "pod port", &path("ip_address"), &before, &world("false", "10.16.0.8"));
    let asks = |name: &str, value: &str| {
        let key = format!("ovn.kubernetes.io/{name}");
        Facts::new().pod("web-0", &[(&key, value)], &[("", "ovn-default", "10.16.0.7,fd00:10:16::7")]).done()
    };
    for (feature, name, value) in [
        ("pod port", "layer2_forward", "true"),
        ("pod port", "port_vips", "10.16.0.200"),
        ("pod DHCP", "dhcp-v4-options", "lease_time=60"),
        ("pod DHCP", "dhcp-v6-options", "dns_server=fd00::1"),
    ] {
        check(&pod, feature, &path(name), &asks("none", ""), &asks(name, value));
    }

    let node = OwnerKey::new(OwnerKind::Node, "n1");
    let world = |internal: &str| Facts::new().node("n1", internal, "100.64.0.2").done();
    check(&node, "node port", "Node.status.addresses", &world("172.18.0.2"), &world("172.18.0.3"));
}

#[test]
fn fields_of_gateways() {
    let db = OwnerKey::new(OwnerKind::Subnet, "db");
    let world = |change: fn(&mut SubnetSpec), address: &str| {
        let mut spec = SubnetSpec {
            gateway_type: "centralized".into(),
            gateway_node: "n1".into(),
            ..SubnetSpec::default()
        };
        change(&mut spec);
        let facts = Facts::new().subnet("db", "", "10.30.0.0/24", spec);
        facts.node("n1", "172.18.0.2", address).node("n2", "172.18.0.3", "100.64.0.3").done()
    };
    let before = world(|_| (), "100.64.0.2");
    let path = |name: &str| format!("Subnet.spec.{name}");
    for (field, after) in [
        ("gatewayType", world(|s| s.gateway_type = String::new(), "100.64.0.2")),
        ("gatewayNode", world(|s| s.gateway_node = "n2".into(), "100.64.0.2")),
    ] {
        check(&db, "gateway", &path(field), &before, &after);
    }
    let both = |all: bool| {
        let change: fn(&mut SubnetSpec) = if all {
            |s| (s.gateway_node, s.enable_ecmp) = ("n1,n2".into(), true)
        } else {
            |s| s.gateway_node = "n1,n2".into()
        };
        world(change, "100.64.0.2")
    };
    check(&db, "gateway", &path("enableEcmp"), &both(false), &both(true));
    let address = "Node.metadata.annotations[ovn.kubernetes.io/ip_address]";
    check(&db, "gateway", address, &before, &world(|_| (), "100.64.0.9"));

    let local = OwnerKey::local("ovn-default", "n1");
    let world = |cidr: &str, address: &str| {
        let facts = Facts::new().subnet("a", "", cidr, SubnetSpec::default());
        facts.node("n1", "172.18.0.2", address).pod("web-0", &[], &[("", "ovn-default", "10.16.0.7")]).done()
    };
    let before = world("10.30.0.0/24", "100.64.0.2");
    check(&local, "local gateway", address, &before, &world("10.30.0.0/24", "100.64.0.9"));

    let pod = OwnerKey::pod("default", "web-0");
    let world = |gateway: &str| {
        let annotations = [("ovn.kubernetes.io/north_gateway", gateway)];
        Facts::new().pod("web-0", &annotations, &[("", "ovn-default", "10.16.0.7")]).done()
    };
    let path = "Pod.metadata.annotations[ovn.kubernetes.io/north_gateway]";
    check(&pod, "north gateway", path, &world("172.31.0.1"), &world("172.31.0.2"));
}

#[test]
fn fields_of_a_virtual_machine() {
    let machine = OwnerKey::pod("default", "db");
    let world = |annotations: &[(&str, &str)]| {
        Facts::new()
            .machine_pod("db", "launcher-a", "n1", &[])
            .machine_pod("db", "launcher-b", "n2", annotations)
            .holds("db", &[("", "ovn-default", "10.16.0.7")])
            .done()
    };
    let path = "Pod.metadata.annotations[kubevirt.io/migrationJobName]";
    check(&machine, "pod port", path, &world(&[]), &world(&[("kubevirt.io/migrationJobName", "m")]));
}

#[test]
fn without_objects_the_table_tells_the_feature() {
    let names = |kind, table| Fabric::origins(kind, table).map(Origin::name).collect::<Vec<_>>();
    assert_eq!(names(OwnerKind::Subnet, nb::ACL), ["private subnet", "subnet ACL"]);
    assert_eq!(names(OwnerKind::Vpc, nb::LOGICAL_ROUTER_POLICY), ["routing"]);
    assert_eq!(names(OwnerKind::Node, nb::LOGICAL_ROUTER_POLICY), ["node port"]);
    assert!(names(OwnerKind::Pod, nb::ACL).is_empty());
}
