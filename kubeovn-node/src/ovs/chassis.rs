//! What ovn-controller reads about its node from the only row of the table `Open_vSwitch`.
//!
//! The row is the installation's, and most of its keys are; these few are ours to keep as they should be. `ovn-remote`,
//! `ovn-encap-type` and `system-id` are written by the start script of OVS (ovn-controller(8)).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use kubeovn_core::rows::{Act, Delta, EXTERNAL_IDS, Op, Replica, RowKey};

use super::schema::{ENCAP_CSUM, ENCAP_IP, ENCAP_IP_DEFAULT, OPEN_VSWITCH, SYSTEM_ID};

/// How a node's tunnels should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chassis {
    /// Addresses of the node's end, the default one first.
    pub ips: Vec<IpAddr>,
    /// Outer UDP checksums.
    pub checksum: bool,
}

fn row() -> RowKey {
    RowKey::named(OPEN_VSWITCH, "")
}

/// OVN's name of the node.
pub(super) fn system_id(have: &dyn Replica) -> Option<Arc<str>> {
    have.pair(&row(), EXTERNAL_IDS, SYSTEM_ID).cloned().filter(|id| !id.is_empty())
}

/// What is to be written; `None` when all is as it should be, or the row is not there yet.
pub(super) fn difference(want: &Chassis, have: &dyn Replica) -> Option<Op> {
    let row = row();
    let first = want.ips.first().filter(|_| have.has(&row))?;
    let list: Vec<String> = want.ips.iter().map(ToString::to_string).collect();
    let wanted = [
        (ENCAP_IP, list.join(",")),
        (ENCAP_IP_DEFAULT, first.to_string()),
        (ENCAP_CSUM, want.checksum.to_string()),
    ];
    let pairs: BTreeMap<&'static str, Option<Arc<str>>> = wanted
        .into_iter()
        .filter(|(key, value)| have.pair(&row, EXTERNAL_IDS, key).is_none_or(|has| **has != **value))
        .map(|(key, value)| (key, Some(value.into())))
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let mut delta = Delta::default();
    delta.pairs.insert(EXTERNAL_IDS, pairs);
    Some(Op { row, act: Act::Change(delta) })
}
