//! The reference deployment of Kube-OVN for Rust: clusters from an API server or from folders, the controller's loop, the
//! lab, and what the thin binaries in `src/bin` are made of.

pub mod cluster;
pub mod controller;
pub mod ctl;
pub mod daemon;
pub mod flags;
mod icmp;
pub mod lab;
pub mod metrics;
pub mod process;
pub mod run;
pub mod serve;
