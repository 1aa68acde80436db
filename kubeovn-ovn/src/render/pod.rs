//! A pod has a port on its subnet's switch for each of its interfaces.

use kubeovn_core::{
    addr::Mac,
    annotations::{self, nic},
    contract::{ipam::Grant, model::exclusive_address},
    index::{World, ip_name, objects::Name},
    rows::{EXTERNAL_IDS, OwnerKey, Rendered, Value},
};

use super::{ids, provenance::Field};

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
    Field::new("Pod.metadata.name", |world, owner| Some(world.pod_of(owner)?.meta.name.to_string())),
];

/// What was granted to a pod: what its annotations say, or will.
fn told(world: &World, owner: &OwnerKey, text: impl Fn(&Grant) -> String) -> String {
    world.grants(owner).iter().map(text).collect::<Vec<_>>().join(", ")
}

pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let pod = world.pod_of(owner).filter(|pod| pod.needs_network());
    let uid = world.uid(owner).unwrap_or_default();
    for grant in world.grants(owner) {
        let name = ip_name(owner, &grant.nic);
        // Without a MAC it is another plugin's interface: it has no port here.
        let Some(mac) = grant.mac else { continue };
        port(out, &name, grant, mac, &uid);
        let wishes = pod.and_then(|pod| pod.meta.annotation(nic::PORT_SECURITY.of(&grant.nic).as_ref()));
        let secure = wishes.is_some_and(annotations::is_true);
        let row = out.row(ids::switch_port(name));
        row.pair(EXTERNAL_IDS, "pod", owner.name.clone());
        let own = Value::str(ids::port_addresses(mac, &grant.ips));
        row.set("port_security", if secure { own } else { Value::EMPTY });
    }
}

/// What ports of pods and nodes have in common. `uid`, `space` and `nic` are what the grant is recovered from should
/// everything else be lost.
pub(super) fn port(out: &mut Rendered, name: &Name, grant: &Grant, mac: Mac, uid: &Name) {
    let key = ids::switch_port(name.clone());
    let row = out.row(key.clone());
    row.set("name", Value::str(name.clone()));
    row.set("type", Value::str(""));
    row.set("addresses", Value::str(ids::port_addresses(mac, &grant.ips)));
    row.pair(EXTERNAL_IDS, "ls", grant.subnet.clone());
    row.pair(EXTERNAL_IDS, "uid", uid.clone());
    row.pair(EXTERNAL_IDS, "space", grant.space.clone());
    row.pair(EXTERNAL_IDS, "nic", grant.nic.clone());
    out.attach(ids::switch(grant.subnet.clone()), "ports", key);
    out.exclusive.extend(grant.ips.iter().map(|ip| exclusive_address(&grant.space, *ip)));
    out.name(name.clone());
}
