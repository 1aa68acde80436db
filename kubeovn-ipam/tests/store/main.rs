//! Stores: what all of them promise, and what a journal keeps through crashes, power cuts, damage and other processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests and their helpers: a surprise is a failed test"
)]

mod crash;
mod damage;
mod failures;
mod help;
mod interleave;
mod lineage;
mod processes;
mod random;
mod sim;
mod suite;
