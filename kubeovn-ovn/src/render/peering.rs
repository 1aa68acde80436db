//! A connection between two VPCs: each router has a port of its own side, and the ports name each other.

use kubeovn_core::{
    decide::{Peering, decide_peerings},
    index::{World, objects::VpcPeering},
    rows::{EXTERNAL_IDS, OwnerKey, Rendered, RowKey, Value},
};

use super::{Presence, ids, provenance::Field};
use crate::nb;

/// Below all infrastructure, above all pods: whoever connects a VPC must not take a subnet's port by the choice of names.
const RANK: u64 = 1 << 59;

pub(super) const FIELDS: &[Field] = &[Field::new("Vpc.spec.vpcPeerings", |world, owner| {
    let (vpc, remote) = Peering::ends(owner)?;
    let text = |p: &VpcPeering| format!("{} by {}", p.remote_vpc, p.local_connect_ip);
    let peerings = &world.vpc(vpc)?.spec.vpc_peerings;
    Some(peerings.iter().filter(|p| *p.remote_vpc == *remote).map(text).collect::<Vec<_>>().join(", "))
})];

/// What is unclear stays as it is; anything else that is not in effect is gone. Reasons are told of the VPC anyway.
pub(super) fn presence(world: &World, owner: &OwnerKey) -> Presence {
    let Some((vpc, remote)) = Peering::ends(owner) else { return Presence::Gone };
    let Some(vpc) = world.vpc(vpc) else { return Presence::Gone };
    let all = decide_peerings(world, vpc);
    if all.peers.iter().any(|peer| *peer.remote == *remote) {
        Presence::There { rank: vpc.meta.created.saturating_add(RANK) }
    } else if all.unclear.iter().any(|name| **name == *remote) {
        Presence::Unclear(Vec::new())
    } else {
        Presence::Gone
    }
}

pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let Some((name, remote)) = Peering::ends(owner) else { return };
    let Some(vpc) = world.vpc(name) else { return };
    let all = decide_peerings(world, vpc);
    let Some(peer) = all.peers.iter().find(|peer| *peer.remote == *remote) else { return };
    let port = Peering::port(name, remote);
    let key = RowKey::new(nb::LOGICAL_ROUTER_PORT, port.as_str());
    let row = out.row(key.clone());
    row.set("name", Value::str(port.as_str()));
    row.set("mac", Value::str(ids::router_mac(&port).to_string()));
    row.set("networks", Value::strs(peer.networks.iter().map(ToString::to_string)));
    row.set("peer", Value::str(Peering::port(remote, name)));
    row.pair(EXTERNAL_IDS, "lr", name);
    out.attach(ids::router(name), "ports", key);
    out.name(port);
}
