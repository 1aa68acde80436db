//! Of two that contradict each other the older stays, whatever the order in which they were heard of.

use super::facts::Facts;
use crate::index::{
    Dirty,
    objects::{Kind, Object, ObjectKey, Subnet, SubnetSpec, VpcSpec},
};

fn accepted(facts: &Facts) -> Vec<&str> {
    facts.world.subnets().map(|s| &*s.meta.name).filter(|name| facts.world.plan(name).is_some()).collect()
}

fn subnet(name: &str, created: u64, cidr: &str) -> Object {
    let mut subnet = Subnet::default();
    subnet.meta.name = name.into();
    subnet.meta.created = created;
    subnet.spec.cidr_block = cidr.into();
    Object::Subnet(subnet)
}

#[test]
fn the_older_stays_and_the_younger_comes_up_when_it_goes() {
    let mut facts = Facts::new();
    facts.world.apply(subnet("young", 200, "10.1.0.0/24"));
    facts.world.apply(subnet("youngest", 300, "10.1.0.128/25"));
    facts.world.apply(subnet("old", 100, "10.1.0.0/16"));
    facts.decide();
    assert_eq!(accepted(&facts), ["join", "old", "ovn-default"]);
    facts.world.remove(&ObjectKey::cluster(Kind::Subnet, "old"), "");
    facts.decide();
    assert_eq!(accepted(&facts), ["join", "ovn-default", "young"]);
    facts.world.remove(&ObjectKey::cluster(Kind::Subnet, "young"), "");
    facts.decide();
    assert_eq!(accepted(&facts), ["join", "ovn-default", "youngest"]);
}

#[test]
fn of_the_same_age_the_name_decides() {
    let mut facts = Facts::new();
    facts.world.apply(subnet("b", 100, "10.1.0.0/24"));
    facts.world.apply(subnet("a", 100, "10.1.0.0/24"));
    facts.decide();
    assert_eq!(accepted(&facts), ["a", "join", "ovn-default"]);
}

#[test]
fn who_is_refused_takes_no_place() {
    let mut facts = Facts::new();
    facts.world.apply(subnet("old", 100, "10.1.0.0/24"));
    facts.world.apply(subnet("young", 200, "10.1.0.0/24"));
    facts.change(&ObjectKey::cluster(Kind::Subnet, "old"), |s: &mut Subnet| {
        s.spec.gateway = "10.9.9.9".into();
    });
    facts.world.apply(subnet("younger", 300, "10.1.0.0/24,fd00::/64"));
    facts.decide();
    assert_eq!(accepted(&facts), ["join", "ovn-default", "young"]);
}

#[test]
fn one_family_in_common_is_enough_to_contradict() {
    let mut facts = Facts::new();
    facts.world.apply(subnet("dual", 100, "10.1.0.0/24,fd00:1::/64"));
    facts.world.apply(subnet("other-v6", 200, "10.2.0.0/24,fd00:1::/80"));
    facts.world.apply(subnet("apart", 300, "10.3.0.0/24,fd00:3::/64"));
    facts.decide();
    assert_eq!(accepted(&facts), ["apart", "dual", "join", "ovn-default"]);
}

#[test]
fn one_that_is_being_deleted_keeps_its_place_until_it_is_gone() {
    let mut facts = Facts::new();
    facts.world.apply(subnet("old", 100, "10.1.0.0/24"));
    facts.world.apply(subnet("young", 200, "10.1.0.0/24"));
    facts.change(&ObjectKey::cluster(Kind::Subnet, "old"), |s: &mut Subnet| s.meta.deleting = true);
    facts.decide();
    assert_eq!(accepted(&facts), ["join", "old", "ovn-default"]);
    assert!(facts.world.plan("old").unwrap().closing);
}

#[test]
fn a_subnet_comes_up_with_its_vpc() {
    let mut facts = Facts::new();
    facts.subnet("shop-a", "shop", "10.1.0.0/24", SubnetSpec::default());
    facts.decide();
    assert_eq!(facts.world.decision("shop-a").unwrap().problems[0].code, "SUBNET-VPC-UNKNOWN");
    facts.world.dirty = Dirty::default();
    facts.vpc("shop", VpcSpec::default());
    assert!(facts.world.dirty.vpcs.contains("shop"), "its subnets are looked at again");
    facts.decide();
    assert!(facts.world.plan("shop-a").is_some());
}

#[test]
fn a_subnet_goes_down_with_a_node_inside_and_comes_up_without() {
    let mut facts = Facts::new();
    facts.subnet("a", "", "192.168.0.0/16", SubnetSpec::default());
    facts.decide();
    assert!(facts.world.plan("a").is_some());
    facts.world.dirty = Dirty::default();
    facts.node("n1", "192.168.7.7");
    assert!(facts.world.dirty.vpcs.contains("ovn-cluster"), "its subnets are looked at again");
    facts.decide();
    assert_eq!(facts.world.decision("a").unwrap().problems[0].code, "SUBNET-CIDR-NODE");
}
