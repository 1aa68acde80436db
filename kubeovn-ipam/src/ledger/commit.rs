//! Makes changes: planned ones, which nothing can refuse any more, and those that a store remembers.

use std::{net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{DualStack, Mac},
    contract::ipam::{AddrError, Grant, Role, Settled},
    rows::{Millis, OwnerKey},
};
use thiserror::Error;

use super::{
    Ledger,
    book::{Book, MOST, Record},
    plan::Plan,
    space::Space,
};
use crate::{
    entry::{Entry, Granted, Released, Settlement},
    subnet::Subnet,
    table::hash,
};

/// The ledger has changed since the plan was made: make another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the ledger has changed since this was planned. Plan it again")]
pub struct Stale;

/// Something that a dropped grant gave back: the subnet where it may be waited for, the space, and what.
enum Freed {
    Address(Arc<str>, u32, IpAddr),
    Mac(Arc<str>, u32, Mac),
}

impl Ledger {
    /// Makes a planned change.
    ///
    /// # Errors
    /// [`Stale`] when anything has changed since it was planned; nothing is changed then.
    pub fn commit(&mut self, plan: Plan) -> Result<Settled, Stale> {
        if plan.version != self.version && !plan.is_empty() {
            return Err(Stale);
        }
        Ok(self.carry_out(plan))
    }

    /// Makes a change that a store remembers; answers the subnets in which something became free. The ledger must have
    /// taken all earlier entries, and its subnets should be defined: an order of addresses is remembered only in defined
    /// ones. A grant that is held already is no error.
    ///
    /// # Errors
    /// [`AddrError::Taken`], [`AddrError::MacTaken`] when it contradicts what is held: nothing is changed.
    pub fn apply(&mut self, entry: &Entry) -> Result<Vec<Arc<str>>, AddrError> {
        match entry {
            Entry::Settled(settlement) => return self.apply_settlement(settlement),
            Entry::Activated { owner, nic } => _ = self.make_active(owner, nic),
            Entry::Generation(generation) => self.raise(*generation),
            Entry::Shelved(shelves) => {
                let id = self.subnet_ids.get(&shelves.subnet);
                if let Some(subnet) = id.and_then(|id| self.subnets.get_mut(*id)) {
                    subnet.recall(shelves);
                }
            }
        }
        self.step(0);
        Ok(Vec::new())
    }

    /// Entries from which a ledger with the same subnets becomes the same as this one.
    pub fn snapshot(&self) -> Vec<Entry> {
        let mut settlements: Vec<Settlement> = Vec::with_capacity(self.book.owner_count());
        let mut records: Vec<_> = self.book.records().collect();
        records.sort_unstable_by_key(|(_, record)| record.generation());
        for (_, record) in records {
            let grant = self.grant(record);
            settlements.push(Settlement {
                owner: self.book.key(record),
                uid: self.book.uid(record),
                at: grant.since,
                released: Vec::new(),
                granted: vec![Granted { grant, picked_v4: false, picked_v6: false }],
            });
        }
        let mut shelves: Vec<_> = self.subnets.iter().flat_map(|(_, subnet)| subnet.shelves()).collect();
        shelves.sort_by(|a, b| (&a.subnet, a.family, &a.pool).cmp(&(&b.subnet, b.family, &b.pool)));
        let grants = settlements.into_iter().map(Entry::Settled);
        grants
            .chain([Entry::Generation(self.generation)])
            .chain(shelves.into_iter().map(Entry::Shelved))
            .collect()
    }

    /// Of those that share what one interface holds, it is the one that uses it from now on. Nothing else changes.
    ///
    /// Answers the entry to be made durable; `None` when it is active already, or holds nothing.
    pub fn activate(&mut self, owner: &OwnerKey, nic: &str) -> Option<Entry> {
        let nic: Arc<str> = nic.into();
        self.make_active(owner, &nic).then(|| Entry::Activated { owner: owner.clone(), nic })
    }

    pub(crate) fn carry_out(&mut self, plan: Plan) -> Settled {
        let changed = !plan.is_empty();
        // What changes nothing makes no other plan stale.
        let freed =
            if changed { self.make(&plan.settlement, &plan.dropped, &plan.subnets) } else { Vec::new() };
        Settled { changed, freed, grants: plan.into_grants() }
    }

    fn apply_settlement(&mut self, settlement: &Settlement) -> Result<Vec<Arc<str>>, AddrError> {
        let Settlement { owner, uid, released, granted, .. } = settlement;
        // Where it will be: a subnet is in one space, that of who names it first.
        let space = |grant: &Grant| {
            let known =
                self.subnet(&grant.subnet).and_then(|(id, _)| self.space_of(id)).map(|space| &space.name);
            let first =
                || granted.iter().map(|other| &other.grant).find(|other| other.subnet == grant.subnet);
            known.or_else(|| first().map(|other| &other.space)).cloned().unwrap_or_default()
        };
        let is_right = |grant: &Grant| by_family(&grant.ips) == grant.ips && space(grant) == grant.space;
        if !granted.iter().all(|granted| is_right(&granted.grant)) {
            let right = |granted: &Granted| {
                let (ips, space) = (by_family(&granted.grant.ips), space(&granted.grant));
                Granted { grant: Grant { ips, space, ..granted.grant.clone() }, ..granted.clone() }
            };
            let granted = granted.iter().map(right).collect();
            return self.apply_settlement(&Settlement { granted, ..settlement.clone() });
        }
        let gone = |released: &Released| {
            let is = |record: &Record| {
                record.generation() == released.generation && self.book.is_for(record, &released.nic)
            };
            let mut held = self.book.all_of(self.book.find(owner));
            held.find(|(_, record)| is(record)).map(|(id, _)| id)
        };
        let dropped: Vec<u32> = released.iter().filter_map(gone).collect();
        let mut again = Vec::new();
        for (i, new) in granted.iter().enumerate() {
            let earlier = granted.iter().take(i).map(|earlier| &earlier.grant);
            check_apart(owner, &new.grant, earlier)?;
            if !self.check(owner, uid, &new.grant, &dropped)? {
                again.push(i);
            }
        }
        if !again.is_empty() {
            let new = granted.iter().enumerate().filter(|(i, _)| !again.contains(i));
            let granted = new.map(|(_, granted)| granted.clone()).collect();
            return self.apply_settlement(&Settlement { granted, ..settlement.clone() });
        }
        let place = |granted: &Granted| self.subnet_in(&granted.grant.subnet, &granted.grant.space);
        let subnets: Vec<u32> = granted.iter().map(place).collect();
        Ok(self.make(settlement, &dropped, &subnets))
    }

    /// Makes a change that was checked.
    fn make(&mut self, settlement: &Settlement, dropped: &[u32], subnets: &[u32]) -> Vec<Arc<str>> {
        let (mut freed, mut left) = (Vec::new(), Vec::new());
        for id in dropped {
            left.extend(self.detach(*id, settlement.at, &mut freed));
        }
        for (granted, subnet) in settlement.granted.iter().zip(subnets) {
            self.generation = self.generation.max(granted.grant.generation.min(MOST));
            self.attach(settlement, *subnet, granted);
        }
        self.step(self.generation ^ hash(&settlement.uid) ^ settlement.at.rotate_left(32));
        // Of what was left only here is it known whether something else came in.
        for id in left {
            let nobody_knows = |subnet: &Subnet| subnet.grants == 0 && !subnet.is_defined();
            if self.subnets.get(id).is_some_and(nobody_knows) {
                self.forget(id);
            }
        }
        self.still_free(&freed)
    }

    fn attach(&mut self, settlement: &Settlement, subnet_id: u32, granted: &Granted) {
        let Granted { grant, picked_v4, picked_v6 } = granted;
        let owner = &settlement.owner;
        let (id, newcomer) = self.book.add(owner, &settlement.uid, subnet_id, grant);
        let Some(subnet) = self.subnets.get_mut(subnet_id) else { return };
        subnet.count_in(owner.kind, &owner.name);
        subnet.owners += usize::from(newcomer);
        let Some(space) = self.spaces.get_mut(subnet.space) else { return };
        let alone = space.enter(&self.book, id);
        if grant.role == Role::Active && (alone != grant.ips || grant.ips.is_empty()) {
            // Who stood by has taken over for the moment in which the active one's grant was replaced.
            self.stand_by_for(id);
        }
        self.mark(subnet_id);
        for ip in alone.iter().copied() {
            let picked = if ip.is_ipv4() { *picked_v4 } else { *picked_v6 };
            let Some(subnet) = self.subnets.get_mut(subnet_id) else { return };
            let inside = subnet.hold(ip, picked, settlement.at);
            for other in self.concerned(subnet_id, inside) {
                if let Some(other) = self.subnets.get_mut(other) {
                    other.block(ip);
                }
                self.mark(other);
            }
        }
    }

    /// A grant goes; answers the subnet that it was from.
    fn detach(&mut self, id: u32, now: Millis, freed: &mut Vec<Freed>) -> Option<u32> {
        let record = self.book.record(id)?.clone();
        let (ips, subnet_id) = (self.book.ips(&record), record.subnet());
        self.remember(&record, &ips, now);
        let subnet = self.subnets.get_mut(subnet_id)?;
        let (name, space_id) = (subnet.name.clone(), subnet.space);
        if let Some((kind, owner)) = self.book.kind_and_name(&record) {
            subnet.count_out(kind, owner);
        }
        let space = self.spaces.get_mut(space_id)?;
        let free = space.leave(&self.book, id);
        subnet.owners -= usize::from(self.book.remove(id));
        self.mark(subnet_id);
        if let Some(mac) = record.mac() {
            freed.push(Freed::Mac(name.clone(), space_id, mac));
            self.inherit(space_id, |space, book| space.mac_holders(book, mac).collect());
        }
        for ip in ips.iter().copied() {
            if !free.iter().any(|free| *free == ip) {
                self.inherit(space_id, |space, _| space.holders(ip).collect());
                continue;
            }
            let subnet = self.subnets.get_mut(subnet_id)?;
            let inside = subnet.free(ip, now);
            freed.push(Freed::Address(name.clone(), space_id, ip));
            for other_id in self.concerned(subnet_id, inside) {
                let Some(other) = self.subnets.get_mut(other_id) else { continue };
                if other.unblock(ip, now) {
                    freed.push(Freed::Address(other.name.clone(), space_id, ip));
                }
                self.mark(other_id);
            }
        }
        Some(subnet_id)
    }

    /// If nobody of those that share something uses it any more, the oldest does; but not one of which another address,
    /// or the MAC, is used by somebody else.
    fn inherit(&mut self, space: u32, heirs: impl FnOnce(&Space, &Book) -> Vec<u32>) {
        let Some(space) = self.spaces.get(space) else { return };
        let mut heirs = heirs(space, &self.book);
        let is_active = |id: &u32| self.book.record(*id).is_some_and(|record| record.role() == Role::Active);
        if heirs.is_empty() || heirs.iter().any(is_active) {
            return;
        }
        heirs.sort_unstable_by_key(|id| self.book.record(*id).map(Record::generation));
        let free = |id: &u32| !self.sharers(space, *id).iter().any(is_active);
        if let Some(id) = heirs.into_iter().find(free) {
            self.book.set_role(id, Role::Active);
        }
    }

    /// All other grants that share something with one.
    fn sharers(&self, space: &Space, id: u32) -> Vec<u32> {
        let Some(record) = self.book.record(id) else { return Vec::new() };
        let ips = self.book.ips(record);
        let by_ip = ips.iter().flat_map(|ip| space.holders(*ip));
        let by_mac = record.mac().into_iter().flat_map(|mac| space.mac_holders(&self.book, mac));
        by_ip.chain(by_mac).filter(|other| *other != id).collect()
    }

    fn make_active(&mut self, owner: &OwnerKey, nic: &str) -> bool {
        let Some((id, record)) = self.book.find_for(owner, nic) else { return false };
        if record.role() == Role::Active {
            return false;
        }
        self.stand_by_for(id);
        self.book.set_role(id, Role::Active);
        self.step(1);
        true
    }

    /// All that share something with a grant stand by.
    fn stand_by_for(&mut self, id: u32) {
        let subnet = self.book.record(id).and_then(|record| self.subnets.get(record.subnet()));
        let space = subnet.and_then(|subnet| self.spaces.get(subnet.space));
        for other in space.map(|space| self.sharers(space, id)).unwrap_or_default() {
            self.book.set_role(other, Role::Standby);
        }
    }

    /// The other subnets that may have an address that is held from this one.
    fn concerned(&self, subnet: u32, inside: bool) -> Vec<u32> {
        if inside {
            self.subnets.get(subnet).map(|subnet| subnet.neighbours.clone()).unwrap_or_default()
        } else {
            self.others(subnet).map(|(id, _)| id).collect()
        }
    }

    /// The subnets in which something that was given back was not taken again by the same change.
    fn still_free(&self, freed: &[Freed]) -> Vec<Arc<str>> {
        let free = |item: &&Freed| match item {
            Freed::Address(_, space, ip) => {
                self.spaces.get(*space).is_none_or(|space| space.holders(*ip).next().is_none())
            }
            Freed::Mac(_, space, mac) => self
                .spaces
                .get(*space)
                .is_none_or(|space| space.mac_holders(&self.book, *mac).next().is_none()),
        };
        let name = |item: &Freed| match item {
            Freed::Address(name, ..) | Freed::Mac(name, ..) => name.clone(),
        };
        let mut names: Vec<Arc<str>> = freed.iter().filter(free).map(name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Addresses in the places of their families.
fn by_family(ips: &DualStack<IpAddr>) -> DualStack<IpAddr> {
    let mut right = DualStack::default();
    ips.iter().for_each(|ip| _ = right.put(*ip));
    right
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
        if let Some(ip) = shared.copied() {
            let Grant { since, generation, .. } = *other;
            return Err(AddrError::Taken { ip, subnet, holder, since, generation });
        }
        if let Some(mac) = grant.mac.filter(|mac| same_nic || other.mac == Some(*mac)) {
            return Err(AddrError::MacTaken { mac, subnet, holder });
        }
        if same_nic {
            let ip = other.ips.iter().next().copied().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
            let Grant { since, generation, .. } = *other;
            return Err(AddrError::Taken { ip, subnet, holder, since, generation });
        }
    }
    Ok(())
}
