//! Which subnets a namespace offers, in which order.

use super::facts::{Facts, pairs};
use crate::{
    decide::subnets_for,
    index::objects::{Expression, Kind, ObjectKey, Operator, Selector, Subnet, SubnetSpec, VpcSpec},
};

fn offers(facts: &Facts, namespace: &str) -> Vec<String> {
    subnets_for(&facts.world, namespace).iter().map(ToString::to_string).collect()
}

fn naming(namespaces: &[&str]) -> SubnetSpec {
    SubnetSpec { namespaces: namespaces.iter().map(|n| (*n).into()).collect(), ..SubnetSpec::default() }
}

fn selecting(selectors: &[Selector]) -> SubnetSpec {
    SubnetSpec { namespace_selectors: selectors.to_vec(), ..SubnetSpec::default() }
}

fn labels(labels: &[(&str, &str)]) -> Selector {
    Selector { match_labels: pairs(labels), ..Selector::default() }
}

fn expression(key: &str, operator: Operator, values: &[&str]) -> Selector {
    let values = values.iter().map(|v| (*v).into()).collect();
    Selector {
        match_expressions: vec![Expression { key: key.into(), operator, values }],
        ..Selector::default()
    }
}

#[test]
fn without_a_binding_the_default_subnet_is_offered() {
    let mut facts = Facts::new();
    facts.namespace("dev", &[]);
    facts.subnet("a", "", "10.1.0.0/24", naming(&["other"]));
    assert_eq!(offers(&facts, "dev"), ["ovn-default"]);
    assert_eq!(offers(&facts, "never-heard-of"), ["ovn-default"]);
}

#[test]
fn subnets_that_name_the_namespace_are_offered_the_oldest_first() {
    let mut facts = Facts::new();
    facts.subnet("z", "", "10.1.0.0/24", naming(&["x", "dev"]));
    facts.subnet("a", "", "10.2.0.0/24", naming(&["dev"]));
    assert_eq!(offers(&facts, "dev"), ["z", "a"]);
    facts.change(&ObjectKey::cluster(Kind::Subnet, "z"), |s: &mut Subnet| s.meta.deleting = true);
    assert_eq!(offers(&facts, "dev"), ["a"], "one that goes is not offered");
    facts.world.remove(&ObjectKey::cluster(Kind::Subnet, "a"), "");
    assert_eq!(offers(&facts, "dev"), ["ovn-default"]);
}

#[test]
fn a_namespace_is_bound_by_its_labels_too() {
    for (selectors, binds) in [
        (vec![labels(&[("team", "shop")])], true),
        (vec![labels(&[("team", "shop"), ("tier", "front")])], false),
        (vec![labels(&[("tier", "front")]), labels(&[("team", "shop")])], true),
        (vec![expression("team", Operator::In, &["x", "shop"])], true),
        (vec![expression("team", Operator::NotIn, &["shop"])], false),
        (vec![expression("tier", Operator::NotIn, &["front"])], true),
        (vec![expression("tier", Operator::DoesNotExist, &[])], true),
        (vec![expression("tier", Operator::Exists, &[])], false),
        (vec![Selector::default()], true),
        (vec![], false),
    ] {
        let mut facts = Facts::new();
        facts.namespace("dev", &[("team", "shop")]);
        facts.subnet("a", "", "10.1.0.0/24", selecting(&selectors));
        assert_eq!(offers(&facts, "dev") == ["a"], binds, "{selectors:?}");
    }
}

#[test]
fn a_custom_vpcs_default_subnet_comes_first() {
    let mut facts = Facts::new();
    let spec = VpcSpec {
        namespaces: vec!["dev".into(), "kube-system".into()],
        default_subnet: "home".into(),
        ..VpcSpec::default()
    };
    facts.vpc("shop", spec);
    facts.subnet("old", "shop", "10.1.0.0/24", naming(&["dev", "kube-system"]));
    assert_eq!(offers(&facts, "dev"), ["old"], "the default subnet is not there yet");
    facts.subnet("home", "shop", "10.2.0.0/24", naming(&["dev"]));
    assert_eq!(offers(&facts, "dev"), ["home", "old"], "once, though it names the namespace itself");
    assert_eq!(offers(&facts, "kube-system"), ["old"], "never led away from its own network");
    assert_eq!(offers(&facts, "other"), ["ovn-default"], "the VPC does not list it");
    facts.change(&ObjectKey::cluster(Kind::Subnet, "home"), |s: &mut Subnet| s.meta.deleting = true);
    assert_eq!(offers(&facts, "dev"), ["old"]);
}

#[test]
fn a_namespace_of_a_custom_vpc_falls_back_to_that_vpcs_default_subnet() {
    let mut facts = Facts::new();
    let listing = |subnet: &str| VpcSpec {
        namespaces: vec!["dev".into()],
        default_subnet: subnet.into(),
        ..VpcSpec::default()
    };
    facts.vpc("z", listing("z-home"));
    facts.vpc("a", listing("a-home"));
    facts.subnet("a-home", "a", "10.1.0.0/24", SubnetSpec::default());
    facts.subnet("z-home", "z", "10.1.0.0/24", SubnetSpec::default());
    assert_eq!(offers(&facts, "dev"), ["z-home", "a-home"], "that of the older VPC first");
}
