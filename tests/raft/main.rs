//! The controller on a real Northbound of three members, while a thousand pods come and go and the members fail in
//! every way that we know of.
//!
//! Every test has a cluster of its own and looks at each member through a connection of its own. After the faults all
//! members have what a fresh controller writes into an empty database, no address was in two ports at any moment, and
//! a restart writes nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod crowd;
mod cuts;
#[path = "../support/driven.rs"]
mod driven;
mod files;
mod frozen;
mod lease;
mod log;
mod network;
#[path = "../support/objects.rs"]
#[allow(dead_code, reason = "shared with the suite that runs on one server")]
mod objects;
mod partition;
mod proxy;
mod raft;
#[path = "../support/rig.rs"]
#[allow(dead_code, reason = "shared with the suite that runs on one server")]
mod rig;
#[path = "../../kubeovn-ovn/tests/support/seen.rs"]
#[allow(dead_code, reason = "shared with the suite that runs on one server")]
mod seen;
#[path = "../../kubeovn-ovn/tests/support/server.rs"]
mod server;
#[path = "../support/settled.rs"]
mod settled;
mod takeover;
