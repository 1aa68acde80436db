//! The kinds of `kubeovn.io/v1` as Rust types, and the CRDs that make an API server know them.
//!
//! These are the whole objects, for those who read and write them through a Kubernetes client or hand out the
//! CRDs. What the fabric itself works on are the slim records of [`crate::index`], which keep only the fields
//! that decide something.
//!
//! Every optional field is an [`Option`], also the lists and the switches: a field that is absent and one that
//! is there but empty are written back as they were read. That is what a merge patch needs, where `""` clears
//! a field and leaving it out keeps it. An explicit `null` counts as absent, as it does for the API server,
//! which prunes it.

mod bgp_conf;
mod conditions;
mod core;
mod count;
mod dns_name_resolver;
mod evpn_conf;
pub mod foreign;
mod ip;
mod ip_pool;
mod iptables_dnat_rule;
mod iptables_eip;
mod iptables_fip_rule;
mod iptables_snat_rule;
mod load_balancer;
mod ovn_dnat_rule;
mod ovn_eip;
mod ovn_fip;
mod ovn_snat_rule;
mod provider_network;
mod qos_policy;
mod router_lb_rule;
mod rules;
mod schema;
mod security_group;
mod subnet;
mod switch_lb_rule;
mod vip;
mod vlan;
mod vpc;
mod vpc_dns;
mod vpc_egress_gateway;
mod vpc_nat_gateway;
mod workload;

pub use crate::count::Count;
pub use bgp_conf::{BgpConf, BgpConfSpec};
pub use conditions::Condition;
pub use dns_name_resolver::{
    DnsNameResolver, DnsNameResolverSpec, DnsNameResolverStatus, ResolvedAddress, ResolvedCondition,
    ResolvedName,
};
pub use evpn_conf::{EvpnConf, EvpnConfSpec};
pub use ip::{Ip, IpSpec};
pub use ip_pool::{IpPool, IpPoolSpec, IpPoolStatus};
pub use iptables_dnat_rule::{IptablesDnatRule, IptablesDnatRuleSpec, IptablesDnatRuleStatus};
pub use iptables_eip::{IptablesEip, IptablesEipSpec, IptablesEipStatus};
pub use iptables_fip_rule::{IptablesFipRule, IptablesFipRuleSpec, IptablesFipRuleStatus};
pub use iptables_snat_rule::{IptablesSnatRule, IptablesSnatRuleSpec, IptablesSnatRuleStatus};
pub use load_balancer::{BalancedPort, BalancerStatus};
pub use ovn_dnat_rule::{OvnDnatRule, OvnDnatRuleSpec, OvnDnatRuleStatus};
pub use ovn_eip::{OvnEip, OvnEipSpec, OvnEipStatus};
pub use ovn_fip::{OvnFip, OvnFipSpec, OvnFipStatus};
pub use ovn_snat_rule::{OvnSnatRule, OvnSnatRuleSpec, OvnSnatRuleStatus};
pub use provider_network::{
    CustomInterface, NodeCondition, ProviderNetwork, ProviderNetworkSpec, ProviderNetworkStatus,
};
pub use qos_policy::{BandwidthLimitRule, QosPolicy, QosPolicySpec, QosPolicyStatus};
pub use router_lb_rule::{RouterLbRule, RouterLbRuleSpec};
pub use security_group::{SecurityGroup, SecurityGroupRule, SecurityGroupSpec, SecurityGroupStatus};
pub use subnet::{
    Acl, NatPolicyMatch, NatPolicyMatchStatus, NatPolicyRule, NatPolicyRuleStatus, Subnet, SubnetSpec,
    SubnetStatus, U2oFeatures,
};
pub use switch_lb_rule::{SwitchLbRule, SwitchLbRuleSpec};
pub use vip::{Vip, VipSpec, VipStatus};
pub use vlan::{Vlan, VlanSpec, VlanStatus};
pub use vpc::{BfdPort, BfdPortStatus, PolicyRoute, StaticRoute, Vpc, VpcPeering, VpcSpec, VpcStatus};
pub use vpc_dns::{VpcDns, VpcDnsSpec, VpcDnsStatus};
pub use vpc_egress_gateway::{
    Conntrack, ConntrackLog, ConntrackMetrics, EgressBandwidth, EgressGatewayBfd, EgressNodeSelector,
    EgressPolicy, EgressSelector, FlowFilter, FlowFilters, FlowTuple, InterfaceMetrics, LogRate,
    Observability, PortRange, ServiceMonitor, VpcEgressGateway, VpcEgressGatewaySpec, VpcEgressGatewayStatus,
};
pub use vpc_nat_gateway::{
    BgpSpeaker, NatGatewayBfd, NatGatewayRoute, VpcNatGateway, VpcNatGatewaySpec, VpcNatGatewayStatus,
};
pub use workload::Workload;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The API group of all kinds here.
pub const GROUP: &str = "kubeovn.io";

/// The only version of that group.
pub const VERSION: &str = "v1";

/// The `apiVersion` of all kinds here.
pub const API_VERSION: &str = "kubeovn.io/v1";

/// The definitions of all kinds here, in the order in which they are best created.
///
/// To be preferred to the `crd` of a single kind: [`Vip`] has a status that is written with the rest of the object,
/// which `kube` cannot say.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut vip = Vip::crd();
    vip.spec.versions.iter_mut().for_each(|version| version.subresources = None);
    vec![
        Vpc::crd(),
        ProviderNetwork::crd(),
        Vlan::crd(),
        Subnet::crd(),
        IpPool::crd(),
        Ip::crd(),
        vip,
        SecurityGroup::crd(),
        QosPolicy::crd(),
        OvnEip::crd(),
        OvnFip::crd(),
        OvnSnatRule::crd(),
        OvnDnatRule::crd(),
        VpcNatGateway::crd(),
        IptablesEip::crd(),
        IptablesFipRule::crd(),
        IptablesSnatRule::crd(),
        IptablesDnatRule::crd(),
        SwitchLbRule::crd(),
        RouterLbRule::crd(),
        VpcDns::crd(),
        BgpConf::crd(),
        EvpnConf::crd(),
        VpcEgressGateway::crd(),
        DnsNameResolver::crd(),
    ]
}

/// Declares a struct of optional fields of which the absent ones are not written.
///
/// All that the types of this module have in common; it accepts nothing but `Option` fields, so that no field
/// can come in that is written although it was not there. What a schema requires is said beside the struct, by
/// `#[schemars(extend("required" = [..]))]`: an API server then takes in no new object without it, and one that
/// was stored before is still read.
macro_rules! sparse {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* pub $field:ident : Option<$type:ty>, )*
        }
    ) => {
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", default)]
        $(#[$meta])*
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*
        }
    };
}
use sparse;

/// Completes a kind whose spec is declared by [`sparse!`] with `#[serde(remote = "Self")]`.
///
/// An object without `spec` reads as one with an empty spec: one such object must not make a client fail to
/// read the list that it is in. For the same reason the schema does not require the field, as in Kube-OVN. What
/// follows spec and status stands in the schema of the whole object, such as rules that look at both.
macro_rules! kind {
    (
        $kind:ident, $description:literal, spec: $spec:ident $(, status: $status:ident)?
        $(, $key:literal : $value:expr)* $(,)?
    ) => {
        impl<'de> serde::Deserialize<'de> for $spec {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Present($spec);
                impl<'de> serde::Deserialize<'de> for Present {
                    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                        $spec::deserialize(deserializer).map(Present)
                    }
                }
                let spec = <Option<Present> as serde::Deserialize>::deserialize(deserializer)?;
                Ok(spec.map_or_else(Self::default, |present| present.0))
            }
        }

        impl serde::Serialize for $spec {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $spec::serialize(self, serializer)
            }
        }

        impl schemars::JsonSchema for $kind {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::api::schema::without_null(schemars::json_schema!({
                    "description": $description,
                    "type": "object",
                    "properties": {
                        "spec": generator.subschema_for::<$spec>(),
                        $( "status": generator.subschema_for::<$status>(), )?
                    },
                    $( $key: $value, )*
                }))
            }
        }
    };
}
use kind;

#[cfg(test)]
mod tests;
