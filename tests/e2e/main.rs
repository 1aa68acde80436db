//! A whole cluster on one machine: API server, controller manager, scheduler, three nodes with kubelet, kube-proxy and
//! containerd, OVN, our programs, and pods that send packets. `make e2e` runs it, [docs/testing.md] tells how to look
//! around in it.
//!
//! ```text
//!   outside   this program, as it was started: watches the time, cleans up whatever happens
//!     │       (jail: namespaces for processes, mounts, network and names that end with it)
//!   inside    this program again, in them: API server, OVN's databases, kubeovn-controller, the checks
//!     │       (machine: mounts, network and name of its own, on one wire with the others)
//!   n1 n2 n3  OVS and ovn-controller, containerd, kubelet, kube-proxy, node daemon
//! ```
//!
//! [docs/testing.md]: ../../docs/testing.md
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::ExitCode;

mod central;
mod cgroup;
mod checks;
mod cluster;
mod cni;
mod deployed;
mod image;
mod inside;
mod install;
mod jail;
mod kept;
mod killed;
mod kubectl;
#[path = "../support/kubernetes.rs"]
mod kubernetes;
mod machine;
mod node;
mod outside;
mod part;
mod programs;
mod settings;
mod wait;
mod wire;

fn main() -> ExitCode {
    if jail::is_inside() { inside::run() } else { outside::run() }
}
