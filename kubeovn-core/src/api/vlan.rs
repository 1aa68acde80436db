//! The Vlan kind: a VLAN of a provider network.

use kube::CustomResource;

use super::{Condition, kind, schema, sparse};

sparse! {
    /// Which VLAN it is.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "Vlan",
        plural = "vlans",
        singular = "vlan",
        shortname = "vlan",
        doc = "The kind `Vlan` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "VlanStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "ID", type_ = "integer", json_path = ".spec.id"),
        printcolumn(name = "Provider", type_ = "string", json_path = ".spec.provider"),
        printcolumn(name = "conflict", type_ = "boolean", json_path = ".status.conflict")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("required" = ["provider"]))]
    pub struct VlanSpec {
        /// The VLAN's number: 1 to 4095, or 0 for packets without a tag.
        #[schemars(schema_with = "schema::integer", extend("minimum" = 0, "maximum" = 4095))]
        pub id: Option<i64>,
        /// The provider network that carries it; the cluster's usual one if empty.
        pub provider: Option<String>,
        /// The former name of id; taken over into it at a start.
        #[schemars(schema_with = "schema::integer", extend("minimum" = 0, "maximum" = 4095))]
        pub vlan_id: Option<i64>,
        /// The former name of provider; taken over into it at a start.
        pub provider_interface_name: Option<String>,
    }
}

kind!(
    Vlan,
    "A VLAN of a provider network, which carries underlay subnets.",
    spec: VlanSpec,
    status: VlanStatus
);

sparse! {
    /// What a VLAN is.
    pub struct VlanStatus {
        /// What is, or is not, so about the VLAN.
        pub conditions: Option<Vec<Condition>>,
        /// The subnets that it carries.
        pub subnets: Option<Vec<String>>,
        /// Whether another Vlan has the same number in the same provider network.
        pub conflict: Option<bool>,
    }
}
