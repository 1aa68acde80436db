//! What VPCs are told.

use super::facts::{Facts, finalizer};
use crate::{
    contract::cluster::{Status, Write},
    decide::publish::Telling,
    index::objects::{Kind, ObjectKey, StaticRoute, Subnet, SubnetSpec, Vpc, VpcSpec, VpcStatus},
};

fn key(name: &str) -> ObjectKey {
    ObjectKey::cluster(Kind::Vpc, name)
}

fn facts(spec: VpcSpec) -> Facts {
    let mut facts = Facts::new();
    facts.vpc("shop", spec);
    facts.subnet("shop-b", "shop", "10.2.0.0/24", SubnetSpec::default());
    facts.subnet("shop-a", "shop", "10.1.0.0/24", SubnetSpec::default());
    facts.subnet("shop-c", "shop", "10.1.0.0/24", SubnetSpec::default());
    facts.decide();
    facts
}

fn status(telling: &Telling) -> &VpcStatus {
    let mut all = telling.writes.iter().filter_map(|write| match write {
        Write::Status { status: Status::Vpc(status), .. } => Some(status),
        _ => None,
    });
    all.next().unwrap_or_else(|| panic!("{telling:?}"))
}

#[test]
fn a_vpc_is_told_its_router_and_the_subnets_in_effect() {
    let mut facts = facts(VpcSpec { default_subnet: "shop-a".into(), ..VpcSpec::default() });
    let telling = facts.tell(&key("shop"), true);
    let status = status(&telling);
    assert_eq!((status.standby, status.default, &*status.router), (true, false, "shop"));
    assert_eq!(status.default_logical_switch, "shop-a");
    assert_eq!(status.subnets.iter().map(|s| &**s).collect::<Vec<_>>(), ["shop-a", "shop-b"]);
    let conditions: Vec<_> = status.conditions.iter().map(|c| (&*c.r#type, &*c.status)).collect();
    assert_eq!(conditions, [("Validated", "True"), ("Ready", "True")]);
    assert_eq!(finalizer(&telling), Some(true));
    facts.settle(&key("shop"), true);
    let down = facts.tell(&key("shop"), false);
    assert!(!self::status(&down).standby, "no router yet");
}

#[test]
fn the_default_vpc_is_told_so() {
    let mut facts = facts(VpcSpec::default());
    let telling = facts.tell(&key("ovn-cluster"), true);
    let status = status(&telling);
    assert_eq!((status.default, &*status.default_logical_switch), (true, "ovn-default"));
    assert_eq!(status.subnets.iter().map(|s| &**s).collect::<Vec<_>>(), ["join", "ovn-default"]);
    facts.settle(&key("ovn-cluster"), true);
}

#[test]
fn a_bad_route_is_told_and_the_vpc_is_not_ready() {
    let bad = StaticRoute { cidr: "10.0.0.0/40".into(), ..StaticRoute::default() };
    let mut facts = facts(VpcSpec { static_routes: vec![bad], ..VpcSpec::default() });
    let telling = facts.tell(&key("shop"), true);
    assert_eq!(telling.problems.iter().map(|p| p.code).collect::<Vec<_>>(), ["VPC-ROUTE-INVALID"]);
    let ready = status(&telling).conditions.iter().find(|c| &*c.r#type == "Ready").unwrap();
    assert_eq!((&*ready.status, &*ready.reason), ("False", "VPC-ROUTE-INVALID"));
    assert!(ready.message.contains("10.0.0.0/40"), "{ready:?}");
    facts.settle(&key("shop"), true);
}

#[test]
fn a_vpc_that_goes_waits_for_its_last_subnet() {
    let mut facts = facts(VpcSpec::default());
    facts.settle(&key("shop"), true);
    facts.change(&key("shop"), |vpc: &mut Vpc| vpc.meta.deleting = true);
    assert_eq!(finalizer(&facts.tell(&key("shop"), true)), None);
    for subnet in ["shop-a", "shop-b", "shop-c"] {
        facts.change(&ObjectKey::cluster(Kind::Subnet, subnet), |s: &mut Subnet| s.meta.deleting = true);
    }
    assert_eq!(finalizer(&facts.tell(&key("shop"), true)), None, "they are not gone yet");
    for subnet in ["shop-a", "shop-b", "shop-c"] {
        facts.world.remove(&ObjectKey::cluster(Kind::Subnet, subnet), "");
    }
    assert_eq!(finalizer(&facts.tell(&key("shop"), true)), Some(false));
    facts.settle(&key("shop"), true);
    assert_eq!(facts.tell(&key("nobody"), true), Telling::default());
}
