//! What rules of load balancers have in common.

use super::{schema, sparse};

sparse! {
    /// A port of a load balancer.
    pub struct BalancedPort {
        /// What it is called.
        pub name: Option<String>,
        /// The port that clients use.
        #[schemars(extend("minimum" = 1, "maximum" = 65535))]
        pub port: Option<i32>,
        /// The port of those who answer; the same one if absent or 0.
        #[schemars(extend("minimum" = 0, "maximum" = 65535))]
        pub target_port: Option<i32>,
        /// The protocol: TCP (also if empty), UDP or SCTP.
        #[schemars(schema_with = "schema::service_protocol")]
        pub protocol: Option<String>,
    }
}

sparse! {
    /// What became of the rule.
    pub struct BalancerStatus {
        /// What is, or is not, so about the rule.
        pub conditions: Option<Vec<super::Condition>>,
        /// The ports, such as 80/TCP, separated by commas.
        pub ports: Option<String>,
        /// The service that carries the rule out, as namespace/name.
        pub service: Option<String>,
    }
}
