//! IP objects: the durable records of grants.

use std::net::IpAddr;

use super::{Telling, reads};
use crate::{
    annotations,
    contract::{
        cluster::{Patch, Write},
        ipam::Grant,
    },
    index::{
        World, ip_name, ip_owner,
        objects::{Ip, IpSpec, Kind, Labels, Meta, Name, Object, ObjectKey},
    },
    rows::OwnerKey,
};

/// Label with the subnet's name.
const SUBNET: &str = "ovn.kubernetes.io/subnet";
/// Label with the node's name.
const NODE: &str = "ovn.kubernetes.io/node-name";
/// Label of a record that a user made before its pod, or wants to keep: `true`.
const RESERVED: &str = "ovn.kubernetes.io/ip_reserved";

/// A record that nobody holds any more goes, unless a user keeps it. Making and changing it belongs to the holder.
pub(super) fn tell(world: &World, key: &ObjectKey) -> Telling {
    let Some(ip) = world.ip(&key.name) else { return Telling::default() };
    let held = |owner: OwnerKey| world.grants(&owner).iter().any(|g| ip_name(&owner, &g.nic) == key.name);
    let reserved = ip.meta.labels.get(RESERVED).is_some_and(|v| annotations::is_true(v));
    if reserved || ip.meta.deleting || ip_owner(ip).is_none_or(held) {
        return Telling::default();
    }
    let delete = Write::Delete { key: key.clone(), uid: ip.meta.uid.clone() };
    Telling { writes: vec![delete], ..Telling::default() }
}

/// The write that makes the record of a grant say what it should, if it doesn't.
pub(super) fn record(world: &World, owner: &OwnerKey, node: &Name, grant: &Grant) -> Option<Write> {
    let name = ip_name(owner, &grant.nic);
    let known = world.ip(&name);
    let labels = [(SUBNET, &grant.subnet), (NODE, node), (&*grant.subnet, &Name::default())];
    match known {
        None => {
            let mut labels: Labels = labels.map(|(key, value)| (key.into(), value.clone())).into();
            labels.insert(RESERVED.into(), "false".into());
            let meta = Meta { name, labels, ..Meta::default() };
            let spec = spec(owner, node, grant, Name::default());
            Some(Write::Create(Object::Ip(Ip { meta, spec })))
        }
        Some(ip) => {
            let mut patch = Patch::new(ObjectKey::cluster(Kind::Ip, name), ip.meta.uid.clone());
            if !says(&ip.spec, owner, node, grant) {
                // Who made the record may have known more.
                patch.ip = Some(spec(owner, node, grant, ip.spec.pod_type.clone()));
            }
            let differing =
                labels.into_iter().filter(|(key, value)| ip.meta.labels.get(*key) != Some(*value));
            patch.labels = differing.map(|(key, value)| (key.into(), Some(value.clone()))).collect();
            (!patch.is_empty()).then_some(Write::Patch(patch))
        }
    }
}

/// What a record of the grant says.
fn spec(owner: &OwnerKey, node: &Name, grant: &Grant, pod_type: Name) -> IpSpec {
    let (namespace, pod) = namespaced(owner);
    let text = |ip: Option<IpAddr>| ip.map_or_else(Name::default, |ip| ip.to_string().into());
    IpSpec {
        pod_name: pod.into(),
        namespace: namespace.into(),
        subnet: grant.subnet.clone(),
        node_name: node.clone(),
        ip_address: grant.ips.to_string().into(),
        v4_ip_address: text(grant.ips.v4),
        v6_ip_address: text(grant.ips.v6),
        mac_address: grant.mac.map(|mac| mac.to_string()).unwrap_or_default().into(),
        pod_type,
    }
}

/// Does a record say that already? As [`spec`], but without a text made: it is asked for every pod at every start.
fn says(have: &IpSpec, owner: &OwnerKey, node: &Name, grant: &Grant) -> bool {
    let reads_ip = |text: &str, ip: Option<IpAddr>| ip.map_or(text.is_empty(), |ip| reads(text, ip));
    (&*have.namespace, &*have.pod_name) == namespaced(owner)
        && have.subnet == grant.subnet
        && have.node_name == *node
        && reads(&have.ip_address, grant.ips)
        && reads_ip(&have.v4_ip_address, grant.ips.v4)
        && reads_ip(&have.v6_ip_address, grant.ips.v6)
        && grant.mac.map_or(have.mac_address.is_empty(), |mac| reads(&have.mac_address, mac))
}

/// Namespace (empty for a node) and name.
fn namespaced(owner: &OwnerKey) -> (&str, &str) {
    owner.name.split_once('/').unwrap_or(("", &owner.name))
}
