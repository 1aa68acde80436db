//! Subnets.

use super::{Meta, Name, Selector};
use crate::count::Count;

/// A subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct Subnet {
    /// Metadata.
    #[cfg_attr(feature = "serde", serde(rename = "metadata"))]
    pub meta: Meta,
    /// What is asked for.
    #[cfg_attr(feature = "serde", serde(default))]
    pub spec: SubnetSpec,
    /// What we last wrote.
    #[cfg_attr(feature = "serde", serde(default))]
    pub status: SubnetStatus,
}

/// The fields of a subnet's spec that decide something. Texts are kept as given: whether they can be read is a
/// decision, not a parse error of the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "camelCase", default))]
#[allow(clippy::struct_excessive_bools, reason = "the fields are Kube-OVN's")]
pub struct SubnetSpec {
    /// VPC; empty means the default one.
    pub vpc: String,
    /// `v4`, `v6` or `v4,v6` prefixes.
    pub cidr_block: String,
    /// Gateways in the same form; left out: the first usable address.
    pub gateway: String,
    /// Addresses `a` or ranges `a..b` that are not given by themselves.
    pub exclude_ips: Vec<String>,
    /// Namespaces whose pods live here.
    pub namespaces: Vec<Name>,
    /// More of them, by label.
    pub namespace_selectors: Vec<Selector>,
    /// Provider; `ovn` or empty is the default network.
    pub provider: String,
    /// Vlan object: makes it an underlay.
    pub vlan: String,
    /// Nothing from elsewhere may come in.
    pub private: bool,
    /// Prefixes that may nevertheless.
    pub allow_subnets: Vec<String>,
    /// MTU of the pods' interfaces, 0 = by itself.
    pub mtu: u32,
    /// `distributed`, `centralized` or empty: how packets leave.
    pub gateway_type: String,
    /// Nodes that a centralized subnet leaves by: `n1,n2`, each perhaps with an address behind a colon.
    pub gateway_node: String,
    /// The same by label; looked at only when no node is named.
    pub gateway_node_selectors: Vec<Selector>,
    /// All of them at once, instead of one at a time.
    pub enable_ecmp: bool,
    /// Route table in which the router looks for this subnet's traffic; empty = main.
    pub route_table: String,
    /// Access rules of the user.
    pub acls: Vec<SubnetAcl>,
    /// With access rules: what stays in the subnet is let through.
    #[cfg_attr(feature = "serde", serde(rename = "allowEWTraffic"))]
    pub allow_ew_traffic: bool,
    /// OVN answers DHCP requests.
    #[cfg_attr(feature = "serde", serde(rename = "enableDHCP"))]
    pub enable_dhcp: bool,
    /// What DHCPv4 answers tell, `key=value,key=value`.
    pub dhcp_v4_options: String,
    /// What DHCPv6 answers tell.
    pub dhcp_v6_options: String,
    /// The router advertises itself to IPv6 hosts.
    #[cfg_attr(feature = "serde", serde(rename = "enableIPv6RA"))]
    pub enable_ipv6_ra: bool,
    /// What these advertisements tell, `key=value,key=value`.
    #[cfg_attr(feature = "serde", serde(rename = "ipv6RAConfigs"))]
    pub ipv6_ra_configs: String,
    /// What leaves for outside of the VPC has the address of the node that it leaves by.
    pub nat_outgoing: bool,
    /// Exceptions from that; the first that matches decides.
    pub nat_outgoing_policy_rules: Vec<NatRule>,
    /// Gateways outside of the cluster, instead of the node's own.
    pub external_egress_gateway: String,
    /// Priority of the rules by which nodes find them.
    pub policy_routing_priority: u32,
    /// Number of the table in which they are the default.
    #[cfg_attr(feature = "serde", serde(rename = "policyRoutingTableID"))]
    pub policy_routing_table: u32,
    /// Of an underlay: OVN's router is its gateway. Read by nodes; the controller makes no underlays yet.
    pub logical_gateway: bool,
    /// Of an underlay: the router connects it to the overlay. Read by nodes, too.
    pub u2o_interconnection: bool,
    /// Services are reachable from it, or not; left out: as the cluster is set. Read by nodes, too.
    pub enable_lb: Option<bool>,
    /// Names of fields that are set, but that nothing reads yet.
    #[cfg_attr(feature = "serde", serde(flatten, deserialize_with = "inert::deserialize"))]
    pub inert: Vec<Name>,
}

/// An exception from `natOutgoing`, texts as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default))]
pub struct NatRule {
    /// Which packets.
    pub r#match: NatMatch,
    /// `nat` or `forward`.
    pub action: String,
}

/// Which packets an exception is for: lists of addresses and prefixes of one family, with commas between. An empty one
/// is for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default))]
pub struct NatMatch {
    /// Where they come from.
    #[cfg_attr(feature = "serde", serde(rename = "srcIPs"))]
    pub src: String,
    /// Where they go.
    #[cfg_attr(feature = "serde", serde(rename = "dstIPs"))]
    pub dst: String,
}

/// An access rule of the user, texts as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default))]
pub struct SubnetAcl {
    /// `to-lport` or `from-lport`.
    pub direction: String,
    /// 0 to 32767, higher wins.
    pub priority: i64,
    /// OVN match expression.
    pub r#match: String,
    /// `allow-related`, `allow-stateless`, `allow`, `drop` or `reject`.
    pub action: String,
}

/// The fields of a subnet's status that we write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default))]
#[allow(non_snake_case, reason = "the names are Kube-OVN's, with their own casing")]
pub struct SubnetStatus {
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// IPv4 addresses that can be given.
    pub v4availableIPs: Count,
    /// Same as `a-b,c`.
    pub v4availableIPrange: String,
    /// IPv4 addresses given.
    pub v4usingIPs: Count,
    /// Same as `a-b,c`.
    pub v4usingIPrange: String,
    /// IPv6 addresses that can be given.
    pub v6availableIPs: Count,
    /// Same as `a-b,c`.
    pub v6availableIPrange: String,
    /// IPv6 addresses given.
    pub v6usingIPs: Count,
    /// Same as `a-b,c`.
    pub v6usingIPrange: String,
    /// The node that a centralized subnet leaves by now.
    pub activateGateway: String,
    /// The row that answers DHCPv4 in OVN.
    pub dhcpV4OptionsUUID: String,
    /// The row that answers DHCPv6 in OVN.
    pub dhcpV6OptionsUUID: String,
    /// The exceptions from `natOutgoing` that are in force.
    pub natOutgoingPolicyRules: Vec<NatRuleStatus>,
}

/// An exception from `natOutgoing` that is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default))]
pub struct NatRuleStatus {
    /// What hosts call it.
    #[cfg_attr(feature = "serde", serde(rename = "ruleID"))]
    pub id: String,
    /// Which packets.
    pub r#match: NatMatch,
    /// `nat` or `forward`.
    pub action: String,
}

impl NatRuleStatus {
    /// What is said of a rule.
    pub fn of(id: String, rule: &NatRule) -> Self {
        let NatRule { r#match, action } = rule.clone();
        NatRuleStatus { id, r#match, action }
    }
}

/// A condition of any object's status, without its times: a write is due only when one of these differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Condition {
    /// `Ready`, `Validated`, `Error`.
    pub r#type: Name,
    /// `True`, `False`, `Unknown`.
    pub status: Name,
    /// One word: a code of ours, or Kube-OVN's reason.
    #[cfg_attr(feature = "serde", serde(default))]
    pub reason: Name,
    /// The whole sentence.
    #[cfg_attr(feature = "serde", serde(default))]
    pub message: Name,
    /// Generation of the object that this speaks of.
    #[cfg_attr(feature = "serde", serde(default))]
    pub observed_generation: i64,
}

#[cfg(feature = "serde")]
pub(super) mod inert {
    //! Collects the names of fields that are set and that the record has no place for, so that no wish of a user
    //! is passed over in silence.

    use std::{collections::BTreeMap, fmt};

    use serde::{
        Deserialize, Deserializer,
        de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
    };

    use super::Name;

    /// Is there more than a default in it?
    struct Set(bool);

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Name>, D::Error> {
        let fields = BTreeMap::<String, Set>::deserialize(from)?;
        Ok(fields.into_iter().filter(|(_, set)| set.0).map(|(name, _)| name.into()).collect())
    }

    impl<'de> Deserialize<'de> for Set {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_any(SetVisitor)
        }
    }

    struct SetVisitor;

    impl<'de> Visitor<'de> for SetVisitor {
        type Value = Set;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }
        fn visit_bool<E>(self, v: bool) -> Result<Set, E> {
            Ok(Set(v))
        }
        fn visit_i64<E>(self, v: i64) -> Result<Set, E> {
            Ok(Set(v != 0))
        }
        fn visit_u64<E>(self, v: u64) -> Result<Set, E> {
            Ok(Set(v != 0))
        }
        fn visit_f64<E>(self, v: f64) -> Result<Set, E> {
            Ok(Set(v != 0.0))
        }
        fn visit_str<E>(self, v: &str) -> Result<Set, E> {
            Ok(Set(!v.is_empty()))
        }
        fn visit_unit<E>(self) -> Result<Set, E> {
            Ok(Set(false))
        }
        fn visit_none<E>(self) -> Result<Set, E> {
            Ok(Set(false))
        }
        fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Set, D::Error> {
            from.deserialize_any(SetVisitor)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Set, A::Error> {
            let mut any = false;
            while seq.next_element::<IgnoredAny>()?.is_some() {
                any = true;
            }
            Ok(Set(any))
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Set, A::Error> {
            let mut any = false;
            while let Some((_, Set(set))) = map.next_entry::<IgnoredAny, Set>()? {
                any |= set;
            }
            Ok(Set(any))
        }
    }
}
