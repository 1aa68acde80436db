//! What pods and nodes want, from their annotations and from what they hold.

use super::facts::{Facts, grant, node_owner, pod_key};
use crate::{
    contract::ipam::{MacWish, Source, Want},
    decide::{Wanting, wants},
    index::objects::{Kind, ObjectKey, Pod, SubnetSpec},
    rows::{OwnerKey, OwnerKind},
};

const IP: &str = "ovn.kubernetes.io/ip_address";
const MAC: &str = "ovn.kubernetes.io/mac_address";
const SUBNET: &str = "ovn.kubernetes.io/logical_switch";

fn facts(annotations: &[(&str, &str)]) -> Facts {
    let mut facts = Facts::new();
    let bound = SubnetSpec { namespaces: vec!["dev".into()], ..SubnetSpec::default() };
    facts.subnet("b", "", "10.1.0.0/24", bound.clone());
    facts.subnet("a", "", "10.2.0.0/24", bound);
    facts.pod("dev", "web-0", annotations);
    facts.node("n1", "192.168.0.1");
    facts
}

fn web() -> OwnerKey {
    OwnerKey::pod("dev", "web-0")
}

fn one(facts: &Facts, owner: &OwnerKey) -> Want {
    match wants(&facts.world, owner) {
        Wanting::These(wants) if wants.len() == 1 => wants[0].clone(),
        other => panic!("{other:?}"),
    }
}

fn subnets(want: &Want) -> Vec<&str> {
    want.subnets.iter().map(|s| &**s).collect()
}

#[test]
fn a_pod_wants_one_address_of_what_its_namespace_offers() {
    let want = one(&facts(&[]), &web());
    assert_eq!((subnets(&want), &*want.nic), (vec!["b", "a"], ""));
    assert_eq!((want.from, want.mac), (Source::Any, MacWish::Any));
}

#[test]
fn a_node_wants_one_of_the_join_subnet() {
    assert_eq!(subnets(&one(&facts(&[]), &node_owner("n1"))), ["join"]);
}

#[test]
fn annotations_choose_subnet_addresses_and_mac() {
    let want = one(&facts(&[(SUBNET, " a "), (IP, "fd00::5, 10.2.0.5"), (MAC, "0A:58:0A:02:00:05")]), &web());
    assert_eq!(subnets(&want), ["a"]);
    assert_eq!(want.from, Source::OneOf(vec!["10.2.0.5,fd00::5".parse().unwrap()]));
    assert_eq!(want.mac, MacWish::Is("0a:58:0a:02:00:05".parse().unwrap()));
    let empty = one(&facts(&[(SUBNET, ""), (IP, " "), (MAC, "")]), &web());
    assert_eq!((subnets(&empty), empty.from.clone(), empty.mac), (vec!["b", "a"], Source::Any, MacWish::Any));
}

#[test]
fn what_is_held_stays_whatever_becomes_of_the_binding() {
    let mut facts = facts(&[]);
    facts.world.grant(&web(), vec![grant("a", "ovn-cluster", "10.2.0.5")], None);
    assert_eq!(subnets(&one(&facts, &web())), ["a"]);
    facts.world.remove(&ObjectKey::cluster(Kind::Subnet, "a"), "");
    assert_eq!(subnets(&one(&facts, &web())), ["a"]);
}

#[test]
fn an_annotation_that_cannot_be_read_changes_nothing_and_is_named() {
    for (key, value, says) in [
        (IP, "10.2.0.x", "\"10.2.0.x\" is no IP address"),
        (IP, "10.2.0.5,10.2.0.6", "more than one value of a family"),
        (MAC, "0a:58:0a:02:00", "no MAC address: write it like"),
        (MAC, "01:00:5e:00:00:01", "multicast"),
    ] {
        let Wanting::Unreadable(problem) = wants(&facts(&[(key, value)]).world, &web()) else {
            panic!("{key}={value} is readable")
        };
        assert_eq!(problem.code, "IPAM-ADDR-UNREADABLE");
        assert!(problem.message.contains(&format!("annotation {key}: ")), "{problem}");
        assert!(problem.message.contains(says) && problem.message.contains(value), "{problem}");
    }
}

#[test]
fn who_is_gone_finished_or_on_the_nodes_network_wants_nothing() {
    let mut facts = facts(&[(IP, "unreadable")]);
    let nothing =
        |facts: &Facts, owner: &OwnerKey| assert_eq!(wants(&facts.world, owner), Wanting::Nothing, "{owner}");
    nothing(&facts, &OwnerKey::pod("dev", "web-1"));
    nothing(&facts, &node_owner("n2"));
    nothing(&facts, &OwnerKey::new(OwnerKind::Subnet, "a"));
    facts.change(&pod_key("dev", "web-0"), |pod: &mut Pod| pod.finished = true);
    nothing(&facts, &web());
    facts.change(&pod_key("dev", "web-0"), |pod: &mut Pod| (pod.finished, pod.host_network) = (false, true));
    nothing(&facts, &web());
}
