//! From facts to rows of Northbound: one file per feature, each a plain function that adds its rows and columns.
//!
//! | feature | file | rows |
//! |---|---|---|
//! | VPC | `vpc.rs` | the logical router |
//! | routing | `routing.rs` | routing hits, drops, the user's routes and policies |
//! | VPC peering | `peering.rs` | the router port of one side of a connection between VPCs |
//! | subnet | `subnet.rs` | the logical switch and its port pair to the router |
//! | private subnet | `private.rs` | the access rules of a subnet that lets nobody in |
//! | gateway | `gateway.rs` | a centralized subnet's policies to its gateways |
//! | local gateway | `gateway.rs` | a subnet's pods on one node as a group, policies that lead it to the node |
//! | subnet ACL | `acl.rs` | the access rules that the user writes into a subnet |
//! | router advertisement | `ra.rs` | columns of a subnet's router port |
//! | DHCP | `dhcp.rs` | what a subnet's pods are answered |
//! | node port | `node.rs` | a node's port on the join switch, policies that lead to nodes |
//! | node group | `groups.rs` | the pods on a node as a group |
//! | pod port | `pod.rs` | a pod's ports |
//! | pod groups | `groups.rs` | in which groups a pod's ports are |
//! | north gateway | `north.rs` | policies that lead one pod to a router of its own |
//! | pod DHCP | `dhcp.rs` | what its ports refer to, and what one is answered otherwise |
//!
//! A feature writes what it wants to be, for one owner, whatever is there. Several features may write columns of one
//! row; one column is written by one of them (debug builds check).

mod acl;
mod adopt;
mod dhcp;
mod gateway;
mod groups;
mod ids;
mod node;
mod north;
mod peering;
mod pod;
mod private;
mod provenance;
mod ra;
mod recover;
mod routing;
mod subnet;
mod vpc;

pub(crate) use adopt::recognise;

use std::net::IpAddr;

use kubeovn_core::{
    addr::{DualStack, Mac},
    contract::model::{Model, Recovered},
    decide::{Exit, SubnetPlan},
    error::Problem,
    index::World,
    rows::{OwnerKey, OwnerKind, Render, Rendered, Replica},
};

pub use provenance::{Absent, Field, Origin, Part};

use crate::nb;

/// A feature.
struct Feature {
    /// Name, as in the table above.
    name: &'static str,
    /// Whose rows it adds to.
    kind: OwnerKind,
    /// The tables of these rows.
    tables: &'static [&'static str],
    /// What it reads of objects, what decides most first.
    fields: &'static [Field],
    /// Adds them.
    render: fn(&World, &OwnerKey, &mut Rendered),
}

const FEATURES: &[Feature] = &[
    Feature {
        name: "VPC",
        kind: OwnerKind::Vpc,
        tables: &[nb::LOGICAL_ROUTER],
        fields: vpc::FIELDS,
        render: vpc::render,
    },
    Feature {
        name: "routing",
        kind: OwnerKind::Vpc,
        tables: &[nb::LOGICAL_ROUTER_STATIC_ROUTE, nb::LOGICAL_ROUTER_POLICY],
        fields: routing::FIELDS,
        render: routing::render,
    },
    Feature {
        name: "VPC peering",
        kind: OwnerKind::Peering,
        tables: &[nb::LOGICAL_ROUTER_PORT],
        fields: peering::FIELDS,
        render: peering::render,
    },
    Feature {
        name: "subnet",
        kind: OwnerKind::Subnet,
        tables: &[
            nb::LOGICAL_SWITCH,
            nb::LOGICAL_SWITCH_PORT,
            nb::LOGICAL_ROUTER_PORT,
            nb::LOGICAL_ROUTER_POLICY,
        ],
        fields: subnet::FIELDS,
        render: subnet::render,
    },
    Feature {
        name: "private subnet",
        kind: OwnerKind::Subnet,
        tables: &[nb::ACL],
        fields: private::FIELDS,
        render: private::render,
    },
    Feature {
        name: "gateway",
        kind: OwnerKind::Subnet,
        tables: &[nb::LOGICAL_ROUTER_POLICY],
        fields: gateway::FIELDS,
        render: gateway::render,
    },
    Feature {
        name: "local gateway",
        kind: OwnerKind::Local,
        tables: &[nb::PORT_GROUP, nb::LOGICAL_ROUTER_POLICY],
        fields: gateway::LOCAL_FIELDS,
        render: gateway::local,
    },
    Feature {
        name: "subnet ACL",
        kind: OwnerKind::Subnet,
        tables: &[nb::ACL],
        fields: acl::FIELDS,
        render: acl::render,
    },
    Feature {
        name: "router advertisement",
        kind: OwnerKind::Subnet,
        tables: &[nb::LOGICAL_ROUTER_PORT],
        fields: ra::FIELDS,
        render: ra::render,
    },
    Feature {
        name: "DHCP",
        kind: OwnerKind::Subnet,
        tables: &[nb::DHCP_OPTIONS],
        fields: dhcp::SUBNET_FIELDS,
        render: dhcp::render_subnet,
    },
    Feature {
        name: "node port",
        kind: OwnerKind::Node,
        tables: &[nb::LOGICAL_SWITCH_PORT, nb::LOGICAL_ROUTER_POLICY],
        fields: node::FIELDS,
        render: node::render,
    },
    Feature {
        name: "node group",
        kind: OwnerKind::Node,
        tables: &[nb::PORT_GROUP],
        fields: groups::NODE_FIELDS,
        render: groups::of_node,
    },
    Feature {
        name: "pod port",
        kind: OwnerKind::Pod,
        tables: &[nb::LOGICAL_SWITCH_PORT],
        fields: pod::FIELDS,
        render: pod::render,
    },
    Feature {
        name: "pod groups",
        kind: OwnerKind::Pod,
        tables: &[],
        fields: groups::POD_FIELDS,
        render: groups::of_pod,
    },
    Feature {
        name: "north gateway",
        kind: OwnerKind::Pod,
        tables: &[nb::LOGICAL_ROUTER_POLICY],
        fields: north::FIELDS,
        render: north::render,
    },
    Feature {
        name: "pod DHCP",
        kind: OwnerKind::Pod,
        tables: &[nb::DHCP_OPTIONS],
        fields: dhcp::POD_FIELDS,
        render: dhcp::render_pod,
    },
];

/// Kube-OVN's model of a network in OVN.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fabric;

impl Fabric {
    /// Names of the features, in the order in which they render.
    pub fn features() -> impl Iterator<Item = &'static str> {
        FEATURES.iter().map(|feature| feature.name)
    }
}

impl Model for Fabric {
    fn render(&self, world: &World, owner: &OwnerKey) -> Render {
        let mut rendered = match presence(world, owner) {
            Presence::Gone => return Render::Gone,
            Presence::Unclear(problems) => return Render::Hold(problems),
            Presence::There { rank } => Rendered { rank, ..Rendered::default() },
        };
        for feature in FEATURES.iter().filter(|feature| feature.kind == owner.kind) {
            (feature.render)(world, owner, &mut rendered);
        }
        Render::Want(rendered)
    }

    fn recover(&self, replica: &dyn Replica) -> Vec<Recovered> {
        recover::recover(replica)
    }

    fn gateway_mac(&self, plan: &SubnetPlan, replica: &dyn Replica) -> Option<Mac> {
        Some(subnet::gateway_mac(plan, replica))
    }

    fn next_hops(&self, plan: &SubnetPlan, replica: &dyn Replica) -> Vec<IpAddr> {
        gateway::next_hops(plan, replica)
    }

    fn dhcp_answers(&self, subnet: &str, replica: &dyn Replica) -> DualStack<String> {
        dhcp::answers(subnet, replica)
    }
}

/// Added to the creation time of whatever is not infrastructure: a pod never takes a router port's name.
const TENANT: u64 = 1 << 60;

/// Is there anything to render for the owner?
enum Presence {
    Gone,
    Unclear(Vec<Problem>),
    There { rank: u64 },
}

fn presence(world: &World, owner: &OwnerKey) -> Presence {
    let name = &owner.name;
    match owner.kind {
        OwnerKind::Vpc => match world.vpc(name) {
            Some(vpc) => Presence::There { rank: vpc.meta.created },
            // Its subnets live by its router: it goes when they have gone.
            None if world.subnets_of(name).next().is_some() || !world.refused_of(name).is_empty() => {
                Presence::Unclear(Vec::new())
            }
            None => Presence::Gone,
        },
        OwnerKind::Peering => peering::presence(world, owner),
        OwnerKind::Subnet => match (world.subnet(name), world.decision(name)) {
            (Some(_), Some(decision)) => match &decision.plan {
                // It only gives addresses.
                Some(plan) if !plan.is_ours() => Presence::Gone,
                Some(plan) => Presence::There { rank: plan.created },
                None => Presence::Unclear(decision.problems.clone()),
            },
            (Some(_), None) => Presence::Unclear(Vec::new()),
            // Ports live by its switch: it goes when nothing is granted in it any more.
            (None, _) if world.usage(name).is_some_and(|usage| usage.owners > 0) => {
                Presence::Unclear(Vec::new())
            }
            (None, _) => Presence::Gone,
        },
        OwnerKind::Node => match world.node(name) {
            Some(node) => granted(world, owner, node.meta.created),
            None => Presence::Gone,
        },
        OwnerKind::Pod => match world.pod_of(owner).filter(|pod| pod.needs_network()) {
            Some(pod) => granted(world, owner, pod.meta.created.saturating_add(TENANT)),
            // What is kept for one that comes back.
            None if !world.grants(owner).is_empty() => Presence::There { rank: TENANT },
            None => Presence::Gone,
        },
        OwnerKind::Local => local(world, name),
        OwnerKind::Attachment => Presence::Gone,
    }
}

/// What leads a subnet's pods out by their node is there while pods are. Whether a subnet that can't be used as it stands
/// wants it is open.
fn local(world: &World, name: &str) -> Presence {
    let Some((subnet, node)) = name.split_once('/') else { return Presence::Gone };
    let pods = world.pods_at(subnet, node) > 0;
    match world.plan(subnet) {
        Some(plan) if plan.exit == Exit::Local && pods => {
            Presence::There { rank: plan.created.saturating_add(TENANT) }
        }
        None if pods => Presence::Unclear(Vec::new()),
        None if world.subnet(subnet).is_some() && world.node(node).is_some() => Presence::Unclear(Vec::new()),
        _ => Presence::Gone,
    }
}

/// Without an address there is no port yet; one that is there already stays, unless it is a predecessor's.
fn granted(world: &World, owner: &OwnerKey, rank: u64) -> Presence {
    match world.grants(owner) {
        [] if world.is_bereft(owner) => Presence::Gone,
        [] => Presence::Unclear(Vec::new()),
        _ => Presence::There { rank },
    }
}

#[cfg(test)]
mod tests;
