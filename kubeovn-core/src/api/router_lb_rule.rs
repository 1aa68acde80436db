//! The RouterLBRule kind: a load balancer at a VPC's router, for clients from outside.

use kube::CustomResource;

use super::{
    BalancedPort, BalancerStatus, kind,
    rules::{self, rules},
    schema, sparse,
};

sparse! {
    /// Which external address and ports lead to whom.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "RouterLBRule",
        root = "RouterLbRule",
        plural = "router-lb-rules",
        singular = "router-lb-rule",
        shortname = "rlr",
        doc = "The kind `RouterLBRule` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "BalancerStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "ovnEip", type_ = "string", json_path = ".spec.ovnEip"),
        printcolumn(name = "vpc", type_ = "string", json_path = ".spec.vpc"),
        printcolumn(name = "port(s)", type_ = "string", json_path = ".status.ports"),
        printcolumn(name = "service", type_ = "string", json_path = ".status.service"),
        printcolumn(name = "age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        rules::given("ovnEip") => "name the OvnEip that clients use",
        rules::given("vpc") => "name the VPC that leads them on",
    ]))]
    pub struct RouterLbRuleSpec {
        /// The OvnEip that clients use.
        pub ovn_eip: Option<String>,
        /// The VPC whose router leads them on.
        pub vpc: Option<String>,
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
    RouterLbRule,
    "An external address whose ports lead to several pods or addresses of a VPC.",
    spec: RouterLbRuleSpec,
    status: BalancerStatus
);
