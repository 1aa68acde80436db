//! The Vpc kind: a router with its own address space.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;

use super::{
    Condition, kind,
    rules::{self, rules},
    schema, sparse,
};

/// So that a server can reckon what rules about routes cost.
const MAX_ROUTES: u32 = 16_384;

sparse! {
    /// What a VPC shall be.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "Vpc",
        plural = "vpcs",
        singular = "vpc",
        shortname = "vpc",
        doc = "The kind `Vpc` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "VpcStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "EnableExternal", type_ = "boolean", json_path = ".status.enableExternal"),
        printcolumn(name = "EnableBfd", type_ = "boolean", json_path = ".status.enableBfd"),
        printcolumn(name = "Standby", type_ = "boolean", json_path = ".status.standby"),
        printcolumn(name = "Subnets", type_ = "string", json_path = ".status.subnets"),
        printcolumn(name = "ExtraExternalSubnets", type_ = "string", json_path = ".status.extraExternalSubnets"),
        printcolumn(name = "Namespaces", type_ = "string", json_path = ".spec.namespaces"),
        printcolumn(name = "DefaultSubnet", type_ = "string", json_path = ".status.defaultLogicalSwitch"),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )]
    #[serde(remote = "Self")]
    pub struct VpcSpec {
        /// The subnet that pods of the VPC's namespaces come into unless they name another one. It must belong
        /// to this VPC. The default VPC ignores it.
        pub default_subnet: Option<String>,
        /// Namespaces whose pods belong to this VPC.
        pub namespaces: Option<Vec<String>>,
        /// Routes of the VPC's router.
        #[schemars(extend("maxItems" = MAX_ROUTES))]
        pub static_routes: Option<Vec<StaticRoute>>,
        /// Decisions that the VPC's router takes before it looks at its routes.
        #[schemars(extend("maxItems" = MAX_ROUTES))]
        pub policy_routes: Option<Vec<PolicyRoute>>,
        /// Direct connections to other VPCs; the other side must name this VPC too.
        #[schemars(extend("maxItems" = 4096))]
        pub vpc_peerings: Option<Vec<VpcPeering>>,
        /// Whether the router is connected to an external subnet.
        pub enable_external: Option<bool>,
        /// External subnets to connect to in place of the cluster's usual one.
        pub extra_external_subnets: Option<Vec<String>>,
        /// Whether the external connection is watched by BFD; needs enableExternal.
        pub enable_bfd: Option<bool>,
        /// The router's port that BFD sessions of egress gateways end at.
        pub bfd_port: Option<BfdPort>,
    }
}

kind!(
    Vpc,
    "A network of its own: subnets behind one router, with addresses that may occur in other VPCs too.",
    spec: VpcSpec,
    status: VpcStatus
);

sparse! {
    /// A route of a VPC's router.
    #[schemars(extend("x-kubernetes-validations" = rules![
        "has(self.cidr)" => "set cidr to the addresses that the route is for",
        "has(self.nextHopIP)" => "set nextHopIP to the address that packets are sent to",
    ]))]
    pub struct StaticRoute {
        /// Which address of a packet is compared: policyDst (its destination, also when absent) or policySrc.
        #[schemars(extend("enum" = ["", "policyDst", "policySrc"]))]
        pub policy: Option<String>,
        /// The addresses that the route is for: a CIDR or a single address.
        #[schemars(extend(
            "maxLength" = 128,
            "x-kubernetes-validations" = rules![rules::ADDRESS_OR_CIDR => rules::ADDRESS_OR_CIDR_MESSAGE],
        ))]
        pub cidr: Option<String>,
        /// The address that packets are sent to.
        #[serde(rename = "nextHopIP")]
        #[schemars(extend(
            "maxLength" = 128,
            "x-kubernetes-validations" = rules!["isIP(self)" => rules::ADDRESS_MESSAGE],
        ))]
        pub next_hop_ip: Option<String>,
        /// Empty, or ecmp_symmetric_reply to send replies back the way the request came.
        pub ecmp_mode: Option<String>,
        /// The BFD session that the route depends on. Filled in by the controller.
        pub bfd_id: Option<String>,
        /// The route table that it stands in; empty is the main table.
        pub route_table: Option<String>,
    }
}

sparse! {
    /// A decision of a VPC's router.
    #[schemars(extend("x-kubernetes-validations" = rules![
        "has(self.action) && self.action in ['allow', 'drop', 'reroute']" => "set action to allow, drop or reroute",
        "!has(self.action) || self.action != 'reroute' || has(self.nextHopIP) && self.nextHopIP != ''" =>
            "where action is reroute, set nextHopIP to where packets go",
    ]))]
    pub struct PolicyRoute {
        /// The policy with the highest number that matches decides: 0 to 32767.
        #[schemars(schema_with = "schema::integer", extend("minimum" = 0, "maximum" = 32767))]
        pub priority: Option<i64>,
        /// Which packets it is for, in OVN's match language.
        #[serde(rename = "match")]
        pub match_: Option<String>,
        /// What becomes of them: allow, drop or reroute.
        pub action: Option<String>,
        /// Where reroute sends them; several addresses separated by commas share the load.
        #[serde(rename = "nextHopIP")]
        pub next_hop_ip: Option<String>,
    }
}

sparse! {
    /// A direct connection to another VPC.
    pub struct VpcPeering {
        /// The VPC on the other side.
        pub remote_vpc: Option<String>,
        /// The address of this side with its prefix length, such as 169.254.0.1/30; one per family, separated
        /// by a comma.
        #[serde(rename = "localConnectIP")]
        #[schemars(extend(
            "maxLength" = 128,
            "x-kubernetes-validations" = rules![rules::cidrs() => rules::CIDRS],
        ))]
        pub local_connect_ip: Option<String>,
    }
}

sparse! {
    /// The port of a VPC's router for BFD sessions.
    #[schemars(extend("x-kubernetes-validations" = rules![
        "!has(self.enabled) || !self.enabled || has(self.ip) && self.ip != ''" =>
            "where enabled is true, set ip to the port's address"
    ]))]
    pub struct BfdPort {
        /// Whether the VPC has such a port.
        #[schemars(extend("default" = false))]
        pub enabled: Option<bool>,
        /// Its address, or one per family separated by a comma.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::addresses() => rules::ADDRESSES]))]
        pub ip: Option<String>,
        /// The nodes that may carry it. Up to three nodes of the cluster if absent.
        #[schemars(schema_with = "schema::label_selector")]
        pub node_selector: Option<LabelSelector>,
    }
}

sparse! {
    /// What a VPC is.
    pub struct VpcStatus {
        /// What is, or is not, so about the VPC.
        pub conditions: Option<Vec<Condition>>,
        /// Whether the router exists and subnets may use it.
        pub standby: Option<bool>,
        /// Whether this is the default VPC.
        pub default: Option<bool>,
        /// The subnet that pods come into unless they name another one.
        pub default_logical_switch: Option<String>,
        /// The name of the router in OVN.
        pub router: Option<String>,
        /// The load balancer of its services' TCP ports in OVN.
        pub tcp_load_balancer: Option<String>,
        /// The same for UDP.
        pub udp_load_balancer: Option<String>,
        /// The same for SCTP.
        pub sctp_load_balancer: Option<String>,
        /// The load balancer of TCP ports whose services keep a client at one backend.
        pub tcp_session_load_balancer: Option<String>,
        /// The same for UDP.
        pub udp_session_load_balancer: Option<String>,
        /// The same for SCTP.
        pub sctp_session_load_balancer: Option<String>,
        /// The subnets of the VPC, sorted by name.
        pub subnets: Option<Vec<String>>,
        /// The VPCs that it is connected to.
        pub vpc_peerings: Option<Vec<String>>,
        /// Whether the router is connected to an external subnet.
        pub enable_external: Option<bool>,
        /// The further external subnets that it is connected to, sorted by name.
        pub extra_external_subnets: Option<Vec<String>>,
        /// Whether BFD watches the external connection.
        pub enable_bfd: Option<bool>,
        /// The port for BFD sessions, where there is one.
        pub bfd_port: Option<BfdPortStatus>,
    }
}

sparse! {
    /// The port for BFD sessions as it is.
    pub struct BfdPortStatus {
        /// The port's name in OVN.
        pub name: Option<String>,
        /// Its address, or one per family separated by a comma.
        pub ip: Option<String>,
        /// The nodes that carry it.
        pub nodes: Option<Vec<String>>,
    }
}
