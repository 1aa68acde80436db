//! What the plan is made from: the few facts about this node, its cluster and the subnets that matter on the host.

use std::collections::BTreeSet;
use std::net::IpAddr;

use kubeovn_core::addr::{Cidr, DualStack};
pub use kubeovn_core::decide::{NatAction, NatException as NatRule};

/// What is known, as plain values: nothing of it is looked up while planning.
///
/// It must be all there is, but for what is said to be [unknown](Facts::unknown): what is missing here is taken away on the
/// host. So nothing is planned before everything has been listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// This node's name, as `gatewayNode` names it.
    pub node: String,
    /// This node's `InternalIP`, the first of each family.
    pub node_ips: DualStack<IpAddr>,
    /// Every address that the host has. A subnet that contains one gets no route: it would cut the host off.
    pub local: Vec<IpAddr>,
    /// The `InternalIP`s of all other nodes.
    pub other_nodes: Vec<IpAddr>,
    /// How the host is connected to the overlay. What is planned is planned for the families in it.
    pub join: Join,
    /// The ranges of services.
    pub services: Vec<Cidr>,
    /// The subnets of the node's VPC that are in effect, the join subnet among them. Of two that overlap the first by
    /// name counts.
    pub subnets: Vec<Subnet>,
    /// Names of subnets of which it is not known what is in force: their last edit was not taken, and what was before nobody
    /// says. While there are any, what the host has of prefixes that are none of `subnets` stays.
    pub unknown: Vec<String>,
    /// The pods on this node.
    pub pods: Vec<Pod>,
    /// What kube-proxy keeps in kernel sets, in its IPVS mode.
    pub kube_proxy: KubeProxy,
}

/// The node's own port into the overlay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Join {
    /// Name of the link, `ovn0`.
    pub link: String,
    /// The prefixes of the join subnet; the kernel has the routes to them by itself.
    pub cidrs: DualStack<Cidr>,
    /// The router's addresses, by which subnets are reached.
    pub gateways: DualStack<IpAddr>,
}

/// A subnet, as far as the host has to do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subnet {
    /// Its name.
    pub name: String,
    /// Its uid; chains of Kube-OVN are called after its end.
    pub uid: String,
    /// Its prefixes.
    pub cidrs: DualStack<Cidr>,
    /// What carries it.
    pub carrier: Carrier,
    /// It is being deleted: nothing of it is masqueraded any more.
    pub deleting: bool,
    /// `natOutgoing`: what leaves it for outside has the node's address.
    pub nat_outgoing: bool,
    /// Exceptions, in the order in which they are asked.
    pub nat_rules: Vec<NatRule>,
    /// By which nodes it leaves.
    pub gateway: Gateway,
    /// Where it leaves to, instead of by the host's own routes.
    pub egress: Option<Egress>,
}

/// What carries a subnet's packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// Tunnels between nodes: no vlan.
    #[default]
    Overlay,
    /// A vlan of which OVN's router is the gateway (`logicalGateway`).
    LogicalGateway,
    /// A vlan with a gateway of its own.
    Underlay {
        /// Reached from the overlay by the router (`u2oInterconnection`, and `enableLb` not said to be true).
        connected: bool,
    },
}

/// By which nodes a subnet leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gateway {
    /// Each pod's by the pod's own node.
    #[default]
    Distributed,
    /// Some nodes.
    Centralized {
        /// `gatewayNode` as it stands there: `n1,n2:172.18.0.9`.
        nodes: String,
        /// Do `gatewayNodeSelectors` select this node? Without meaning when `nodes` names any.
        selected: bool,
        /// `enableEcmp`: all of them at once.
        all: bool,
        /// The node that leads, `status.activateGateway`.
        active: String,
    },
}

/// A gateway outside of the cluster, with the table and the priority by which packets find it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// `externalEgressGateway`.
    pub gateways: DualStack<IpAddr>,
    /// `policyRoutingPriority`.
    pub priority: u32,
    /// `policyRoutingTableID`.
    pub table: u32,
}

/// A pod on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// The subnet that its address is of.
    pub subnet: String,
    /// Its addresses there.
    pub ips: DualStack<IpAddr>,
}

/// What kube-proxy keeps in kernel sets. All of it is empty unless it runs in IPVS mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeProxy {
    /// The families of which the set `KUBE-CLUSTER-IP` is there.
    pub ipvs: DualStack<()>,
    /// The ports in `KUBE-NODE-PORT-LOCAL-TCP`, where that set is there.
    pub local_tcp: DualStack<BTreeSet<u16>>,
    /// The ports in `KUBE-NODE-PORT-LOCAL-UDP`, where that set is there.
    pub local_udp: DualStack<BTreeSet<u16>>,
}
