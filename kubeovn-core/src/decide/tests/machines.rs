//! Whose a virtual machine's addresses are, and until when.

use super::facts::{Facts, grant};
use crate::{
    contract::cluster::Write,
    decide::{is_kept, publish::Telling},
    index::objects::{
        Ip, IpSpec, Kind, Labels, Meta, Object, ObjectKey, Pod, Subnet, VirtualMachine,
        VirtualMachineInstance, Workload,
    },
    rows::OwnerKey,
};

fn machine() -> OwnerKey {
    OwnerKey::pod("shop", "db")
}

fn meta(name: &str) -> Meta {
    Meta { namespace: "shop".into(), ..Meta::named(name) }
}

fn key(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey { kind, namespace: "shop".into(), name: name.into() }
}

fn launcher(name: &str, node: &str) -> Object {
    let workload = Some(Box::new(Workload::VirtualMachine { name: "db".into() }));
    Object::Pod(Pod { meta: meta(name), node: Some(node.into()), workload, ..Pod::default() })
}

/// A machine that runs with an address, known as such.
fn running() -> Facts {
    let mut facts = Facts::new();
    facts.decide();
    facts.add(Object::VirtualMachine(VirtualMachine { meta: meta("db") }));
    facts.add(Object::VirtualMachineInstance(VirtualMachineInstance { meta: meta("db") }));
    facts.add(launcher("launcher-a", "n1"));
    facts.world.listed(Kind::VirtualMachine);
    facts.world.listed(Kind::VirtualMachineInstance);
    facts.world.grant(&machine(), vec![grant("ovn-default", "ovn-cluster", "10.16.0.7")], None);
    facts
}

fn told(facts: &Facts, pod: &str) -> Telling {
    facts.tell(&key(Kind::Pod, pod), true)
}

fn kept(facts: &Facts) -> bool {
    let grants = facts.world.grants(&machine());
    assert_eq!(grants.len(), 1);
    is_kept(&facts.world, &machine(), &grants[0])
}

/// Does all that pods are to be told.
fn settle(facts: &mut Facts) {
    for _ in 0..4 {
        let pods: Vec<_> = facts.world.pods().map(|pod| pod.meta.name.clone()).collect();
        for pod in pods {
            let writes = told(facts, &pod).writes;
            facts.obey(&writes);
        }
    }
}

#[test]
fn what_a_pod_gets_is_its_machines() {
    let mut facts = running();
    settle(&mut facts);
    let record = facts.world.ip("db.shop").unwrap();
    let spec = &record.spec;
    assert_eq!((&*spec.pod_name, &*spec.pod_type, &*spec.node_name), ("db", "VirtualMachine", "n1"));
    let pod = facts.world.pod("shop", "launcher-a").unwrap();
    assert_eq!(pod.meta.annotation("ovn.kubernetes.io/virtualmachine"), Some("db"));
    assert_eq!(pod.meta.annotation("ovn.kubernetes.io/ip_address"), Some("10.16.0.7"));
    assert!(facts.world.owners().contains(&machine()));
    assert!(!facts.world.owners().contains(&OwnerKey::pod("shop", "launcher-a")));
}

#[test]
fn two_pods_of_a_machine_are_told_the_same_and_one_record_follows_the_one_that_runs_it() {
    let mut facts = running();
    settle(&mut facts);
    facts.add(launcher("launcher-b", "n2"));
    let Telling { writes, problems } = told(&facts, "launcher-b");
    assert!(problems.is_empty() && writes.len() == 1, "{writes:?} {problems:?}");
    settle(&mut facts);
    let ip = |pod: &str| {
        facts
            .world
            .pod("shop", pod)
            .unwrap()
            .meta
            .annotation("ovn.kubernetes.io/ip_address")
            .map(str::to_owned)
    };
    assert_eq!(ip("launcher-a"), ip("launcher-b"));
    assert_eq!(&*facts.world.ip("db.shop").unwrap().spec.node_name, "n1");
    assert_eq!((facts.world.pods_at("ovn-default", "n1"), facts.world.pods_at("ovn-default", "n2")), (1, 0));

    facts.change(&key(Kind::Pod, "launcher-a"), |pod: &mut Pod| pod.finished = true);
    // Whoever does not lead leaves the record to the other, and says nothing before it is right.
    let writes = told(&facts, "launcher-b").writes;
    assert!(matches!(&writes[..], [Write::Patch(patch)] if patch.key.kind == Kind::Ip), "{writes:?}");
    settle(&mut facts);
    assert_eq!(&*facts.world.ip("db.shop").unwrap().spec.node_name, "n2");
    assert_eq!((facts.world.pods_at("ovn-default", "n1"), facts.world.pods_at("ovn-default", "n2")), (0, 1));
}

#[test]
fn what_is_not_known_of_a_machine_is_no_reason_to_release() {
    let mut facts = running();
    settle(&mut facts);
    facts.world.remove(&key(Kind::Pod, "launcher-a"), "");
    assert!(kept(&facts));
    facts.world.remove(&key(Kind::VirtualMachineInstance, "db"), "");
    assert!(kept(&facts), "it is stopped");
    let prefix = |facts: &mut Facts, cidr: &str| {
        let subnet = ObjectKey::cluster(Kind::Subnet, "ovn-default");
        facts.change(&subnet, |subnet: &mut Subnet| subnet.spec.cidr_block = cidr.into());
        facts.decide();
    };
    prefix(&mut facts, "10.17.0.0/16");
    assert!(!kept(&facts), "its subnet has other addresses now");
    prefix(&mut facts, "10.16.0.0/16");
    let mut going = facts.world.virtual_machine("shop", "db").unwrap().clone();
    going.meta.deleting = true;
    facts.world.apply(Object::VirtualMachine(going));
    assert!(!kept(&facts), "it goes");

    // A record is all that there is, and of machines nothing can be read.
    let mut facts = Facts::new();
    facts.decide();
    let spec = IpSpec {
        pod_name: "db".into(),
        namespace: "shop".into(),
        subnet: "ovn-default".into(),
        pod_type: "VirtualMachine".into(),
        ..IpSpec::default()
    };
    let labels = [("ovn.kubernetes.io/subnet".into(), "ovn-default".into())].into();
    facts.add(Object::Ip(Ip { meta: Meta { labels, ..Meta::named("db.shop") }, spec }));
    facts.world.grant(&machine(), vec![grant("ovn-default", "ovn-cluster", "10.16.0.7")], None);
    assert!(kept(&facts), "nothing is known of machines");
    facts.world.listed(Kind::VirtualMachine);
    assert!(kept(&facts), "nothing is known of those that run");
    facts.world.dirty.addresses.clear();
    facts.world.listed(Kind::VirtualMachineInstance);
    assert!(!kept(&facts) && facts.world.dirty.addresses.contains(&machine()), "it is not there");
}

/// Who is wired under one name stays so until the end, whatever the flag says.
#[test]
fn a_pod_goes_by_what_it_was_told() {
    let mut facts = running();
    let owner = |facts: &Facts, pod: &str| facts.world.pod("shop", pod).unwrap().owner();
    let mut wired = |name: &str, machine: Option<&str>| {
        let Object::Pod(mut pod) = launcher(name, "n1") else { unreachable!() };
        pod.meta.annotations.insert("ovn.kubernetes.io/allocated".into(), "true".into());
        if let Some(machine) = machine {
            pod.meta.annotations.insert("ovn.kubernetes.io/virtualmachine".into(), machine.into());
        }
        facts.add(Object::Pod(pod));
    };
    wired("own", None);
    wired("other", Some("mail"));
    wired("same", Some("db"));
    for (pod, owns) in [("own", "own"), ("other", "other"), ("same", "db"), ("launcher-a", "db")] {
        assert_eq!(owner(&facts, pod), OwnerKey::pod("shop", owns));
    }
    facts.change(&key(Kind::Pod, "same"), |pod: &mut Pod| pod.meta.annotations = Labels::default());
    assert_eq!(owner(&facts, "same"), machine());
}

#[test]
fn a_pod_called_like_a_machine_waits_for_it_or_the_other_way_round() {
    let mut facts = running();
    settle(&mut facts);
    facts.add(Object::Pod(Pod { meta: meta("db"), node: Some("n1".into()), ..Pod::default() }));
    let late = told(&facts, "db");
    assert_eq!(late.problems[0].code, "NAME-TAKEN");
    assert!(late.problems[0].message.contains("virtual machine shop/db"), "{:?}", late.problems);
    assert!(
        matches!(&late.writes[..], [Write::Patch(patch)] if patch.annotations.len() == 1),
        "{:?}",
        late.writes
    );
    assert!(told(&facts, "launcher-a").problems.is_empty());
    // Also while it moves: the machine has been there for longer than its pod.
    facts.add(launcher("launcher-b", "n2"));
    facts.world.remove(&key(Kind::Pod, "launcher-a"), "");
    assert!(told(&facts, "launcher-b").problems.is_empty());
    assert_eq!(told(&facts, "db").problems[0].code, "NAME-TAKEN");

    let mut facts = Facts::new();
    facts.decide();
    facts.add(Object::Pod(Pod { meta: meta("db"), node: Some("n1".into()), ..Pod::default() }));
    facts.add(Object::VirtualMachineInstance(VirtualMachineInstance { meta: meta("db") }));
    facts.add(launcher("launcher-a", "n1"));
    let late = told(&facts, "launcher-a");
    assert!(late.problems[0].message.contains("pod shop/db is older"), "{:?}", late.problems);
    facts.world.dirty.successors.clear();
    facts.world.remove(&key(Kind::Pod, "db"), "");
    assert!(facts.world.dirty.successors.contains(&machine()), "what the pod had is not the machine's");
    assert!(told(&facts, "launcher-a").problems.is_empty());
}
