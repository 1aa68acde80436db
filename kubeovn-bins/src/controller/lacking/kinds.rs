//! Which kinds ask for something that nothing does yet.

use self::Tells::{Condition, Event, Start};
use crate::cluster::kube::Resource;

/// How the objects of a kind are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// By the condition `Ready` of their status.
    Condition {
        /// The status is written apart from the rest, and is no change of the object's generation.
        apart: bool,
    },
    /// By an event: they have no conditions, or those are of others.
    Event,
    /// By a line at the start, for all of them.
    Start,
}

/// A kind of which nothing is done.
#[derive(Clone, Copy, Debug)]
pub struct Lacking {
    /// Which.
    pub resource: Resource,
    /// How its objects are told.
    pub tells: Tells,
    /// What does not happen, as the end of a sentence.
    pub what: &'static str,
}

const fn ours(kind: &'static str, plural: &'static str, tells: Tells, what: &'static str) -> Lacking {
    Lacking { resource: Resource { group: "kubeovn.io", version: "v1", kind, plural }, tells, what }
}

const fn foreign(
    (group, version): (&'static str, &'static str),
    (kind, plural): (&'static str, &'static str),
    tells: Tells,
    what: &'static str,
) -> Lacking {
    Lacking { resource: Resource { group, version, kind, plural }, tells, what }
}

const STATUS: Tells = Condition { apart: true };

/// Kubernetes' policies for administrators, which an installation may have.
const POLICY: &str = "policy.networking.k8s.io";

/// All of them: those of kubeovn.io without [`Vpc`](kubeovn_core::api::Vpc), [`Subnet`](kubeovn_core::api::Subnet) and
/// [`Ip`](kubeovn_core::api::Ip), then those of others. A kind of which something is done goes out of this table.
#[rustfmt::skip]
pub static LACKING: &[Lacking] = &[
    ours("ProviderNetwork", "provider-networks", Event, "no node is connected to a physical network"),
    ours("Vlan", "vlans", STATUS, "no underlay subnet is carried in it"),
    ours("Vip", "vips", Condition { apart: false }, "no address is given to it or kept for it"),
    ours("SecurityGroup", "security-groups", Event, "no rule of it is enforced: its members send and receive what it forbids"),
    ours("QoSPolicy", "qos-policies", STATUS, "no traffic is limited by it"),
    ours("OvnEip", "ovn-eips", STATUS, "no external address is given, and nothing is reachable by it"),
    ours("OvnFip", "ovn-fips", STATUS, "no address is translated by it"),
    ours("OvnSnatRule", "ovn-snat-rules", STATUS, "no address is translated by it"),
    ours("OvnDnatRule", "ovn-dnat-rules", STATUS, "no address is translated by it"),
    ours("VpcNatGateway", "vpc-nat-gateways", Event, "no gateway is run for its VPC"),
    ours("IptablesEIP", "iptables-eips", STATUS, "no external address is given, and nothing is reachable by it"),
    ours("IptablesFIPRule", "iptables-fip-rules", STATUS, "no address is translated by it"),
    ours("IptablesSnatRule", "iptables-snat-rules", STATUS, "no address is translated by it"),
    ours("IptablesDnatRule", "iptables-dnat-rules", STATUS, "no address is translated by it"),
    ours("SwitchLBRule", "switch-lb-rules", STATUS, "nothing answers at its address"),
    ours("RouterLBRule", "router-lb-rules", STATUS, "nothing answers at its address"),
    ours("VpcDns", "vpc-dnses", STATUS, "no name server is run for its VPC"),
    ours("BgpConf", "bgp-confs", Event, "no gateway speaks BGP by it"),
    ours("EvpnConf", "evpn-confs", Event, "no gateway takes part in an EVPN by it"),
    ours("VpcEgressGateway", "vpc-egress-gateways", STATUS, "no gateway is run: packets leave as if it were not there"),
    ours("DNSNameResolver", "dnsnameresolvers", Event, "no policy uses the addresses that it tells"),
    foreign(("networking.k8s.io", "v1"), ("NetworkPolicy", "networkpolicies"), Event, "it is not enforced: pods send and receive what it forbids"),
    foreign((POLICY, "v1alpha1"), ("AdminNetworkPolicy", "adminnetworkpolicies"), Event, "it is not enforced: pods send and receive what it forbids"),
    foreign((POLICY, "v1alpha1"), ("BaselineAdminNetworkPolicy", "baselineadminnetworkpolicies"), Event, "it is not enforced: pods send and receive what it forbids"),
    foreign((POLICY, "v1alpha2"), ("ClusterNetworkPolicy", "clusternetworkpolicies"), Event, "it is not enforced: pods send and receive what it forbids"),
    foreign(("", "v1"), ("Service", "services"), Start, "no load balancer is made in OVN and no external address is given: kube-proxy, or another, has to serve it"),
];
