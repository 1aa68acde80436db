//! Virtual machines of KubeVirt: what of them decides how long their addresses are kept.

use super::Meta;

/// A virtual machine, running or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct VirtualMachine {
    /// Metadata.
    #[cfg_attr(feature = "serde", serde(rename = "metadata"))]
    pub meta: Meta,
}

/// A virtual machine that runs, or is about to: its pods belong to it. It has the name of its `VirtualMachine`, or there is
/// none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct VirtualMachineInstance {
    /// Metadata.
    #[cfg_attr(feature = "serde", serde(rename = "metadata"))]
    pub meta: Meta,
}
