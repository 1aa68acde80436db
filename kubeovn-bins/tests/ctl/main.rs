//! `kubeovn-ctl` on a Northbound that our controller wrote into a real ovsdb-server, on the file of that server after it was
//! killed, and on folders of manifests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test may panic and print"
)]

mod diff;
mod dump;
mod history;
mod owner;
mod refused;
mod rig;
#[path = "../../../kubeovn-ovn/tests/support/server.rs"]
mod server;
mod verify;
mod watch;
