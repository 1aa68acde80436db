//! The ProviderNetwork kind: a physical network and the nodes' interfaces into it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use kube::CustomResource;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::{
    kind,
    rules::{self, rules},
    schema, sparse,
};

/// What Linux takes as the name of an interface.
const INTERFACE: &str = r"^[^/\s]+$";

sparse! {
    /// Which interfaces of which nodes lead into the network.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "ProviderNetwork",
        plural = "provider-networks",
        singular = "provider-network",
        shortname = "pn",
        doc = "The kind `ProviderNetwork` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "ProviderNetworkStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "DefaultInterface", type_ = "string", json_path = ".spec.defaultInterface"),
        printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("required" = ["defaultInterface"]))]
    pub struct ProviderNetworkSpec {
        /// The interface that leads into the network on nodes that customInterfaces does not name; it cannot be
        /// changed.
        #[schemars(extend(
            "pattern" = INTERFACE,
            "maxLength" = 15,
            "x-kubernetes-validations" = rules![
                "oldSelf == '' || self == oldSelf" =>
                    "the default interface cannot be changed: name other ones in customInterfaces, or create the \
                     network anew"
            ],
        ))]
        pub default_interface: Option<String>,
        /// Nodes whose interface has another name.
        pub custom_interfaces: Option<Vec<CustomInterface>>,
        /// The nodes that the network reaches. Where it is given, excludeNodes does not count.
        #[schemars(schema_with = "schema::label_selector")]
        pub node_selector: Option<LabelSelector>,
        /// Nodes that the network does not reach.
        pub exclude_nodes: Option<Vec<String>>,
        /// Whether bridge and interface exchange their names, for programs that know the interface by its name.
        pub exchange_link_name: Option<bool>,
        /// Whether a VLAN's interface on a node is made where it is missing.
        pub auto_create_vlan_subinterfaces: Option<bool>,
        /// Whether interfaces of VLANs on the node's interface become ports of the bridge and keep their addresses.
        pub preserve_vlan_interfaces: Option<bool>,
        /// Which interfaces of VLANs that is about, such as eth0.10.
        #[schemars(schema_with = "vlan_interfaces")]
        pub vlan_interfaces: Option<Vec<String>>,
    }
}

kind!(
    ProviderNetwork,
    "A physical network, the interfaces by which nodes reach it, and how far that is done.",
    spec: ProviderNetworkSpec,
    status: ProviderNetworkStatus,
    // Its bridge is called br- and this.
    "x-kubernetes-validations": [rules::for_new(
        "self.metadata.name.size() <= 12",
        "the name of a provider network has 12 letters at most: choose a shorter one"
    )],
);

fn vlan_interfaces(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 4096,
        "items": {
            "type": "string",
            "maxLength": 64,
            (rules::KEY): rules![
                r"self.matches('^[a-zA-Z0-9_-]+\\.[0-9]{1,4}$')" =>
                    "write the interface of a VLAN with its number, such as eth0.10"
            ],
        },
    })
}

sparse! {
    /// Nodes whose interface has another name.
    pub struct CustomInterface {
        /// The interface.
        #[schemars(extend("pattern" = INTERFACE, "maxLength" = 15))]
        pub interface: Option<String>,
        /// The nodes.
        pub nodes: Option<Vec<String>>,
    }
}

sparse! {
    /// How far the nodes are.
    pub struct ProviderNetworkStatus {
        /// Whether all nodes that the network shall reach are ready.
        pub ready: Option<bool>,
        /// The nodes that it reaches.
        pub ready_nodes: Option<Vec<String>>,
        /// The nodes that it shall reach and does not yet.
        pub not_ready_nodes: Option<Vec<String>>,
        /// The Vlans of the network that subnets can use.
        pub vlans: Option<Vec<String>>,
        /// What is, or is not, so on each node.
        pub conditions: Option<Vec<NodeCondition>>,
    }
}

sparse! {
    /// One thing that is, or is not, so on a node.
    pub struct NodeCondition {
        /// The node.
        pub node: Option<String>,
        /// What the condition is about, such as Ready.
        #[serde(rename = "type")]
        pub type_: Option<String>,
        /// Whether it is so: True, False or Unknown.
        pub status: Option<String>,
        /// Why it is so, in one word for programs to compare.
        pub reason: Option<String>,
        /// Why it is so, for people.
        pub message: Option<String>,
        /// The generation of the object that was looked at.
        pub observed_generation: Option<i64>,
        /// When reason, message or status was last written.
        pub last_update_time: Option<Time>,
        /// When status last became another one.
        pub last_transition_time: Option<Time>,
    }
}
