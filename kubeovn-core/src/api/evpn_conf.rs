//! The EvpnConf kind: how an egress gateway takes part in an EVPN.

use kube::CustomResource;

use super::{kind, schema, sparse};

sparse! {
    /// Which EVPN it is.
    #[derive(CustomResource)]
    #[kube(
        group = "kubeovn.io",
        version = "v1",
        kind = "EvpnConf",
        plural = "evpn-confs",
        singular = "evpn-conf",
        doc = "The kind `EvpnConf` of `kubeovn.io/v1`.",
        schema = "manual",
        derive = "PartialEq",
        derive = "Default"
    )]
    #[serde(remote = "Self")]
    pub struct EvpnConfSpec {
        /// The number of its VXLAN.
        #[schemars(schema_with = "schema::int32")]
        pub vni: Option<u32>,
        /// The route targets that it takes and gives, such as 65000:100.
        pub route_targets: Option<Vec<String>>,
    }
}

kind!(EvpnConf, "How egress gateways that name it take part in an EVPN; it has no status.", spec: EvpnConfSpec);
