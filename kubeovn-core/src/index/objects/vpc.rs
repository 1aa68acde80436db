//! VPCs.

use super::{Meta, Name};

/// A VPC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct Vpc {
    /// Metadata.
    #[cfg_attr(feature = "serde", serde(rename = "metadata"))]
    pub meta: Meta,
    /// What is asked for.
    #[cfg_attr(feature = "serde", serde(default))]
    pub spec: VpcSpec,
    /// What we last wrote.
    #[cfg_attr(feature = "serde", serde(default))]
    pub status: VpcStatus,
}

/// The fields of a VPC's spec that decide something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "camelCase", default))]
pub struct VpcSpec {
    /// Subnet of pods whose namespace is bound to no subnet; ignored for the default VPC.
    pub default_subnet: String,
    /// Namespaces that may use this VPC.
    pub namespaces: Vec<Name>,
    /// Routes of the user.
    pub static_routes: Vec<StaticRoute>,
    /// Policies of the user.
    pub policy_routes: Vec<PolicyRoute>,
    /// Direct connections to other VPCs.
    pub vpc_peerings: Vec<VpcPeering>,
    /// Names of fields that are set, but that nothing acts on yet.
    #[cfg_attr(feature = "serde", serde(flatten, deserialize_with = "super::subnet::inert::deserialize"))]
    pub inert: Vec<Name>,
}

/// A route of the user, texts as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default))]
pub struct StaticRoute {
    /// `policyDst` (also when empty) or `policySrc`.
    pub policy: String,
    /// Prefix or single address.
    pub cidr: String,
    /// Next hop.
    #[cfg_attr(feature = "serde", serde(rename = "nextHopIP"))]
    pub next_hop: String,
    /// Route table; empty = main.
    #[cfg_attr(feature = "serde", serde(rename = "routeTable"))]
    pub table: String,
}

/// A policy of the user, texts as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default))]
pub struct PolicyRoute {
    /// 0 to 32767, higher wins.
    pub priority: i64,
    /// OVN match expression.
    pub r#match: String,
    /// `allow` (also when empty), `drop` or `reroute`.
    pub action: String,
    /// Next hops with commas between, for `reroute`.
    #[cfg_attr(feature = "serde", serde(rename = "nextHopIP"))]
    pub next_hops: String,
}

/// A direct connection to another VPC, texts as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "camelCase", default))]
pub struct VpcPeering {
    /// The other VPC.
    pub remote_vpc: Name,
    /// Addresses of this side with their prefix lengths, `169.254.0.1/30`, at most one per family with a comma between.
    #[cfg_attr(feature = "serde", serde(rename = "localConnectIP"))]
    pub local_connect_ip: String,
}

/// The fields of a VPC's status that we write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "camelCase", default))]
pub struct VpcStatus {
    /// Usable.
    pub standby: bool,
    /// The cluster's default VPC.
    pub default: bool,
    /// Default subnet's name.
    pub default_logical_switch: String,
    /// Logical router's name.
    pub router: String,
    /// Names of its subnets, sorted.
    pub subnets: Vec<Name>,
    /// Names of the VPCs that it is connected to, as far as its own side goes; sorted.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "or_none"))]
    pub vpc_peerings: Vec<Name>,
    /// Conditions.
    pub conditions: Vec<super::Condition>,
}

/// A list that Go writes as `null` where it is empty.
#[cfg(feature = "serde")]
fn or_none<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Name>, D::Error> {
    <Option<Vec<Name>> as serde::Deserialize>::deserialize(from).map(Option::unwrap_or_default)
}
