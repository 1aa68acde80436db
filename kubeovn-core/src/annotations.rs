//! The annotations that pods, nodes and namespaces carry, as Kube-OVN names them.
//!
//! What a pod asks for and what it was given stands in its annotations, once per network that it is attached
//! to: `ovn.kubernetes.io/ip_address` for the default network, `<provider>.kubernetes.io/ip_address` for any
//! other. A [`NicKey`] is such a name, to be completed by the provider. The others are plain texts.
//!
//! ```
//! use kubeovn_core::annotations::{self, nic};
//!
//! assert_eq!(nic::IP_ADDRESS.ovn(), "ovn.kubernetes.io/ip_address");
//! assert_eq!(nic::IP_ADDRESS.of("macvlan.default"), "macvlan.default.kubernetes.io/ip_address");
//! assert!(annotations::is_true("true") && !annotations::is_true("True"));
//! ```

mod meaning;

pub use meaning::{Meaning, meaning};

use std::borrow::Cow;
use std::fmt::{Display, Write};

/// The provider of the default network.
pub const OVN: &str = "ovn";

/// The prefix of all annotations of the default network.
const OVN_PREFIX: &str = "ovn.kubernetes.io/";

/// The value of a switch that is on. Every other value, also `True` and `1`, is off.
pub const TRUE: &str = "true";

/// The name of an annotation that a pod carries once per network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NicKey {
    ovn: &'static str,
}

impl NicKey {
    /// The key for the default network.
    #[must_use]
    pub const fn ovn(self) -> &'static str {
        self.ovn
    }

    /// The key for the network of a provider; an empty one is the default network.
    #[must_use]
    pub fn of(self, provider: &str) -> Cow<'static, str> {
        if provider.is_empty() || provider == OVN {
            return Cow::Borrowed(self.ovn);
        }
        let name = self.ovn.strip_prefix(OVN_PREFIX).unwrap_or(self.ovn);
        Cow::Owned(format!("{provider}.kubernetes.io/{name}"))
    }
}

/// Declares the keys of one kind of object, all in the name space of the default network.
macro_rules! keys {
    ($( $(#[$doc:meta])* $const:ident = $name:literal; )*) => {
        $( $(#[$doc])* pub const $const: &str = concat!("ovn.kubernetes.io/", $name); )*

        /// All of them, in the order of this page.
        pub const ALL: &[&str] = &[$( $const, )*];
    };
}

/// What a pod asks for and is given in each of its networks.
pub mod nic {
    use super::NicKey;

    macro_rules! nic_keys {
        ($( $(#[$doc:meta])* $const:ident = $name:literal; )*) => {
            $( $(#[$doc])* pub const $const: NicKey = NicKey { ovn: concat!("ovn.kubernetes.io/", $name) }; )*

            /// All of them, in the order of this page.
            pub const ALL: &[NicKey] = &[$( $const, )*];
        };
    }

    nic_keys! {
        /// `true` once addresses are granted and the port exists.
        ALLOCATED = "allocated";
        /// Why addresses or port are not there (yet): code and sentence. Ours, not Kube-OVN's: so that the CNI can answer
        /// the cause.
        ERROR = "error";
        /// `true` once the pod's routes are there too.
        ROUTED = "routed";
        /// `v4`, `v6` or `v4,v6`: asked for by the user, or granted.
        IP_ADDRESS = "ip_address";
        /// Hardware address: asked for by the user, or granted.
        MAC_ADDRESS = "mac_address";
        /// Addresses or a named pool to choose from.
        IP_POOL = "ip_pool";
        /// `ipv4` or `ipv6`: only this family of a dual-stack subnet.
        IP_FAMILY = "ip_family";
        /// The subnet's prefixes.
        CIDR = "cidr";
        /// The subnet's gateways.
        GATEWAY = "gateway";
        /// Name of the subnet: asked for by the user, or the one that was chosen.
        LOGICAL_SWITCH = "logical_switch";
        /// Name of the VPC.
        LOGICAL_ROUTER = "logical_router";
        /// Number of the VLAN of an underlay.
        VLAN_ID = "vlan_id";
        /// Name of the provider network of an underlay.
        PROVIDER_NETWORK = "provider_network";
        /// `veth-pair`, `internal-port`, `offload-port` or `dpdk-port`.
        POD_NIC_TYPE = "pod_nic_type";
        /// Name of the virtual machine whose addresses these are.
        VIRTUAL_MACHINE = "virtualmachine";
        /// Not empty while a virtual machine moves to another node.
        ACTIVATION_STRATEGY = "activation_strategy";
        /// Routes inside the pod, as a JSON list of `dst` and `gw`.
        ROUTES = "routes";
        /// Whether the pod's default route is through this network.
        DEFAULT_ROUTE = "default_route";
        /// `true`: the pod may use no other addresses than its own.
        PORT_SECURITY = "port_security";
        /// Further addresses that the pod may use, separated by commas.
        PORT_VIPS = "port_vips";
        /// Names of security groups, separated by commas.
        SECURITY_GROUPS = "security_groups";
        /// `true`: frames for unknown hardware addresses go to this pod.
        LAYER2_FORWARD = "layer2_forward";
        /// What DHCPv4 answers tell this pod.
        DHCP_V4_OPTIONS = "dhcp-v4-options";
        /// What DHCPv6 answers tell this pod.
        DHCP_V6_OPTIONS = "dhcp-v6-options";
        /// What the pod may receive, in Mbit/s.
        INGRESS_RATE = "ingress_rate";
        /// What the pod may send, in Mbit/s.
        EGRESS_RATE = "egress_rate";
        /// How much more it may receive for a moment.
        INGRESS_BURST = "ingress_burst";
        /// How much more it may send for a moment.
        EGRESS_BURST = "egress_burst";
        /// Delay of packets in ms.
        LATENCY = "latency";
        /// Length of the queue in packets.
        LIMIT = "limit";
        /// Share of packets that get lost, in percent.
        LOSS = "loss";
        /// Variation of the delay in ms.
        JITTER = "jitter";
        /// `true`: the pod's packets are copied to the mirror port.
        MIRROR = "mirror";
        /// Device of the virtual function inside the pod.
        VF = "vf";
        /// Device that stands for it on the node.
        VF_REPRESENTOR = "vf_representor";
        /// IPv4 prefixes of the VPC that a gateway pod has routes to, as a JSON list.
        VPC_CIDRS = "vpc_cidrs";
    }
}

/// Annotations by which users ask for something that nothing acts on yet: said to them, so that nobody waits for it.
pub const NOT_SUPPORTED: &[&str] = &[
    nic::ROUTES.ovn(),
    nic::SECURITY_GROUPS.ovn(),
    nic::INGRESS_RATE.ovn(),
    nic::EGRESS_RATE.ovn(),
    nic::INGRESS_BURST.ovn(),
    nic::EGRESS_BURST.ovn(),
    nic::LATENCY.ovn(),
    nic::LIMIT.ovn(),
    nic::LOSS.ovn(),
    nic::JITTER.ovn(),
    nic::MIRROR.ovn(),
    pod::VIP,
    pod::AAPS,
    pod::EIP,
    pod::SNAT,
    pod::BGP,
];

/// What only the default network of a pod has.
pub mod pod {
    keys! {
        /// Name of the Vip whose addresses the pod takes.
        VIP = "vip";
        /// Names of Vips that the pod may use beside its own addresses, separated by commas.
        AAPS = "aaps";
        /// Address that stands for the pod outside, both ways.
        EIP = "eip";
        /// Address with which the pod's packets leave.
        SNAT = "snat";
        /// Where all packets of the pod are sent to.
        NORTH_GATEWAY = "north_gateway";
        /// `true`, `cluster` or `local`: announce the pod's addresses by BGP.
        BGP = "bgp";
        /// Name of the gateway that this pod is.
        VPC_NAT_GW = "vpc_nat_gw";
        /// `true` once the gateway pod is initialised.
        VPC_NAT_GW_INIT = "vpc_nat_gw_init";
        /// Changes when a container of the gateway was restarted.
        VPC_NAT_GW_CONTAINER_RESTARTED = "vpc_nat_gw_container_restarted";
        /// Name of the VPC that a load balancer pod serves.
        VPC = "vpc";
        /// Changes with the service prefixes that a load balancer pod knows.
        SERVICE_CIDR_HASH = "service-cidr-hash";
    }

    /// The running migration of a virtual machine, as KubeVirt names it.
    pub const MIGRATION_JOB: &str = "kubevirt.io/migrationJobName";
}

/// What a namespace is told of the subnets that are bound to it.
pub mod namespace {
    keys! {
        /// Names of the subnets, separated by commas, the preferred one first.
        LOGICAL_SWITCH = "logical_switch";
        /// Their prefixes, separated by semicolons: a dual-stack subnet has a comma in its own.
        CIDR = "cidr";
        /// Their excluded addresses, separated by commas, and by semicolons between subnets.
        EXCLUDE_IPS = "exclude_ips";
        /// Names of the address pools bound to the namespace, separated by commas.
        IP_POOL = "ip_pool";
    }
}

/// What a node is given and tells of itself.
pub mod node {
    keys! {
        /// `true` once the node has its address.
        ALLOCATED = "allocated";
        /// Its address in the join subnet.
        IP_ADDRESS = "ip_address";
        /// The hardware address that goes with it.
        MAC_ADDRESS = "mac_address";
        /// The join subnet's prefixes.
        CIDR = "cidr";
        /// The join subnet's gateways.
        GATEWAY = "gateway";
        /// Name of the join subnet.
        LOGICAL_SWITCH = "logical_switch";
        /// Name of the node's port, see [`port_name`](super::node_port_name).
        PORT_NAME = "port_name";
        /// OVN's name of the node, told by the node itself.
        CHASSIS = "chassis";
        /// The interface that tunnels use.
        TUNNEL_INTERFACE = "tunnel_interface";
        /// Further networks of the node and its address in each, as a JSON map.
        NODE_NETWORKS = "node_networks";
        /// What the node may receive, in Mbit/s.
        INGRESS_RATE = "ingress_rate";
        /// What the node may send, in Mbit/s.
        EGRESS_RATE = "egress_rate";
        /// How much more it may receive for a moment.
        INGRESS_BURST = "ingress_burst";
        /// How much more it may send for a moment.
        EGRESS_BURST = "egress_burst";
        /// Label: whether the node connects the cluster to the outside.
        EXTERNAL_GATEWAY = "external-gw";
        /// Label: whether the node connects the cluster to other clusters.
        INTERCONNECT_GATEWAY = "ic-gw";
        /// Label: `true` for a node with a port in the external network of its own.
        NODE_EXTERNAL_GATEWAY = "node-ext-gw";
        /// Label: `kernel` or `userspace`.
        DATAPATH_TYPE = "ovs_dp_type";
    }

    /// What a node and its labels tell of one provider network; see [`provider_network`](super::provider_network).
    pub mod provider {
        /// `true`: the node takes no part in it.
        pub const EXCLUDE: &str = "exclude";
        /// The interface that carries it on this node.
        pub const INTERFACE: &str = "interface";
        /// Label: `true` once it works on this node.
        pub const READY: &str = "ready";
        /// Label: the largest packet that it carries.
        pub const MTU: &str = "mtu";
        /// Interfaces of VLANs on this node that were there before.
        pub const VLAN_INTERFACES: &str = "vlan_interfaces";
        /// Why it does not work on this node; on the pod of the node's daemon.
        pub const ERROR: &str = "err_mesg";
    }
}

/// The key of what a node tells of a provider network, such as `net1.provider-network.kubernetes.io/ready`.
#[must_use]
pub fn provider_network(network: &str, name: &str) -> String {
    format!("{network}.provider-network.kubernetes.io/{name}")
}

/// The name of a node's port in the join subnet.
#[must_use]
pub fn node_port_name(node: &str) -> String {
    format!("node-{node}")
}

/// Whether the ports of a provider's subnets are ours: `ovn` and the empty text, which mean the default network,
/// and `<name>.<namespace>.ovn`. Subnets of other providers only hand out addresses.
#[must_use]
pub fn is_ovn(provider: &str) -> bool {
    let mut fields = provider.split('.');
    match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some("" | OVN), None, ..) => true,
        (Some(_), Some(_), Some(last), None) => last == OVN,
        _ => false,
    }
}

/// Whether the value of a switch means on.
#[must_use]
pub fn is_true(value: &str) -> bool {
    value == TRUE
}

/// The items of a value that separates them by commas, without blanks around them and without empty ones.
pub fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// A value of several items, separated by commas.
pub fn joined(items: impl IntoIterator<Item: Display>) -> String {
    join(items, ',')
}

/// The value of [`namespace::CIDR`] or [`namespace::EXCLUDE_IPS`]: what each subnet has, in the order of
/// [`namespace::LOGICAL_SWITCH`]. A subnet that has nothing keeps its place.
pub fn joined_per_subnet(subnets: impl IntoIterator<Item: Display>) -> String {
    join(subnets, ';')
}

/// What each subnet has in the value of [`namespace::CIDR`] or [`namespace::EXCLUDE_IPS`].
pub fn per_subnet(value: &str) -> impl Iterator<Item = &str> {
    value.split(';').map(str::trim)
}

fn join(items: impl IntoIterator<Item: Display>, separator: char) -> String {
    let mut text = String::new();
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(separator);
        }
        // writing to a String does not fail
        let _ = write!(text, "{item}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_key_of_a_nic_is_completed_by_the_provider() {
        assert_eq!(nic::ALLOCATED.of("ovn"), "ovn.kubernetes.io/allocated");
        assert_eq!(nic::ALLOCATED.of(""), "ovn.kubernetes.io/allocated");
        assert_eq!(nic::DHCP_V4_OPTIONS.of("a.b.ovn"), "a.b.ovn.kubernetes.io/dhcp-v4-options");
        let keys: BTreeSet<_> = nic::ALL.iter().map(|key| key.ovn()).collect();
        assert_eq!(keys.len(), nic::ALL.len(), "each key once");
        assert!(keys.iter().all(|key| key.starts_with(OVN_PREFIX) && !key.ends_with('/')));
    }

    #[test]
    fn plain_keys_are_whole() {
        assert_eq!(namespace::EXCLUDE_IPS, "ovn.kubernetes.io/exclude_ips");
        assert_eq!(node::CHASSIS, "ovn.kubernetes.io/chassis");
        assert_eq!(pod::SERVICE_CIDR_HASH, "ovn.kubernetes.io/service-cidr-hash");
        assert_eq!(
            provider_network("net1", node::provider::READY),
            "net1.provider-network.kubernetes.io/ready"
        );
        assert_eq!(node_port_name("n1"), "node-n1");
    }

    #[test]
    fn ports_are_ours_by_the_form_of_the_provider() {
        for provider in ["", "ovn", "a.b.ovn", "ovn.ovn.ovn"] {
            assert!(is_ovn(provider), "{provider:?}");
        }
        for provider in ["a", "a.ovn", "a.b.c", "a.b.c.ovn", "a.b.ovn.net1", ".ovn", "OVN"] {
            assert!(!is_ovn(provider), "{provider:?}");
        }
    }

    #[test]
    fn lists_are_written_and_read() {
        assert_eq!(items(" a, b,,c ").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(items("").count(), 0);
        assert_eq!(joined(["a", "b"]), "a,b");
        let cidrs = joined_per_subnet(["10.0.0.0/24,fd00::/64", "", "10.1.0.0/24"]);
        assert_eq!(cidrs, "10.0.0.0/24,fd00::/64;;10.1.0.0/24");
        assert_eq!(per_subnet(&cidrs).collect::<Vec<_>>(), ["10.0.0.0/24,fd00::/64", "", "10.1.0.0/24"]);
    }
}
