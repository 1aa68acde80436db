//! Facts: what the cluster holds, found fast in every direction that a decision asks for.

mod dirty;
mod intern;
pub mod objects;
pub mod selectors;
mod settings;
mod world;

pub use dirty::{Dirty, Marks};
pub use settings::{NetworkType, Settings};
pub use world::{Decision, World, ip_name};
pub(crate) use world::{
    claims::{RESERVED, SUBNET, is_reserved},
    ip_owner,
};
