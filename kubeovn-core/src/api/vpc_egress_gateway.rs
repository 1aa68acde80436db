//! The VpcEgressGateway kind: pods that a VPC's packets leave by.

mod observability;
mod policy;

pub use observability::{
    Conntrack, ConntrackLog, ConntrackMetrics, FlowFilter, FlowFilters, FlowTuple, InterfaceMetrics, LogRate,
    Observability, PortRange, ServiceMonitor,
};
pub use policy::{EgressBandwidth, EgressGatewayBfd, EgressNodeSelector, EgressPolicy, EgressSelector};

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use kube::CustomResource;

use super::{Condition, Workload, core, kind, rules::rules, schema, sparse};

/// What Kubernetes takes as the beginning of a name.
const PREFIX: &str = r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*[-\.]?$";

sparse! {
    /// Whose packets leave by the gateway, and how it is run.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "VpcEgressGateway",
        plural = "vpc-egress-gateways",
        singular = "vpc-egress-gateway",
        shortname = "vpc-egress-gw",
        shortname = "veg",
        namespaced,
        doc = "The kind `VpcEgressGateway` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "VpcEgressGatewayStatus",
        scale(
            spec_replicas_path = ".spec.replicas",
            status_replicas_path = ".status.replicas",
            label_selector_path = ".status.labelSelector"
        ),
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Vpc", type_ = "string", json_path = ".spec.vpc"),
        printcolumn(name = "Replicas", type_ = "integer", json_path = ".spec.replicas"),
        printcolumn(name = "bfd", type_ = "boolean", json_path = ".spec.bfd.enabled"),
        printcolumn(name = "External Subnet", type_ = "string", json_path = ".spec.externalSubnet"),
        printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
        printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready"),
        printcolumn(name = "Internal IPs", type_ = "string", json_path = ".status.internalIPs", priority = 1),
        printcolumn(name = "External IPs", type_ = "string", json_path = ".status.externalIPs", priority = 1),
        printcolumn(name = "Working Nodes", type_ = "string", json_path = ".status.workload.nodes", priority = 1),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend(
        "required" = ["externalSubnet"],
        "x-kubernetes-validations" = rules![
            "!has(self.internalIPs) || size(self.internalIPs) == 0 || size(self.internalIPs) >= self.replicas" =>
                "name as many internalIPs as there are replicas, or none",
            "!has(self.externalIPs) || size(self.externalIPs) == 0 || size(self.externalIPs) >= self.replicas" =>
                "name as many externalIPs as there are replicas, or none",
            "!(has(self.internalIPs) && size(self.internalIPs) != 0 && has(self.internalIPPool) && \
             size(self.internalIPPool) > 0)" => "use either internalIPs or internalIPPool",
            "!(has(self.externalIPs) && size(self.externalIPs) != 0 && has(self.externalIPPool) && \
             size(self.externalIPPool) > 0)" => "use either externalIPs or externalIPPool",
            "(has(self.policies) && size(self.policies) != 0) || (has(self.selectors) && size(self.selectors) != 0)" =>
                "say whose packets leave by the gateway, by policies or selectors",
        ],
    ))]
    pub struct VpcEgressGatewaySpec {
        /// The VPC; the default one if empty.
        pub vpc: Option<String>,
        /// How many pods share the load.
        #[schemars(extend("default" = 1, "minimum" = 0, "maximum" = 10))]
        pub replicas: Option<i32>,
        /// What the name of its Deployment begins with; it cannot be changed.
        #[schemars(extend(
            "pattern" = PREFIX,
            "x-kubernetes-validations" = rules![
                "self == oldSelf" => "the prefix cannot be changed: delete the gateway and create it anew"
            ],
        ))]
        pub prefix: Option<String>,
        /// The image of its pods; as the controller is set if empty.
        pub image: Option<String>,
        /// The subnet of the VPC that it stands in; the VPC's default one if empty.
        pub internal_subnet: Option<String>,
        /// The external subnet that it leads to.
        pub external_subnet: Option<String>,
        /// Its addresses in internalSubnet, one per pod: an IPv4, an IPv6 one, or both separated by a comma.
        #[serde(rename = "internalIPs")]
        #[schemars(schema_with = "schema::address_pair_set")]
        pub internal_ips: Option<Vec<String>>,
        /// Its addresses in externalSubnet, one per pod: an IPv4, an IPv6 one, or both separated by a comma.
        #[serde(rename = "externalIPs")]
        #[schemars(schema_with = "schema::address_pair_set")]
        pub external_ips: Option<Vec<String>>,
        /// The pool that its addresses in internalSubnet are of.
        #[serde(rename = "internalIPPool")]
        pub internal_ip_pool: Option<String>,
        /// The pool that its addresses in externalSubnet are of.
        #[serde(rename = "externalIPPool")]
        pub external_ip_pool: Option<String>,
        /// How it is watched by BFD.
        pub bfd: Option<EgressGatewayBfd>,
        /// Whose packets leave by it, by their addresses.
        pub policies: Option<Vec<EgressPolicy>>,
        /// Whose packets leave by it, by labels of pods and namespaces.
        pub selectors: Option<Vec<EgressSelector>>,
        /// The nodes that it may run on: those that any one selector matches.
        pub node_selector: Option<Vec<EgressNodeSelector>>,
        /// Taints of nodes that it puts up with.
        #[schemars(schema_with = "core::tolerations")]
        pub tolerations: Option<Vec<Toleration>>,
        /// Which of its pods a packet leaves by: any (Cluster), or one on its own node where there is one (Local).
        #[schemars(extend("default" = "Cluster", "enum" = ["Local", "Cluster"]))]
        pub traffic_policy: Option<String>,
        /// Whether its pods must be on different nodes (Required) or are if that can be (Preferred).
        #[schemars(extend("default" = "Required", "enum" = ["Required", "Preferred"]))]
        pub pod_anti_affinity: Option<String>,
        /// How much traffic each of its pods may have.
        pub bandwidth: Option<EgressBandwidth>,
        /// The BgpConf by which it tells others of its addresses.
        pub bgp_conf: Option<String>,
        /// The EvpnConf of the EVPN that it takes part in.
        pub evpn_conf: Option<String>,
        /// What the container of a gateway needs, and what it may take.
        #[serde(deserialize_with = "core::read_resources")]
        #[schemars(schema_with = "core::resources")]
        pub resources: Option<ResourceRequirements>,
        /// What of its traffic is measured and logged.
        pub observability: Option<Observability>,
    }
}

kind!(
    VpcEgressGateway,
    "A gateway of a VPC, as pods, that packets of chosen pods or addresses leave by.",
    spec: VpcEgressGatewaySpec,
    status: VpcEgressGatewayStatus
);

sparse! {
    /// What a gateway is.
    #[schemars(extend("required" = ["conditions", "phase"]))]
    pub struct VpcEgressGatewayStatus {
        /// How many pods it has.
        #[schemars(extend("minimum" = 0, "maximum" = 10))]
        pub replicas: Option<i32>,
        /// The labels of its pods, for those who scale it.
        pub label_selector: Option<String>,
        /// Whether it carries traffic.
        #[schemars(extend("default" = false))]
        pub ready: Option<bool>,
        /// How far it is: Pending, Processing or Completed.
        #[schemars(extend("default" = "Pending", "enum" = ["Pending", "Processing", "Completed"]))]
        pub phase: Option<String>,
        /// The addresses of its pods in internalSubnet.
        #[serde(rename = "internalIPs")]
        pub internal_ips: Option<Vec<String>>,
        /// The addresses of its pods in externalSubnet.
        #[serde(rename = "externalIPs")]
        pub external_ips: Option<Vec<String>>,
        /// What is, or is not, so about the gateway.
        pub conditions: Option<Vec<Condition>>,
        /// What runs its pods.
        pub workload: Option<Workload>,
    }
}
