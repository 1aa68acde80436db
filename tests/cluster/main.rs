//! What every cluster does, tried on the one in memory and on a real API server; and what only the latter can do to us.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod api;
mod backend;
mod events;
#[path = "../support/kubernetes.rs"]
mod kubernetes;
mod large;
mod lease;
mod memory;
mod outage;
mod proxy;
mod rights;
mod suite;
mod watch;
mod writing;
