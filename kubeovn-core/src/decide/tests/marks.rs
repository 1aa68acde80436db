//! What one fact changes elsewhere.

use super::facts::{Facts, pairs};
use crate::{
    decide::subnets_for,
    index::{
        Dirty,
        objects::{Ip, Kind, Meta, Object, ObjectKey, SubnetSpec, VpcSpec},
    },
    rows::{OwnerKey, OwnerKind},
};

/// A subnet in effect, then a node whose address lies in it. Marked is what the node changes.
fn refused_by_a_node() -> Facts {
    let mut facts = Facts::new();
    facts.subnet("a", "", "192.168.0.0/16", SubnetSpec::default());
    facts.decide();
    facts.world.dirty = Dirty::default();
    facts.node("n1", "192.168.7.7");
    facts.decide();
    facts
}

#[test]
fn vpc_rows_marked_when_a_node_refuses_a_subnet() {
    let facts = refused_by_a_node();
    assert!(facts.world.plan("a").is_none());
    assert!(facts.world.dirty.rows.contains(&OwnerKey::new(OwnerKind::Vpc, "ovn-cluster")));
}

#[test]
fn node_removed_marks_the_default_vpc() {
    let mut facts = Facts::new();
    facts.subnet("a", "", "192.168.0.0/16", SubnetSpec::default());
    facts.node("n1", "192.168.7.7");
    facts.decide();
    assert!(facts.world.plan("a").is_none());
    facts.world.dirty = Dirty::default();
    facts.world.remove(&ObjectKey::cluster(Kind::Node, "n1"), "");
    assert!(facts.world.dirty.vpcs.contains("ovn-cluster"));
}

#[test]
fn vpc_status_marked() {
    let facts = refused_by_a_node();
    assert!(facts.world.dirty.status.contains(&ObjectKey::cluster(Kind::Vpc, "ovn-cluster")));
}

#[test]
fn default_subnet_of_another_vpc() {
    let mut facts = Facts::new();
    facts.subnet("foreign", "", "10.1.0.0/24", SubnetSpec::default());
    facts.vpc(
        "shop",
        VpcSpec { namespaces: vec!["dev".into()], default_subnet: "foreign".into(), ..VpcSpec::default() },
    );
    assert_eq!(
        subnets_for(&facts.world, "dev").iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["ovn-default"]
    );
}

#[test]
fn cidr_list_keeps_places() {
    let mut facts = Facts::new();
    let dev = || SubnetSpec { namespaces: vec!["dev".into()], ..SubnetSpec::default() };
    facts.namespace("dev", &[]);
    facts.subnet("bad", "", "10.16.0.0/24", dev());
    facts.subnet("good", "", "10.1.0.0/24", dev());
    facts.decide();
    let key = ObjectKey::cluster(Kind::Namespace, "dev");
    facts.settle(&key, true);
    assert_eq!(
        facts.world.namespace("dev").unwrap().meta.annotation("ovn.kubernetes.io/cidr"),
        Some(";10.1.0.0/24")
    );
}

#[test]
fn reserved_record_stays() {
    let mut facts = Facts::new();
    let mut ip = Ip { meta: Meta::named("web-0.dev"), ..Ip::default() };
    ip.meta.labels = pairs(&[("ovn.kubernetes.io/ip_reserved", "true")]);
    ip.spec.pod_name = "web-0".into();
    ip.spec.namespace = "dev".into();
    facts.add(Object::Ip(ip));
    assert_eq!(facts.tell(&ObjectKey::cluster(Kind::Ip, "web-0.dev"), true).writes, []);
}
