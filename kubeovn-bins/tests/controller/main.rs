//! The program `kubeovn-controller` on a real API server and a real `ovsdb-server`: what it does for pods, and that two of
//! them never work at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/authority.rs"]
mod authority;
mod flags;
#[path = "../../../tests/support/kubernetes.rs"]
mod kubernetes;
mod lacking;
mod machines;
mod probes;
mod recovery;
mod rig;
#[path = "../../../kubeovn-ovn/tests/support/server.rs"]
mod server;
mod takeover;
mod tls;
mod work;
