//! `kubeovn-controller`: the controller of the reference deployment, on a Kubernetes API server.
//!
//! It takes the flags and the environment of Kube-OVN's controller ([`flags`]), holds its lease, and shows how it stands
//! on its port ([`serve`]). What it does with the network is [`crate::run::controller`]'s.

pub mod cli;
pub mod error;
pub mod flags;
pub mod installation;
pub mod lacking;
pub mod lead;
pub mod metrics;
pub mod serve;
