//! The whole way through, without I/O: cluster, spine, ledger, renderer and database all in memory, one clock, one seed.

#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says why"
)]

#[path = "../support/objects.rs"]
#[allow(dead_code, reason = "objects of another test crate, of which not all are needed")]
mod objects;
mod oracle;
mod releases;
#[path = "../../kubeovn-ovn/tests/conformance/schemas.rs"]
mod schemas;
#[path = "../../kubeovn-ovn/tests/support/server.rs"]
mod server;
mod sim;
