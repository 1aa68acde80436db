//! Nodes: their address on the join subnet.

use super::{Seat, Telling, differing, ip};
use crate::{
    annotations::{self, node},
    contract::cluster::{Patch, Write},
    index::{World, objects::ObjectKey},
    rows::{OwnerKey, OwnerKind},
};

pub(super) fn tell(world: &World, key: &ObjectKey, seat: &dyn Fn(&OwnerKey) -> Seat) -> Telling {
    let owner = OwnerKey::new(OwnerKind::Node, key.name.clone());
    let Some(object) = world.node(&key.name) else { return Telling::default() };
    let seat = seat(&owner);
    let mut problems: Vec<_> = world.refusal(&owner).cloned().into_iter().collect();
    problems.extend(seat.problems);
    let mut writes = Vec::new();
    if let Some(grant) = world.grants(&owner).first() {
        writes.extend(ip::record(world, &owner, &key.name, grant));
        if let Some(plan) = world.plan(&grant.subnet).filter(|_| writes.is_empty() && seat.ready) {
            let given = [
                (node::ALLOCATED, Some(annotations::TRUE.to_owned())),
                (node::IP_ADDRESS, Some(grant.ips.to_string())),
                (node::MAC_ADDRESS, grant.mac.map(|mac| mac.to_string())),
                (node::CIDR, Some(plan.cidrs.to_string())),
                (node::GATEWAY, Some(plan.gateways.to_string())),
                (node::LOGICAL_SWITCH, Some(grant.subnet.to_string())),
                (node::PORT_NAME, Some(annotations::node_port_name(&key.name))),
            ];
            let mut patch = Patch::new(key.clone(), object.meta.uid.clone());
            patch.annotations = differing(&object.meta.annotations, given);
            if !patch.is_empty() {
                writes.push(Write::Patch(patch));
            }
        }
    }
    Telling { writes, problems }
}
