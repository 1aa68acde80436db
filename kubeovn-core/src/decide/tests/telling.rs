//! What pods, nodes, namespaces and address records are told, and that they are told it once.

use std::collections::BTreeMap;

use super::facts::{Facts, grant, node_owner, pairs, pod_key};
use crate::{
    contract::cluster::{Patch, Write},
    decide::publish::{Seat, Telling, tell},
    error::Problem,
    index::objects::{Ip, Kind, Name, Namespace, Object, ObjectKey, Pod, SubnetSpec},
    rows::OwnerKey,
};

fn web() -> ObjectKey {
    pod_key("dev", "web-0")
}

fn owner() -> OwnerKey {
    OwnerKey::pod("dev", "web-0")
}

fn record() -> ObjectKey {
    ObjectKey::cluster(Kind::Ip, "web-0.dev")
}

/// A pod that holds two addresses.
fn facts() -> Facts {
    let mut facts = Facts::new();
    facts.subnet("a", "", "10.1.0.0/24,fd00:1::/64", SubnetSpec::default());
    facts.pod("dev", "web-0", &[]);
    facts.decide();
    facts.world.grant(&owner(), vec![grant("a", "ovn-cluster", "10.1.0.5,fd00:1::5")], None);
    facts
}

fn patch(telling: &Telling) -> &Patch {
    match telling.writes.as_slice() {
        [Write::Patch(patch)] => patch,
        other => panic!("{other:?}"),
    }
}

fn values(map: &BTreeMap<Name, Option<Name>>) -> Vec<(&str, Option<&str>)> {
    map.iter().map(|(key, value)| (key.trim_start_matches("ovn.kubernetes.io/"), value.as_deref())).collect()
}

#[test]
fn a_pod_gets_its_record_first_and_one_patch_when_its_port_is_there() {
    let mut facts = facts();
    let first = facts.tell(&web(), true);
    let [Write::Create(Object::Ip(ip))] = first.writes.as_slice() else { panic!("{first:?}") };
    let spec = &ip.spec;
    assert_eq!((&*ip.meta.name, &*spec.pod_name, &*spec.namespace), ("web-0.dev", "web-0", "dev"));
    assert_eq!((&*spec.subnet, &*spec.node_name, &*spec.pod_type), ("a", "n1", ""));
    assert_eq!(&*spec.ip_address, "10.1.0.5,fd00:1::5");
    assert_eq!((&*spec.v4_ip_address, &*spec.v6_ip_address), ("10.1.0.5", "fd00:1::5"));
    assert_eq!(&*spec.mac_address, "0a:58:0a:10:00:05");
    let labels = [
        ("a", ""),
        ("ovn.kubernetes.io/ip_reserved", "false"),
        ("ovn.kubernetes.io/node-name", "n1"),
        ("ovn.kubernetes.io/subnet", "a"),
    ];
    assert_eq!(ip.meta.labels, pairs(&labels));
    facts.obey(&first.writes);

    assert_eq!(facts.tell(&web(), false), Telling::default(), "the port is not in the database yet");
    let second = facts.tell(&web(), true);
    let patch = patch(&second);
    assert_eq!((&patch.key, &*patch.uid), (&web(), "uid of Pod dev/web-0"));
    let expected = [
        ("allocated", Some("true")),
        ("cidr", Some("10.1.0.0/24,fd00:1::/64")),
        ("gateway", Some("10.1.0.1,fd00:1::1")),
        ("ip_address", Some("10.1.0.5,fd00:1::5")),
        ("logical_router", Some("ovn-cluster")),
        ("logical_switch", Some("a")),
        ("mac_address", Some("0a:58:0a:10:00:05")),
        ("pod_nic_type", Some("veth-pair")),
        ("routed", Some("true")),
    ];
    assert_eq!(values(&patch.annotations), expected);
    facts.settle(&web(), true);
}

#[test]
fn a_pod_without_a_node_is_not_routed_and_keeps_the_nic_type_it_asks_for() {
    let mut facts = facts();
    facts.change(&web(), |pod: &mut Pod| {
        pod.node = None;
        pod.meta.annotations = pairs(&[("ovn.kubernetes.io/pod_nic_type", "internal-port")]);
    });
    facts.settle(&web(), true);
    let pod = facts.world.pod("dev", "web-0").unwrap();
    assert_eq!(pod.meta.annotation("ovn.kubernetes.io/allocated"), Some("true"));
    assert_eq!(pod.meta.annotation("ovn.kubernetes.io/routed"), None);
    assert_eq!(pod.meta.annotation("ovn.kubernetes.io/pod_nic_type"), Some("internal-port"));
    facts.change(&web(), |pod: &mut Pod| pod.node = Some("n2".into()));
    let scheduled = facts.tell(&web(), true);
    let [Write::Patch(record)] = scheduled.writes.as_slice() else { panic!("{scheduled:?}") };
    assert_eq!(record.ip.as_ref().map(|ip| &*ip.node_name), Some("n2"), "the record comes before the pod");
    facts.obey(&scheduled.writes);
    let routed = facts.tell(&web(), true);
    assert_eq!(values(&patch(&routed).annotations), [("routed", Some("true"))]);
}

#[test]
fn what_somebody_changed_is_set_right_and_nothing_else() {
    let mut facts = facts();
    facts.settle(&web(), true);
    facts.change(&web(), |pod: &mut Pod| {
        pod.meta.annotations.insert("ovn.kubernetes.io/gateway".into(), "10.1.0.9".into());
        pod.meta.annotations.insert("example.org/theirs".into(), "x".into());
    });
    let telling = facts.tell(&web(), true);
    assert_eq!(values(&patch(&telling).annotations), [("gateway", Some("10.1.0.1,fd00:1::1"))]);
    facts.settle(&web(), true);
    facts.change(&record(), |ip: &mut Ip| {
        ip.meta.labels.remove("a");
        ip.spec.mac_address = "".into();
    });
    let telling = facts.tell(&web(), true);
    let patch = patch(&telling);
    assert_eq!((&patch.key, values(&patch.labels)), (&record(), vec![("a", Some(""))]));
    assert_eq!(patch.ip.as_ref().map(|ip| &*ip.mac_address), Some("0a:58:0a:10:00:05"));
    facts.settle(&web(), true);
}

#[test]
fn an_error_is_told_to_the_pod_while_it_lasts() {
    let mut facts = facts();
    let refused = Problem::new("IPAM-POOL-EXHAUSTED", "(NoAvailableAddress) none left");
    facts.world.grant(&owner(), vec![], Some(refused.clone()));
    let telling = facts.tell(&web(), false);
    let error = "IPAM-POOL-EXHAUSTED: (NoAvailableAddress) none left";
    assert_eq!(values(&patch(&telling).annotations), [("error", Some(error))]);
    assert_eq!(telling.problems, std::slice::from_ref(&refused));
    facts.obey(&telling.writes);
    let again = facts.tell(&web(), false);
    assert_eq!((again.writes, again.problems), (vec![], vec![refused]), "said once, and still so");

    facts.world.grant(&owner(), vec![grant("a", "ovn-cluster", "10.1.0.5,fd00:1::5")], None);
    facts.settle(&web(), true);
    let pod = facts.world.pod("dev", "web-0").unwrap();
    assert_eq!(pod.meta.annotation("ovn.kubernetes.io/error"), None);
    assert_eq!(pod.meta.annotation("ovn.kubernetes.io/allocated"), Some("true"));
}

#[test]
fn what_hinders_the_rows_is_told_after_what_hinders_the_addresses() {
    let mut facts = facts();
    let (first, second) = (Problem::new("A", "addresses"), Problem::new("R", "rows"));
    facts.world.grant(&owner(), vec![], Some(first.clone()));
    let seat = Seat { ready: false, problems: vec![second.clone()], ..Seat::default() };
    let telling = tell(&facts.world, &web(), &|_| seat.clone());
    assert_eq!(telling.problems, [first, second]);
    assert_eq!(values(&patch(&telling).annotations), [("error", Some("A: addresses"))]);
}

#[test]
fn annotations_without_effect_are_named_and_the_rest_goes_on() {
    let mut facts = facts();
    facts.change(&web(), |pod: &mut Pod| {
        pod.meta.annotations = pairs(&[
            ("kubectl.kubernetes.io/restartedAt", "now"),
            ("lan.default.ovn.kubernetes.io/ingress_rate", "3"),
            ("lan.default.ovn.kubernetes.io/mac_address", "0a:58:0a:10:00:05"),
            ("ovn.kubernetes.io/eip", "1.2.3.4"),
            ("ovn.kubernetes.io/frobnicate", "x"),
            ("ovn.kubernetes.io/ip_adress", "10.1.0.7"),
        ]);
    });
    let telling = facts.tell(&web(), true);
    assert_eq!(telling.writes.len(), 1, "it is served");
    let [vain, slip, unnamed] = telling.problems.as_slice() else { panic!("{telling:?}") };
    assert_eq!((vain.code, slip.code), ("FIELD-NOT-SUPPORTED", "ANNOTATION-UNKNOWN"));
    assert_eq!(unnamed.code, "ANNOTATION-NETWORK-UNNAMED");
    assert!(
        unnamed.message.contains("annotation lan.default.ovn.kubernetes.io/mac_address set"),
        "{unnamed}"
    );
    assert!(
        vain.message.contains(
            "annotation ovn.kubernetes.io/eip,lan.default.ovn.kubernetes.io/ingress_rate set, but this version"
        ),
        "{vain}"
    );
    let named = "no annotation ovn.kubernetes.io/frobnicate,ovn.kubernetes.io/ip_adress (did you mean \
                 ovn.kubernetes.io/ip_address?), so";
    assert!(slip.message.contains(named), "{slip}");
    assert!(!vain.is_refusal() && !slip.is_refusal());
    facts.change(&web(), |pod: &mut Pod| pod.meta.annotations = pairs(&[("prometheus.io/scrape", "true")]));
    assert_eq!(facts.tell(&web(), true).problems, []);
}

#[test]
fn a_pod_that_needs_no_network_is_told_nothing() {
    let mut facts = facts();
    facts.change(&web(), |pod: &mut Pod| pod.finished = true);
    assert_eq!(facts.tell(&web(), true), Telling::default());
    assert_eq!(facts.tell(&pod_key("dev", "nobody"), true), Telling::default());
}

#[test]
fn a_record_goes_when_nobody_holds_it() {
    let mut facts = facts();
    facts.settle(&web(), true);
    assert_eq!(facts.tell(&record(), true), Telling::default());
    facts.world.grant(&owner(), vec![], None);
    let telling = facts.tell(&record(), true);
    let delete = Write::Delete { key: record(), uid: "uid of IP web-0.dev".into() };
    assert_eq!(telling.writes, [delete]);
    facts.change(&record(), |ip: &mut Ip| ip.meta.deleting = true);
    assert_eq!(facts.tell(&record(), true), Telling::default(), "asked for already");
    facts.obey(&telling.writes);
    assert_eq!(facts.tell(&record(), true), Telling::default());
}

#[test]
fn a_record_of_somebody_elses_is_left_alone() {
    let mut facts = facts();
    facts.add(Object::Ip(Ip { meta: crate::index::objects::Meta::named("u2o"), ..Ip::default() }));
    assert_eq!(facts.tell(&ObjectKey::cluster(Kind::Ip, "u2o"), true), Telling::default());
}

#[test]
fn a_node_gets_its_record_and_then_its_annotations() {
    let mut facts = facts();
    facts.node("n1", "192.168.0.1");
    let key = ObjectKey::cluster(Kind::Node, "n1");
    assert_eq!(facts.tell(&key, true), Telling::default(), "nothing granted yet");
    facts.world.grant(&node_owner("n1"), vec![grant("join", "ovn-cluster", "100.64.0.2")], None);
    let first = facts.tell(&key, true);
    let [Write::Create(Object::Ip(ip))] = first.writes.as_slice() else { panic!("{first:?}") };
    assert_eq!((&*ip.meta.name, &*ip.spec.pod_name, &*ip.spec.namespace), ("node-n1", "n1", ""));
    assert_eq!((&*ip.spec.node_name, &*ip.spec.v6_ip_address), ("n1", ""));
    facts.obey(&first.writes);
    assert_eq!(facts.tell(&key, false), Telling::default());
    let second = facts.tell(&key, true);
    let expected = [
        ("allocated", Some("true")),
        ("cidr", Some("100.64.0.0/16")),
        ("gateway", Some("100.64.0.1")),
        ("ip_address", Some("100.64.0.2")),
        ("logical_switch", Some("join")),
        ("mac_address", Some("0a:58:0a:10:00:05")),
        ("port_name", Some("node-n1")),
    ];
    assert_eq!(values(&patch(&second).annotations), expected);
    facts.settle(&key, true);
    facts.world.grant(&node_owner("n1"), vec![], None);
    assert_eq!(facts.tell(&ObjectKey::cluster(Kind::Ip, "node-n1"), true).writes.len(), 1, "its record goes");
}

#[test]
fn a_namespace_is_told_what_it_offers() {
    let mut facts = facts();
    facts.namespace("dev", &[]);
    let exclude_ips = vec!["10.2.0.9".into(), "10.2.0.20..10.2.0.30".into()];
    let spec = |namespaces: &[&str]| SubnetSpec {
        namespaces: namespaces.iter().map(|n| (*n).into()).collect(),
        exclude_ips: exclude_ips.clone(),
        ..SubnetSpec::default()
    };
    facts.subnet("b", "", "10.2.0.0/24", spec(&["dev"]));
    facts.subnet("c", "", "10.3.0.0/24,fd00:3::/64", SubnetSpec { exclude_ips: vec![], ..spec(&["dev"]) });
    facts.decide();
    let key = ObjectKey::cluster(Kind::Namespace, "dev");
    let telling = facts.tell(&key, true);
    let expected = [
        ("cidr", Some("10.2.0.0/24;10.3.0.0/24,fd00:3::/64")),
        ("exclude_ips", Some("10.2.0.1,10.2.0.9,10.2.0.20..10.2.0.30;10.3.0.1,fd00:3::1")),
        ("logical_switch", Some("b,c")),
    ];
    assert_eq!(values(&patch(&telling).annotations), expected);
    facts.settle(&key, true);
    facts.change(&key, |ns: &mut Namespace| {
        ns.meta.annotations.insert("ovn.kubernetes.io/logical_switch".into(), "theirs".into());
    });
    assert_eq!(values(&patch(&facts.tell(&key, true)).annotations), [("logical_switch", Some("b,c"))]);
    assert_eq!(facts.tell(&ObjectKey::cluster(Kind::Namespace, "x"), true), Telling::default());
}
