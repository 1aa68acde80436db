//! Who ends, and for how long, in; which ports nobody will delete, out.

use kubeovn_core::addr::DualStack;
use kubeovn_core::contract::cluster::Event;
use kubeovn_core::index::objects::{Kind, Meta, Object, ObjectKey, Pod, Workload};
use kubeovn_core::rows::OwnerKind;

use super::*;
use crate::ovs::Pod as PodBehind;

fn state(pod: &str, iface_id: Option<&str>) -> PortState {
    let behind = PodBehind { name: pod.into(), namespace: "default".into(), netns: String::new() };
    let port = Port {
        link: format!("{pod}_h"),
        kind: PortKind::Plugged,
        iface_id: iface_id.map(str::to_owned),
        ips: DualStack::default(),
        pod: Some(behind),
    };
    PortState { port, written: true, connected: true, installed: true, error: None, problem: None }
}

fn pod(name: &str) -> Event {
    annotated(name, None)
}

fn annotated(name: &str, annotation: Option<(&str, &str)>) -> Event {
    let annotations = annotation.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    let meta = Meta { namespace: "default".into(), uid: name.into(), annotations, ..Meta::named(name) };
    Event::Applied(Object::Pod(Pod { meta, node: Some("n1".into()), ..Pod::default() }))
}

fn ended(name: &str) -> Event {
    let key = ObjectKey { kind: Kind::Pod, namespace: "default".into(), name: name.into() };
    Event::Deleted { key, uid: name.into() }
}

#[test]
fn only_what_is_certain_to_be_of_no_use_for_long_is_named() {
    let mut facts = Facts::new("n1");
    let owner = |name: &str| OwnerKey::new(OwnerKind::Attachment, format!("{name}/eth0"));
    let port = |name: &str, iface_id| (owner(name), state(name, iface_id));
    let ports: BTreeMap<_, _> = [
        port("lives", Some("lives.default")),
        port("ends", Some("ends.default")),
        port("returns", Some("returns.default")),
        port("replaced", None),
        // As all would be for a daemon with a wrong name.
        port("never-seen", Some("never-seen.default")),
    ]
    .into();
    for name in ["lives", "ends", "returns", "replaced"] {
        facts.apply(pod(name));
    }
    let mut orphans = Orphans::default();
    let mut ripe = |facts: &Facts, seconds: u64, began: Instant| {
        let now = began + Duration::from_secs(seconds);
        let found = orphans.ripe(facts, &ports, now);
        found.into_iter().map(|(_, link)| link).collect::<Vec<_>>()
    };
    let began = Instant::now();
    assert!(ripe(&facts, 0, began).is_empty());
    facts.apply(ended("ends"));
    facts.apply(ended("returns"));
    assert!(ripe(&facts, 30, began).is_empty());
    facts.apply(pod("returns"));
    assert_eq!(ripe(&facts, 60, began), ["replaced_h"]);
    assert_eq!(ripe(&facts, 90, began), ["ends_h", "replaced_h"]);
    facts.apply(ended("returns"));
    assert_eq!(ripe(&facts, 149, began), ["ends_h", "replaced_h"], "its time begins anew");
}

/// The links that are ripe after two minutes.
fn ripe_later(facts: &Facts, names: &[&str]) -> Vec<String> {
    let port = |name: &&str| {
        let owner = OwnerKey::new(OwnerKind::Attachment, format!("{name}/eth0"));
        (owner, state(name, Some(&format!("{name}.default"))))
    };
    let ports = names.iter().map(port).collect();
    let (mut orphans, began) = (Orphans::default(), Instant::now());
    assert!(orphans.ripe(facts, &ports, began).is_empty());
    let ripe = orphans.ripe(facts, &ports, began + Duration::from_mins(2));
    ripe.into_iter().map(|(_, link)| link).collect()
}

#[test]
fn the_end_of_a_pod_named_like_a_machine_is_not_the_machines_end() {
    let mut facts = Facts::new("n1");
    for name in ["db", "web", "lan", "elsewhere"] {
        facts.apply(pod(name));
        facts.apply(ended(name));
    }
    facts.apply(annotated("virt-launcher-db-x", Some(("ovn.kubernetes.io/virtualmachine", "db"))));
    facts.apply(annotated(
        "virt-launcher-lan-x",
        Some(("lan.default.ovn.kubernetes.io/virtualmachine", "lan")),
    ));
    // As long as the controller has not written the annotation.
    let workload = Some(Box::new(Workload::VirtualMachine { name: "web".into() }));
    let meta = Meta { namespace: "default".into(), ..Meta::named("virt-launcher-web-x") };
    let launcher = Pod { meta, node: Some("n1".into()), workload, ..Pod::default() };
    facts.apply(Event::Applied(Object::Pod(launcher)));
    let meta = Meta { namespace: "other".into(), ..Meta::named("virt-launcher-elsewhere-x") };
    let workload = Some(Box::new(Workload::VirtualMachine { name: "elsewhere".into() }));
    let stranger = Pod { meta, node: Some("n1".into()), workload, ..Pod::default() };
    facts.apply(Event::Applied(Object::Pod(stranger)));
    let machines = ["db", "web", "lan", "elsewhere"];
    assert_eq!(ripe_later(&facts, &machines), ["elsewhere_h"], "only there is no machine of that name");
    facts.apply(ended("virt-launcher-db-x"));
    assert_eq!(ripe_later(&facts, &machines), ["db_h", "elsewhere_h"]);
}

#[test]
fn the_end_of_an_image_is_not_the_pods_end() {
    let mut facts = Facts::new("n1");
    facts.apply(annotated("etcd-n1", Some(("kubernetes.io/config.mirror", "f1"))));
    facts.apply(ended("etcd-n1"));
    assert!(facts.pod("default", "etcd-n1").is_none());
    assert!(ripe_later(&facts, &["etcd-n1"]).is_empty(), "kubelet runs it from a file");
}
