//! Ids of rows and values derived from names.

use std::sync::Arc;

use kubeovn_core::{
    addr::{DualStack, Mac},
    annotations::node_port_name,
    rows::RowKey,
};
use uuid::Uuid;

use crate::{
    matching::{MatchError, SetName},
    nb,
};

/// Name space of everything that is derived from a text here. A random one, drawn once.
const DERIVED: Uuid = Uuid::from_u128(0x6f2d_3a0b_91c7_4d56_8e15_c2a4_77d0_b9e3);

/// The logical router of a VPC.
pub(super) fn router(vpc: &str) -> RowKey {
    RowKey::new(nb::LOGICAL_ROUTER, vpc)
}

/// The logical switch of a subnet.
pub(super) fn switch(subnet: impl Into<Arc<str>>) -> RowKey {
    RowKey::new(nb::LOGICAL_SWITCH, subnet)
}

/// A logical switch port by name.
pub(super) fn switch_port(name: impl Into<Arc<str>>) -> RowKey {
    RowKey::new(nb::LOGICAL_SWITCH_PORT, name)
}

/// The group of a subnet's pods on a node.
pub(super) fn local_group(subnet: &str, node: &str) -> RowKey {
    RowKey::new(nb::PORT_GROUP, format!("{subnet}/{node}"))
}

/// The group of all pods on a node.
pub(super) fn node_group(node: &str) -> RowKey {
    RowKey::new(nb::PORT_GROUP, node_port_name(node))
}

/// The name of a group: as Kube-OVN folds it, dashes as dots, since no expression can have them. What can't be a name even
/// so, such as one that begins with a digit, gets one that can.
///
/// # Errors
/// Never: a digest can be a name.
pub(super) fn group_name(text: &str) -> Result<SetName, MatchError> {
    SetName::new(text.replace('-', ".")).or_else(|_| SetName::new(format!("g.{}", digest(text))))
}

/// What a group's name is claimed by. Names that fold to one are told apart by their rows, but only one of them can have it.
pub(super) fn group_claim(group: &SetName) -> String {
    format!("@{group}")
}

/// Where the ids of rows begin that a VPC's user asked for.
pub(super) fn users(vpc: &str) -> String {
    format!("{vpc}/user/")
}

/// A policy of a router.
pub(super) fn policy(vpc: &str, priority: u16, what: &str) -> RowKey {
    RowKey::new(nb::LOGICAL_ROUTER_POLICY, format!("{vpc}/{priority}/{what}"))
}

/// The MAC of a router port: the same at every start, so that a restart writes nothing.
pub(super) fn router_mac(port: &str) -> Mac {
    let [a, b, c, d, e, f, ..] = *Uuid::new_v5(&DERIVED, format!("mac/{port}").as_bytes()).as_bytes();
    Mac::local([a, b, c, d, e, f])
}

/// A short name for a text of any length and alphabet.
pub(super) fn digest(text: &str) -> String {
    let mut digest = Uuid::new_v5(&DERIVED, text.as_bytes()).simple().to_string();
    digest.truncate(12);
    digest
}

/// MAC and addresses as Logical_Switch_Port.addresses has them.
pub(super) fn port_addresses(mac: Mac, ips: &DualStack<std::net::IpAddr>) -> String {
    ips.iter().fold(mac.to_string(), |text, ip| format!("{text} {ip}"))
}
