//! Pools: parts of a subnet that are given only to who names them.

use super::{Condition, Meta, Name};
use crate::count::Count;

/// An IPPool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct IpPool {
    /// Metadata.
    #[cfg_attr(feature = "serde", serde(rename = "metadata"))]
    pub meta: Meta,
    /// What is asked for.
    #[cfg_attr(feature = "serde", serde(default))]
    pub spec: IpPoolSpec,
    /// What we last wrote.
    #[cfg_attr(feature = "serde", serde(default))]
    pub status: IpPoolStatus,
}

/// The fields of a pool's spec that decide something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "camelCase", default))]
pub struct IpPoolSpec {
    /// The subnet whose addresses these are.
    pub subnet: String,
    /// Addresses, ranges `a..b` and prefixes.
    pub ips: Vec<String>,
    /// Namespaces whose pods get theirs from here unless they choose otherwise.
    pub namespaces: Vec<Name>,
    /// Whether OVN has them as a set, too.
    #[cfg_attr(feature = "serde", serde(rename = "enableAddressSet"))]
    pub address_set: bool,
}

/// The fields of a pool's status that we write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default))]
#[allow(non_snake_case, reason = "the names are Kube-OVN's, with their own casing")]
pub struct IpPoolStatus {
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// IPv4 addresses that can be given.
    pub v4AvailableIPs: Count,
    /// Same as `a-b,c`.
    pub v4AvailableIPRange: String,
    /// IPv4 addresses given.
    pub v4UsingIPs: Count,
    /// Same as `a-b,c`.
    pub v4UsingIPRange: String,
    /// IPv6 addresses that can be given.
    pub v6AvailableIPs: Count,
    /// Same as `a-b,c`.
    pub v6AvailableIPRange: String,
    /// IPv6 addresses given.
    pub v6UsingIPs: Count,
    /// Same as `a-b,c`.
    pub v6UsingIPRange: String,
}
