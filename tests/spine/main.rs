//! The whole way through, without I/O: cluster, spine, ledger, renderer and database all in memory, one clock, one seed.
//!
//! ```text
//! user ──> MemoryCluster ──> watch.rs ──┐                 ┌──> database.rs ──> Server <── meddlers, backups
//!               ▲         late, twice,  ├──> the spine ───┤    lost, refused, late, unknown
//!               └── writes.rs: refused, ┘                 └──> writes.rs
//!                   done but answered as failed
//! ```
//!
//! `random.rs` draws what happens, `oracle.rs` says what must hold on the way and in the end, `known.rs` are short
//! runs, each of which once went wrong or shows one promise.

#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says why"
)]

mod cluster;
mod database;
mod further;
mod gateways;
mod heal;
mod kept;
mod known;
mod ledger;
mod machines;
mod neighbours;
#[path = "../support/objects.rs"]
#[allow(dead_code, reason = "objects of another test crate, of which not all are needed")]
mod objects;
mod oracle;
mod pools;
mod random;
mod refused;
mod releases;
#[path = "../../kubeovn-ovn/tests/conformance/schemas.rs"]
mod schemas;
#[path = "../../kubeovn-ovn/tests/support/server.rs"]
mod server;
mod sim;
mod steps;
mod user;
mod watch;
