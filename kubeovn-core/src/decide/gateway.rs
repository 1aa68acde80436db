//! How packets leave the default VPC: by the node that the pod is on, or by nodes that the subnet names.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::SubnetPlan;
use crate::{
    addr::Family,
    annotations,
    error::Problem,
    index::{
        World,
        objects::{Name, Node, Selector, Subnet},
    },
};

/// How the packets of a subnet leave its VPC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    /// Not by nodes: of another VPC, or the subnet that connects nodes.
    #[default]
    None,
    /// Each pod's by the node that it is on.
    Local,
    /// All by some nodes.
    Central(Central),
}

/// Which nodes a subnet may leave by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Central {
    /// Names, the preferred one first.
    pub nodes: Vec<Name>,
    /// Without a name: who has these labels.
    pub selectors: Vec<Selector>,
    /// All that are ready at once, instead of one.
    pub all: bool,
}

/// By which nodes a subnet leaves now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    /// The nodes.
    pub nodes: Vec<Name>,
    /// All of them at once.
    pub all: bool,
    /// What is wrong with all of them.
    pub problem: Option<Problem>,
    /// What is wrong with some, or in one family, while others lead.
    pub silent: Option<Problem>,
}

impl Lead {
    /// The one node that leads, where only one does.
    pub fn active(&self) -> Option<&Name> {
        self.nodes.first().filter(|_| !self.all)
    }
}

impl Exit {
    /// What a subnet asks for.
    ///
    /// # Errors
    /// With a sentence, when `gatewayType` is no type.
    pub(super) fn of(world: &World, subnet: &Subnet) -> Result<Self, String> {
        let (settings, spec) = (world.settings(), &subnet.spec);
        if world.vpc_name(subnet) != settings.vpc || subnet.meta.name == settings.join {
            return Ok(Exit::None);
        }
        match spec.gateway_type.trim() {
            "" | "distributed" => Ok(Exit::Local),
            "centralized" => Ok(Exit::Central(Central {
                nodes: named(&spec.gateway_node),
                selectors: spec.gateway_node_selectors.clone(),
                all: spec.enable_ecmp,
            })),
            other => Err(format!("gatewayType {other:?} is neither distributed nor centralized")),
        }
    }
}

/// Names of a list `n1,n2:address`. The address belongs to who masquerades on that node.
fn named(list: &str) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for item in annotations::items(list) {
        let name = item.split(':').next().unwrap_or_default().trim();
        if !name.is_empty() && !names.iter().any(|known| **known == *name) {
            names.push(name.into());
        }
    }
    names
}

/// Chooses the gateways of a centralized subnet among the nodes that have an address to send to; `None` for others.
///
/// Of several that lead at once those are left out that do not answer, as long as one does.
///
/// Who leads goes on as long as it is listed and ready: a node that comes back takes nothing over. If none is ready, who
/// leads, or else the first, goes on all the same: a node whose kubelet is silent may well forward, and nothing certainly
/// doesn't. That is told.
///
/// Where one leads alone, who has an address in all families of the subnet comes before who has not: in a family without one
/// nothing leads out.
pub fn lead(world: &World, plan: &SubnetPlan) -> Option<Lead> {
    let Exit::Central(wish) = &plan.exit else { return None };
    let listed = wish.listed(world);
    let usable: Vec<&Arc<Node>> = listed
        .iter()
        .filter_map(|name| world.node(name))
        .filter(|node| addresses(world, plan, &node.meta.name).next().is_some())
        .collect();
    let ready: Vec<&Arc<Node>> = usable.iter().copied().filter(|node| node.ready).collect();
    let is_silent = |node: &&Arc<Node>| {
        wish.all && addresses(world, plan, &node.meta.name).any(|ip| world.silent().contains(&ip))
    };
    let (silent, heard): (Vec<_>, Vec<_>) = ready.iter().copied().partition(is_silent);
    let mut partly = (!silent.is_empty()).then(|| nobody_heard(&plan.name, &silent, heard.len()));
    let (mut able, problem) = if usable.is_empty() {
        (usable, Some(nobody(&plan.name, &listed)))
    } else if ready.is_empty() {
        let problem = nobody_ready(&plan.name, &usable);
        (usable, Some(problem))
    } else if heard.is_empty() {
        (ready, partly.take())
    } else {
        (heard, None)
    };
    if !wish.all {
        let families = |node: &&Arc<Node>| addresses(world, plan, &node.meta.name).count();
        let most = able.iter().map(families).max();
        able.retain(|node| Some(families(node)) == most);
    }
    let names = able.iter().map(|node| node.meta.name.clone());
    let nodes: Vec<Name> = if wish.all {
        names.collect()
    } else {
        let leads = leads(world, &plan.name);
        let stays = names.clone().find(|name| leads.is_some_and(|leads| **name == *leads));
        stays.or(names.into_iter().next()).into_iter().collect()
    };
    let silent = partly.or_else(|| lacking(world, plan, &nodes));
    Some(Lead { nodes, all: wish.all, problem, silent })
}

/// The addresses by which a node is reached that a subnet leaves by.
fn addresses(world: &World, plan: &SubnetPlan, node: &str) -> impl Iterator<Item = IpAddr> {
    let (address, cidrs) = (world.join_address(node), plan.cidrs);
    Family::BOTH
        .into_iter()
        .filter(move |f| cidrs.get(*f).is_some())
        .filter_map(move |f| address.get(f).copied())
}

/// The addresses of the gateways that are asked whether they answer: of subnets that leave by several at once.
pub fn asked(world: &World) -> BTreeSet<IpAddr> {
    let plans = world.plans_of(&world.settings().vpc);
    plans.flat_map(|plan| asked_of(world, plan)).collect()
}

/// The same of one subnet.
pub(crate) fn asked_of(world: &World, plan: &SubnetPlan) -> Vec<IpAddr> {
    let Exit::Central(wish) = &plan.exit else { return Vec::new() };
    let listed = if wish.all { wish.listed(world) } else { Vec::new() };
    if listed.len() < 2 {
        return Vec::new();
    }
    listed.iter().flat_map(|node| addresses(world, plan, node)).collect()
}

impl Central {
    /// Who may be a gateway, in the order of preference.
    fn listed(&self, world: &World) -> Vec<Name> {
        if !self.nodes.is_empty() {
            return self.nodes.clone();
        }
        let selected = |node: &&Arc<Node>| self.selectors.iter().any(|s| s.matches(&node.meta.labels));
        world.nodes().filter(selected).map(|node| node.meta.name.clone()).collect()
    }
}

/// The node that leads: what we know, or, after a start, what the subnet says.
fn leads<'a>(world: &'a World, subnet: &str) -> Option<&'a str> {
    match world.lead(subnet) {
        Some(lead) => lead.active().map(|name| &**name),
        None => world.subnet(subnet).map(|subnet| &*subnet.status.activateGateway),
    }
}

fn nobody(subnet: &str, listed: &[Name]) -> Problem {
    let who = if listed.is_empty() {
        "neither gatewayNode nor gatewayNodeSelectors names a node".to_owned()
    } else {
        let (number, names) = (listed.len(), annotations::joined(listed));
        format!("of its {number} gateways ({names}) none is a node with an address on the join subnet")
    };
    let text = format!(
        "(NoReadyGateway) subnet {subnet} is centralized, but {who}. What its pods send outside is dropped. Name a node \
         that is there, or set gatewayType to distributed"
    );
    Problem::new("SUBNET-GATEWAY-NONE", text)
}

/// Nodes lead, but in one of the subnet's families none of them has an address.
fn lacking(world: &World, plan: &SubnetPlan, nodes: &[Name]) -> Option<Problem> {
    let lacks = |family: &Family| nodes.iter().all(|node| world.join_address(node).get(*family).is_none());
    let family = plan.cidrs.families().filter(|_| !nodes.is_empty()).find(lacks)?;
    let text = format!(
        "subnet {}: it leaves by {}, without an {family} address on the join subnet, and no other gateway that is ready has \
         more. What its pods send outside by {family} is dropped. Give join a prefix of {family}, or name a node that has an \
         address in it",
        plan.name,
        annotations::joined(nodes)
    );
    Some(Problem::new("SUBNET-GATEWAY-FAMILY", text))
}

fn nobody_heard(subnet: &str, silent: &[&Arc<Node>], others: usize) -> Problem {
    let (number, names) = (silent.len(), annotations::joined(silent.iter().map(|node| &node.meta.name)));
    let meanwhile = if others == 0 {
        "Packets are sent by them all the same, and may be lost there".to_owned()
    } else {
        format!("Packets are sent by the other {others}")
    };
    let text = format!(
        "subnet {subnet}: {number} of its gateways ({names}) are ready, but do not answer to ping on the join subnet. \
         {meanwhile}. See whether ovn-controller and the daemon run there, and whether tunnels reach it"
    );
    Problem::new("SUBNET-GATEWAY-SILENT", text)
}

fn nobody_ready(subnet: &str, usable: &[&Arc<Node>]) -> Problem {
    let (number, names) = (usable.len(), annotations::joined(usable.iter().map(|node| &node.meta.name)));
    let text = format!(
        "(NoActiveGatewayFound) subnet {subnet}: none of its {number} gateways ({names}) is ready. Packets are sent by \
         them all the same, and may be lost there. Bring one of them back, or name another one"
    );
    Problem::new("SUBNET-GATEWAY-DOWN", text)
}
