//! What pods want and are told in further networks.

use super::facts::{Facts, grant, pairs, pod_key};
use crate::{
    addr::DualStack,
    contract::{
        cluster::Write,
        ipam::{Grant, MacWish, Source, Want},
    },
    decide::{Wanting, subnets_for, wants},
    index::objects::{
        Attachment, Kind, Meta, Networks, Object, ObjectKey, Pod, StatefulSet, Subnet, SubnetSpec, Workload,
    },
    rows::OwnerKey,
};

const IP: &str = "lan.dev.ovn.kubernetes.io/ip_address";

fn owner() -> OwnerKey {
    OwnerKey::pod("dev", "web-0")
}

fn of(provider: &str) -> SubnetSpec {
    SubnetSpec { provider: provider.into(), ..SubnetSpec::default() }
}

fn asks_for(name: &str, interface: &str) -> Attachment {
    Attachment {
        namespace: "dev".into(),
        name: name.into(),
        interface: (!interface.is_empty()).then(|| interface.into()),
        ips: DualStack::default(),
        mac: None,
    }
}

/// A pod with these networks and annotations; subnets for `lan`, which is OVN's, and `phys`, which is another plugin's.
fn facts(further: &[Attachment], annotations: &[(&str, &str)]) -> Facts {
    let mut facts = Facts::new();
    facts.subnet("lan-b", "", "10.1.0.0/24", of("lan.dev.ovn"));
    facts.subnet("lan-a", "", "10.2.0.0/24", of("lan.dev.ovn"));
    facts.subnet("phys", "", "10.3.0.0/24", of("phys.dev"));
    facts.pod("dev", "web-0", annotations);
    facts.change(&pod_key("dev", "web-0"), |pod: &mut Pod| {
        let networks = Networks { further: further.to_vec(), ..Networks::default() };
        pod.networks = (!further.is_empty()).then(|| networks.into());
    });
    facts.decide();
    facts
}

fn these(facts: &Facts) -> Vec<Want> {
    match wants(&facts.world, &owner()) {
        Wanting::These(wants) => wants,
        other => panic!("{other:?}"),
    }
}

fn code(facts: &Facts) -> (&'static str, String) {
    match wants(&facts.world, &owner()) {
        Wanting::Unreadable(problem) => (problem.code, problem.message),
        other => panic!("{other:?}"),
    }
}

fn in_short(wants: &[Want]) -> Vec<(&str, String)> {
    wants.iter().map(|want| (&*want.nic, want.subnets.join(","))).collect()
}

fn in_network(nic: &str, subnet: &str, ips: &str) -> Grant {
    Grant { nic: nic.into(), ..grant(subnet, "ovn-cluster", ips) }
}

#[test]
fn one_address_is_wanted_for_each_network_that_a_subnet_is_for() {
    let facts = facts(&[asks_for("lan", ""), asks_for("phys", "x"), asks_for("theirs", "")], &[]);
    let wants = these(&facts);
    let all = [("", "ovn-default"), ("lan.dev.ovn", "lan-b,lan-a"), ("phys.dev", "phys")];
    assert_eq!(
        in_short(&wants),
        all.map(|(nic, subnets)| (nic, subnets.to_owned())),
        "the oldest subnet first"
    );
    assert_eq!((wants[1].mac, wants[2].mac), (MacWish::Any, MacWish::Without));
    assert_eq!(subnets_for(&facts.world, "dev"), ["ovn-default".into()]);
}

#[test]
fn subnets_that_only_give_addresses_are_none_of_a_namespace() {
    let mut facts = facts(&[], &[]);
    let bound = SubnetSpec { namespaces: vec!["dev".into()], ..of("phys.prod") };
    facts.subnet("bound", "", "10.4.0.0/24", bound);
    assert_eq!(subnets_for(&facts.world, "dev"), ["ovn-default".into()]);
    let key = "ovn.kubernetes.io/logical_switch";
    facts.change(&pod_key("dev", "web-0"), |pod: &mut Pod| pod.meta.annotations = pairs(&[(key, "bound")]));
    let (code, says) = code(&facts);
    assert_eq!(code, "POD-SUBNET-PROVIDER");
    assert!(says.contains("subnet bound is of provider phys.prod"), "{says}");
}

#[test]
fn a_network_that_is_there_twice_has_interfaces_with_names() {
    let facts = facts(
        &[asks_for("lan", "a"), asks_for("lan", "b"), asks_for("phys", "c"), asks_for("phys", "d")],
        &[],
    );
    let nics: Vec<_> = these(&facts).iter().map(|want| want.nic.to_string()).collect();
    assert_eq!(nics, ["", "lan.dev.ovn.a", "lan.dev.ovn.b", "phys.dev"]);
}

#[test]
fn what_the_annotations_of_a_network_ask_for_is_for_it_alone() {
    let annotations = [
        (IP, "10.2.0.5"),
        ("lan.dev.ovn.kubernetes.io/mac_address", "0a:58:0a:02:00:05"),
        ("lan.dev.ovn.kubernetes.io/logical_switch", "lan-a"),
        ("phys.dev.kubernetes.io/ip_pool", "10.3.0.7,10.3.0.8"),
    ];
    let wants = these(&facts(&[asks_for("lan", ""), asks_for("phys", "")], &annotations));
    assert_eq!(wants[0].from, Source::Any);
    assert_eq!(in_short(&wants[1..2]), [("lan.dev.ovn", "lan-a".to_owned())]);
    assert_eq!(wants[1].from, Source::OneOf(vec!["10.2.0.5".parse().unwrap()]));
    assert_eq!(wants[1].mac, MacWish::Is("0a:58:0a:02:00:05".parse().unwrap()));
    assert!(matches!(&wants[2].from, Source::OneOf(items) if items.len() == 2));
}

#[test]
fn the_interfaces_own_wish_comes_before_the_networks_reference_before_the_networks() {
    let named = Attachment {
        ips: "10.1.0.6".parse().unwrap(),
        mac: Some("0a:58:0a:01:00:06".parse().unwrap()),
        ..asks_for("lan", "net7")
    };
    let mut annotations = vec![(IP, "10.1.0.5")];
    let from = |annotations: &[(&str, &str)]| {
        let want = these(&facts(std::slice::from_ref(&named), annotations))[1].clone();
        (want.from, want.mac)
    };
    let is = |ip: &str| Source::OneOf(vec![ip.parse().unwrap()]);
    let mac = MacWish::Is("0a:58:0a:01:00:06".parse().unwrap());
    assert_eq!(from(&annotations), (is("10.1.0.6"), mac));
    annotations.push(("lan.dev.kubernetes.io/ip_address.net7", "10.1.0.7"));
    assert_eq!(from(&annotations), (is("10.1.0.7"), mac));
    annotations.push(("lan.dev.kubernetes.io/mac_address.net7", "x"));
    let (code, says) = code(&facts(&[named], &annotations));
    assert_eq!(code, "IPAM-ADDR-UNREADABLE");
    assert!(says.contains("annotation lan.dev.kubernetes.io/mac_address.net7"), "{says}");
}

#[test]
fn what_is_held_stays_whatever_becomes_of_its_subnet() {
    let mut facts = facts(&[asks_for("lan", "")], &[]);
    let held = vec![
        grant("ovn-default", "ovn-cluster", "10.16.0.5"),
        in_network("lan.dev.ovn", "lan-a", "10.2.0.5"),
    ];
    facts.world.grant(&owner(), held, None);
    let all = [("", "ovn-default".to_owned()), ("lan.dev.ovn", "lan-a".to_owned())];
    assert_eq!(in_short(&these(&facts)), all);
    for name in ["lan-a", "lan-b"] {
        facts.world.remove(&ObjectKey::cluster(Kind::Subnet, name), "");
    }
    assert_eq!(in_short(&these(&facts)), all);
    facts.change(&pod_key("dev", "web-0"), |pod: &mut Pod| pod.networks = None);
    assert_eq!(in_short(&these(&facts)), all[..1], "who leaves the network holds nothing there");
}

#[test]
fn a_pod_may_have_another_network_instead_of_the_clusters_own() {
    let mut facts = facts(&[], &[]);
    let instead = Networks { instead: Some(asks_for("lan", "")), ..Networks::default() };
    facts.change(&pod_key("dev", "web-0"), |pod: &mut Pod| pod.networks = Some(instead.clone().into()));
    assert_eq!(in_short(&these(&facts)), [("lan.dev.ovn", "lan-b,lan-a".to_owned())]);
    // One that runs is not cut off by a word that comes later.
    facts.change(&pod_key("dev", "web-0"), |pod: &mut Pod| {
        pod.meta.annotations = pairs(&[("ovn.kubernetes.io/allocated", "true")]);
    });
    assert_eq!(these(&facts).len(), 2);
}

#[test]
fn networks_that_cannot_be_read_change_nothing() {
    let mut facts = facts(&[], &[]);
    let unreadable = Networks { unreadable: Some("annotation x: y".into()), ..Networks::default() };
    facts.change(&pod_key("dev", "web-0"), |pod: &mut Pod| pod.networks = Some(unreadable.clone().into()));
    assert_eq!(
        code(&facts),
        ("POD-NETWORKS-INVALID", "annotation x: y. Correct it, or remove it".to_owned())
    );
}

#[test]
fn pods_that_ask_are_looked_at_again_when_a_subnet_comes_for_them() {
    let mut facts = facts(&[asks_for("late", "")], &[]);
    facts.pod("dev", "plain", &[]);
    facts.world.dirty.addresses.clear();
    facts.subnet("late", "", "10.4.0.0/24", of("late.dev.ovn"));
    assert_eq!(facts.world.dirty.addresses.iter().collect::<Vec<_>>(), [&owner()]);
    assert_eq!(these(&facts).len(), 2);
    facts.world.dirty.addresses.clear();
    facts.change(&ObjectKey::cluster(Kind::Subnet, "late"), |subnet: &mut Subnet| {
        subnet.spec.provider = "other.dev".into();
    });
    assert!(facts.world.dirty.addresses.contains(&owner()));
    assert_eq!(these(&facts).len(), 1);
}

#[test]
fn a_pod_is_told_of_each_network_by_its_name() {
    let mut facts = facts(&[asks_for("lan", ""), asks_for("phys", "")], &[]);
    let plain =
        Grant { mac: None, space: "provider/phys.dev".into(), ..in_network("phys.dev", "phys", "10.3.0.5") };
    let held = vec![
        grant("ovn-default", "ovn-cluster", "10.16.0.5"),
        in_network("lan.dev.ovn", "lan-b", "10.1.0.5"),
        plain,
    ];
    facts.world.grant(&owner(), held, None);
    let key = pod_key("dev", "web-0");
    let records = facts.tell(&key, true).writes;
    let said: Vec<_> = records
        .iter()
        .map(|write| match write {
            Write::Create(Object::Ip(ip)) => (ip.meta.name.to_string(), ip.spec.mac_address.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    let mac = "0a:58:0a:10:00:05".to_owned();
    let all = [
        ("web-0.dev".to_owned(), mac.clone()),
        ("web-0.dev.lan.dev.ovn".to_owned(), mac),
        ("web-0.dev.phys.dev".to_owned(), String::new()),
    ];
    assert_eq!(said, all);
    facts.settle(&key, true);
    let told = |facts: &Facts, network: &str| -> Vec<String> {
        let pod = facts.world.pod("dev", "web-0").unwrap();
        let prefix = format!("{network}.kubernetes.io/");
        let named =
            pod.meta.annotations.iter().filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?, value)));
        named.map(|(key, value)| format!("{key}={value}")).collect()
    };
    let lan = [
        "allocated=true",
        "cidr=10.1.0.0/24",
        "gateway=10.1.0.1",
        "ip_address=10.1.0.5",
        "logical_router=ovn-cluster",
        "logical_switch=lan-b",
        "mac_address=0a:58:0a:10:00:05",
        "pod_nic_type=veth-pair",
        "routed=true",
    ];
    assert_eq!(told(&facts, "lan.dev.ovn"), lan);
    let phys = ["allocated=true", "cidr=10.3.0.0/24", "gateway=10.3.0.1", "ip_address=10.3.0.5"];
    assert_eq!(told(&facts, "phys.dev"), phys, "nothing of OVN's");
    // It leaves one of them.
    facts.change(&key, |pod: &mut Pod| pod.networks.as_mut().unwrap().further.truncate(1));
    let held = facts.world.grants(&owner())[..2].to_vec();
    facts.world.grant(&owner(), held, None);
    facts.settle(&key, true);
    let none: [&str; 0] = [];
    assert_eq!(told(&facts, "phys.dev"), none);
    assert_eq!(told(&facts, "lan.dev.ovn"), lan);
    assert_eq!(told(&facts, "ovn").len(), 9);
}

#[test]
fn a_member_of_a_set_that_is_gone_keeps_all_of_its_interfaces_or_none() {
    let mut facts = facts(&[], &[]);
    let set = StatefulSet {
        meta: Meta { namespace: "dev".into(), ..Meta::named("web") },
        replicas: 1,
        subnet: Some("ovn-default".into()),
        ..StatefulSet::default()
    };
    facts.add(Object::StatefulSet(set.clone()));
    let uid = facts.world.stateful_set("dev", "web").unwrap().meta.uid.clone();
    facts.change(&pod_key("dev", "web-0"), |pod: &mut Pod| {
        pod.workload = Some(Workload::StatefulSet { name: "web".into(), uid: uid.clone() }.into());
    });
    let held = vec![
        grant("ovn-default", "ovn-cluster", "10.16.0.5"),
        in_network("lan.dev.ovn", "lan-b", "10.1.0.5"),
    ];
    facts.world.grant(&owner(), held, None);
    facts.world.remove(&pod_key("dev", "web-0"), "");
    assert_eq!(wants(&facts.world, &owner()), Wanting::Kept);
    let moved = StatefulSet { subnet: Some("elsewhere".into()), ..set };
    facts.add(Object::StatefulSet(moved));
    assert_eq!(wants(&facts.world, &owner()), Wanting::Nothing, "the first one decides");
}

#[test]
fn subnets_of_other_plugins_share_addresses_with_nobody_else() {
    let mut facts = facts(&[], &[]);
    facts.subnet("same", "", "10.16.0.0/24", of("wan.dev"));
    facts.subnet("other", "", "10.16.0.0/24", of("wan.prod"));
    facts.subnet("again", "", "10.16.0.0/25", of("wan.dev"));
    facts.node("n1", "10.16.0.1");
    facts.decide();
    assert_eq!(
        facts.world.plan("same").map(|plan| plan.space.to_string()),
        Some("provider/wan.dev".to_owned())
    );
    assert!(facts.world.plan("other").is_some());
    let refused = facts.world.decision("again").unwrap();
    assert_eq!(refused.problems[0].code, "SUBNET-CIDR-OVERLAP");
    assert!(refused.problems[0].message.contains("of provider wan.dev"), "{:?}", refused.problems);
    let ours: Vec<_> = facts.world.plans_of("ovn-cluster").map(|plan| plan.name.to_string()).collect();
    assert!(ours.contains(&"lan-a".to_owned()) && !ours.contains(&"same".to_owned()), "{ours:?}");
}

#[test]
fn a_subnet_of_another_plugin_is_ready_without_rows() {
    let mut facts = facts(&[], &[]);
    for (name, wanted) in [("phys", "True"), ("lan-a", "False")] {
        let key = ObjectKey::cluster(Kind::Subnet, name);
        facts.settle(&key, false);
        let conditions = &facts.world.subnet(name).unwrap().status.conditions;
        let ready = conditions.iter().find(|condition| *condition.r#type == *"Ready").unwrap();
        assert_eq!(&*ready.status, wanted, "{name}");
    }
}
