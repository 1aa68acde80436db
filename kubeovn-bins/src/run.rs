//! Long-running roles, each a future that ends when it is dropped: the binaries only build their parts.

pub mod asking;
pub mod chronicle;
pub mod controller;
pub mod lease;
mod pause;
pub mod plan;
pub mod report;
mod writer;
