//! Who holds what: grants as compact records, and the holders they belong to.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use kubeovn_core::{
    addr::{DualStack, Mac, number},
    contract::ipam::{Grant, Role},
    rows::{Millis, OwnerKey, OwnerKind},
};

use crate::table::{Identities, Index, Names, Slab};

/// The latest time and the highest generation that a record can have; what is beyond is taken for that.
pub(crate) const MOST: u64 = (1 << 48) - 1;
/// No such record.
const NONE: u32 = u32::MAX;

/// What a record has, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Has(std::num::NonZeroU8);

impl Has {
    const V4: u8 = 1;
    const V6: u8 = 2;
    const MAC: u8 = 4;
    const STANDBY: u8 = 8;

    fn new(grant: &Grant) -> Self {
        let bit = |is: bool, bit: u8| if is { bit } else { 0 };
        let bits = bit(grant.ips.v4.is_some(), Self::V4)
            | bit(grant.ips.v6.is_some(), Self::V6)
            | bit(grant.mac.is_some(), Self::MAC)
            | bit(grant.role == Role::Standby, Self::STANDBY);
        Has(std::num::NonZeroU8::MIN.saturating_add(bits << 1))
    }

    fn has(self, bit: u8) -> bool {
        (self.0.get() - 1) >> 1 & bit != 0
    }

    fn set(&mut self, bit: u8, on: bool) {
        let bits = (self.0.get() - 1) >> 1;
        let bits = if on { bits | bit } else { bits & !bit };
        self.0 = std::num::NonZeroU8::MIN.saturating_add(bits << 1);
    }
}

/// A grant: 38 bytes without padding.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    v4: [u8; 4],
    /// Place of the IPv6 address.
    v6: [u8; 4],
    generation: [u8; 6],
    since: [u8; 6],
    subnet: [u8; 3],
    nic: [u8; 4],
    /// The holder, the same for all grants of one.
    identity: [u8; 4],
    mac: Mac,
    has: Has,
}

/// 48 bits are enough for 8 900 years and for as many grants as milliseconds in them.
fn pack48(n: u64) -> [u8; 6] {
    let [a, b, c, d, e, f, ..] = n.min(MOST).to_le_bytes();
    [a, b, c, d, e, f]
}

fn unpack48([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

/// Subnets are not counted by the million.
fn pack24(n: u32) -> [u8; 3] {
    let [a, b, c, _] = n.min((1 << 24) - 1).to_le_bytes();
    [a, b, c]
}

fn unpack24([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

impl Record {
    pub(crate) fn generation(&self) -> u64 {
        unpack48(self.generation)
    }

    pub(crate) fn since(&self) -> Millis {
        unpack48(self.since)
    }

    pub(crate) fn subnet(&self) -> u32 {
        unpack24(self.subnet)
    }

    pub(crate) fn mac(&self) -> Option<Mac> {
        self.has.has(Has::MAC).then_some(self.mac)
    }

    pub(crate) fn role(&self) -> Role {
        if self.has.has(Has::STANDBY) { Role::Standby } else { Role::Active }
    }

    /// The holder: equal for all grants of one.
    pub(crate) fn identity(&self) -> u32 {
        u32::from_le_bytes(self.identity)
    }
}

/// An owner as the book knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Of its kind and name.
    hash: u64,
    /// One of its grants, if it has any.
    pub(crate) one: Option<u32>,
}

/// All grants, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    grants: Slab<Record>,
    v6: Slab<[u8; 16]>,
    identities: Identities,
    /// Grants by their holder.
    by_owner: Index,
    nics: Names,
    owners: usize,
}

impl Book {
    pub(crate) fn record(&self, id: u32) -> Option<&Record> {
        self.grants.get(id)
    }

    /// All grants with their ids.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u32, &Record)> {
        self.grants.iter()
    }

    /// A record's addresses.
    pub(crate) fn ips(&self, record: &Record) -> DualStack<IpAddr> {
        let v4 = || Some(IpAddr::V4(Ipv4Addr::from(record.v4)));
        let v6 = || Some(IpAddr::V6(Ipv6Addr::from(*self.v6.get(u32::from_le_bytes(record.v6))?)));
        DualStack {
            v4: if record.has.has(Has::V4) { v4() } else { None },
            v6: if record.has.has(Has::V6) { v6() } else { None },
        }
    }

    /// Looks for an owner.
    pub(crate) fn find(&self, key: &OwnerKey) -> Found {
        self.find_by(Identities::hash_of(key), key)
    }

    /// The same again, after its grants have changed.
    pub(crate) fn find_again(&self, found: Found, key: &OwnerKey) -> Found {
        self.find_by(found.hash, key)
    }

    /// The same of one whose hash is known.
    pub(crate) fn find_by(&self, hash: u64, key: &OwnerKey) -> Found {
        let is = |id| self.grants.get(id).is_some_and(|record| self.identities.is(record.identity(), key));
        Found { hash, one: self.by_owner.find(hash, is) }
    }

    /// The owner of a grant.
    fn owner(&self, id: u32) -> Option<Found> {
        let hash = self.identities.hash(self.grants.get(id)?.identity());
        Some(Found { hash, one: Some(id) })
    }

    /// One grant of each owner.
    pub(crate) fn owners(&self) -> impl Iterator<Item = &Record> {
        // Of an owner's grants the one with the highest id stands for all.
        self.grants
            .iter()
            .filter(|(id, _)| {
                self.owner(*id).is_some_and(|owner| self.all_of(owner).all(|(other, _)| other <= *id))
            })
            .map(|(_, r)| r)
    }

    /// How many owners there are.
    pub(crate) fn owner_count(&self) -> usize {
        self.owners
    }

    /// The owner of a grant.
    pub(crate) fn key(&self, record: &Record) -> OwnerKey {
        // Every record's identity is there as long as the record is.
        self.identities.key(record.identity()).unwrap_or_else(|| OwnerKey::pod("", ""))
    }

    /// The same without a copy.
    pub(crate) fn kind_and_name(&self, record: &Record) -> Option<(OwnerKind, &str)> {
        self.identities.kind_and_name(record.identity())
    }

    /// Its uid.
    pub(crate) fn uid(&self, record: &Record) -> Arc<str> {
        self.identities.uid(record.identity()).unwrap_or_default()
    }

    /// Is it held by that object?
    pub(crate) fn has_uid(&self, record: &Record, uid: &str) -> bool {
        self.identities.has_uid(record.identity(), uid)
    }

    /// Is it held by an owner of that name?
    pub(crate) fn is_of(&self, record: &Record, key: &OwnerKey) -> bool {
        self.identities.is(record.identity(), key)
    }

    /// All grants of an owner, in no order that means something.
    pub(crate) fn all_of(&self, owner: Found) -> impl Iterator<Item = (u32, &Record)> {
        let identity = owner.one.and_then(|id| self.grants.get(id)).map(Record::identity);
        let chain = identity.map(|_| self.by_owner.all(owner.hash)).into_iter().flatten();
        let records = chain.filter_map(|id| Some((id, self.grants.get(id)?)));
        records.filter(move |(_, record)| Some(record.identity()) == identity)
    }

    /// The grant of one interface of an owner.
    pub(crate) fn find_for(&self, key: &OwnerKey, nic: &str) -> Option<(u32, &Record)> {
        self.all_of(self.find(key)).find(|(_, record)| self.is_for(record, nic))
    }

    /// The interface that a grant is for.
    pub(crate) fn nic(&self, record: &Record) -> Arc<str> {
        self.nics.get(u32::from_le_bytes(record.nic)).cloned().unwrap_or_default()
    }

    /// Is it for that interface?
    pub(crate) fn is_for(&self, record: &Record, nic: &str) -> bool {
        self.nics.get(u32::from_le_bytes(record.nic)).is_some_and(|name| **name == *nic)
    }

    /// Makes room for so many grants more.
    pub(crate) fn reserve(&mut self, grants: usize) {
        self.by_owner.reserve(grants);
    }

    /// Reads where an owner's grants are found.
    pub(crate) fn touch(&self, hash: u64) {
        self.by_owner.touch(hash);
    }

    /// Notes a grant of an owner that was looked for. Answers its id, and whether it is the owner's first one from the
    /// subnet.
    pub(crate) fn add(
        &mut self,
        owner: Found,
        (key, uid): (&OwnerKey, &str),
        subnet: u32,
        grant: &Grant,
    ) -> (u32, bool) {
        let first = owner.one.is_none() || self.all_of(owner).all(|(_, record)| record.subnet() != subnet);
        let known = owner.one.and_then(|id| self.grants.get(id)).map(|record| record.identity);
        let identity = known.unwrap_or_else(|| self.identities.insert(key, uid).to_le_bytes());
        let [a, b, c, d, ..] = grant.ips.v4.map_or(0, number).to_le_bytes();
        let id = self.grants.insert(Record {
            v4: [d, c, b, a],
            v6: grant.ips.v6.map_or(NONE, |ip| self.v6.insert(number(ip).to_be_bytes())).to_le_bytes(),
            has: Has::new(grant),
            mac: grant.mac.unwrap_or_else(|| Mac::local([0; 6])),
            generation: pack48(grant.generation),
            since: pack48(grant.since),
            subnet: pack24(subnet),
            nic: self.nics.acquire(&grant.nic).to_le_bytes(),
            identity,
        });
        self.by_owner.insert(owner.hash, id);
        self.owners += usize::from(known.is_none());
        (id, first)
    }

    /// Gives a grant another role.
    pub(crate) fn set_role(&mut self, id: u32, role: Role) {
        if let Some(record) = self.grants.get_mut(id) {
            record.has.set(Has::STANDBY, role == Role::Standby);
        }
    }

    /// Forgets a grant, and its owner if it was the last one. Answers whether it was the last one from its subnet.
    pub(crate) fn remove(&mut self, id: u32) -> bool {
        let Some(owner) = self.owner(id) else { return false };
        let (mut last, mut last_here) = (true, true);
        let subnet = self.grants.get(id).map(Record::subnet);
        for (_, other) in self.all_of(owner).filter(|(other, _)| *other != id) {
            last = false;
            last_here &= Some(other.subnet()) != subnet;
        }
        let Some(record) = self.grants.remove(id) else { return false };
        self.nics.release(u32::from_le_bytes(record.nic));
        if record.has.has(Has::V6) {
            self.v6.remove(u32::from_le_bytes(record.v6));
        }
        self.by_owner.remove(owner.hash, id);
        if last {
            self.identities.remove(record.identity());
            self.owners -= 1;
        }
        last_here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_takes_38_bytes() {
        assert_eq!(size_of::<Option<Record>>(), 38);
    }
}
