//! What is filled in when a subnet leaves it out, and how its texts are read.

use std::sync::Arc;

use super::facts::Facts;
use crate::{
    decide::SubnetPlan,
    index::{
        Settings,
        objects::{SubnetSpec, VpcSpec},
    },
};

fn plan(vpc: &str, cidr: &str, spec: SubnetSpec) -> Arc<SubnetPlan> {
    let mut facts = Facts::new();
    facts.vpc("shop", VpcSpec::default());
    facts.subnet("a", vpc, cidr, spec);
    facts.decide();
    facts.world.plan("a").cloned().unwrap_or_else(|| panic!("{:?}", facts.world.decision("a")))
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

#[test]
fn a_prefix_alone_makes_a_subnet_of_the_default_vpc() {
    let plan = plan(" ", "10.1.0.77/24", SubnetSpec::default());
    assert_eq!((&*plan.name, &*plan.vpc, &*plan.table), ("a", "ovn-cluster", ""));
    assert_eq!(
        (plan.cidrs.to_string(), plan.gateways.to_string()),
        ("10.1.0.0/24".into(), "10.1.0.1".into())
    );
    assert_eq!((plan.private, plan.closing, plan.mtu), (false, false, None));
    assert!(plan.excludes.is_empty() && plan.allow.is_empty());
    assert_eq!((plan.switch_port(), plan.router_port()), ("a-ovn-cluster".into(), "ovn-cluster-a".into()));
}

#[test]
fn a_family_without_a_gateway_gets_its_first_usable_address() {
    let gateways = |cidr: &str, gateway: &str| {
        plan("", cidr, SubnetSpec { gateway: gateway.into(), ..SubnetSpec::default() }).gateways.to_string()
    };
    assert_eq!(gateways("fd00:1::/64,10.1.0.0/24", ""), "10.1.0.1,fd00:1::1");
    assert_eq!(gateways("10.1.0.0/24,fd00:1::/64", "fd00:1::9"), "10.1.0.1,fd00:1::9");
    assert_eq!(gateways("10.1.0.0/24,fd00:1::/64", "10.1.0.254"), "10.1.0.254,fd00:1::1");
    assert_eq!(gateways("10.1.0.0/24,fd00:1::/64", "fd00:1::8 , 10.1.0.8"), "10.1.0.8,fd00:1::8");
    assert_eq!(gateways("10.1.0.0/31", ""), "10.1.0.0");
}

#[test]
fn excludes_are_sorted_and_do_not_name_the_gateway() {
    let exclude_ips =
        ["fd00::9", "10.1.0.20..10.1.0.30", "10.1.0.5", " 10.1.0.1 ", "", "10.1.0.5", "10.1.0.1..10.1.0.2"];
    let exclude_ips = exclude_ips.map(String::from).into();
    let plan = plan("", "10.1.0.0/24,fd00::/64", SubnetSpec { exclude_ips, ..SubnetSpec::default() });
    assert_eq!(texts(&plan.excludes), ["10.1.0.1..10.1.0.2", "10.1.0.5", "10.1.0.20..10.1.0.30", "fd00::9"]);
}

#[test]
fn the_other_fields_are_taken_over() {
    let spec = SubnetSpec {
        private: true,
        allow_subnets: vec!["10.3.0.0/16".into(), "10.2.0.9/16".into(), "10.3.0.0/16".into()],
        mtu: 1200,
        route_table: "t1".into(),
        ..SubnetSpec::default()
    };
    let plan = plan("shop", "10.1.0.0/24", spec);
    assert_eq!((&*plan.vpc, plan.private, plan.mtu, &*plan.table), ("shop", true, Some(1200), "t1"));
    assert_eq!(texts(&plan.allow), ["10.2.0.0/16", "10.3.0.0/16"]);
}

#[test]
fn freed_addresses_rest_where_there_are_enough() {
    let pool = |cidr: &str| plan("shop", cidr, SubnetSpec::default()).offer(&Settings::default());
    assert_eq!(pool("10.1.0.0/25").rest, Settings::default().rest);
    assert_eq!(pool("10.1.0.0/26").rest, 0, "62 addresses");
    assert_eq!(pool("10.1.0.0/26,fd00::/64").rest, Settings::default().rest);
    let pool = pool("10.1.0.0/24");
    assert_eq!((&*pool.subnet, &*pool.space, pool.gateways.to_string()), ("a", "shop", "10.1.0.1".into()));
}
