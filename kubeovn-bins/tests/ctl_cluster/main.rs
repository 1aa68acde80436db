//! `kubeovn-ctl` on a live cluster: a real API server, a real ovsdb-server, and the controller between them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test fails by panicking; the rig is that of another suite, which needs more of it"
)]

mod asked;
mod disagreeing;
mod healthy;
mod history;
#[path = "../../../tests/support/kubernetes.rs"]
mod kubernetes;
mod planned;
#[path = "../controller/rig.rs"]
mod rig;
#[path = "../../../kubeovn-ovn/tests/support/server.rs"]
mod server;
mod status;
