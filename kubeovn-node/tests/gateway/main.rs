//! The gateway on the host with real packets: a node between pods, the world and another node, all of them namespaces that
//! each test makes for itself. The same suite runs with nftables and with iptables.
//!
//! Needs root, and `nft`, `iptables`, `ipset` and `ip`.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures of `scale`")]

#[path = "../live/guard.rs"]
mod guard;

mod egress;
mod hands;
mod kept;
mod memory;
mod packets;
mod scale;
mod takeover;
mod town;
mod unknown;
mod watch;
