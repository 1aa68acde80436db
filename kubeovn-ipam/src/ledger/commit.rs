//! Makes changes that were planned or checked: nothing can refuse them any more.

use std::{net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::Mac,
    contract::ipam::{Role, Settled},
    rows::{Millis, OwnerKey},
};
use thiserror::Error;

use super::{
    Ledger,
    book::{Book, Found, MOST, Record},
    plan::Plan,
    space::Space,
};
use crate::{
    entry::{Entry, Granted, Settlement},
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
        let freed = if changed {
            self.make(&plan.settlement, plan.owner, &plan.dropped, plan.subnets.iter().copied())
        } else {
            Vec::new()
        };
        Settled { changed, freed, grants: plan.into_grants() }
    }

    /// Makes a change that was checked, of an owner that was looked for; `subnets` are those of the grants that come.
    pub(super) fn make(
        &mut self,
        settlement: &Settlement,
        mut owner: Found,
        dropped: &[u32],
        subnets: impl IntoIterator<Item = u32>,
    ) -> Vec<Arc<str>> {
        let (mut freed, mut left) = (Vec::new(), Vec::new());
        for id in dropped {
            left.extend(self.detach(*id, settlement.at, &mut freed));
        }
        if !dropped.is_empty() {
            owner = self.book.find_again(owner, &settlement.owner);
        }
        for (granted, subnet) in settlement.granted.iter().zip(subnets) {
            self.generation = self.generation.max(granted.grant.generation.min(MOST));
            let who = (&settlement.owner, &*settlement.uid);
            let (id, first) = self.book.add(owner, who, subnet, &granted.grant);
            owner.one = Some(id);
            self.recent = subnet;
            if let Some(subnet) = self.subnets.get_mut(subnet) {
                subnet.count_in(who.0.kind, &who.0.name);
                subnet.owners += usize::from(first);
            }
            self.attach(id, subnet, granted, settlement.at);
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

    /// A grant that the book has comes into its subnet and space.
    fn attach(&mut self, id: u32, subnet_id: u32, granted: &Granted, now: Millis) {
        let Granted { grant, picked_v4, picked_v6 } = granted;
        let space = self.subnets.get(subnet_id).and_then(|subnet| self.spaces.get_mut(subnet.space));
        let Some(space) = space else { return };
        let alone = space.enter(id, grant);
        if grant.role == Role::Active && (alone != grant.ips || grant.ips.is_empty()) {
            // Who stood by has taken over for the moment in which the active one's grant was replaced.
            self.stand_by_for(id);
        }
        self.mark(subnet_id);
        for ip in alone.iter().copied() {
            let picked = if ip.is_ipv4() { *picked_v4 } else { *picked_v6 };
            let Some(subnet) = self.subnets.get_mut(subnet_id) else { return };
            let inside = subnet.hold(ip, picked, now);
            if inside && subnet.neighbours.is_empty() {
                continue;
            }
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

    pub(super) fn make_active(&mut self, owner: &OwnerKey, nic: &str) -> bool {
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
