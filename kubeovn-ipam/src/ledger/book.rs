//! Who holds what: owners and their grants as compact records.

use std::{net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{DualStack, Mac, number},
    contract::ipam::Grant,
    rows::{Millis, OwnerKey},
};

use crate::table::{Index, Names, Slab, hash};

/// No next grant.
const NONE: u32 = u32::MAX;

/// Which addresses a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    Neither,
    V4,
    V6,
    Both,
}

/// A grant: 64 bytes, of which one owner's form a chain.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Two halves, since a `u128` would be aligned to 16 bytes.
    v6: [u64; 2],
    pub(crate) generation: u64,
    pub(crate) since: Millis,
    v4: u32,
    pub(crate) subnet: u32,
    pub(crate) owner: u32,
    nic: u32,
    next: u32,
    pub(crate) mac: Mac,
    has: Has,
}

impl Record {
    /// Its addresses.
    pub(crate) fn ips(&self) -> DualStack<IpAddr> {
        let v4 = || Some(IpAddr::V4(self.v4.into()));
        let v6 = || Some(IpAddr::V6((u128::from(self.v6[0]) << 64 | u128::from(self.v6[1])).into()));
        match self.has {
            Has::Neither => DualStack::default(),
            Has::V4 => DualStack { v4: v4(), v6: None },
            Has::V6 => DualStack { v4: None, v6: v6() },
            Has::Both => DualStack { v4: v4(), v6: v6() },
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) key: OwnerKey,
    pub(crate) uid: Arc<str>,
    /// Start of the chain of its grants; an owner without any is forgotten.
    first: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    grants: Slab<Record>,
    owners: Slab<Owner>,
    by_key: Index,
    nics: Names,
}

impl Book {
    pub(crate) fn grants(&self) -> &Slab<Record> {
        &self.grants
    }

    pub(crate) fn record(&self, id: u32) -> Option<&Record> {
        self.grants.get(id)
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.owners.iter()
    }

    /// The id of an owner, if it holds something.
    pub(crate) fn find(&self, key: &OwnerKey) -> Option<u32> {
        self.find_by(hash(key), key)
    }

    /// The id of an owner, which is noted if it holds nothing yet: a grant must follow.
    pub(crate) fn find_or_add(&mut self, key: &OwnerKey, uid: &Arc<str>) -> u32 {
        let hash = hash(key);
        self.find_by(hash, key).unwrap_or_else(|| {
            let id = self.owners.insert(Owner { key: key.clone(), uid: uid.clone(), first: NONE });
            self.by_key.insert(hash, id);
            id
        })
    }

    fn find_by(&self, hash: u64, key: &OwnerKey) -> Option<u32> {
        self.by_key.find(hash, |id| self.owners.get(id).is_some_and(|owner| owner.key == *key))
    }

    /// An owner by id.
    pub(crate) fn owner(&self, id: u32) -> Option<&Owner> {
        self.owners.get(id)
    }

    /// Who holds a grant.
    pub(crate) fn owner_of(&self, record: &Record) -> Option<&Owner> {
        self.owners.get(record.owner)
    }

    /// The grants of an owner, in no order that means something.
    pub(crate) fn held(&self, owner: Option<u32>) -> impl Iterator<Item = (u32, &Record)> {
        let mut at = owner.and_then(|id| self.owners.get(id)).map_or(NONE, |owner| owner.first);
        std::iter::from_fn(move || {
            let (id, record) = (at, self.grants.get(at)?);
            at = record.next;
            Some((id, record))
        })
    }

    /// Does an owner hold something from a subnet?
    pub(crate) fn holds_from(&self, owner: u32, subnet: u32) -> bool {
        self.held(Some(owner)).any(|(_, record)| record.subnet == subnet)
    }

    /// The interface that a grant is for.
    pub(crate) fn nic(&self, record: &Record) -> Arc<str> {
        self.nics.get(record.nic)
    }

    /// Notes a grant.
    pub(crate) fn add(&mut self, owner: u32, subnet: u32, grant: &Grant) -> u32 {
        let (v4, v6) = (grant.ips.v4.map_or(0, number), grant.ips.v6.map_or(0, number));
        #[allow(
            clippy::cast_possible_truncation,
            reason = "cut into halves on purpose; a v4 number has 32 bits"
        )]
        let (v4, v6) = (v4 as u32, [(v6 >> 64) as u64, v6 as u64]);
        let id = self.grants.insert(Record {
            v4,
            v6,
            has: match (grant.ips.v4.is_some(), grant.ips.v6.is_some()) {
                (false, false) => Has::Neither,
                (true, false) => Has::V4,
                (false, true) => Has::V6,
                (true, true) => Has::Both,
            },
            mac: grant.mac,
            generation: grant.generation,
            since: grant.since,
            subnet,
            nic: self.nics.acquire(&grant.nic),
            owner,
            next: self.owners.get(owner).map_or(NONE, |owner| owner.first),
        });
        if let Some(owner) = self.owners.get_mut(owner) {
            owner.first = id;
        }
        id
    }

    /// Forgets a grant, and its owner if it was the last one.
    pub(crate) fn remove(&mut self, id: u32) {
        let Some(record) = self.grants.remove(id) else { return };
        self.nics.release(record.nic);
        let Some(owner) = self.owners.get_mut(record.owner) else { return };
        if owner.first == id {
            owner.first = record.next;
        } else {
            let mut at = owner.first;
            while let Some(before) = self.grants.get_mut(at) {
                if before.next == id {
                    before.next = record.next;
                    break;
                }
                at = before.next;
            }
        }
        if owner.first == NONE {
            self.by_key.remove(hash(&owner.key), record.owner);
            self.owners.remove(record.owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_takes_64_bytes() {
        assert_eq!(size_of::<Option<Record>>(), 64);
    }
}
