//! In which groups a pod's ports are: that of its node, and that by which it leaves the VPC. Only in the default VPC, which
//! alone is connected to nodes.

use kubeovn_core::{
    annotations::node_port_name,
    decide::Exit,
    index::{World, ip_name},
    rows::{Atom, EXTERNAL_IDS, Elem, Give, OwnerKey, Rendered, RowKey, Value},
};

use super::{ids, provenance::Field};

pub(super) const NODE_FIELDS: &[Field] =
    &[Field::new("Node.metadata.name", |world, owner| Some(world.node(&owner.name)?.meta.name.to_string()))];

pub(super) const POD_FIELDS: &[Field] = &[
    Field::new("Pod.spec.nodeName", |world, owner| Some(world.pod_of(owner)?.node.as_ref()?.to_string())),
    Field::new("Subnet.spec.gatewayType", |world, owner| {
        let types = world.grants(owner).iter().filter_map(|grant| world.subnet(&grant.subnet));
        Some(types.map(|subnet| subnet.spec.gateway_type.as_str()).collect::<Vec<_>>().join(", "))
    }),
];

/// The group of all pods on a node.
pub(super) fn of_node(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let Some(node) = world.node(&owner.name).map(|node| &node.meta.name) else { return };
    let Ok(group) = ids::group_name(&node_port_name(node)) else { return };
    let row = out.row(ids::node_group(node));
    row.set("name", Value::str(group.as_str()));
    row.pair(EXTERNAL_IDS, "node", node.clone());
    row.pair(EXTERNAL_IDS, "np", format!("node/{node}"));
    out.name(ids::group_claim(&group));
}

/// What leads a pod out is there from its first packet on. The group of its node only has to be there some time: nothing
/// is decided by it yet, and a node without an address has none.
pub(super) fn of_pod(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let Some(node) = world.pod_of(owner).and_then(|pod| pod.node.as_ref()) else { return };
    let settings = world.settings();
    for grant in world.grants(owner).iter().filter(|g| g.mac.is_some() && g.space == settings.vpc) {
        let port = ids::switch_port(ip_name(owner, &grant.nic));
        join(out, ids::node_group(node), port.clone());
        let plan = world.plan(&grant.subnet);
        // In a subnet that can't be used as it stands who is in stays in.
        if grant.subnet != settings.join && plan.is_none_or(|plan| plan.exit == Exit::Local) {
            let group = ids::local_group(&grant.subnet, node);
            out.needs.extend(plan.map(|_| group.clone()));
            join(out, group, port);
        }
    }
}

fn join(out: &mut Rendered, group: RowKey, port: RowKey) {
    out.gives.push(Give { row: group, column: "ports", elem: Elem::Item(Atom::Row(port)), parent: false });
}
