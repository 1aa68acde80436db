//! That the API server of the tests is a real one, does what its harness says, and leaves nothing behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod absent;
mod crds;
mod end;
#[path = "../support/kubernetes.rs"]
mod kubernetes;
mod objects;
mod programs;
