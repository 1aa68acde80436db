//! IP objects: the durable records of grants.

use std::net::IpAddr;

use super::{Telling, reads, status::finalizer};
use crate::{
    contract::{
        cluster::{Patch, Write},
        ipam::Grant,
    },
    error::{NAME_TAKEN, Problem},
    index::{
        RESERVED, SUBNET, World, ip_name, ip_owner, is_reserved,
        objects::{Ip, IpSpec, Kind, Labels, Meta, Name, Object, ObjectKey, Workload},
    },
    rows::{OwnerKey, OwnerKind},
};

/// Label with the node's name.
const NODE: &str = "ovn.kubernetes.io/node-name";

/// A record that nobody holds any more goes, unless a user keeps it. Making and changing it belongs to the holder; where
/// that is not there, the record says itself what is kept, or why nothing is.
pub(super) fn tell(world: &World, key: &ObjectKey) -> Telling {
    let Some(ip) = world.ip(&key.name) else { return Telling::default() };
    if ip.meta.deleting {
        // Kube-OVN's have a finalizer. Nothing waits for them: to one who still holds what it says another one is made.
        let writes = finalizer(key, &ip.meta, false, true).into_iter().collect();
        return Telling { writes, ..Telling::default() };
    }
    let Some(owner) = ip_owner(ip) else { return Telling::default() };
    let grant = world.grants(&owner).iter().find(|g| ip_name(&owner, &g.nic) == key.name);
    if is_reserved(ip) {
        if world.pod_of(&owner).is_some() || owner.kind != OwnerKind::Pod {
            return Telling::default();
        }
        let write = grant.and_then(|grant| record(world, &owner, &ip.spec.node_name, grant).ok().flatten());
        let writes = write.into_iter().collect();
        return Telling { writes, problems: world.refusal(&owner).cloned().into_iter().collect() };
    }
    if grant.is_some() {
        return Telling::default();
    }
    let delete = Write::Delete { key: key.clone(), uid: ip.meta.uid.clone() };
    Telling { writes: vec![delete], ..Telling::default() }
}

/// The write that makes the record of a grant say what it should, if it doesn't.
///
/// # Errors
/// [`NAME_TAKEN`] while another one holds something by the record of that name.
pub(super) fn record(
    world: &World,
    owner: &OwnerKey,
    node: &Name,
    grant: &Grant,
) -> Result<Option<Write>, Problem> {
    let name = ip_name(owner, &grant.nic);
    let known = world.ip(&name);
    if let Some(other) = known.and_then(|ip| other_holder(world, ip, owner)) {
        let text = format!(
            "the record (IP object) {name} is that of {other}, whose name comes to the same. Rename one of the two; this \
             one comes up by itself when the other goes"
        );
        return Err(Problem::new(NAME_TAKEN, text));
    }
    let reserved = known.is_some_and(|ip| is_reserved(ip));
    let reserved: Name = if reserved { "true" } else { "false" }.into();
    let labels =
        [(SUBNET, &grant.subnet), (NODE, node), (&*grant.subnet, &Name::default()), (RESERVED, &reserved)];
    let workload = world.pod_of(owner).and_then(|pod| pod.workload.as_deref());
    let pod_type = workload.map_or("", Workload::pod_type);
    Ok(match known {
        None => {
            let labels: Labels = labels.map(|(key, value)| (key.into(), value.clone())).into();
            let meta = Meta { name, labels, ..Meta::default() };
            let spec = spec(owner, node, grant, pod_type.into());
            Some(Write::Create(Object::Ip(Ip { meta, spec })))
        }
        Some(ip) => {
            let mut patch = Patch::new(ObjectKey::cluster(Kind::Ip, name), ip.meta.uid.clone());
            // Who made the record may have known more.
            let pod_type = if pod_type.is_empty() { ip.spec.pod_type.clone() } else { pod_type.into() };
            if ip.spec.pod_type != pod_type || !says(&ip.spec, owner, node, grant) {
                patch.ip = Some(spec(owner, node, grant, pod_type));
            }
            let differing =
                labels.into_iter().filter(|(key, value)| ip.meta.labels.get(*key) != Some(*value));
            patch.labels = differing.map(|(key, value)| (key.into(), Some(value.clone()))).collect();
            (!patch.is_empty()).then_some(Write::Patch(patch))
        }
    })
}

/// Who holds something by a record, if it is another one than the owner: names of pods may have dots, so that two may come
/// to one name.
fn other_holder(world: &World, ip: &Ip, owner: &OwnerKey) -> Option<OwnerKey> {
    if (&*ip.spec.namespace, &*ip.spec.pod_name) == namespaced(owner) {
        return None;
    }
    let other = ip_owner(ip)?;
    let holds = world.grants(&other).iter().any(|grant| ip_name(&other, &grant.nic) == ip.meta.name);
    holds.then_some(other)
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
