//! IP objects: the durable records of grants.

use super::Telling;
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
    let (namespace, pod) = owner.name.split_once('/').unwrap_or(("", &owner.name));
    let text = |ip: Option<std::net::IpAddr>| ip.map_or_else(Name::default, |ip| ip.to_string().into());
    let known = world.ip(&name);
    let spec = IpSpec {
        pod_name: pod.into(),
        namespace: namespace.into(),
        subnet: grant.subnet.clone(),
        node_name: node.clone(),
        ip_address: grant.ips.to_string().into(),
        v4_ip_address: text(grant.ips.v4),
        v6_ip_address: text(grant.ips.v6),
        mac_address: grant.mac.map(|mac| mac.to_string()).unwrap_or_default().into(),
        // Who made the record may have known more.
        pod_type: known.map_or_else(Name::default, |ip| ip.spec.pod_type.clone()),
    };
    let labels = [
        (Name::from("ovn.kubernetes.io/subnet"), grant.subnet.clone()),
        (Name::from("ovn.kubernetes.io/node-name"), node.clone()),
        (grant.subnet.clone(), Name::default()),
    ];
    match known {
        None => {
            let mut labels = Labels::from(labels);
            labels.insert(RESERVED.into(), "false".into());
            let meta = Meta { name, labels, ..Meta::default() };
            Some(Write::Create(Object::Ip(Ip { meta, spec })))
        }
        Some(ip) => {
            let mut patch = Patch::new(ObjectKey::cluster(Kind::Ip, name), ip.meta.uid.clone());
            patch.ip = (ip.spec != spec).then_some(spec);
            let differing = labels.into_iter().filter(|(key, value)| ip.meta.labels.get(key) != Some(value));
            patch.labels = differing.map(|(key, value)| (key, Some(value))).collect();
            (!patch.is_empty()).then_some(Write::Patch(patch))
        }
    }
}
