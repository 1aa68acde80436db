//! The flags of Kube-OVN's controller.

mod table;
#[cfg(test)]
mod tests;

use crate::flags::Program;

/// The controller.
pub static PROGRAM: Program = Program {
    name: "kubeovn-controller",
    about: "The controller of Kube-OVN for Rust: makes OVN's Northbound what the objects of a cluster say",
    flags: table::FLAGS,
};
