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

mod comeback;
mod crash;
mod northd;
mod objects;
mod removal;
mod rig;
#[path = "../../kubeovn-ovn/tests/support/seen.rs"]
mod seen;
#[path = "../../kubeovn-ovn/tests/support/server.rs"]
mod server;
mod silence;
mod strangers;
