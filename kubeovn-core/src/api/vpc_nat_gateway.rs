//! The VpcNatGateway kind: a pod that exchanges addresses between a VPC and the world.

mod speaker;

pub use speaker::{BgpSpeaker, NatGatewayBfd};

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration};
use kube::CustomResource;

use super::{
    Workload, core, kind,
    rules::{self, rules},
    schema, sparse,
};

/// One pod, or several beside each other.
const SAME_MODE: &str =
    "(!has(self.replicas) || self.replicas <= 1) == (!has(oldSelf.replicas) || oldSelf.replicas <= 1)";

/// Several pods get any addresses; what an older object says of one does not count.
const LAN_IP: &str =
    "has(self.replicas) && self.replicas > 1 || !has(self.lanIp) || self.lanIp == '' || isIP(self.lanIp)";

/// The controller fills it in; only for several pods it does not count.
const SAME_LAN_IP: &str = "has(self.replicas) && self.replicas > 1 || !has(oldSelf.lanIp) || oldSelf.lanIp == '' || \
                           !has(self.lanIp) || self.lanIp == '' || self.lanIp == oldSelf.lanIp";

sparse! {
    /// Where the gateway stands, and how it is run.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "VpcNatGateway",
        plural = "vpc-nat-gateways",
        singular = "vpc-nat-gateway",
        shortname = "vpc-nat-gw",
        doc = "The kind `VpcNatGateway` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "VpcNatGatewayStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.namespace"),
        printcolumn(name = "Vpc", type_ = "string", json_path = ".spec.vpc"),
        printcolumn(name = "Subnet", type_ = "string", json_path = ".spec.subnet"),
        printcolumn(name = "IPs", type_ = "string", json_path = ".status.lanIp"),
        printcolumn(name = "Replicas", type_ = "integer", json_path = ".spec.replicas"),
        printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready"),
        printcolumn(name = "BFD", type_ = "boolean", json_path = ".spec.bfd.enabled"),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        rules::given("vpc") => "name the VPC that the gateway is of",
        rules::given("subnet") => "name the subnet that the gateway stands in",
        // how CEL calls a field that has the name of one of its own words
        rules::kept(&["vpc", "subnet", "__namespace__"]) =>
            "a gateway cannot move to another VPC, subnet or namespace: delete it and create it anew",
        SAME_MODE => "replicas cannot change between 1 and more: delete the gateway and create it anew",
        LAN_IP => "set lanIp to one address of the subnet, such as 10.0.0.9",
        SAME_LAN_IP => "lanIp cannot be changed: delete the gateway and create it anew",
    ]))]
    pub struct VpcNatGatewaySpec {
        /// The namespace of its pods; the controller's own if empty. It cannot be changed.
        pub namespace: Option<String>,
        /// The VPC; it cannot be changed.
        pub vpc: Option<String>,
        /// The subnet of the VPC that the gateway stands in; it cannot be changed.
        pub subnet: Option<String>,
        /// The external subnet that it leads to, of which the first one counts; ovn-vpc-external-network if absent.
        pub external_subnets: Option<Vec<String>>,
        /// Its address in the subnet; a free one is filled in if absent. It cannot be changed, and does not count
        /// where there are several pods.
        pub lan_ip: Option<String>,
        /// How many pods share the load: one, or several that stand in for each other.
        #[schemars(extend("default" = 1, "minimum" = 1))]
        pub replicas: Option<i32>,
        /// Labels of nodes that it may run on, each as key: value.
        pub selector: Option<Vec<String>>,
        /// Taints of nodes that it puts up with.
        #[schemars(schema_with = "core::tolerations")]
        pub tolerations: Option<Vec<Toleration>>,
        /// On which nodes, and beside which pods, it may run.
        #[schemars(schema_with = "core::affinity")]
        pub affinity: Option<Affinity>,
        /// The QoSPolicy of its traffic.
        pub qos_policy: Option<String>,
        /// How it tells others of its addresses by BGP.
        pub bgp_speaker: Option<BgpSpeaker>,
        /// How it is watched by BFD.
        pub bfd: Option<NatGatewayBfd>,
        /// Subnets of the VPC whose packets go through it, where it has several pods.
        pub internal_subnets: Option<Vec<String>>,
        /// Addresses whose packets go through it, where it has several pods.
        #[serde(rename = "internalCIDRs")]
        #[schemars(schema_with = "schema::addresses_or_cidrs")]
        pub internal_cidrs: Option<Vec<String>>,
        /// Routes of its own.
        #[schemars(extend("maxItems" = 4096))]
        pub routes: Option<Vec<NatGatewayRoute>>,
        /// Whether it starts without an external address of its own.
        #[serde(rename = "noDefaultEIP")]
        pub no_default_eip: Option<bool>,
        /// Annotations of its pods; they count when the gateway is created.
        pub annotations: Option<BTreeMap<String, String>>,
    }
}

kind!(
    VpcNatGateway,
    "A gateway of a VPC, as pods, that exchanges addresses for IptablesEIPs and the rules that name them.",
    spec: VpcNatGatewaySpec,
    status: VpcNatGatewayStatus
);

sparse! {
    /// A route of the gateway.
    pub struct NatGatewayRoute {
        /// The addresses that the route is for.
        #[schemars(extend(
            "maxLength" = 128,
            "x-kubernetes-validations" = rules![rules::ADDRESS_OR_CIDR_IF_ANY => rules::ADDRESS_OR_CIDR_MESSAGE],
        ))]
        pub cidr: Option<String>,
        /// The address that packets are sent to; gateway is the one of the gateway's subnet.
        #[serde(rename = "nextHopIP")]
        #[schemars(extend(
            "maxLength" = 128,
            "x-kubernetes-validations" = rules![
                "self in ['', 'gateway'] || isIP(self)" => "write one address, or gateway for the one of the subnet"
            ],
        ))]
        pub next_hop_ip: Option<String>,
    }
}

sparse! {
    /// What a gateway is. The copies of fields of the spec are what is in force.
    pub struct VpcNatGatewayStatus {
        /// The QoSPolicy in force.
        pub qos_policy: Option<String>,
        /// The external subnets.
        pub external_subnets: Option<Vec<String>>,
        /// The labels of the nodes that it may run on.
        pub selector: Option<Vec<String>>,
        /// The taints that it puts up with.
        #[schemars(schema_with = "core::tolerations")]
        pub tolerations: Option<Vec<Toleration>>,
        /// On which nodes, and beside which pods, it may run.
        #[schemars(schema_with = "core::affinity")]
        pub affinity: Option<Affinity>,
        /// How many pods it has.
        pub replicas: Option<i32>,
        /// Whether it carries traffic.
        pub ready: Option<bool>,
        /// Its address in the subnet; of several pods all, sorted and separated by commas.
        pub lan_ip: Option<String>,
        /// What runs its pods.
        pub workload: Option<Workload>,
        /// The subnets whose packets go through it.
        pub internal_subnets: Option<Vec<String>>,
        /// The addresses whose packets go through it.
        #[serde(rename = "internalCIDRs")]
        pub internal_cidrs: Option<Vec<String>>,
    }
}
