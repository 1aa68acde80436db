//! A Northbound that the Go controller of Kube-OVN wrote is taken over: every row of ours keeps its UUID and is changed
//! only where it differs, no port is ever without its addresses on the way, and what is not ours, or not ours yet, stays
//! as it is.
//!
//! `fixture/` writes what the Go controller (1.14, 1.15) has for the objects in `cluster/`. `ADOPT_DB=file
//! ADOPT_OBJECTS=folder` takes another standalone database and its manifests, see [`any`].
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod any;
mod clash;
#[allow(dead_code, reason = "shared with other tests, of which each needs a part")]
#[path = "../support/driven.rs"]
mod driven;
mod film;
mod fixture;
#[allow(dead_code, reason = "shared with other tests, of which each needs a part")]
#[path = "../support/rig.rs"]
mod rig;
#[allow(dead_code, reason = "shared with other tests, of which each needs a part")]
#[path = "../../kubeovn-ovn/tests/support/seen.rs"]
mod seen;
#[path = "../../kubeovn-ovn/tests/support/server.rs"]
mod server;
#[allow(dead_code, reason = "shared with other tests, of which each needs a part")]
#[path = "../support/settled.rs"]
mod settled;
mod taken;
mod takeover;
