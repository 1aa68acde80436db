//! The Vip kind: an address that belongs to no single pod.

use kube::CustomResource;

use super::{
    Condition, kind,
    rules::{self, rules},
    sparse,
};

/// The address has been given.
const ASSIGNED: &str = "has(oldSelf.status) && has(oldSelf.status.mac) && oldSelf.status.mac != ''";

sparse! {
    /// Which address it shall be, and what it is for.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "Vip",
        plural = "vips",
        singular = "vip",
        shortname = "vip",
        doc = "The kind `Vip` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "VipStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.namespace"),
        printcolumn(name = "V4IP", type_ = "string", json_path = ".status.v4ip"),
        printcolumn(name = "V6IP", type_ = "string", json_path = ".status.v6ip"),
        printcolumn(name = "Mac", type_ = "string", json_path = ".status.mac"),
        printcolumn(name = "Subnet", type_ = "string", json_path = ".spec.subnet"),
        printcolumn(name = "Type", type_ = "string", json_path = ".status.type")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        rules::given("subnet") => "name the subnet that the address shall be of"
    ]))]
    pub struct VipSpec {
        /// The namespace whose pods may use the address.
        pub namespace: Option<String>,
        /// The subnet that the address is of.
        pub subnet: Option<String>,
        /// What it is for: empty for pods that share an address, switch_lb_vip for a SwitchLBRule,
        /// kube_host_vm_vip for a virtual machine that runs a node.
        #[serde(rename = "type")]
        pub type_: Option<String>,
        /// The IPv4 address; a free one is filled in if absent. It cannot be changed once it has been given.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::V4 => rules::V4_MESSAGE]))]
        pub v4ip: Option<String>,
        /// The IPv6 address; a free one is filled in if absent. It cannot be changed once it has been given.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::V6 => rules::V6_MESSAGE]))]
        pub v6ip: Option<String>,
        /// The hardware address; one is made and filled in if absent. It cannot be changed once it has been given.
        pub mac_address: Option<String>,
        /// Pods of the namespace that may hold the address, by their labels, each as key: value.
        pub selector: Option<Vec<String>>,
        /// Further subnets. Not used.
        pub attach_subnets: Option<Vec<String>>,
    }
}

kind!(
    Vip,
    "An address that no single pod owns: several may share it, or a load balancer has it.",
    spec: VipSpec,
    status: VipStatus,
    "x-kubernetes-validations": rules![
        rules::kept_once(ASSIGNED, &["subnet", "v4ip", "v6ip", "macAddress"]) =>
            "the addresses have been given and cannot be changed: delete the Vip and create it anew"
    ],
);

// Without the subresource: an update of the whole object writes the status too, as Kube-OVN does.
sparse! {
    /// The address that it is.
    pub struct VipStatus {
        /// What is, or is not, so about the address.
        pub conditions: Option<Vec<Condition>>,
        /// What it is for.
        #[serde(rename = "type")]
        pub type_: Option<String>,
        /// The IPv4 address.
        pub v4ip: Option<String>,
        /// The IPv6 address.
        pub v6ip: Option<String>,
        /// The hardware address.
        pub mac: Option<String>,
        /// The labels of the pods that may hold it, each as key: value.
        pub selector: Option<Vec<String>>,
    }
}
