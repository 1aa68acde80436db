//! Of two that contradict each other the older stays, whatever the order in which they were heard of.

use super::facts::{Facts, grant};
use crate::{
    index::{
        Dirty,
        objects::{Kind, Meta, Node, Object, ObjectKey, Subnet, SubnetSpec, VpcSpec},
    },
    rows::OwnerKey,
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
fn a_subnet_yields_to_nodes_that_were_there_before_it() {
    // The last one comes in the place of one of the same name.
    for (ages, accepted) in [(&[99][..], false), (&[100], false), (&[101], true), (&[99, 101], true)] {
        let mut facts = Facts::new();
        facts.world.apply(subnet("a", 100, "192.168.0.0/16"));
        facts.decide();
        assert!(facts.world.plan("a").is_some());
        for created in ages {
            facts.world.dirty = Dirty::default();
            let meta = Meta { created: *created, ..Meta::named("n1") };
            let internal = "192.168.7.7".parse().unwrap();
            facts.world.apply(Object::Node(Node { meta, internal, ..Node::default() }));
            assert!(facts.world.dirty.vpcs.contains("ovn-cluster"), "its subnets are looked at again");
            facts.decide();
        }
        let code = if accepted { "SUBNET-NODE-INSIDE" } else { "SUBNET-CIDR-NODE" };
        let decision = facts.world.decision("a").unwrap();
        assert_eq!((decision.plan.is_some(), decision.problems[0].code), (accepted, code), "{ages:?}");
    }
}

/// Whose kubelet says that it has an address in a subnet that works does not close it, however old the node is.
#[test]
fn a_subnet_that_was_accepted_as_it_is_stays_open_to_whichever_node() {
    let mut facts = Facts::new();
    facts.node("n1", "172.18.0.2");
    facts.subnet("a", "", "192.168.0.0/16", SubnetSpec::default());
    facts.decide();
    let (key, node) = (ObjectKey::cluster(Kind::Subnet, "a"), ObjectKey::cluster(Kind::Node, "n1"));
    facts.settle(&key, true);
    facts.change(&node, |node: &mut Node| node.internal = "192.168.7.7".parse().unwrap());
    facts.decide();
    let decision = facts.world.decision("a").unwrap();
    assert_eq!((decision.plan.is_some(), decision.problems[0].code), (true, "SUBNET-NODE-INSIDE"));
    // What it says now is another thing.
    facts.change(&key, |subnet: &mut Subnet| {
        subnet.spec.cidr_block = "192.168.0.0/17".into();
        subnet.meta.generation += 1;
    });
    facts.decide();
    assert_eq!(facts.world.decision("a").unwrap().problems[0].code, "SUBNET-CIDR-NODE");
}

/// A subnet that is refused while somebody holds addresses in it is still there for them: a younger one with the same
/// addresses would have a port on the same router.
#[test]
fn what_is_held_in_a_refused_subnet_stands_against_younger_ones() {
    let mut facts = Facts::new();
    facts.world.apply(subnet("old", 100, "10.1.0.0/24"));
    facts.world.apply(subnet("young", 200, "10.1.0.0/25"));
    facts.world.apply(subnet("apart", 300, "10.1.0.128/25"));
    facts.world.apply(subnet("oldest", 10, "10.2.0.0/24"));
    facts.decide();
    assert_eq!(accepted(&facts), ["join", "old", "oldest", "ovn-default"]);
    facts.pod("dev", "web-0", &[]);
    let web = OwnerKey::pod("dev", "web-0");
    facts.world.grant(&web, vec![grant("old", "ovn-cluster", "10.1.0.5")], None);
    facts.change(&ObjectKey::cluster(Kind::Subnet, "old"), |s: &mut Subnet| {
        s.spec.gateway = "10.9.9.9".into();
    });
    facts.decide();
    assert_eq!(accepted(&facts), ["apart", "join", "oldest", "ovn-default"]);
    let [problem] = facts.world.decision("young").unwrap().problems.clone().try_into().unwrap();
    assert_eq!(problem.code, "SUBNET-CIDR-OVERLAP");
    for part in ["10.1.0.0/25 contains 10.1.0.5", "subnet old, which is older", "Choose another prefix"] {
        assert!(problem.message.contains(part), "{part:?} is not in: {problem}");
    }
    // Who was there before it does not yield.
    facts.change(&ObjectKey::cluster(Kind::Subnet, "oldest"), |s: &mut Subnet| {
        s.spec.cidr_block = "10.1.0.0/16".into();
    });
    facts.decide();
    assert_eq!(accepted(&facts), ["join", "oldest", "ovn-default"]);
    facts.change(&ObjectKey::cluster(Kind::Subnet, "oldest"), |s: &mut Subnet| {
        s.spec.cidr_block = "10.2.0.0/24".into();
    });
    facts.decide();
    assert_eq!(accepted(&facts), ["apart", "join", "oldest", "ovn-default"]);
    // The last one leaves.
    facts.world.dirty = Dirty::default();
    facts.world.grant(&web, Vec::new(), None);
    assert!(facts.world.dirty.vpcs.contains("ovn-cluster"), "its subnets are looked at again");
    facts.decide();
    assert_eq!(accepted(&facts), ["apart", "join", "oldest", "ovn-default", "young"]);
}
