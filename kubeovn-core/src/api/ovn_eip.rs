//! The OvnEip kind: an address in an external subnet.

use kube::CustomResource;

use super::{
    Condition, kind,
    rules::{self, rules},
    sparse,
};

sparse! {
    /// Which external address it shall be, and what it is for.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "OvnEip",
        plural = "ovn-eips",
        singular = "ovn-eip",
        shortname = "oeip",
        doc = "The kind `OvnEip` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "OvnEipStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "V4IP", type_ = "string", json_path = ".status.v4Ip"),
        printcolumn(name = "V6IP", type_ = "string", json_path = ".status.v6Ip"),
        printcolumn(name = "Mac", type_ = "string", json_path = ".status.macAddress"),
        printcolumn(name = "Type", type_ = "string", json_path = ".status.type"),
        printcolumn(name = "Nat", type_ = "string", json_path = ".status.nat"),
        printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready"),
        printcolumn(name = "ExternalSubnet", type_ = "string", json_path = ".spec.externalSubnet")
    )]
    #[serde(remote = "Self")]
    pub struct OvnEipSpec {
        /// The external subnet that the address is of; the cluster's usual one if absent.
        pub external_subnet: Option<String>,
        /// The IPv4 address; a free one is filled in if absent.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::V4 => rules::V4_MESSAGE]))]
        pub v4_ip: Option<String>,
        /// The IPv6 address; a free one is filled in if absent.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::V6 => rules::V6_MESSAGE]))]
        pub v6_ip: Option<String>,
        /// The hardware address; one is made and filled in if absent.
        pub mac_address: Option<String>,
        /// What it is for: nat (also when empty) for NAT rules, lrp for a VPC's port into the external subnet, lsp
        /// for a node's.
        #[serde(rename = "type")]
        pub type_: Option<String>,
    }
}

kind!(
    OvnEip,
    "An address outside of the cluster's own networks, by which OVN's NAT rules make something reachable.",
    spec: OvnEipSpec,
    status: OvnEipStatus,
    "x-kubernetes-validations": rules![
        rules::kept_once(rules::READY, &["externalSubnet", "v4Ip", "v6Ip", "macAddress", "type"]) =>
            "the OvnEip is ready and cannot be changed: delete it and create it anew"
    ],
);

sparse! {
    /// The address that it is.
    pub struct OvnEipStatus {
        /// What is, or is not, so about the address.
        pub conditions: Option<Vec<Condition>>,
        /// What it is for: nat, lrp or lsp.
        #[serde(rename = "type")]
        pub type_: Option<String>,
        /// What uses it: dnat, fip and snat, separated by commas.
        pub nat: Option<String>,
        /// Whether it can be used.
        pub ready: Option<bool>,
        /// The IPv4 address.
        pub v4_ip: Option<String>,
        /// The IPv6 address.
        pub v6_ip: Option<String>,
        /// The hardware address.
        pub mac_address: Option<String>,
    }
}
