//! The IptablesSnatRule kind: which external address packets leave with, at a VPC's NAT gateway.

use kube::CustomResource;

use super::{
    Condition, kind,
    rules::{self, rules},
    sparse,
};

sparse! {
    /// Whose packets leave with which external address.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "IptablesSnatRule",
        plural = "iptables-snat-rules",
        singular = "iptables-snat-rule",
        shortname = "snat",
        doc = "The kind `IptablesSnatRule` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "IptablesSnatRuleStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "EIP", type_ = "string", json_path = ".spec.eip"),
        printcolumn(name = "V4ip", type_ = "string", json_path = ".status.v4ip"),
        printcolumn(name = "V6ip", type_ = "string", json_path = ".status.v6ip"),
        printcolumn(name = "InternalCIDR", type_ = "string", json_path = ".spec.internalCIDR"),
        printcolumn(name = "NatGwDp", type_ = "string", json_path = ".status.natGwDp"),
        printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        rules::given("eip") => "name the IptablesEIP that packets leave with",
        rules::given("internalCIDR") => "set internalCIDR to the addresses whose packets they are",
    ]))]
    pub struct IptablesSnatRuleSpec {
        /// The IptablesEIP that packets leave with.
        pub eip: Option<String>,
        /// The addresses whose packets they are: CIDRs separated by commas.
        #[serde(rename = "internalCIDR")]
        #[schemars(extend("x-kubernetes-validations" = rules![
            // There may be many, and a server does not reckon with what split answers.
            "self == '' || self.matches('^[0-9a-fA-F.:]+/[0-9]+(,[0-9a-fA-F.:]+/[0-9]+)*$')" =>
                "write CIDRs with commas between, such as 10.0.0.0/16; of one address 10.0.0.9/32"
        ]))]
        pub internal_cidr: Option<String>,
    }
}

kind!(
    IptablesSnatRule,
    "An external address of a VPC's NAT gateway that packets of some addresses leave with.",
    spec: IptablesSnatRuleSpec,
    status: IptablesSnatRuleStatus
);

sparse! {
    /// Which addresses are exchanged.
    pub struct IptablesSnatRuleStatus {
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
        /// The addresses inside.
        #[serde(rename = "internalCIDR")]
        pub internal_cidr: Option<String>,
    }
}
