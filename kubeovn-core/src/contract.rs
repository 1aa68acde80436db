//! Contracts between crates, each with at least two backends that pass one conformance suite.

pub mod cluster;
#[cfg(feature = "cluster")]
pub mod database;
pub mod ipam;
pub mod model;
