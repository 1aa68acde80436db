//! Where objects come from.

pub mod folder;
pub mod kube;
pub mod leased;
