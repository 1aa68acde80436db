//! `kubeovn-ctl check` in a network namespace, and `kubeovn-ctl test` against a real API server whose kubelets are played.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test fails by panicking; what is shared with other suites has more than is needed here"
)]

mod check;
#[path = "../../../tests/support/kubernetes.rs"]
mod kubernetes;
mod reach;
