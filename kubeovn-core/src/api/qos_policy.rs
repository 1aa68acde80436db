//! The QoSPolicy kind: how much traffic an external address, or a NAT gateway, may have.

use kube::CustomResource;

use super::{
    Condition, kind,
    rules::{self, rules},
    schema, sparse,
};

/// Of rules about addresses: which ones. Not said of the rule itself, since the status has copies.
const MATCH: &str = "self.all(rule, !has(rule.matchType) || rule.matchType != 'ip' || has(rule.matchValue) && \
                     (rule.matchValue.startsWith('src ') || rule.matchValue.startsWith('dst ')) && \
                     isCIDR(rule.matchValue.substring(4)))";

const SAME_SHARED: &str = "(has(self.shared) && self.shared) == (has(oldSelf.shared) && oldSelf.shared)";

/// Those who share it were told of these limits.
const SAME_RULES: &str = "!has(self.shared) || !self.shared || \
                          has(self.bandwidthLimitRules) == has(oldSelf.bandwidthLimitRules) && \
                          (!has(self.bandwidthLimitRules) || self.bandwidthLimitRules == oldSelf.bandwidthLimitRules)";

sparse! {
    /// Whose traffic is limited, and how.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "QoSPolicy",
        root = "QosPolicy",
        plural = "qos-policies",
        singular = "qos-policy",
        shortname = "qos",
        doc = "The kind `QoSPolicy` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "QosPolicyStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Shared", type_ = "boolean", json_path = ".spec.shared"),
        printcolumn(name = "BindingType", type_ = "string", json_path = ".spec.bindingType")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        SAME_SHARED => "shared cannot be changed: create another policy",
        rules::kept(&["bindingType"]) => "bindingType cannot be changed: create another policy",
        SAME_RULES => "the rules of a shared policy cannot be changed: create another policy",
        "!has(self.bindingType) || self.bindingType != 'NATGW' || has(self.shared) && self.shared" =>
            "a policy of NAT gateways must be shared: set shared to true",
    ]))]
    pub struct QosPolicySpec {
        /// Whether several may have it; it cannot be changed.
        pub shared: Option<bool>,
        /// Who may have it: EIP for IptablesEIPs, NATGW for VpcNatGateways; it cannot be changed.
        #[schemars(extend("enum" = ["", "EIP", "NATGW"]))]
        pub binding_type: Option<String>,
        /// The limits. Those of a shared policy cannot be changed.
        #[schemars(extend(
            "maxItems" = 256,
            "x-kubernetes-validations" = rules![
                MATCH => "set matchValue to src or dst and a CIDR, such as src 10.0.0.0/16"
            ],
        ))]
        pub bandwidth_limit_rules: Option<Vec<BandwidthLimitRule>>,
    }
}

kind!(
    QosPolicy,
    "How much traffic external addresses or NAT gateways may have.",
    spec: QosPolicySpec,
    status: QosPolicyStatus
);

sparse! {
    /// A limit.
    #[schemars(extend("required" = ["name"]))]
    pub struct BandwidthLimitRule {
        /// What it is called.
        pub name: Option<String>,
        /// The interface of the gateway that it is for.
        pub interface: Option<String>,
        /// How much may pass, in Mbit/s.
        pub rate_max: Option<String>,
        /// How much may pass at once, in MB.
        pub burst_max: Option<String>,
        /// The rule with the lowest number that matches decides.
        #[schemars(schema_with = "schema::integer")]
        pub priority: Option<i64>,
        /// Which way packets go: ingress or egress.
        pub direction: Option<String>,
        /// How matchValue is meant: ip, or empty for all packets.
        pub match_type: Option<String>,
        /// Which packets it is for: src or dst and a CIDR, such as src 10.0.0.0/16.
        #[schemars(extend("maxLength" = 128))]
        pub match_value: Option<String>,
    }
}

sparse! {
    /// What of a policy is in force.
    pub struct QosPolicyStatus {
        /// What is, or is not, so about the policy.
        pub conditions: Option<Vec<Condition>>,
        /// Whether several may have it.
        pub shared: Option<bool>,
        /// Who may have it.
        pub binding_type: Option<String>,
        /// The limits.
        pub bandwidth_limit_rules: Option<Vec<BandwidthLimitRule>>,
    }
}
