//! The IP kind: the record of one network interface's addresses.

use kube::CustomResource;

use super::{
    kind,
    rules::{self, rules},
    sparse,
};

// What an object of this kind says is not immutable: controllers write it anew when a pod of the same name comes back
// with other addresses, or in another subnet.
sparse! {
    /// Who holds which addresses of a subnet.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "IP",
        root = "Ip",
        plural = "ips",
        singular = "ip",
        shortname = "ip",
        doc = "The kind `IP` of `kubeovn.io/v1`.",
        schema = "manual",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "V4IP", type_ = "string", json_path = ".spec.v4IpAddress"),
        printcolumn(name = "V6IP", type_ = "string", json_path = ".spec.v6IpAddress"),
        printcolumn(name = "Mac", type_ = "string", json_path = ".spec.macAddress"),
        printcolumn(name = "Node", type_ = "string", json_path = ".spec.nodeName"),
        printcolumn(name = "Subnet", type_ = "string", json_path = ".spec.subnet")
    )]
    #[serde(remote = "Self")]
    pub struct IpSpec {
        /// The pod that holds the addresses; the virtual machine where addresses stay with one; the node, for a
        /// node's own.
        pub pod_name: Option<String>,
        /// The namespace of the pod; empty for a node.
        pub namespace: Option<String>,
        /// The subnet that the addresses belong to.
        pub subnet: Option<String>,
        /// Subnets of further interfaces. No longer used; always an empty list.
        pub attach_subnets: Option<Vec<String>>,
        /// The node that the pod runs on.
        pub node_name: Option<String>,
        /// All addresses, separated by a comma, IPv4 first.
        pub ip_address: Option<String>,
        /// The IPv4 address.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::V4 => rules::V4_MESSAGE]))]
        pub v4_ip_address: Option<String>,
        /// The IPv6 address, in lower case.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::V6 => rules::V6_MESSAGE]))]
        pub v6_ip_address: Option<String>,
        /// Addresses of further interfaces. No longer used; always an empty list.
        pub attach_ips: Option<Vec<String>>,
        /// The hardware address of the interface.
        pub mac_address: Option<String>,
        /// Hardware addresses of further interfaces. No longer used; always an empty list.
        pub attach_macs: Option<Vec<String>>,
        /// The container of the interface. No longer used; always empty.
        #[serde(rename = "containerID")]
        pub container_id: Option<String>,
        /// What owns the pod where the addresses outlive it: StatefulSet or VirtualMachine; empty for others.
        #[schemars(extend("enum" = ["", "StatefulSet", "VirtualMachine"]))]
        pub pod_type: Option<String>,
    }
}

kind!(Ip, "The addresses of one interface of a pod, a node or the network itself; it has no status.", spec: IpSpec);
