//! Clusters that need no server.

pub mod memory;
