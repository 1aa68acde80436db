//! A pod has a port on its subnet's switch for each of its interfaces.

use kubeovn_core::{
    addr::parse_ip,
    annotations::{self, NicKey, nic},
    contract::{ipam::Grant, model::exclusive_address},
    decide::{Binding, binding},
    error::Problem,
    index::{World, ip_name, objects::Name},
    rows::{EXTERNAL_IDS, OwnerKey, Rendered, Value},
};

use super::{ids, provenance::Field};

const OPTIONS: &str = "options";
const REQUESTED_CHASSIS: &str = "requested-chassis";

pub(super) const FIELDS: &[Field] = &[
    Field::new("Pod.metadata.annotations[ovn.kubernetes.io/ip_address]", |world, owner| {
        Some(told(world, owner, |grant| grant.ips.to_string()))
    }),
    Field::new("Pod.metadata.annotations[ovn.kubernetes.io/mac_address]", |world, owner| {
        Some(told(world, owner, |grant| grant.mac.map(|mac| mac.to_string()).unwrap_or_default()))
    }),
    Field::new("Pod.metadata.annotations[ovn.kubernetes.io/logical_switch]", |world, owner| {
        Some(told(world, owner, |grant| grant.subnet.to_string()))
    }),
    Field::new("Pod.metadata.annotations[ovn.kubernetes.io/port_security]", |world, owner| {
        Some(world.pod_of(owner)?.meta.annotation(nic::PORT_SECURITY.ovn())?.to_owned())
    }),
    Field::new("Pod.metadata.annotations[ovn.kubernetes.io/layer2_forward]", |world, owner| {
        Some(world.pod_of(owner)?.meta.annotation(nic::LAYER2_FORWARD.ovn())?.to_owned())
    }),
    Field::new("Pod.metadata.annotations[ovn.kubernetes.io/port_vips]", |world, owner| {
        Some(world.pod_of(owner)?.meta.annotation(nic::PORT_VIPS.ovn())?.to_owned())
    }),
    Field::new("Pod.metadata.annotations[kubevirt.io/migrationJobName]", |world, owner| {
        let jobs =
            world.pods_of(owner).filter_map(|pod| pod.meta.annotation(annotations::pod::MIGRATION_JOB));
        Some(jobs.collect::<Vec<_>>().join(", "))
    }),
    Field::new("Pod.metadata.name", |world, owner| Some(world.pod_of(owner)?.meta.name.to_string())),
];

/// What was granted to a pod: what its annotations say, or will.
fn told(world: &World, owner: &OwnerKey, text: impl Fn(&Grant) -> String) -> String {
    world.grants(owner).iter().map(text).collect::<Vec<_>>().join(", ")
}

pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let pod = world.pod_of(owner).filter(|pod| pod.needs_network());
    let uid = world.uid(owner).unwrap_or_default();
    let binding = binding(world, owner);
    for grant in world.grants(owner) {
        let name = ip_name(owner, &grant.nic);
        // Without a MAC it is another plugin's interface: it has no port here.
        let Some(mac) = grant.mac else { continue };
        let own = ids::port_addresses(mac, &grant.ips);
        let given = |key: NicKey| pod.and_then(|pod| pod.meta.annotation(key.of(&grant.nic).as_ref()));
        let is_on = |key| given(key).is_some_and(annotations::is_true);
        // Also what is sent to a MAC that no port has.
        let unknown = is_on(nic::LAYER2_FORWARD).then_some("unknown");
        let addresses = Value::strs([own.as_str()].into_iter().chain(unknown));
        port(out, &name, grant, addresses, &uid);
        let vips = vips(&name, given(nic::PORT_VIPS).unwrap_or_default(), out);
        let row = out.row(ids::switch_port(name));
        row.pair(EXTERNAL_IDS, "pod", owner.name.clone());
        if !vips.is_empty() {
            row.pair(EXTERNAL_IDS, "vips", vips.join(","));
            row.pair(EXTERNAL_IDS, "attach-vips", annotations::TRUE);
        }
        match &binding {
            Some(Binding::Moving(from, to)) => {
                row.pair(OPTIONS, REQUESTED_CHASSIS, format!("{from},{to}"));
                row.pair(OPTIONS, "activation-strategy", "rarp");
            }
            Some(Binding::Moved(to)) => {
                row.pair(OPTIONS, REQUESTED_CHASSIS, to.clone());
            }
            None => {}
        }
        let may = vips.iter().fold(own, |text, vip| text + " " + vip);
        row.set("port_security", if is_on(nic::PORT_SECURITY) { Value::str(may) } else { Value::EMPTY });
    }
}

/// Further addresses that a port may use. One that can't be read is told of, the others are in effect.
fn vips(port: &Name, text: &str, out: &mut Rendered) -> Vec<String> {
    let mut vips: Vec<String> = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        match parse_ip(item).map(|ip| ip.to_string()) {
            Ok(vip) if !vips.contains(&vip) => vips.push(vip),
            Ok(_) => {}
            Err(error) => {
                let text = format!("port {port}: annotation port_vips: {error}. The others are in effect");
                out.reports.push(Problem::new("POD-VIP-INVALID", text));
            }
        }
    }
    vips
}

/// What ports of pods and nodes have in common. `uid`, `space` and `nic` are what the grant is recovered from should
/// everything else be lost.
pub(super) fn port(out: &mut Rendered, name: &Name, grant: &Grant, addresses: Value, uid: &Name) {
    let key = ids::switch_port(name.clone());
    let row = out.row(key.clone());
    row.set("name", Value::str(name.clone()));
    row.set("type", Value::str(""));
    row.set("addresses", addresses);
    row.pair(EXTERNAL_IDS, "ls", grant.subnet.clone());
    row.pair(EXTERNAL_IDS, "uid", uid.clone());
    row.pair(EXTERNAL_IDS, "space", grant.space.clone());
    row.pair(EXTERNAL_IDS, "nic", grant.nic.clone());
    out.attach(ids::switch(grant.subnet.clone()), "ports", key);
    out.exclusive.extend(grant.ips.iter().map(|ip| exclusive_address(&grant.space, *ip)));
    out.name(name.clone());
}
