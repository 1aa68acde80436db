//! The manifests of examples/deploy: that they say what the programs are, that a real API server takes them, that the rights
//! in them are those that are used, and that the image's scripts work with the capabilities that they are given.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod audit;
mod capabilities;
#[path = "../../../tests/support/kubernetes.rs"]
mod kubernetes;
mod manifests;
mod pods;
#[path = "../controller/rig.rs"]
#[allow(dead_code, reason = "shared with the suite of the controller")]
mod rig;
mod rights;
mod running;
#[path = "../../../kubeovn-ovn/tests/support/server.rs"]
mod server;
