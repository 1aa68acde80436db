//! The IptablesEIP kind: an external address of a VPC's NAT gateway.

use kube::CustomResource;

use super::{
    Condition, kind,
    rules::{self, rules},
    sparse,
};

/// The address has been given.
const ASSIGNED: &str = "has(oldSelf.status) && has(oldSelf.status.ip) && oldSelf.status.ip != ''";

sparse! {
    /// Which external address which gateway shall have.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "IptablesEIP",
        root = "IptablesEip",
        plural = "iptables-eips",
        singular = "iptables-eip",
        shortname = "eip",
        doc = "The kind `IptablesEIP` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "IptablesEipStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.namespace"),
        printcolumn(name = "ExternalSubnet", type_ = "string", json_path = ".spec.externalSubnet"),
        printcolumn(name = "IP", type_ = "string", json_path = ".status.ip"),
        printcolumn(name = "Mac", type_ = "string", json_path = ".spec.macAddress"),
        printcolumn(name = "Nat", type_ = "string", json_path = ".status.nat"),
        printcolumn(name = "NatGwDp", type_ = "string", json_path = ".spec.natGwDp"),
        printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        rules::given("natGwDp") => "set natGwDp to the VpcNatGateway that shall have the address",
        rules::kept(&["natGwDp"]) =>
            "an address cannot move to another gateway: delete the IptablesEIP and create it anew",
    ]))]
    pub struct IptablesEipSpec {
        /// The IPv4 address; a free one is filled in if absent. It cannot be changed once it has been given.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::V4 => rules::V4_MESSAGE]))]
        pub v4ip: Option<String>,
        /// The IPv6 address, in lower case.
        #[schemars(extend("x-kubernetes-validations" = rules![
            rules::V6 => rules::V6_MESSAGE,
            rules::LOWER => rules::LOWER_MESSAGE,
        ]))]
        pub v6ip: Option<String>,
        /// The hardware address; one is made and filled in if absent.
        pub mac_address: Option<String>,
        /// The VpcNatGateway that has the address; it cannot be changed.
        pub nat_gw_dp: Option<String>,
        /// The QoSPolicy of the address's traffic.
        pub qos_policy: Option<String>,
        /// The external subnet that the address is of; ovn-vpc-external-network if absent.
        pub external_subnet: Option<String>,
        /// The namespace of the gateway's pods. Filled in by the controller.
        pub namespace: Option<String>,
    }
}

kind!(
    IptablesEip,
    "An address outside of the cluster's own networks, by which a VPC's NAT gateway makes something reachable.",
    spec: IptablesEipSpec,
    status: IptablesEipStatus,
    "x-kubernetes-validations": rules![
        rules::kept_once(ASSIGNED, &["v4ip", "v6ip"]) =>
            "the address has been given and cannot be changed: delete the IptablesEIP and create it anew"
    ],
);

sparse! {
    /// The address that it is.
    pub struct IptablesEipStatus {
        /// What is, or is not, so about the address.
        pub conditions: Option<Vec<Condition>>,
        /// Whether the gateway has it.
        pub ready: Option<bool>,
        /// The IPv4 address.
        pub ip: Option<String>,
        /// When it was asked for that the gateway sets it up anew, such as 2026-05-04T03:02:01.
        pub redo: Option<String>,
        /// What uses it: fip, dnat and snat, separated by commas.
        pub nat: Option<String>,
        /// The QoSPolicy in force.
        pub qos_policy: Option<String>,
    }
}
