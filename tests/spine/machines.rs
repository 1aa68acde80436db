//! Addresses of virtual machines: whoever of their pods has them, and nobody else.

use std::sync::Arc;

use kubeovn_core::{
    annotations::nic,
    cluster::memory::MemoryCluster,
    index::{
        Settings,
        objects::{Ip, Kind, Object, ObjectKey},
    },
    rows::{OwnerKey, Replica as _, RowKey},
};
use kubeovn_ovn::nb;

use crate::{
    database::Late,
    oracle,
    sim::Sim,
    user::{JOB, instance, launcher, machine, namespace, pod, subnet},
};

const MACHINE: &str = "vm";

/// A subnet with room for three, and a virtual machine that runs.
fn fabric() -> Sim {
    prepared(Sim::new())
}

fn prepared(mut sim: Sim) -> Sim {
    sim.apply(namespace("red"));
    sim.apply(subnet("s1", "", "10.1.0.0/29", |s| s.namespaces = vec!["red".into()]));
    sim.apply(machine("red"));
    starts(&mut sim, "vl-0", "n1");
    sim
}

fn starts(sim: &mut Sim, name: &str, node: &str) {
    sim.apply(instance("red"));
    sim.apply(launcher("red", name, node, &[]));
    sim.settle();
}

fn stops(sim: &mut Sim, name: &str) {
    sim.delete(Kind::Pod, "red", name);
    sim.delete(Kind::VirtualMachineInstance, "red", MACHINE);
    sim.settle();
}

fn held(sim: &Sim, name: &str) -> String {
    let grants = sim.spine.world().grants(&OwnerKey::pod("red", name));
    grants.iter().map(|grant| grant.ips.to_string()).collect()
}

fn told(sim: &Sim, name: &str) -> Option<String> {
    let key = ObjectKey { kind: Kind::Pod, namespace: "red".into(), name: name.into() };
    let Some(Object::Pod(pod)) = sim.shop.cluster.get(&key) else { panic!("no {key}") };
    pod.meta.annotation(nic::IP_ADDRESS.ovn()).map(str::to_owned)
}

fn record(sim: &Sim) -> Option<Ip> {
    match sim.shop.cluster.get(&ObjectKey::cluster(Kind::Ip, "vm.red")) {
        Some(Object::Ip(ip)) => Some(ip),
        _ => None,
    }
}

fn port() -> RowKey {
    RowKey::new(nb::LOGICAL_SWITCH_PORT, "vm.red")
}

fn has_port(sim: &Sim) -> bool {
    sim.db.replica.has(&port())
}

fn chassis(sim: &Sim) -> Option<String> {
    sim.db.replica.pair(&port(), "options", "requested-chassis").map(ToString::to_string)
}

#[test]
fn a_machine_that_was_stopped_has_its_address_when_it_starts_also_over_a_restart() {
    let mut sim = fabric();
    assert_eq!(told(&sim, "vl-0").as_deref(), Some("10.1.0.2"));
    assert_eq!(record(&sim).unwrap().spec.pod_type, "VirtualMachine".into());
    oracle::a_restart_writes_nothing(&sim);
    let mac = record(&sim).unwrap().spec.mac_address;
    stops(&mut sim, "vl-0");
    assert!(has_port(&sim));
    for (n, ip) in [(0, "10.1.0.3"), (1, "10.1.0.4"), (2, "10.1.0.5"), (3, "10.1.0.6"), (4, "")] {
        sim.apply(pod("red", &format!("p{n}"), "n1", &[]));
        sim.settle();
        assert_eq!(held(&sim, &format!("p{n}")), ip, "nobody else gets what is kept");
    }
    sim.restart(Late::Never);
    sim.settle();
    assert_eq!(held(&sim, MACHINE), "10.1.0.2");
    oracle::a_restart_writes_nothing(&sim);
    oracle::equals_from_scratch(&sim);
    starts(&mut sim, "vl-1", "n2");
    assert_eq!(told(&sim, "vl-1").as_deref(), Some("10.1.0.2"));
    let spec = record(&sim).unwrap().spec;
    assert_eq!((spec.node_name, spec.mac_address), ("n2".into(), mac));
}

#[test]
fn a_machine_that_moves_has_one_port_and_one_address() {
    let mut sim = fabric();
    sim.apply(launcher("red", "vl-1", "n2", &[JOB]));
    sim.settle();
    assert_eq!((told(&sim, "vl-1").as_deref(), held(&sim, MACHINE)), (Some("10.1.0.2"), "10.1.0.2".into()));
    assert_eq!(chassis(&sim).as_deref(), Some("n1,n2"));
    assert_eq!(record(&sim).unwrap().spec.node_name, "n1".into());
    oracle::at_rest(&sim);
    oracle::a_restart_writes_nothing(&sim);
    sim.restart(Late::Never);
    let Object::Pod(mut done) = launcher("red", "vl-0", "n1", &[]) else { unreachable!() };
    done.finished = true;
    sim.apply(Object::Pod(done));
    sim.settle();
    assert_eq!((chassis(&sim).as_deref(), held(&sim, MACHINE)), (Some("n2"), "10.1.0.2".into()));
    assert_eq!(record(&sim).unwrap().spec.node_name, "n2".into());
    sim.delete(Kind::Pod, "red", "vl-0");
    sim.settle();
    assert_eq!((told(&sim, "vl-1").as_deref(), chassis(&sim).as_deref()), (Some("10.1.0.2"), Some("n2")));
    stops(&mut sim, "vl-1");
    starts(&mut sim, "vl-2", "n3");
    assert_eq!((told(&sim, "vl-2").as_deref(), chassis(&sim)), (Some("10.1.0.2"), None));
    oracle::equals_from_scratch(&sim);
}

#[test]
fn what_is_kept_goes_with_the_machine() {
    type Reason = (&'static str, fn(&mut Sim));
    let reasons: [Reason; 3] = [
        ("deleted", |sim| sim.delete(Kind::VirtualMachine, "red", MACHINE)),
        ("made anew under its name", |sim| {
            sim.delete(Kind::VirtualMachine, "red", MACHINE);
            sim.apply(machine("red"));
        }),
        ("its record deleted by hand", |sim| sim.delete(Kind::Ip, "", "vm.red")),
    ];
    for (why, happens) in reasons {
        let mut sim = fabric();
        stops(&mut sim, "vl-0");
        assert!(!held(&sim, MACHINE).is_empty() && has_port(&sim), "{why}");
        happens(&mut sim);
        sim.settle();
        assert!(held(&sim, MACHINE).is_empty() && !has_port(&sim) && record(&sim).is_none(), "{why}");
        oracle::a_restart_writes_nothing(&sim);
    }
    // Its last pod has run to its end, and nobody has taken it away.
    let mut sim = fabric();
    let Object::Pod(mut done) = launcher("red", "vl-0", "n1", &[]) else { unreachable!() };
    done.finished = true;
    sim.apply(Object::Pod(done));
    sim.settle();
    assert_eq!(held(&sim, MACHINE), "10.1.0.2");
    sim.delete(Kind::Ip, "", "vm.red");
    sim.settle();
    assert!(held(&sim, MACHINE).is_empty() && record(&sim).is_none());
    // One that is deleted while it runs has its address until the last pod is gone.
    let mut sim = fabric();
    sim.delete(Kind::VirtualMachine, "red", MACHINE);
    sim.delete(Kind::VirtualMachineInstance, "red", MACHINE);
    sim.settle();
    assert_eq!(held(&sim, MACHINE), "10.1.0.2");
    sim.delete(Kind::Pod, "red", "vl-0");
    sim.settle();
    assert!(held(&sim, MACHINE).is_empty() && !has_port(&sim) && record(&sim).is_none());
}

/// There is no machine behind it that could be stopped and started.
#[test]
fn an_instance_alone_keeps_its_address_for_as_long_as_it_is_there() {
    let mut sim = fabric();
    sim.delete(Kind::VirtualMachine, "red", MACHINE);
    sim.settle();
    assert_eq!(held(&sim, MACHINE), "10.1.0.2", "it still runs");
    sim.delete(Kind::Pod, "red", "vl-0");
    sim.settle();
    assert_eq!(held(&sim, MACHINE), "10.1.0.2");
    sim.delete(Kind::VirtualMachineInstance, "red", MACHINE);
    sim.settle();
    assert_eq!(held(&sim, MACHINE), "");
}

/// The kinds are not there, or can't be read: what is kept stays, through restarts, until it is known to be nobody's.
#[test]
fn of_machines_that_cannot_be_read_nothing_is_released() {
    let mut sim = fabric();
    stops(&mut sim, "vl-0");
    let blind = MemoryCluster::new().without(&[Kind::VirtualMachine, Kind::VirtualMachineInstance]);
    for kind in Kind::ALL.iter().filter(|kind| !kind.is_optional()) {
        sim.shop.cluster.objects(*kind).into_iter().for_each(|object| blind.load(object));
    }
    sim.shop.cluster = Arc::new(blind);
    for _ in 0..2 {
        sim.restart(Late::Never);
        sim.settle();
        assert!(sim.spine.is_open(), "nobody waits for them");
        assert_eq!(held(&sim, MACHINE), "10.1.0.2");
    }
    // They run all the same.
    sim.apply(launcher("red", "vl-1", "n2", &[]));
    sim.settle();
    assert_eq!(told(&sim, "vl-1").as_deref(), Some("10.1.0.2"));
    sim.delete(Kind::Pod, "red", "vl-1");
    sim.settle();
    assert_eq!(held(&sim, MACHINE), "10.1.0.2");

    sim.shop.cluster.install(Kind::VirtualMachine);
    sim.settle();
    assert_eq!(held(&sim, MACHINE), "10.1.0.2", "it may still run");
    sim.shop.cluster.install(Kind::VirtualMachineInstance);
    sim.settle();
    assert!(held(&sim, MACHINE).is_empty() && !has_port(&sim) && record(&sim).is_none(), "it is not there");
}

#[test]
fn without_the_flag_a_machines_pods_are_as_all_others() {
    let settings = Settings { keep_vm_ip: false, ..Settings::default() };
    let mut sim = prepared(Sim::with(settings));
    assert_eq!((held(&sim, MACHINE), held(&sim, "vl-0")), (String::new(), "10.1.0.2".into()));
    stops(&mut sim, "vl-0");
    assert_eq!(held(&sim, "vl-0"), "");
}
