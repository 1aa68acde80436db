//! The OvnSnatRule kind: which external address packets leave with.

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
        kind = "OvnSnatRule",
        plural = "ovn-snat-rules",
        singular = "ovn-snat-rule",
        shortname = "osnat",
        doc = "The kind `OvnSnatRule` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "OvnSnatRuleStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Vpc", type_ = "string", json_path = ".status.vpc"),
        printcolumn(name = "V4Eip", type_ = "string", json_path = ".status.v4Eip"),
        printcolumn(name = "V6Eip", type_ = "string", json_path = ".status.v6Eip"),
        printcolumn(name = "V4IpCidr", type_ = "string", json_path = ".status.v4IpCidr"),
        printcolumn(name = "V6IpCidr", type_ = "string", json_path = ".status.v6IpCidr"),
        printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        rules::given("ovnEip") => "name the OvnEip that packets leave with",
        whose() => "name whose packets they are by vpcSubnet, ipName, or vpc with v4IpCidr or v6IpCidr",
    ]))]
    pub struct OvnSnatRuleSpec {
        /// The OvnEip that packets leave with.
        pub ovn_eip: Option<String>,
        /// The subnet whose packets they are.
        pub vpc_subnet: Option<String>,
        /// The IP whose packets they are.
        pub ip_name: Option<String>,
        /// The VPC whose packets they are, with v4IpCidr or v6IpCidr.
        pub vpc: Option<String>,
        /// The IPv4 addresses whose packets they are: an address or a CIDR.
        #[schemars(extend(
            "x-kubernetes-validations" = rules![rules::ADDRESS_OR_CIDR_IF_ANY => rules::ADDRESS_OR_CIDR_MESSAGE]
        ))]
        pub v4_ip_cidr: Option<String>,
        /// The IPv6 addresses whose packets they are: an address or a CIDR.
        #[schemars(extend(
            "x-kubernetes-validations" = rules![rules::ADDRESS_OR_CIDR_IF_ANY => rules::ADDRESS_OR_CIDR_MESSAGE]
        ))]
        pub v6_ip_cidr: Option<String>,
    }
}

fn whose() -> String {
    let [subnet, name, vpc, v4, v6] =
        ["vpcSubnet", "ipName", "vpc", "v4IpCidr", "v6IpCidr"].map(rules::given);
    format!("{subnet} || {name} || {vpc} && ({v4} || {v6})")
}

kind!(
    OvnSnatRule,
    "An external address that packets of a subnet, a pod or some addresses leave with.",
    spec: OvnSnatRuleSpec,
    status: OvnSnatRuleStatus,
    "x-kubernetes-validations": rules![
        rules::kept_once(rules::READY, &["ovnEip", "vpcSubnet", "ipName", "vpc", "v4IpCidr", "v6IpCidr"]) =>
            "the OvnSnatRule is ready and cannot be changed: delete it and create it anew"
    ],
);

sparse! {
    /// Which addresses are exchanged.
    pub struct OvnSnatRuleStatus {
        /// What is, or is not, so about the rule.
        pub conditions: Option<Vec<Condition>>,
        /// The VPC whose packets they are.
        pub vpc: Option<String>,
        /// The external IPv4 address.
        pub v4_eip: Option<String>,
        /// The external IPv6 address.
        pub v6_eip: Option<String>,
        /// The IPv4 addresses inside.
        pub v4_ip_cidr: Option<String>,
        /// The IPv6 addresses inside.
        pub v6_ip_cidr: Option<String>,
        /// Whether the rule is in force.
        pub ready: Option<bool>,
    }
}
