//! The SwitchLBRule kind: a load balancer within a subnet.

use kube::CustomResource;

use super::{
    BalancedPort, BalancerStatus, kind,
    rules::{self, rules},
    schema, sparse,
};

sparse! {
    /// Which address and ports lead to whom.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "SwitchLBRule",
        root = "SwitchLbRule",
        plural = "switch-lb-rules",
        singular = "switch-lb-rule",
        shortname = "slr",
        doc = "The kind `SwitchLBRule` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "BalancerStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "vip", type_ = "string", json_path = ".spec.vip"),
        printcolumn(name = "port(s)", type_ = "string", json_path = ".status.ports"),
        printcolumn(name = "service", type_ = "string", json_path = ".status.service"),
        printcolumn(name = "age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )]
    #[serde(remote = "Self")]
    pub struct SwitchLbRuleSpec {
        /// The address that clients use, or one per family separated by a comma.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::addresses() => rules::ADDRESSES]))]
        pub vip: Option<String>,
        /// The namespace of those who answer; default if absent.
        pub namespace: Option<String>,
        /// The labels of those who answer, each as key:value.
        pub selector: Option<Vec<String>>,
        /// The addresses of those who answer, in place of selector.
        #[schemars(schema_with = "schema::addresses")]
        pub endpoints: Option<Vec<String>>,
        /// Whether a client stays with who answered first: ClientIP, or None (also if empty).
        #[schemars(extend("enum" = ["", "None", "ClientIP"]))]
        pub session_affinity: Option<String>,
        /// The ports.
        pub ports: Option<Vec<BalancedPort>>,
    }
}

kind!(
    SwitchLbRule,
    "An address within a subnet whose ports lead to several pods or addresses.",
    spec: SwitchLbRuleSpec,
    status: BalancerStatus
);
