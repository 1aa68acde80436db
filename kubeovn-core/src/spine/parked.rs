//! Owners that wait for somebody else's release.

use std::collections::BTreeMap;

use crate::{contract::ipam::AddrError, hash::FixedMap, index::objects::Name, rows::OwnerKey};

/// What would help a waiting owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A free address in this subnet.
    Room(Name),
    /// Something that another owner holds: any release may be the one.
    Release,
}

impl Need {
    /// What would help against this error, if a release can.
    pub(super) fn of(error: &AddrError) -> Option<Self> {
        match error {
            AddrError::Exhausted { subnet, .. } => Some(Need::Room(subnet.clone())),
            error => error.waits_for_release().then_some(Need::Release),
        }
    }
}

/// A line: first come, first served. Who asks again keeps its place.
#[derive(Debug, Default)]
pub(super) struct Parked {
    line: BTreeMap<u64, (OwnerKey, Need)>,
    places: FixedMap<OwnerKey, u64>,
    last: u64,
}

impl Parked {
    /// Joins the line, or stays where it stands.
    pub(super) fn join(&mut self, owner: &OwnerKey, need: Need) {
        let place = *self.places.entry(owner.clone()).or_insert_with(|| {
            self.last += 1;
            self.last
        });
        self.line.insert(place, (owner.clone(), need));
    }

    /// Leaves the line.
    pub(super) fn leave(&mut self, owner: &OwnerKey) {
        if let Some(place) = self.places.remove(owner) {
            self.line.remove(&place);
        }
    }

    /// The line, from its head.
    pub(super) fn line(&self) -> Vec<(OwnerKey, Need)> {
        self.line.values().cloned().collect()
    }
}
