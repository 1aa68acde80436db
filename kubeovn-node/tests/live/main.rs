//! Tests on the real kernel: namespaces, links and sockets that each test makes for itself and removes.
//!
//! They need root, and `ip` and `ethtool` for looking at the result with other eyes than our own.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod announce;
mod checks;
mod guard;
mod home;
mod links;
mod midway;
mod names;
mod node;
mod takeover;
mod vswitch;
mod wiring;
