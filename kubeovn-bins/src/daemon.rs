//! `kubeovn-daemon`: the node daemon of the reference deployment.
//!
//! It takes the flags and the environment of Kube-OVN's daemon ([`flags`]) and shows how it stands on its port
//! ([`serve`]). What it does on the node is [`kubeovn_node::daemon`]'s.

pub mod cli;
pub mod error;
pub mod flags;
pub mod install;
pub mod installation;
pub mod metrics;
pub mod serve;
