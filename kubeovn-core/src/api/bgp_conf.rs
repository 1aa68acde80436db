//! The BgpConf kind: how an egress gateway speaks BGP.

use kube::CustomResource;

use super::{
    kind,
    rules::{self, rules},
    schema, sparse,
};

sparse! {
    /// Who speaks with whom, and how.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "BgpConf",
        plural = "bgp-confs",
        singular = "bgp-conf",
        doc = "The kind `BgpConf` of `kubeovn.io/v1`.",
        schema = "manual",
        derive = "PartialEq",
        derive = "Default"
    )]
    #[serde(remote = "Self")]
    pub struct BgpConfSpec {
        /// The gateway's own AS number.
        #[serde(rename = "localASN")]
        #[schemars(schema_with = "schema::int32")]
        pub local_asn: Option<u32>,
        /// The AS number of its neighbours.
        #[serde(rename = "peerASN")]
        #[schemars(schema_with = "schema::int32")]
        pub peer_asn: Option<u32>,
        /// The address that the gateway calls itself by.
        #[schemars(extend("x-kubernetes-validations" = rules![rules::V4 => rules::V4_MESSAGE]))]
        pub router_id: Option<String>,
        /// The addresses of its neighbours.
        #[schemars(schema_with = "schema::addresses")]
        pub neighbours: Option<Vec<String>>,
        /// The password that neighbours expect.
        pub password: Option<String>,
        /// How long a neighbour may be silent, such as 90s.
        pub hold_time: Option<String>,
        /// How often a sign of life is sent, such as 30s.
        pub keepalive_time: Option<String>,
        /// How long it waits before it calls again, such as 10s.
        pub connect_time: Option<String>,
        /// Whether neighbours may be more than one hop away.
        pub ebgp_multi_hop: Option<bool>,
        /// Whether neighbours keep its routes while it starts anew.
        pub graceful_restart: Option<bool>,
    }
}

kind!(BgpConf, "How egress gateways that name it speak BGP; it has no status.", spec: BgpConfSpec);
