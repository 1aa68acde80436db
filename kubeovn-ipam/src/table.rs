//! Compact tables: a grant costs some 60 bytes with all that finds it, and a copy of the whole ledger is a few copies
//! of plain memory.

mod addresses;
mod identities;
mod index;
mod names;
mod slab;

pub(crate) use addresses::Addresses;
pub(crate) use identities::Identities;
pub(crate) use index::Index;
pub(crate) use kubeovn_core::hash::{FixedMap, fold, hash};
pub(crate) use names::Names;
pub(crate) use slab::Slab;

/// A few ids, for which nothing is allocated: most owners hold one grant, hardly any more than four.
pub(crate) type Ids = smallvec::SmallVec<[u32; 4]>;
