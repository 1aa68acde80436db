//! How a NAT gateway is found: BGP tells others of it, BFD tells whether it lives.

use super::super::{rules::rules, schema, sparse};

/// Without these there is no session.
const COMPLETE: &str = "!has(self.enabled) || !self.enabled || has(self.asn) && self.asn != 0 && has(self.remoteAsn) && \
                        self.remoteAsn != 0 && has(self.neighbors) && self.neighbors.size() > 0";

sparse! {
    /// How a gateway tells others of its addresses by BGP.
    #[schemars(extend("x-kubernetes-validations" = rules![
        COMPLETE => "where enabled is true, set asn, remoteAsn and neighbors too"
    ]))]
    pub struct BgpSpeaker {
        /// Whether it does.
        pub enabled: Option<bool>,
        /// Its own AS number.
        #[schemars(schema_with = "schema::int32")]
        pub asn: Option<u32>,
        /// The AS number of its neighbors.
        #[schemars(schema_with = "schema::int32")]
        pub remote_asn: Option<u32>,
        /// The addresses of those that it tells.
        #[schemars(schema_with = "schema::addresses")]
        pub neighbors: Option<Vec<String>>,
        /// How long a neighbor may be silent, such as 90s.
        pub hold_time: Option<String>,
        /// The address that it calls itself by.
        pub router_id: Option<String>,
        /// The password that neighbors expect.
        pub password: Option<String>,
        /// Whether neighbors keep its addresses while it starts anew.
        pub enable_graceful_restart: Option<bool>,
        /// Further arguments of the program.
        pub extra_args: Option<Vec<String>>,
    }
}

sparse! {
    /// How a gateway is watched by BFD.
    pub struct NatGatewayBfd {
        /// Whether it is; the VPC must have BFD too.
        #[schemars(extend("default" = false))]
        pub enabled: Option<bool>,
        /// How often it can take a message, in milliseconds.
        #[serde(rename = "minRX")]
        #[schemars(extend("default" = 1000, "minimum" = 1, "maximum" = 3_600_000))]
        pub min_rx: Option<i32>,
        /// How often it sends one, in milliseconds.
        #[serde(rename = "minTX")]
        #[schemars(extend("default" = 1000, "minimum" = 1, "maximum" = 3_600_000))]
        pub min_tx: Option<i32>,
        /// After how many messages that did not come it counts as lost.
        #[schemars(extend("default" = 3, "minimum" = 1, "maximum" = 255))]
        pub multiplier: Option<i32>,
    }
}
