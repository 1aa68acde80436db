//! What one fact changes elsewhere.

use super::facts::{Facts, pairs};
use crate::{
    decide::subnets_for,
    index::{
        Dirty,
        objects::{Ip, Kind, Meta, Node, Object, ObjectKey, Subnet, SubnetSpec, VpcSpec},
    },
    rows::{OwnerKey, OwnerKind},
};

/// A subnet in effect, then a node that was there before it gets an address in it. Marked is what that changes.
fn refused_by_a_node() -> Facts {
    let mut facts = Facts::new();
    facts.node("n1", "172.18.0.2");
    facts.subnet("a", "", "192.168.0.0/16", SubnetSpec::default());
    facts.decide();
    facts.world.dirty = Dirty::default();
    move_node(&mut facts, "192.168.7.7");
    facts.decide();
    facts
}

fn move_node(facts: &mut Facts, ip: &str) {
    let key = ObjectKey::cluster(Kind::Node, "n1");
    facts.change(&key, |node: &mut Node| node.internal = ip.parse().unwrap());
}

/// The other way round: the node comes later.
fn joined_by_a_node() -> Facts {
    let mut facts = Facts::new();
    facts.subnet("a", "", "192.168.0.0/16", SubnetSpec::default());
    facts.decide();
    facts.world.dirty = Dirty::default();
    facts.node("n1", "192.168.7.7");
    facts.decide();
    facts
}

/// The codes of what is told to an object.
fn told(facts: &Facts, key: &ObjectKey) -> Vec<&'static str> {
    facts.tell(key, true).problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn a_node_that_joins_inside_a_subnet_does_not_close_it() {
    let mut facts = joined_by_a_node();
    let (subnet, node) = (ObjectKey::cluster(Kind::Subnet, "a"), ObjectKey::cluster(Kind::Node, "n1"));
    assert!(facts.world.plan("a").is_some());
    facts.settle(&subnet, true);
    let [problem] = facts.tell(&subnet, true).problems.try_into().unwrap();
    assert_eq!(problem.code, "SUBNET-NODE-INSIDE");
    for part in ["subnet a: ", "192.168.7.7 of node n1", "Give the node another address"] {
        assert!(problem.message.contains(part), "{part:?} is not in: {problem}");
    }
    let conditions = &facts.world.subnet("a").unwrap().status.conditions;
    assert!(conditions.iter().all(|condition| &*condition.status == "True"), "{conditions:?}");
    assert_eq!(told(&facts, &node), ["NODE-ADDRESS-IN-SUBNET"]);

    // It moves, comes back, and goes.
    for (ip, code) in [("172.18.0.2", None), ("192.168.7.8", Some("SUBNET-NODE-INSIDE"))] {
        facts.world.dirty = Dirty::default();
        move_node(&mut facts, ip);
        assert!(facts.world.dirty.vpcs.contains("ovn-cluster"), "its subnets are looked at again");
        assert!(facts.world.dirty.status.contains(&node));
        facts.decide();
        assert_eq!(told(&facts, &subnet), code.as_slice(), "{ip}");
        assert!(facts.world.dirty.status.contains(&subnet));
    }
    facts.world.remove(&node, "");
    facts.decide();
    assert_eq!(told(&facts, &subnet), [""; 0]);
}

/// Also when it is the subnet that goes or moves.
#[test]
fn a_node_is_told_when_no_subnet_has_its_address_any_more() {
    let node = ObjectKey::cluster(Kind::Node, "n1");
    let changes: [fn(&mut Facts); 2] = [
        |facts| facts.world.remove(&ObjectKey::cluster(Kind::Subnet, "a"), ""),
        |facts| {
            facts.change(&ObjectKey::cluster(Kind::Subnet, "a"), |subnet: &mut Subnet| {
                subnet.spec.cidr_block = "192.169.0.0/16".into();
            });
        },
    ];
    for change in changes {
        let mut facts = joined_by_a_node();
        assert_eq!(told(&facts, &node), ["NODE-ADDRESS-IN-SUBNET"]);
        facts.world.dirty = Dirty::default();
        change(&mut facts);
        facts.decide();
        assert!(facts.world.dirty.status.contains(&node));
        assert_eq!(told(&facts, &node), [""; 0]);
    }
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
    facts.node("n1", "192.168.7.7");
    facts.subnet("a", "", "192.168.0.0/16", SubnetSpec::default());
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
