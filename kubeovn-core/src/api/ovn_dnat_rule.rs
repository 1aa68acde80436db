//! The OvnDnatRule kind: a port of an external address for one inside.

use kube::CustomResource;

use super::{
    Condition, kind, ovn_fip,
    rules::{self, rules},
    sparse,
};

sparse! {
    /// Which external port leads to which one inside.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "OvnDnatRule",
        plural = "ovn-dnat-rules",
        singular = "ovn-dnat-rule",
        shortname = "odnat",
        doc = "The kind `OvnDnatRule` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "OvnDnatRuleStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Vpc", type_ = "string", json_path = ".status.vpc"),
        printcolumn(name = "Eip", type_ = "string", json_path = ".spec.ovnEip"),
        printcolumn(name = "Protocol", type_ = "string", json_path = ".status.protocol"),
        printcolumn(name = "V4Eip", type_ = "string", json_path = ".status.v4Eip"),
        printcolumn(name = "V6Eip", type_ = "string", json_path = ".status.v6Eip"),
        printcolumn(name = "V4Ip", type_ = "string", json_path = ".status.v4Ip"),
        printcolumn(name = "V6Ip", type_ = "string", json_path = ".status.v6Ip"),
        printcolumn(name = "InternalPort", type_ = "string", json_path = ".status.internalPort"),
        printcolumn(name = "ExternalPort", type_ = "string", json_path = ".status.externalPort"),
        printcolumn(name = "IpName", type_ = "string", json_path = ".spec.ipName"),
        printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        rules::given("ovnEip") => "name the OvnEip that packets come in by",
        ovn_fip::inside() => "name what is inside by ipName, or set v4Ip or v6Ip",
        rules::given("externalPort") => "set externalPort to the port that packets come in by",
        rules::given("internalPort") => "set internalPort to the port that they go to",
        rules::given("protocol") => "set protocol to tcp or udp",
    ]))]
    pub struct OvnDnatRuleSpec {
        /// The OvnEip that packets come in by.
        pub ovn_eip: Option<String>,
        /// The port of it.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::PORT => rules::PORT_MESSAGE]))]
        pub external_port: Option<String>,
        /// The protocol: tcp or udp.
        #[schemars(extend("x-kubernetes-validations" = rules![
            "self.lowerAscii() in ['', 'tcp', 'udp']" => "set protocol to tcp or udp"
        ]))]
        pub protocol: Option<String>,
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
        /// The port that they go to.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::PORT => rules::PORT_MESSAGE]))]
        pub internal_port: Option<String>,
    }
}

kind!(
    OvnDnatRule,
    "A port of an external address that leads to a port of a pod or Vip.",
    spec: OvnDnatRuleSpec,
    status: OvnDnatRuleStatus,
    "x-kubernetes-validations": rules![
        rules::kept_once(
            rules::READY,
            &["ovnEip", "externalPort", "protocol", "ipType", "ipName", "vpc", "v4Ip", "v6Ip", "internalPort"]
        ) => "the OvnDnatRule is ready and cannot be changed: delete it and create it anew"
    ],
);

sparse! {
    /// Which addresses and ports are exchanged.
    pub struct OvnDnatRuleStatus {
        /// What is, or is not, so about the rule.
        pub conditions: Option<Vec<Condition>>,
        /// The VPC that the address inside belongs to.
        pub vpc: Option<String>,
        /// The external IPv4 address.
        pub v4_eip: Option<String>,
        /// The external IPv6 address.
        pub v6_eip: Option<String>,
        /// The external port.
        pub external_port: Option<String>,
        /// The IPv4 address inside.
        pub v4_ip: Option<String>,
        /// The IPv6 address inside.
        pub v6_ip: Option<String>,
        /// The port inside.
        pub internal_port: Option<String>,
        /// The protocol.
        pub protocol: Option<String>,
        /// The IP, or the Vip, inside.
        pub ip_name: Option<String>,
        /// Whether the rule is in force.
        pub ready: Option<bool>,
    }
}
