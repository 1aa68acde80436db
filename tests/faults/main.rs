//! What nobody plans for: a controller that is killed at any point, and users who mean harm.
//!
//! ```text
//! scenes.rs ──> ground.rs (in memory), real.rs (API server, ovsdb-server) <── cut.rs <── controller.rs
//!                  │                                                          dies at the n-th effect
//!                  └──> view.rs: what must hold of what is there
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod controller;
mod cut;
mod forged;
mod ground;
mod hostile;
mod kill;
#[path = "../support/kubernetes.rs"]
mod kubernetes;
#[path = "../support/northd.rs"]
mod northd;
#[path = "../support/objects.rs"]
#[allow(dead_code, reason = "objects of another test crate, of which not all are needed")]
mod objects;
mod pages;
mod real;
mod scenes;
#[path = "../../kubeovn-ovn/tests/support/seen.rs"]
mod seen;
#[path = "../../kubeovn-ovn/tests/support/server.rs"]
mod server;
mod view;
mod ways;
