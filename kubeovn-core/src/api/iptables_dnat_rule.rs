//! The IptablesDnatRule kind: a port of an external address for one inside, at a VPC's NAT gateway.

use kube::CustomResource;

use super::{
    Condition, kind,
    rules::{self, rules},
    sparse,
};

sparse! {
    /// Which external port leads to which one inside.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "IptablesDnatRule",
        plural = "iptables-dnat-rules",
        singular = "iptables-dnat-rule",
        shortname = "dnat",
        doc = "The kind `IptablesDnatRule` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "IptablesDnatRuleStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Eip", type_ = "string", json_path = ".spec.eip"),
        printcolumn(name = "Protocol", type_ = "string", json_path = ".spec.protocol"),
        printcolumn(name = "V4ip", type_ = "string", json_path = ".status.v4ip"),
        printcolumn(name = "V6ip", type_ = "string", json_path = ".status.v6ip"),
        printcolumn(name = "InternalIp", type_ = "string", json_path = ".spec.internalIp"),
        printcolumn(name = "ExternalPort", type_ = "string", json_path = ".spec.externalPort"),
        printcolumn(name = "InternalPort", type_ = "string", json_path = ".spec.internalPort"),
        printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
        printcolumn(name = "NatGwDp", type_ = "string", json_path = ".status.natGwDp"),
        printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        rules::given("eip") => "name the IptablesEIP that packets come in by",
        rules::given("externalPort") => "set externalPort to the port that packets come in by",
        rules::given("internalIp") => "set internalIp to the address that they go to",
        rules::given("internalPort") => "set internalPort to the port that they go to",
        "has(self.protocol) && self.protocol in ['tcp', 'udp']" => "set protocol to tcp or udp",
    ]))]
    pub struct IptablesDnatRuleSpec {
        /// The IptablesEIP that packets come in by.
        pub eip: Option<String>,
        /// The port of it.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::PORT => rules::PORT_MESSAGE]))]
        pub external_port: Option<String>,
        /// The protocol: tcp or udp.
        pub protocol: Option<String>,
        /// The address that they go to.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::ADDRESS => rules::ADDRESS_MESSAGE]))]
        pub internal_ip: Option<String>,
        /// The port that they go to.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::PORT => rules::PORT_MESSAGE]))]
        pub internal_port: Option<String>,
        /// Whether the port leads to this address only (exclusive), or to those of all rules that have the same
        /// address, port and protocol (share); it cannot be changed.
        #[serde(rename = "type")]
        #[schemars(extend(
            "default" = "exclusive",
            "enum" = ["exclusive", "share"],
            "x-kubernetes-validations" = rules![
                "self == oldSelf" =>
                    "the type of a rule cannot be changed: delete the IptablesDnatRule and create it anew"
            ],
        ))]
        pub type_: Option<String>,
    }
}

kind!(
    IptablesDnatRule,
    "A port of an external address of a VPC's NAT gateway that leads to a port inside.",
    spec: IptablesDnatRuleSpec,
    status: IptablesDnatRuleStatus
);

sparse! {
    /// Which addresses and ports are exchanged.
    pub struct IptablesDnatRuleStatus {
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
        /// The protocol.
        pub protocol: Option<String>,
        /// The address inside.
        pub internal_ip: Option<String>,
        /// The port inside.
        pub internal_port: Option<String>,
        /// The external port.
        pub external_port: Option<String>,
    }
}
