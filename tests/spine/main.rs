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

mod oracle;
mod sim;
