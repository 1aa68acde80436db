//! The Subnet kind: a range of addresses and how its members reach each other and the world.

mod limits;
mod status;

pub use status::{NatPolicyMatchStatus, NatPolicyRuleStatus, SubnetStatus};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;

use super::{
    kind,
    rules::{self, rules},
    schema, sparse,
};

sparse! {
    /// What a subnet shall be.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "Subnet",
        plural = "subnets",
        singular = "subnet",
        shortname = "subnet",
        doc = "The kind `Subnet` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "SubnetStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Provider", type_ = "string", json_path = ".spec.provider"),
        printcolumn(name = "Vpc", type_ = "string", json_path = ".spec.vpc"),
        printcolumn(name = "Vlan", type_ = "string", json_path = ".spec.vlan"),
        printcolumn(name = "Protocol", type_ = "string", json_path = ".spec.protocol"),
        printcolumn(name = "CIDR", type_ = "string", json_path = ".spec.cidrBlock"),
        printcolumn(name = "Private", type_ = "boolean", json_path = ".spec.private"),
        printcolumn(name = "NAT", type_ = "boolean", json_path = ".spec.natOutgoing"),
        printcolumn(name = "Default", type_ = "boolean", json_path = ".spec.default"),
        printcolumn(name = "GatewayType", type_ = "string", json_path = ".spec.gatewayType"),
        printcolumn(name = "V4Used", type_ = "number", json_path = ".status.v4usingIPs"),
        printcolumn(name = "V4Available", type_ = "number", json_path = ".status.v4availableIPs"),
        printcolumn(name = "V6Used", type_ = "number", json_path = ".status.v6usingIPs"),
        printcolumn(name = "V6Available", type_ = "number", json_path = ".status.v6availableIPs"),
        printcolumn(name = "ExcludeIPs", type_ = "string", json_path = ".spec.excludeIps"),
        printcolumn(
            name = "U2OInterconnectionIP",
            type_ = "string",
            json_path = ".status.u2oInterconnectionIP"
        )
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = limits::spec()))]
    pub struct SubnetSpec {
        /// Whether pods come into this subnet that name none and whose namespace has none.
        pub default: Option<bool>,
        /// The VPC that the subnet belongs to; it cannot be changed.
        #[schemars(extend("x-kubernetes-validations" = rules![
            rules::FILLED_IN =>
                "a subnet cannot move to another VPC: delete the subnet and create it anew. To take back a VPC that was \
                 only filled in, leave vpc empty again"
        ]))]
        pub vpc: Option<String>,
        /// The families of cidrBlock: IPv4, IPv6 or Dual; Mac for an underlay without addresses. Filled in by
        /// the controller.
        #[schemars(extend("enum" = ["", "IPv4", "IPv6", "Dual", "Mac"]))]
        pub protocol: Option<String>,
        /// Namespaces whose pods come into this subnet.
        pub namespaces: Option<Vec<String>>,
        /// Namespaces whose pods come into this subnet, by their labels: those that any one selector matches,
        /// beside those in namespaces.
        #[schemars(schema_with = "schema::label_selectors")]
        pub namespace_selectors: Option<Vec<LabelSelector>>,
        /// The addresses: one CIDR, or an IPv4 and an IPv6 one separated by a comma.
        #[schemars(extend("maxLength" = 128, "x-kubernetes-validations" = limits::cidr_block()))]
        pub cidr_block: Option<String>,
        /// The gateway's address, one per family; the first of the CIDR if absent.
        #[schemars(extend("maxLength" = 128, "x-kubernetes-validations" = limits::addresses()))]
        pub gateway: Option<String>,
        /// Addresses that pods do not get: single ones or ranges such as 10.0.0.2..10.0.0.9.
        #[schemars(schema_with = "schema::ranges")]
        pub exclude_ips: Option<Vec<String>>,
        /// Who connects the pods: ovn, or name.namespace.ovn of a NetworkAttachmentDefinition; for any other
        /// name the subnet only hands out addresses.
        pub provider: Option<String>,
        /// Where packets leave the overlay: distributed (on the pod's own node) or centralized (on
        /// gatewayNode).
        #[schemars(extend("enum" = ["", "distributed", "centralized"]))]
        pub gateway_type: Option<String>,
        /// Gateway nodes of a centralized subnet, separated by commas; node:address sets what it leaves as.
        pub gateway_node: Option<String>,
        /// Gateway nodes by their labels, where gatewayNode is empty.
        #[schemars(schema_with = "schema::label_selectors")]
        pub gateway_node_selectors: Option<Vec<LabelSelector>>,
        /// Whether packets to the outside leave with the node's address.
        pub nat_outgoing: Option<bool>,
        /// Exceptions from natOutgoing; the first rule that matches decides.
        #[schemars(extend("maxItems" = limits::NAT_RULES))]
        pub nat_outgoing_policy_rules: Option<Vec<NatPolicyRule>>,
        /// Addresses outside the cluster that packets to the outside are sent to, one per family.
        #[schemars(extend("maxLength" = 128, "x-kubernetes-validations" = limits::addresses()))]
        pub external_egress_gateway: Option<String>,
        /// The priority of the host's routing rule for externalEgressGateway.
        #[schemars(schema_with = "schema::int32")]
        pub policy_routing_priority: Option<u32>,
        /// The host's routing table for externalEgressGateway: 1 to 2147483647, not 252 to 255.
        #[serde(rename = "policyRoutingTableID")]
        #[schemars(schema_with = "schema::int32", extend("x-kubernetes-validations" = rules![
            "!(self in [252, 253, 254, 255])" => "the tables 252 to 255 are the system's own: choose another one"
        ]))]
        pub policy_routing_table_id: Option<u32>,
        /// The largest packet of a pod's interface in bytes; 0 or absent is what the network carries.
        #[schemars(schema_with = "schema::int32")]
        pub mtu: Option<u32>,
        /// Whether only members of the subnet, and allowSubnets, may reach its pods.
        pub private: Option<bool>,
        /// CIDRs that may reach the pods of a private subnet.
        #[schemars(schema_with = "schema::cidrs")]
        pub allow_subnets: Option<Vec<String>>,
        /// The Vlan that carries the subnet, which makes it an underlay.
        pub vlan: Option<String>,
        /// Addresses that several pods may share.
        #[schemars(schema_with = "schema::address_pairs")]
        pub vips: Option<Vec<String>>,
        /// Whether the router is the gateway of an underlay, instead of a device of the physical network.
        pub logical_gateway: Option<bool>,
        /// Whether pods start without asking whether their gateway answers.
        pub disable_gateway_check: Option<bool>,
        /// Whether other clusters are not told of this subnet.
        pub disable_inter_connection: Option<bool>,
        /// Whether OVN answers DHCP requests in this subnet.
        #[serde(rename = "enableDHCP")]
        pub enable_dhcp: Option<bool>,
        /// What DHCPv4 answers tell, as key=value pairs separated by commas.
        pub dhcp_v4_options: Option<String>,
        /// What DHCPv6 answers tell, as key=value pairs separated by commas.
        pub dhcp_v6_options: Option<String>,
        /// Whether the router sends IPv6 router advertisements.
        #[serde(rename = "enableIPv6RA")]
        pub enable_ipv6_ra: Option<bool>,
        /// What router advertisements tell, as key=value pairs separated by commas.
        #[serde(rename = "ipv6RAConfigs")]
        pub ipv6_ra_configs: Option<String>,
        /// Rules about packets into and out of the pods.
        pub acls: Option<Vec<Acl>>,
        /// Whether members of the subnet may reach each other whatever acls say.
        #[serde(rename = "allowEWTraffic")]
        pub allow_ew_traffic: Option<bool>,
        /// Whether the pods of an underlay reach the overlay through the router.
        pub u2o_interconnection: Option<bool>,
        /// The router's address for that; any free one if absent.
        #[serde(rename = "u2oInterconnectionIP")]
        #[schemars(extend("maxLength" = 128, "x-kubernetes-validations" = limits::addresses()))]
        pub u2o_interconnection_ip: Option<String>,
        /// Finer choices about that.
        pub u2o_features: Option<U2oFeatures>,
        /// Whether services are reachable from the subnet; as the cluster is set if absent.
        pub enable_lb: Option<bool>,
        /// Whether the gateway nodes of a centralized subnet share the load.
        pub enable_ecmp: Option<bool>,
        /// Whether multicast goes only to those who asked for it.
        pub enable_multicast_snoop: Option<bool>,
        /// Whether services of type LoadBalancer may have addresses of this underlay.
        #[serde(rename = "enableExternalLBAddress")]
        pub enable_external_lb_address: Option<bool>,
        /// The route table of the router for packets from this subnet; empty is the main table.
        pub route_table: Option<String>,
        /// Which of a node's networks carries the subnet's tunnels.
        pub node_network: Option<String>,
    }
}

kind!(
    Subnet,
    "A range of addresses, who gets them, and how its members reach each other and the world.",
    spec: SubnetSpec,
    status: SubnetStatus,
    // Ports of the router are named after both, and so would a port and its peer be called the same.
    "x-kubernetes-validations": [rules::for_new(
        "!has(self.spec) || !has(self.spec.vpc) || self.metadata.name != self.spec.vpc",
        "a subnet cannot have the name of its VPC: choose another name"
    )],
);

sparse! {
    /// A rule about packets into or out of the pods of a subnet.
    pub struct Acl {
        /// Seen from the network: from-lport for what pods send, to-lport for what they receive.
        #[schemars(extend("enum" = ["from-lport", "to-lport"]))]
        pub direction: Option<String>,
        /// The rule with the highest number that matches decides: 0 to 32767.
        #[schemars(schema_with = "schema::integer", extend("minimum" = 0, "maximum" = 32767))]
        pub priority: Option<i64>,
        /// Which packets it is for, in OVN's match language.
        #[serde(rename = "match")]
        pub match_: Option<String>,
        /// What becomes of them: allow-related, allow-stateless, allow, drop or reject.
        #[schemars(extend("enum" = ["allow-related", "allow-stateless", "allow", "drop", "reject"]))]
        pub action: Option<String>,
    }
}

sparse! {
    /// A rule about which packets leave with the node's address.
    pub struct NatPolicyRule {
        /// Which packets the rule is for.
        #[serde(rename = "match")]
        pub match_: Option<NatPolicyMatch>,
        /// What becomes of them: nat (they leave with the node's address) or forward (with their own).
        #[schemars(extend("enum" = ["", "nat", "forward"]))]
        pub action: Option<String>,
    }
}

sparse! {
    /// Which packets a NAT rule is for; both lists must match where both are given.
    #[schemars(extend("x-kubernetes-validations" = limits::nat_match()))]
    pub struct NatPolicyMatch {
        /// Where they come from: addresses and CIDRs of one family, separated by commas.
        #[serde(rename = "srcIPs")]
        #[schemars(extend("maxLength" = limits::NAT_LIST, "x-kubernetes-validations" = limits::nat_list()))]
        pub src_ips: Option<String>,
        /// Where they go: addresses and CIDRs of one family, separated by commas.
        #[serde(rename = "dstIPs")]
        #[schemars(extend("maxLength" = limits::NAT_LIST, "x-kubernetes-validations" = limits::nat_list()))]
        pub dst_ips: Option<String>,
    }
}

sparse! {
    /// Finer choices about the connection between underlay and overlay.
    pub struct U2oFeatures {
        /// Whether the router carries only packets to the overlay, and all else goes to the physical gateway.
        pub overlay_only_routing: Option<bool>,
    }
}
