//! Whose packets leave by an egress gateway, and where it runs.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::NodeSelectorRequirement;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::super::{
    rules::{self, rules},
    schema, sparse,
};

sparse! {
    /// Packets that leave by the gateway, by the addresses that they come from.
    #[schemars(extend("x-kubernetes-validations" = rules![
        "has(self.ipBlocks) || has(self.subnets)" => "say whose packets they are, by ipBlocks or subnets"
    ]))]
    pub struct EgressPolicy {
        /// Whether they leave with the gateway's address.
        #[schemars(extend("default" = false))]
        pub snat: Option<bool>,
        /// Addresses and CIDRs that they come from.
        #[schemars(schema_with = "ip_blocks")]
        pub ip_blocks: Option<Vec<String>>,
        /// Subnets that they come from.
        #[schemars(schema_with = "schema::set")]
        pub subnets: Option<Vec<String>>,
    }
}

/// A pattern, since a rule would need bounds for the lists in a list.
fn ip_blocks(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "set",
        "items": { "type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" },
    })
}

sparse! {
    /// Pods whose packets leave by the gateway.
    pub struct EgressSelector {
        /// The namespaces of the pods; all if absent.
        #[schemars(schema_with = "selector_that_selects")]
        pub namespace_selector: Option<LabelSelector>,
        /// The pods; all if absent.
        #[schemars(schema_with = "selector_that_selects")]
        pub pod_selector: Option<LabelSelector>,
    }
}

/// A label selector that says something.
fn selector_that_selects(generator: &mut SchemaGenerator) -> Schema {
    let mut selector = schema::label_selector(generator);
    let rules = rules![
        "has(self.matchLabels) || has(self.matchExpressions)" => "set matchLabels or matchExpressions, or leave it out"
    ];
    selector.insert(rules::KEY.to_owned(), rules);
    selector
}

sparse! {
    /// Nodes that the gateway may run on.
    pub struct EgressNodeSelector {
        /// Labels that must all be there with these values.
        pub match_labels: Option<BTreeMap<String, String>>,
        /// Conditions on labels that must all hold.
        #[schemars(schema_with = "requirements")]
        pub match_expressions: Option<Vec<NodeSelectorRequirement>>,
        /// Conditions on fields of the node, such as metadata.name, that must all hold.
        #[schemars(schema_with = "requirements")]
        pub match_fields: Option<Vec<NodeSelectorRequirement>>,
    }
}

fn requirements(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["key", "operator"],
            "properties": {
                "key": { "description": "The label, or the field, that is looked at.", "type": "string" },
                "operator": {
                    "description": "In, NotIn, Exists, DoesNotExist, Gt or Lt.",
                    "type": "string",
                },
                "values": {
                    "description": "What the label or the field is compared with; empty for Exists and DoesNotExist.",
                    "type": "array",
                    "x-kubernetes-list-type": "atomic",
                    "items": { "type": "string" },
                },
            },
        },
    })
}

sparse! {
    /// How a gateway is watched by BFD.
    pub struct EgressGatewayBfd {
        /// Whether it is; the VPC must have a port for BFD.
        #[schemars(extend("default" = false))]
        pub enabled: Option<bool>,
        /// How often it can take a message, in milliseconds.
        #[serde(rename = "minRX")]
        #[schemars(extend("default" = 1000, "minimum" = 1, "maximum" = 3_600_000))]
        pub min_rx: Option<i32>,
        /// How often it sends one, in milliseconds.
        #[serde(rename = "minTX")]
        #[schemars(extend("default" = 1000, "minimum" = 1, "maximum" = 3_600_000))]
        pub min_tx: Option<i32>,
        /// After how many messages that did not come it counts as lost.
        #[schemars(extend("default" = 3, "minimum" = 1, "maximum" = 3_600_000))]
        pub multiplier: Option<i32>,
    }
}

sparse! {
    /// How much traffic a pod of the gateway may have.
    pub struct EgressBandwidth {
        /// How much may come in: a number of Mbit/s, or a text such as 1.5G.
        #[schemars(schema_with = "bandwidth")]
        pub ingress: Option<IntOrString>,
        /// How much may go out: a number of Mbit/s, or a text such as 1.5G.
        #[schemars(schema_with = "bandwidth")]
        pub egress: Option<IntOrString>,
    }
}

fn bandwidth(_: &mut SchemaGenerator) -> Schema {
    let rules: Value = rules![
        "type(self) == int ? self >= 0 && self <= 9223372036854 : true" =>
            "write 0 to 9223372036854 Mbit/s, or a text such as 1.5G"
    ];
    json_schema!({
        "x-kubernetes-int-or-string": true,
        // else kube says the contrary
        "nullable": false,
        "pattern": r"^([0-9]+|([0-9]+(\.[0-9]+)?|\.[0-9]+)(M|Mi|G|Gi))$",
        (rules::KEY): rules,
    })
}
