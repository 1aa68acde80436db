//! A plugin of the container network interface that hands out addresses of one node without a daemon.
//!
//! ```text
//!  main plugin (macvlan, bridge …) ── variables, configuration ──> run ─┬─> Call: refused, or complete
//!                                                                       ├─> open: the ledger's lock, its entries
//!          <── addresses, routes ── answer <── sync <── unlock <────────┴─> serve: plan, append, commit
//! ```
//! Verbs: ADD, DEL, CHECK, GC, STATUS, VERSION. All that is known is in the store; the plugin lives for one call.
//!
//! *Who holds an address:* an interface of the pod (`K8S_POD_UID`, else the container), by the container that asked for it
//! last. So ADD twice answers the same, the pod's next container keeps its addresses, and DEL of an earlier container
//! frees nothing.
//!
//! *Where it must be unique:* in the directory `dataDir`, whatever the subnet. Networks of a node that have nothing to
//! do with each other need a directory each; those that share one should list the same subnets, and choose by `subnet`.
//!
//! ```
//! use kubeovn_core::cni::Environment;
//! use kubeovn_ipam::{cni, store::Memory};
//!
//! let env = Environment {
//!     command: "ADD".into(),
//!     container_id: "c0ffee".into(),
//!     net_ns: "/run/netns/web".into(),
//!     if_name: "eth0".into(),
//!     args: "K8S_POD_UID=6f1a".into(),
//! };
//! let conf = br#"{"cniVersion": "1.0.0", "name": "lan", "type": "macvlan", "ipam": {"type": "kubeovn-ipam",
//!     "subnets": [{"name": "net1", "cidrBlock": "10.0.0.0/24", "gateway": "10.0.0.1"}]}}"#;
//! let printed = cni::run(&env, conf, 1_000, |_| Ok(Memory::default()), |_| Ok(()));
//! let address = printed.output.and_then(|result| result["ips"][0]["address"].as_str().map(str::to_owned));
//! assert_eq!(address.as_deref(), Some("10.0.0.2/24"));
//! ```

mod call;
mod conf;
mod error;
mod fixed;
mod network;
mod verbs;

use std::path::Path;

use kubeovn_core::{
    cni::{CniError, Environment, PluginCode, Printed},
    rows::Millis,
};

pub use self::{
    call::{Answer, Call, Verb, Who},
    error::{ConfError, NOT_AS_ADDED},
    verbs::serve,
};
use crate::store::{Store, StoreError};

/// Our own `type`; under any other our settings are in the part `ipam`.
pub const CNI_TYPE: &str = "kubeovn-ipam";
/// Where the ledger is kept when the configuration does not say it.
pub const DATA_DIR: &str = "/var/lib/cni/kubeovn-ipam";

/// Does what the runtime asks for. `open` gives the store in a directory, with the lock that keeps other processes out
/// of it; `unlock` gives the lock back, once what is left is to wait for the disk.
pub fn run<S: Store>(
    env: &Environment,
    input: &[u8],
    now: Millis,
    open: impl FnOnce(&Path) -> Result<S, StoreError>,
    unlock: impl FnOnce(&S) -> Result<(), StoreError>,
) -> Printed {
    if env.command == "VERSION" {
        return Printed::versions();
    }
    let version = conf::version_of(input);
    let attempt = || {
        let call = Call::read(env, input)?;
        let store = open(&call.dir).map_err(|error| error::of_store(&error))?;
        serve(&store, &call, now, unlock)
    };
    let outcome = attempt().map_err(|error| if env.command == "STATUS" { unavailable(error) } else { error });
    Printed::new(outcome.map(|result| result.map(|result| result.render(&version))), &version)
}

/// STATUS has codes of its own; those that it shares with the other verbs are about the call itself.
fn unavailable(error: CniError) -> CniError {
    let keep = error.code == PluginCode::IncompatibleVersion as u32;
    if keep { error } else { CniError { code: PluginCode::NotAvailable as u32, ..error } }
}

#[cfg(test)]
mod tests;
