//! Nodes: their address on the join subnet.

use std::fmt::Display;

use super::{Seat, Telling, Want, differing, ip};
use crate::{
    annotations::{self, node},
    contract::cluster::{Patch, Write},
    decide::inside,
    index::{World, objects::ObjectKey},
    rows::{OwnerKey, OwnerKind},
};

pub(super) fn tell(world: &World, key: &ObjectKey, seat: &dyn Fn(&OwnerKey) -> Seat) -> Telling {
    let owner = OwnerKey::new(OwnerKind::Node, key.name.clone());
    let Some(object) = world.node(&key.name) else { return Telling::default() };
    let seat = seat(&owner);
    let mut problems: Vec<_> = world.refusal(&owner).cloned().into_iter().collect();
    problems.extend(seat.problems);
    problems.extend(inside::around(world, object));
    let mut writes = Vec::new();
    if let Some(grant) = world.grants(&owner).first() {
        let record = ip::record(world, &owner, &key.name, grant);
        let is_recorded = matches!(record, Ok(None));
        match record {
            Ok(write) => writes.extend(write),
            Err(taken) => problems.push(taken),
        }
        if let Some(plan) = world.plan(&grant.subnet).filter(|_| is_recorded && seat.ready) {
            let port = annotations::node_port_name(&key.name);
            let given: [Want<'_>; 7] = [
                (node::ALLOCATED, Some(&annotations::TRUE)),
                (node::IP_ADDRESS, Some(&grant.ips)),
                (node::MAC_ADDRESS, grant.mac.as_ref().map(|mac| mac as &dyn Display)),
                (node::CIDR, Some(&plan.cidrs)),
                (node::GATEWAY, Some(&plan.gateways)),
                (node::LOGICAL_SWITCH, Some(&grant.subnet)),
                (node::PORT_NAME, Some(&port)),
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
