//! The lab: a whole network on one machine, with real OVN and real packets.
//!
//! ```text
//!   manifests ──> controller ──> Northbound ─ northd ─ Southbound ──> ovn-controller, OVS   (fabric: namespaces)
//!       │                                                                  ▲
//!       ├── pods ──> runtime ── kubeovn-cni ──> node daemon ───────────────┘
//!       └── probes ──> packets ──> report, picture, exit code
//! ```
//!
//! Everything here plays the world around the product: machines, wires, a container runtime, somebody who sends
//! packets. The product itself, controller and node daemons, runs as it does anywhere else.

pub mod cli;
pub mod error;
pub mod fabric;
pub mod manifest;
pub mod plan;
pub mod pods;
pub mod probe;
pub mod report;
pub mod run;
pub mod state;
pub mod status;
pub mod svg;
pub mod view;

mod database;
mod tool;
