//! What a store remembers: taken back as it was, and written down whole.

use std::{
    borrow::Borrow,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use kubeovn_core::{
    addr::Family,
    contract::ipam::{AddrError, Grant, Role},
    rows::OwnerKey,
};
use smallvec::SmallVec;

use super::{
    Ledger, MOST_RESTORED,
    book::{Found, Record},
    space::Space,
};
use crate::{
    entry::{Entry, Granted, Released, Settlement},
    table::{Identities, Ids, hash},
};

/// So many changes are looked at before the first one of them is made.
const AHEAD: usize = 16;
type Hashes<T> = SmallVec<[T; AHEAD]>;
/// No subnet has this id.
const UNKNOWN: u32 = u32::MAX;
/// Stands in errors about grants that have none.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Ledger {
    /// Makes a change that a store remembers; answers the subnets in which something became free. The ledger must have
    /// taken all earlier entries, and its subnets should be defined: an order of addresses is remembered only in defined
    /// ones. A grant that is held already is no error.
    ///
    /// # Errors
    /// [`AddrError::Taken`], [`AddrError::MacTaken`] when it contradicts what is held: nothing is changed.
    pub fn apply(&mut self, entry: &Entry) -> Result<Vec<Arc<str>>, AddrError> {
        match entry {
            Entry::Settled(settlement) => {
                return self.apply_settlement(settlement, Identities::hash_of(&settlement.owner));
            }
            Entry::Activated { owner, nic } => _ = self.make_active(owner, nic),
            Entry::Generation(generation) => self.raise(*generation),
            Entry::Shelved(shelves) => {
                let id = self.subnet_id(&shelves.subnet);
                if let Some(subnet) = id.and_then(|id| self.subnets.get_mut(id)) {
                    subnet.recall(shelves);
                }
            }
        }
        self.step(0);
        Ok(Vec::new())
    }

    /// Makes many changes that a store remembers, in their order; quicker than one by one.
    ///
    /// # Errors
    /// That of the first one that is refused; those before it are made.
    pub fn apply_all(&mut self, entries: &[impl Borrow<Entry>]) -> Result<(), AddrError> {
        let only = self.make_room(entries.iter().map(Borrow::borrow));
        for some in entries.chunks(AHEAD) {
            let owners = self.touch(some.iter().map(Borrow::borrow), only);
            for (entry, owner) in some.iter().zip(owners) {
                _ = match (entry.borrow(), owner) {
                    (Entry::Settled(settlement), Some(owner)) => self.apply_settlement(settlement, owner)?,
                    (other, _) => self.apply(other)?,
                };
            }
        }
        Ok(())
    }

    /// Makes room for what will be there when all changes are made, so that tables need not grow on the way. By their
    /// number, so that a space gets room only if there is but one, which is answered.
    fn make_room<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> Option<u32> {
        let (mut come, mut go) = (0, 0);
        for entry in entries {
            if let Entry::Settled(Settlement { released, granted, .. }) = entry {
                (come, go) = (come + granted.len(), go + released.len());
            }
        }
        let more = come.saturating_sub(go);
        self.book.reserve(more);
        let spaces: Ids = self.spaces.iter().map(|(id, _)| id).take(2).collect();
        let [only] = spaces[..] else { return None };
        self.spaces.get_mut(only)?.reserve(more);
        Some(only)
    }

    /// Reads what some changes will look up: one after the other each would wait for main memory, together they wait
    /// once. Answers the hashes of the owners.
    fn touch<'e>(&self, entries: impl Iterator<Item = &'e Entry>, space: Option<u32>) -> Hashes<Option<u64>> {
        let (mut owners, mut macs) = (Hashes::new(), Hashes::<u64>::new());
        for entry in entries {
            let settlement = if let Entry::Settled(settlement) = entry { Some(settlement) } else { None };
            owners.push(settlement.map(|settlement| Identities::hash_of(&settlement.owner)));
            let granted = settlement.into_iter().flat_map(|settlement| &settlement.granted);
            macs.extend(granted.filter_map(|granted| granted.grant.mac).map(hash));
        }
        owners.iter().flatten().for_each(|hash| self.book.touch(*hash));
        if let Some(space) = space.and_then(|id| self.spaces.get(id)) {
            macs.into_iter().for_each(|hash| space.touch(hash));
        }
        owners
    }

    /// Entries from which a ledger with the same subnets becomes the same as this one.
    pub fn snapshot(&self) -> Vec<Entry> {
        let mut settlements: Vec<Settlement> = Vec::with_capacity(self.book.owner_count());
        let mut records: Vec<_> = self.book.records().collect();
        records.sort_unstable_by_key(|(_, record)| record.generation());
        for (_, record) in records {
            settlements.push(held(self.book.key(record), self.book.uid(record), self.grant(record)));
        }
        let mut shelves: Vec<_> = self.subnets.iter().flat_map(|(_, subnet)| subnet.shelves()).collect();
        shelves.sort_by(|a, b| (&a.subnet, a.family, &a.pool).cmp(&(&b.subnet, b.family, &b.pool)));
        let grants = settlements.into_iter().map(Entry::Settled);
        grants
            .chain([Entry::Generation(self.generation)])
            .chain(shelves.into_iter().map(Entry::Shelved))
            .collect()
    }

    /// Takes back a grant that was durable before a restart, also into a subnet that is not defined (yet), and
    /// outside of its prefix. The same grant again is no error. The ledger's generation is raised to above all seen.
    ///
    /// A subnet that is known already keeps its space, whatever the grant says. An address is shared with who holds
    /// it already only if one of the two stands by.
    ///
    /// # Errors
    /// [`AddrError::Taken`], [`AddrError::MacTaken`]: the first one restored wins, also if the owner itself holds
    /// something else on this interface.
    pub fn restore(&mut self, owner: &OwnerKey, uid: &Arc<str>, grant: &Grant) -> Result<(), AddrError> {
        let grant = Grant { generation: grant.generation.min(MOST_RESTORED), ..grant.clone() };
        // Also when it is refused: a release of it must not meet another grant.
        self.raise(grant.generation);
        self.apply(&Entry::Settled(held(owner.clone(), uid.clone(), grant))).map(|_| ())
    }

    /// `hash` is that of the owner.
    fn apply_settlement(&mut self, settlement: &Settlement, hash: u64) -> Result<Vec<Arc<str>>, AddrError> {
        let Settlement { owner, released, granted, .. } = settlement;
        let found = self.book.find_by(hash, owner);
        let gone = |released: &Released| {
            let is = |record: &Record| {
                record.generation() == released.generation && self.book.is_for(record, &released.nic)
            };
            self.book.all_of(found).find(|(_, record)| is(record)).map(|(id, _)| id)
        };
        let mut dropped = Ids::new();
        dropped.extend(released.iter().filter_map(gone));
        let mut subnets = Ids::new();
        for (i, Granted { grant, .. }) in granted.iter().enumerate() {
            let home = self.subnet_id(&grant.subnet);
            let in_place = grant.ips.iter().map(|ip| Family::of(*ip)).eq(grant.ips.families());
            if !in_place || *self.space_for(grant, home, granted) != grant.space {
                return self.apply_settlement(&self.put_right(settlement), hash);
            }
            check_apart(owner, grant, granted.iter().take(i).map(|earlier| &earlier.grant))?;
            if !self.check(settlement, found, grant, home, &dropped)? {
                let others = granted.iter().enumerate().filter(|(other, _)| *other != i);
                let granted = others.map(|(_, granted)| granted.clone()).collect();
                return self.apply_settlement(&Settlement { granted, ..settlement.clone() }, hash);
            }
            subnets.push(home.unwrap_or(UNKNOWN));
        }
        for (id, Granted { grant, .. }) in subnets.iter_mut().zip(granted).filter(|(id, _)| **id == UNKNOWN) {
            *id = self.subnet_in(&grant.subnet, &grant.space);
        }
        Ok(self.make(settlement, found, &dropped, subnets))
    }

    /// Where a grant of an entry will be: a subnet is in one space, that of who names it first.
    fn space_for<'a>(&'a self, grant: &'a Grant, home: Option<u32>, granted: &'a [Granted]) -> &'a Arc<str> {
        let known = home.and_then(|id| self.space_of(id));
        let first = || granted.iter().map(|other| &other.grant).find(|other| other.subnet == grant.subnet);
        known.map_or_else(|| &first().unwrap_or(grant).space, |space| &space.name)
    }

    /// An entry with all addresses in the places of their families, and all grants in the right spaces.
    fn put_right(&self, settlement: &Settlement) -> Settlement {
        let mut right = settlement.clone();
        for Granted { grant, .. } in &mut right.granted {
            let home = self.subnet_id(&grant.subnet);
            grant.space = self.space_for(grant, home, &settlement.granted).clone();
            let ips = std::mem::take(&mut grant.ips);
            ips.iter().for_each(|ip| _ = grant.ips.put(*ip));
        }
        right
    }

    /// Can a grant be taken as it is, once `dropped` are gone? `false` when it is held already.
    fn check(
        &self,
        settlement: &Settlement,
        found: Found,
        grant: &Grant,
        home: Option<u32>,
        dropped: &[u32],
    ) -> Result<bool, AddrError> {
        let Settlement { owner, uid, .. } = settlement;
        let book = &self.book;
        let mut own = book.all_of(found).filter(|(id, _)| !dropped.contains(id));
        let rival = own.find(|(_, record)| !book.has_uid(record, uid) || book.is_for(record, &grant.nic));
        if let Some((_, record)) = rival {
            let held = self.grant(record);
            let same = held.subnet == grant.subnet && held.ips == grant.ips && held.mac == grant.mac;
            if same && book.has_uid(record, uid) && held.nic == grant.nic {
                return Ok(false);
            }
            return Err(match (held.ips.iter().next(), held.mac) {
                (None, Some(mac)) => AddrError::MacTaken { mac, subnet: held.subnet, holder: owner.clone() },
                (ip, _) => {
                    let ip = ip.or(grant.ips.iter().next()).copied();
                    self.taken(ip.unwrap_or(NO_ADDRESS), &held.subnet, record)
                }
            });
        }
        let named = || self.space_ids.get(&grant.space).and_then(|id| self.spaces.get(*id));
        if let Some(space) = home.and_then(|id| self.space_of(id)).or_else(named) {
            self.check_unique(space, grant, dropped)?;
        }
        Ok(true)
    }

    /// Has nobody else what a grant has, but for those that share it?
    fn check_unique(&self, space: &Space, grant: &Grant, dropped: &[u32]) -> Result<(), AddrError> {
        let book = &self.book;
        let shares = |record: &&Record| {
            let of_subnet =
                self.subnets.get(record.subnet()).is_some_and(|subnet| subnet.name == grant.subnet);
            of_subnet && (grant.role == Role::Standby || record.role() == Role::Standby)
        };
        let stranger = |id: u32| book.record(id).filter(|_| !dropped.contains(&id)).filter(|r| !shares(r));
        for ip in grant.ips.iter().copied() {
            if let Some(record) = space.holders(ip).find_map(stranger) {
                return Err(self.taken(ip, &grant.subnet, record));
            }
        }
        if let Some(mac) = grant.mac
            && let Some(record) = space.mac_holders(book, mac).find_map(stranger)
        {
            return Err(AddrError::MacTaken { mac, subnet: grant.subnet.clone(), holder: book.key(record) });
        }
        Ok(())
    }
}

/// The entry of a grant that is held: asked for by number, whatever it was when it came.
fn held(owner: OwnerKey, uid: Arc<str>, grant: Grant) -> Settlement {
    let at = grant.since;
    let granted = vec![Granted { grant, picked_v4: false, picked_v6: false }];
    Settlement { owner, uid, at, released: Vec::new(), granted }
}

/// Grants of one entry have nothing in common: no ledger wrote one in which they do.
fn check_apart<'g>(
    owner: &OwnerKey,
    grant: &Grant,
    earlier: impl Iterator<Item = &'g Grant>,
) -> Result<(), AddrError> {
    for other in earlier.filter(|other| other.space == grant.space || other.nic == grant.nic) {
        let same_nic = other.nic == grant.nic;
        let shared = grant.ips.iter().find(|ip| same_nic || other.ips.iter().any(|held| held == *ip));
        let (subnet, holder) = (grant.subnet.clone(), owner.clone());
        if let Some(mac) = grant.mac.filter(|mac| shared.is_none() && (same_nic || other.mac == Some(*mac))) {
            return Err(AddrError::MacTaken { mac, subnet, holder });
        }
        if shared.is_some() || same_nic {
            let ip = shared.or(other.ips.iter().next()).copied().unwrap_or(NO_ADDRESS);
            let Grant { since, generation, .. } = *other;
            return Err(AddrError::Taken { ip, subnet, holder, since, generation });
        }
    }
    Ok(())
}
