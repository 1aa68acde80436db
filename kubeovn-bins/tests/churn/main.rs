//! Attachments by the hundred on a real Open vSwitch and OVN, made and removed by the plugin's own program: of each ADD
//! there is an answer, and of all of them nothing is left. And what cuts one short.
//!
//! ```text
//!  the test, as runtime ──> kubeovn-cni ──> socket ──> Daemon ──> ovsdb-server, ovs-vswitchd ──> ovn-controller
//!                 (a process and a namespace each)        ^
//!  MemoryCluster ──> controller ──> Northbound             └── annotations
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod cut;
mod disk;
mod rig;
mod rounds;
