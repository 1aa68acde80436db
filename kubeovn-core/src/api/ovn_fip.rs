//! The OvnFip kind: an external address of its own for one inside.

use kube::CustomResource;

use super::{
    Condition, kind,
    rules::{self, rules},
    sparse,
};

sparse! {
    /// Which external address belongs to which one inside.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "OvnFip",
        plural = "ovn-fips",
        singular = "ovn-fip",
        shortname = "ofip",
        doc = "The kind `OvnFip` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "OvnFipStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Vpc", type_ = "string", json_path = ".status.vpc"),
        printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
        printcolumn(name = "V4Eip", type_ = "string", json_path = ".status.v4Eip"),
        printcolumn(name = "V6Eip", type_ = "string", json_path = ".status.v6Eip"),
        printcolumn(name = "V4Ip", type_ = "string", json_path = ".status.v4Ip"),
        printcolumn(name = "V6Ip", type_ = "string", json_path = ".status.v6Ip"),
        printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready"),
        printcolumn(name = "IpType", type_ = "string", json_path = ".spec.ipType"),
        printcolumn(name = "IpName", type_ = "string", json_path = ".spec.ipName")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        rules::given("ovnEip") => "name the OvnEip that packets come in by",
        inside() => "name what is inside by ipName, or set v4Ip or v6Ip",
    ]))]
    pub struct OvnFipSpec {
        /// The OvnEip that packets come in by, and leave as.
        pub ovn_eip: Option<String>,
        /// What ipName names: vip for a Vip, else an IP.
        pub ip_type: Option<String>,
        /// The IP, or the Vip, that they go to.
        pub ip_name: Option<String>,
        /// The VPC that the address inside belongs to, where ipName is empty.
        pub vpc: Option<String>,
        /// The IPv4 address inside, where ipName is empty.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::V4 => rules::V4_MESSAGE]))]
        pub v4_ip: Option<String>,
        /// The IPv6 address inside, where ipName is empty.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::V6 => rules::V6_MESSAGE]))]
        pub v6_ip: Option<String>,
        /// Where addresses are exchanged: distributed (on the pod's own node) or centralized (on a gateway node); as
        /// the external gateway is set if empty.
        #[serde(rename = "type")]
        pub type_: Option<String>,
    }
}

/// Something is named, or an address set.
pub(super) fn inside() -> String {
    let fields = ["ipName", "v4Ip", "v6Ip"];
    fields.map(rules::given).join(" || ")
}

kind!(
    OvnFip,
    "An external address that belongs to one pod or Vip alone, for both directions.",
    spec: OvnFipSpec,
    status: OvnFipStatus,
    "x-kubernetes-validations": rules![
        rules::kept_once(rules::READY, &["ovnEip", "ipType", "ipName", "vpc", "v4Ip", "v6Ip", "type"]) =>
            "the OvnFip is ready and cannot be changed: delete it and create it anew"
    ],
);

sparse! {
    /// Which addresses are exchanged.
    pub struct OvnFipStatus {
        /// What is, or is not, so about the rule.
        pub conditions: Option<Vec<Condition>>,
        /// The VPC that the address inside belongs to.
        pub vpc: Option<String>,
        /// The external IPv4 address.
        pub v4_eip: Option<String>,
        /// The external IPv6 address.
        pub v6_eip: Option<String>,
        /// The IPv4 address inside.
        pub v4_ip: Option<String>,
        /// The IPv6 address inside.
        pub v6_ip: Option<String>,
        /// The hardware address inside.
        pub mac_address: Option<String>,
        /// Whether the rule is in force.
        pub ready: Option<bool>,
    }
}
