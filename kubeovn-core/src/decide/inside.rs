//! Nodes with an address inside of a subnet. The subnet that comes to a node yields: the node would be cut off. The node that
//! comes to a subnet costs it an address: whoever may write the status of one node must not be able to close a subnet.

use std::{net::IpAddr, sync::Arc};

use super::SubnetPlan;
use crate::{
    addr::DualStack,
    error::Problem,
    index::{
        World,
        objects::{Condition, Node, Subnet},
    },
};

/// It has been in effect as it stands: a node that gets an address in it then is the one that came later, whatever its age.
pub(super) fn was_accepted(subnet: &Subnet) -> bool {
    let accepts = |condition: &Condition| {
        (&*condition.r#type, &*condition.status) == ("Validated", "True")
            && condition.observed_generation == subnet.meta.generation
    };
    subnet.status.conditions.iter().any(accepts)
}

/// One that was there before the subnet.
pub(super) fn older<'a>(world: &'a World, plan: &SubnetPlan) -> Option<(&'a Arc<Node>, IpAddr)> {
    nodes_inside(world, plan).find(|(node, _)| node.meta.created <= plan.created)
}

/// All addresses that nodes have in it.
pub(super) fn addresses(world: &World, plan: &SubnetPlan) -> Arc<[IpAddr]> {
    nodes_inside(world, plan).map(|(_, ip)| ip).collect()
}

/// How many nodes in a subnet are named.
const NAMED: usize = 3;

/// What the subnet is told of those that came into it.
pub(super) fn told(world: &World, plan: &SubnetPlan) -> Option<Problem> {
    let number = plan.nodes.len();
    if number == 0 {
        return None;
    }
    let named = nodes_inside(world, plan).take(NAMED);
    let named: Vec<String> = named.map(|(node, ip)| format!("{ip} of node {}", node.meta.name)).collect();
    let more = if number > NAMED { format!(" and {} more", number - NAMED) } else { String::new() };
    let text = format!(
        "subnet {}: cidrBlock {} contains {}{more}. Pods do not reach a node by such an address, and it is given to no pod by \
         itself; everything else is in effect. Give the node another address",
        plan.name,
        plan.cidrs,
        named.join(", ")
    );
    Some(Problem::new("SUBNET-NODE-INSIDE", text))
}

/// What a node is told of subnets in effect that have its address.
pub(super) fn around(world: &World, node: &Node) -> Vec<Problem> {
    let plans = world.plans_of(&world.settings().vpc);
    let has = |plan: &SubnetPlan| node.internal.iter().copied().find(|ip| plan.nodes.contains(ip));
    let told = plans.filter_map(|plan| {
        let text = format!(
            "(NodeAddressConflictWithSubnet) node {}: its address {} is within {} of subnet {}, so that pods do not reach it \
             by that address. Give the node another one, or the subnet another prefix",
            node.meta.name,
            has(plan)?,
            plan.cidrs,
            plan.name
        );
        Some(Problem::new("NODE-ADDRESS-IN-SUBNET", text))
    });
    told.collect()
}

/// The nodes that have an address in a subnet of the default VPC, which is the one that nodes are connected to.
fn nodes_inside<'a>(
    world: &'a World,
    plan: &SubnetPlan,
) -> impl Iterator<Item = (&'a Arc<Node>, IpAddr)> + use<'a> {
    let cidrs = if plan.vpc == world.settings().vpc { plan.cidrs } else { DualStack::default() };
    let within = move |ip: &IpAddr| cidrs.iter().any(|cidr| cidr.contains(*ip));
    world.nodes().flat_map(move |node| {
        node.internal.iter().copied().filter(move |ip| within(ip)).map(move |ip| (node, ip))
    })
}
