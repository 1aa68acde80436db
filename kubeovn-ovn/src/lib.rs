//! OVN for Kube-OVN: from facts to rows of Northbound, and the way into an OVSDB server.
//!
//! * [`render`]: [`render::Fabric`] turns the facts of [`kubeovn_core::index::World`] into rows, one file per feature.
//! * [`matching`]: OVN match expressions that can only be built right, and a strict parser for those of users.
//! * [`nb`]: the tables and columns that we use.
//! * `northd`: pausing ovn-northd, with feature `client`.
//! * [`capability`]: what a server has of them, and what it can do beyond.
//! * [`ovsdb`]: the protocol's types, a replica, transactions; with feature `client` a session over a socket, with `tls` over TLS.
//! * [`memory`]: an OVSDB server in the process, for embedding, dry runs and simulation.
//!
//! Without feature `client` nothing here needs an async runtime. The README has an example of the client.

pub mod capability;
pub mod matching;
pub mod memory;
pub mod nb;
#[cfg(feature = "client")]
pub mod northd;
pub mod ovsdb;
pub mod render;

/// The example in the README compiles.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../README.md")]
struct Readme;
