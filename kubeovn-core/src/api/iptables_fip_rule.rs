//! The IptablesFIPRule kind: an external address of its own for one inside, at a VPC's NAT gateway.

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
        kind = "IptablesFIPRule",
        root = "IptablesFipRule",
        plural = "iptables-fip-rules",
        singular = "iptables-fip-rule",
        shortname = "fip",
        doc = "The kind `IptablesFIPRule` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "IptablesFipRuleStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Eip", type_ = "string", json_path = ".spec.eip"),
        printcolumn(name = "V4ip", type_ = "string", json_path = ".status.v4ip"),
        printcolumn(name = "InternalIp", type_ = "string", json_path = ".spec.internalIp"),
        printcolumn(name = "V6ip", type_ = "string", json_path = ".status.v6ip"),
        printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready"),
        printcolumn(name = "NatGwDp", type_ = "string", json_path = ".status.natGwDp")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        rules::given("eip") => "name the IptablesEIP that packets come in by",
        rules::given("internalIp") => "set internalIp to the address that they go to",
    ]))]
    pub struct IptablesFipRuleSpec {
        /// The IptablesEIP that packets come in by, and leave as; no other rule of this kind may have it.
        pub eip: Option<String>,
        /// The address that they go to.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::ADDRESS => rules::ADDRESS_MESSAGE]))]
        pub internal_ip: Option<String>,
    }
}

kind!(
    IptablesFipRule,
    "An external address of a VPC's NAT gateway that belongs to one address inside alone, for both directions.",
    spec: IptablesFipRuleSpec,
    status: IptablesFipRuleStatus
);

sparse! {
    /// Which addresses are exchanged.
    pub struct IptablesFipRuleStatus {
        /// What is, or is not, so about the rule.
        pub conditions: Option<Vec<Condition>>,
        /// Whether the rule is in force.
        pub ready: Option<bool>,
        /// The external IPv4 address.
        pub v4ip: Option<String>,
        /// The external IPv6 address.
        pub v6ip: Option<String>,
        /// The gateway.
        pub nat_gw_dp: Option<String>,
        /// When it was asked for that the gateway sets it up anew, such as 2026-05-04T03:02:01.
        pub redo: Option<String>,
        /// The address inside.
        pub internal_ip: Option<String>,
    }
}
