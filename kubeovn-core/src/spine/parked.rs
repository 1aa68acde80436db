//! Owners that wait for somebody else's release.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    contract::ipam::{AddrError, Grant, MacWish, Source, Want},
    hash::FixedMap,
    rows::OwnerKey,
};

/// What would help a waiting owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Room for what it wants, wherever that may be. As long as another one with the same wants finds none, it doesn't.
    Room(Arc<[Want]>),
    /// Something that another owner holds: any release may be the one.
    Release,
}

impl Need {
    /// What would help against this error, if a release can. Of several places where the owner may go the error names but
    /// one, and of two families the first that is full: who waits for the same is told by his wants. Not where these are
    /// his alone: by an address or MAC that he names, or since he has something that he can keep.
    pub(super) fn of(error: &AddrError, wants: Vec<Want>, held: &[Grant]) -> Option<Self> {
        let is_anybodys = |want: &Want| {
            let names = matches!(&want.from, Source::OneOf(items) if !items.is_empty());
            !names && !matches!(want.mac, MacWish::Is(_))
        };
        match error {
            AddrError::Exhausted { .. } if held.is_empty() && wants.iter().all(is_anybodys) => {
                Some(Need::Room(wants.into()))
            }
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

    /// What would help an owner, if it waits.
    pub(super) fn need(&self, owner: &OwnerKey) -> Option<&Need> {
        self.line.get(self.places.get(owner)?).map(|(_, need)| need)
    }

    /// The line, from its head.
    pub(super) fn line(&self) -> Vec<(OwnerKey, Need)> {
        self.line.values().cloned().collect()
    }
}
