//! The VpcDns kind: a name server within a VPC.

use kube::CustomResource;

use super::{
    Condition, kind,
    rules::{self, rules},
    sparse,
};

sparse! {
    /// Where the name server stands, and how it is run.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "VpcDns",
        plural = "vpc-dnses",
        singular = "vpc-dns",
        shortname = "vpc-dns",
        doc = "The kind `VpcDns` of `kubeovn.io/v1`.",
        schema = "manual",
        status = "VpcDnsStatus",
        derive = "PartialEq",
        derive = "Default",
        printcolumn(name = "Active", type_ = "boolean", json_path = ".status.active"),
        printcolumn(name = "Vpc", type_ = "string", json_path = ".spec.vpc"),
        printcolumn(name = "Subnet", type_ = "string", json_path = ".spec.subnet"),
        printcolumn(name = "Corefile", type_ = "string", json_path = ".spec.corefile")
    )]
    #[serde(remote = "Self")]
    #[schemars(extend("x-kubernetes-validations" = rules![
        rules::given("vpc") => "name the VPC that shall be served",
        rules::given("subnet") => "name the subnet that the name server stands in",
    ]))]
    pub struct VpcDnsSpec {
        /// The VPC that is served.
        pub vpc: Option<String>,
        /// The subnet of it that the name server stands in.
        pub subnet: Option<String>,
        /// How many pods it has; as many as its template says if absent or 0.
        #[schemars(extend("minimum" = 0))]
        pub replicas: Option<i32>,
        /// The ConfigMap with its configuration.
        #[schemars(extend("default" = "vpc-dns-corefile"))]
        pub corefile: Option<String>,
    }
}

kind!(
    VpcDns,
    "A name server for the pods of one VPC; of several for the same VPC one is active.",
    spec: VpcDnsSpec,
    status: VpcDnsStatus
);

sparse! {
    /// What a name server is.
    pub struct VpcDnsStatus {
        /// What is, or is not, so about the name server.
        pub conditions: Option<Vec<Condition>>,
        /// Whether it is the one that serves its VPC.
        pub active: Option<bool>,
    }
}
