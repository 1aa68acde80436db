//! The controller on a real `ovsdb-server`, and where it matters a real `ovn-northd`: what it writes, what it leaves
//! alone, and that it comes back from whatever happens to the database.
//!
//! Every test has a server of its own and looks at it through a connection of its own, which the controller knows
//! nothing of.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod answers;
mod comeback;
mod crash;
#[path = "../support/driven.rs"]
#[allow(dead_code, reason = "shared with the suite that runs on a cluster")]
mod driven;
mod gateways;
mod northd;
#[path = "../support/northd.rs"]
mod northd_support;
#[path = "../support/objects.rs"]
mod objects;
mod releases;
mod removal;
#[path = "../support/rig.rs"]
mod rig;
#[path = "../../kubeovn-ovn/tests/conformance/schemas.rs"]
mod schemas;
#[path = "../../kubeovn-ovn/tests/support/seen.rs"]
mod seen;
#[path = "../../kubeovn-ovn/tests/support/server.rs"]
mod server;
#[path = "../support/settled.rs"]
mod settled;
mod silence;
mod stopped;
mod strangers;
