//! How packets leave the default VPC: a policy sends what no subnet and no node is the destination of to a node's address
//! on the join subnet, and the node sends it on.
//!
//! A *centralized* subnet has one policy per family for its prefix. A *distributed* one has, for each node with pods of it,
//! a group of their ports; northd keeps the addresses of a group in a set, and the policy is for that. The group has an
//! owner of its own, so that a pod or a node that comes or goes is a matter of a few rows.

use std::net::IpAddr;

use kubeovn_core::{
    addr::Family,
    decide::SubnetPlan,
    index::{World, objects::Selector},
    rows::{EXTERNAL_IDS, OwnerKey, Rendered, Replica, RowKey, Value},
};

use super::{
    ids,
    provenance::Field,
    routing::{add_policy, word},
};
use crate::{matching::Match, nb};

/// Below all that knows a destination; Kube-OVN's priority.
pub(super) const OUT: u16 = 29_000;

pub(super) const FIELDS: &[Field] = &[
    Field::new("Subnet.spec.gatewayType", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.gateway_type.clone())
    }),
    Field::new("Subnet.spec.gatewayNode", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.gateway_node.clone())
    }),
    Field::new("Subnet.spec.gatewayNodeSelectors", |world, owner| {
        let selectors = world.subnet(&owner.name)?.spec.gateway_node_selectors.iter();
        Some(selectors.map(selector_text).collect::<Vec<_>>().join(" or "))
    }),
    Field::new("Subnet.spec.enableEcmp", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.enable_ecmp.to_string())
    }),
    Field::new("Subnet.spec.cidrBlock", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.cidr_block.clone())
    }),
    Field::new("Subnet.status.activateGateway", |world, owner| {
        Some(world.subnet(&owner.name)?.status.activateGateway.clone())
    }),
    Field::new("Node.status.conditions", |world, owner| {
        let ready = |name| world.node(name).is_some_and(|node| node.ready);
        let told = |name| format!("{name}: {}", if ready(name) { "ready" } else { "not ready" });
        Some(world.lead(&owner.name)?.nodes.iter().map(|name| told(name)).collect::<Vec<_>>().join(", "))
    }),
    Field::new("Node.metadata.annotations[ovn.kubernetes.io/ip_address]", |world, owner| {
        let address = |name| format!("{name}: {}", world.join_address(name));
        Some(world.lead(&owner.name)?.nodes.iter().map(|name| address(name)).collect::<Vec<_>>().join(", "))
    }),
];

pub(super) const LOCAL_FIELDS: &[Field] = &[
    Field::new("Subnet.spec.gatewayType", |world, owner| {
        Some(world.subnet(places(owner)?.0)?.spec.gateway_type.clone())
    }),
    Field::new("Pod.spec.nodeName", |world, owner| {
        let (subnet, node) = places(owner)?;
        Some(format!("{node}: {}", world.pods_at(subnet, node)))
    }),
    Field::new("Subnet.spec.cidrBlock", |world, owner| {
        Some(world.subnet(places(owner)?.0)?.spec.cidr_block.clone())
    })
    .only(|row| row.table == nb::LOGICAL_ROUTER_POLICY),
    Field::new("Node.metadata.annotations[ovn.kubernetes.io/ip_address]", |world, owner| {
        Some(world.join_address(places(owner)?.1).to_string())
    })
    .only(|row| row.table == nb::LOGICAL_ROUTER_POLICY),
];

fn selector_text(selector: &Selector) -> String {
    let labels = selector.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
    let conditions = selector.match_expressions.iter().map(|e| format!("{} {:?}", e.key, e.operator));
    labels.chain(conditions).collect::<Vec<_>>().join(", ")
}

/// Subnet and node of an owner.
fn places(owner: &OwnerKey) -> Option<(&str, &str)> {
    owner.name.split_once('/')
}

/// The policy of a centralized subnet. A family in which no gateway has an address has none.
pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let (Some(plan), Some(lead)) = (world.plan(&owner.name), world.lead(&owner.name)) else { return };
    for cidr in plan.cidrs.iter() {
        let address = |node| world.join_address(node).get(cidr.family()).copied();
        let hops: Vec<IpAddr> = lead.nodes.iter().filter_map(|node| address(node)).collect();
        if hops.is_empty() {
            continue;
        }
        let key = central_policy(&plan.vpc, &plan.name, cidr.family());
        let matching = Match::src(cidr.net()).to_string();
        add_policy(out, &plan.vpc, key.clone(), OUT, matching, "reroute", hops);
        out.row(key).pair(EXTERNAL_IDS, "subnet", plan.name.clone());
    }
}

/// Where the policies of a centralized subnet lead now.
pub(super) fn next_hops(plan: &SubnetPlan, replica: &dyn Replica) -> Vec<IpAddr> {
    let policies = plan.cidrs.families().map(|family| central_policy(&plan.vpc, &plan.name, family));
    let hops = policies.filter_map(|row| replica.value(&row, "nexthops"));
    hops.flat_map(Value::texts).filter_map(|hop| hop.parse().ok()).collect()
}

/// The group of a subnet's pods on a node, and the policies that lead them to it.
pub(super) fn local(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let Some((subnet, node)) = places(owner) else { return };
    let (Some(plan), Ok(group)) = (world.plan(subnet), ids::group_name(&group_text(subnet, node))) else {
        return;
    };
    let row = out.row(ids::local_group(subnet, node));
    row.set("name", Value::str(group.as_str()));
    row.pair(EXTERNAL_IDS, "subnet", subnet);
    row.pair(EXTERNAL_IDS, "node", node);
    row.pair(EXTERNAL_IDS, "np", format!("{subnet}/{node}"));
    out.name(ids::group_claim(&group));
    let via = world.join_address(node);
    for family in plan.cidrs.families() {
        let Some(via) = via.get(family) else { continue };
        let key = local_policy(&plan.vpc, subnet, node, family);
        let matching = Match::src_set(family, &group.addresses(family)).to_string();
        add_policy(out, &plan.vpc, key.clone(), OUT, matching, "reroute", [*via]);
        let row = out.row(key);
        row.pair(EXTERNAL_IDS, "subnet", subnet);
        row.pair(EXTERNAL_IDS, "node", node);
    }
}

/// What the name of a group is made of.
pub(super) fn group_text(subnet: &str, node: &str) -> String {
    format!("{subnet}.{node}")
}

pub(super) fn central_policy(vpc: &str, subnet: &str, family: Family) -> RowKey {
    ids::policy(vpc, OUT, &format!("{subnet}/{}", word(family)))
}

pub(super) fn local_policy(vpc: &str, subnet: &str, node: &str, family: Family) -> RowKey {
    ids::policy(vpc, OUT, &format!("{subnet}/{node}/{}", word(family)))
}
