//! Facts: what the cluster holds, found fast in every direction that a decision asks for.

pub mod objects;
mod world;

pub use world::World;
