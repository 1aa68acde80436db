//! What must be looked at again. Facts only mark; nobody decides, renders or publishes where a fact comes in.

use std::collections::BTreeSet;

use super::objects::{Name, ObjectKey};
use crate::{hash::FixedSet, rows::OwnerKey};

/// Marks of many: put in order once, when they are taken, and not with each of them.
pub type Marks<T> = FixedSet<T>;

/// Marks, by what they ask for. Apart, so that the echo of an annotation that we wrote ourselves does not render
/// its pod again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    /// VPCs whose subnets are to be decided again.
    pub vpcs: BTreeSet<Name>,
    /// Subnets whose gateways are to be chosen again.
    pub gateways: BTreeSet<Name>,
    /// Owners whose addresses are to be settled again.
    pub addresses: Marks<OwnerKey>,
    /// Of these, owners whose object is gone, or was replaced by another of the same name: what the one before held is
    /// not theirs.
    pub successors: BTreeSet<OwnerKey>,
    /// Owners whose rows are to be rendered again.
    pub rows: Marks<OwnerKey>,
    /// Objects to which something may have to be told.
    pub status: Marks<ObjectKey>,
}
