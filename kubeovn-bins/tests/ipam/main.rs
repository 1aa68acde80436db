//! Both address plugins under the real main plugins: `kubeovn-ipam`, which needs no daemon, and `kube-ovn` with the
//! node's daemon. Real processes, real namespaces, real packets.
//!
//! ```text
//!  the test, as runtime ──> macvlan, host-device ──> kubeovn-ipam ──> ledger in a directory
//!  (variables, stdin)       (Debian's, in "host")    kube-ovn ──────> socket ──> Daemon
//!                                  └──────> net1 in "pod", "pod", …
//! ```
//! They need root, `ip`, and the plugins of the package containernetworking-plugins.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod crash;
mod crowd;
mod daemon;
mod direct;
mod host_device;
mod machine;
mod macvlan;
mod node;
mod packets;
mod pods;
