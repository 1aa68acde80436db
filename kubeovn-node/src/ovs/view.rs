//! What the rest of the daemon sees of the switch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kubeovn_core::error::Problem;
use kubeovn_core::rows::{EXTERNAL_IDS, OwnerKey, Replica, Value};

use super::port::Port;
use super::render::{bridge_row, interface_row};
use super::schema::OVN_INSTALLED;

/// The switch at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwitchView {
    /// The database is in reach and was read whole.
    pub connected: bool,
    /// Why it was not, as long as nothing was written since.
    pub lost: Option<Arc<str>>,
    /// The integration bridge is there.
    pub bridge: bool,
    /// It forwards in user space: what is plugged must compute checksums itself.
    pub userspace: bool,
    /// Ports that should be there.
    pub ports: BTreeMap<OwnerKey, PortState>,
    /// Owners whose port should be gone, but is not yet.
    pub leaving: BTreeSet<OwnerKey>,
    /// OVN's name of the node.
    pub system_id: Option<Arc<str>>,
    /// Why what ovn-controller reads about the node is not as it should be.
    pub chassis: Option<Arc<str>>,
}

/// A port that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortState {
    /// As it should be.
    pub port: Port,
    /// Its rows are in the database.
    pub written: bool,
    /// OVS knows it and took it into the bridge.
    pub connected: bool,
    /// OVN installed all its flows.
    pub installed: bool,
    /// Why OVS did not take it.
    pub error: Option<Arc<str>>,
    /// Why its rows are not as they should be.
    pub problem: Option<Problem>,
}

impl PortState {
    /// Packets pass.
    pub fn is_ready(&self) -> bool {
        self.connected && self.installed
    }

    pub(super) fn of(port: &Port, problem: Option<Problem>, have: &dyn Replica) -> Self {
        let row = interface_row(port);
        let ofport = have.value(&row, "ofport").and_then(Value::as_int);
        let error = have.value(&row, "error").and_then(|value| value.texts().next().cloned());
        let installed = have.pair(&row, EXTERNAL_IDS, OVN_INSTALLED).is_some_and(|text| &**text == "true");
        Self {
            port: port.clone(),
            written: have.has(&row),
            // OVS writes -1 for a port that it could not add.
            connected: ofport.is_some_and(|number| number > 0),
            installed,
            error: error.filter(|text| !text.is_empty()),
            problem,
        }
    }
}

/// Is the bridge there, and is it a userspace one?
pub(super) fn bridge_of(bridge: &str, have: &dyn Replica) -> (bool, bool) {
    let row = bridge_row(bridge);
    let datapath = have.value(&row, "datapath_type").and_then(|value| value.texts().next());
    (have.has(&row), datapath.is_some_and(|datapath| &**datapath == "netdev"))
}
