//! A node has a port on the join switch, and the default VPC's router leads to its own address through it.

use kubeovn_core::{
    addr::Family,
    annotations::node_port_name,
    index::{World, objects::Name},
    rows::{EXTERNAL_IDS, OwnerKey, Rendered, Value},
};

use super::{ids, pod::port, provenance::Field, routing::add_policy};
use crate::{matching::Match, nb};

/// Above what leads pods to gateways, below traffic between subnets; Kube-OVN's priority.
pub(super) const TO_NODE: u16 = 30_000;

pub(super) const FIELDS: &[Field] = &[
    Field::new("Node.status.addresses", |world, owner| Some(world.node(&owner.name)?.internal.to_string()))
        .only(|row| row.table == nb::LOGICAL_ROUTER_POLICY),
    Field::new("Node.metadata.annotations[ovn.kubernetes.io/ip_address]", |world, owner| {
        Some(world.grants(owner).first()?.ips.to_string())
    }),
    Field::new("Node.metadata.annotations[ovn.kubernetes.io/mac_address]", |world, owner| {
        Some(world.grants(owner).first()?.mac?.to_string())
    })
    .only(|row| row.table == nb::LOGICAL_SWITCH_PORT),
    Field::new("Node.metadata.name", |world, owner| Some(world.node(&owner.name)?.meta.name.to_string())),
];

pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let (Some(node), Some(grant)) = (world.node(&owner.name), world.grants(owner).first()) else { return };
    let vpc = &world.settings().vpc;
    let name: Name = node_port_name(&owner.name).into();
    let Some(mac) = grant.mac else { return };
    let addresses = Value::str(ids::port_addresses(mac, &grant.ips));
    port(out, &name, grant, addresses, &node.meta.uid);
    out.row(ids::switch_port(name.clone())).pair(EXTERNAL_IDS, "node", owner.name.clone());
    for family in node.internal.families() {
        let (Some(ip), Some(via)) = (node.internal.get(family), grant.ips.get(family)) else { continue };
        let key = ids::policy(vpc, TO_NODE, &format!("{}/{ip}", owner.name));
        add_policy(out, vpc, key.clone(), TO_NODE, Match::dst(*ip).to_string(), "reroute", [*via]);
        let row = out.row(key);
        row.pair(EXTERNAL_IDS, "node", owner.name.clone());
        row.pair(EXTERNAL_IDS, "address-family", if family == Family::V4 { "4" } else { "6" });
    }
    // A node's port has none: what nodes forward has other sources than their own.
    out.row(ids::switch_port(name.clone())).set("port_security", Value::EMPTY);
}
