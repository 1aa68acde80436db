//! `kubeovn-ctl nb`: what stands in Northbound, and why.

pub mod cli;
pub mod diff;
pub mod dump;
pub mod listing;
pub mod manifests;
pub mod owner;
pub mod snapshot;
pub mod verify;
pub mod watch;
