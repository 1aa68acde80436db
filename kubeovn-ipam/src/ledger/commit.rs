//! Makes a planned change. Nothing here can be refused.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{DualStack, Mac},
    contract::ipam::{Grant, Settled},
    rows::{Millis, OwnerKey},
};

use super::{
    Ledger,
    plan::{Chosen, Plan, Step},
};
use crate::subnet::Given;

/// Something that a dropped grant gave back, and where it may be waited for.
enum Freed {
    Address(Arc<str>, u32, IpAddr),
    Mac(Arc<str>, u32, Mac),
}

impl Ledger {
    pub(super) fn commit(&mut self, owner: &OwnerKey, uid: &Arc<str>, plan: Plan, now: Millis) -> Settled {
        let mut changed = !plan.dropped.is_empty();
        let mut freed = Vec::new();
        for id in plan.dropped {
            self.detach(id, now, &mut freed);
        }
        let mut grants = Vec::with_capacity(plan.steps.len());
        for step in plan.steps {
            match step {
                Step::Keep(id) => grants.extend(self.book.record(id).map(|record| self.grant(record))),
                Step::New(chosen) => {
                    changed = true;
                    grants.extend(self.attach_chosen(owner, uid, chosen, now));
                }
            }
        }
        Settled { grants, changed, freed: self.still_free(&freed) }
    }

    /// Notes a restored grant that was checked.
    pub(super) fn commit_restored(&mut self, owner: &OwnerKey, uid: &Arc<str>, grant: &Grant) {
        let mut ips = DualStack::default();
        for ip in grant.ips.iter().copied() {
            ips.put(ip);
        }
        let grant = Grant { ips, ..grant.clone() };
        let subnet = self.subnet_in(&grant.subnet, &grant.space);
        self.attach(owner, uid, subnet, &grant, ips.map(|_| Given::ByNumber));
    }

    fn attach_chosen(
        &mut self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        chosen: Chosen,
        now: Millis,
    ) -> Option<Grant> {
        self.generation = self.generation.saturating_add(1);
        let grant = Grant {
            nic: chosen.nic,
            subnet: self.subnets.get(chosen.subnet)?.name.clone(),
            space: self.space_of(chosen.subnet)?.name.clone(),
            ips: chosen.ips.map(|(ip, _)| *ip),
            mac: chosen.mac,
            generation: self.generation,
            since: now,
        };
        self.attach(owner, uid, chosen.subnet, &grant, chosen.ips.map(|(_, given)| *given));
        Some(grant)
    }

    fn attach(
        &mut self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        subnet_id: u32,
        grant: &Grant,
        given: DualStack<Given>,
    ) {
        let owner_id = self.book.find_or_add(owner, uid);
        let newcomer = !self.book.holds_from(owner_id, subnet_id);
        let id = self.book.add(owner_id, subnet_id, grant);
        let Some(subnet) = self.subnets.get_mut(subnet_id) else { return };
        subnet.count_in(owner);
        self.changed.insert(subnet.name.clone());
        subnet.owners += usize::from(newcomer);
        if let Some(space) = self.spaces.get_mut(subnet.space) {
            space.enter(self.book.grants(), id);
        }
        for (ip, given) in grant.ips.iter().zip(given.iter()) {
            let Some(subnet) = self.subnets.get_mut(subnet_id) else { return };
            let inside = subnet.hold(*ip, *given);
            for other in self.concerned(subnet_id, inside) {
                if let Some(other) = self.subnets.get_mut(other) {
                    other.block(*ip);
                    self.changed.insert(other.name.clone());
                }
            }
        }
    }

    fn detach(&mut self, id: u32, now: Millis, freed: &mut Vec<Freed>) {
        let Some((record, owner)) =
            self.book.record(id).and_then(|record| Some((record, self.book.owner_of(record)?)))
        else {
            return;
        };
        let (record, owner) = (record.clone(), owner.key.clone());
        let Some(subnet) = self.subnets.get_mut(record.subnet) else { return };
        let (name, space_id) = (subnet.name.clone(), subnet.space);
        subnet.count_out(&owner);
        self.changed.insert(name.clone());
        if let Some(space) = self.spaces.get_mut(space_id) {
            space.leave(self.book.grants(), id);
        }
        self.book.remove(id);
        // If this was its only grant, the owner is forgotten, and its id is nobody's yet.
        let last = !self.book.holds_from(record.owner, record.subnet);
        freed.push(Freed::Mac(name.clone(), space_id, record.mac));
        for ip in record.ips().iter().copied() {
            let Some(subnet) = self.subnets.get_mut(record.subnet) else { return };
            let inside = subnet.free(ip, now);
            freed.push(Freed::Address(name.clone(), space_id, ip));
            for other in self.concerned(record.subnet, inside) {
                let Some(other) = self.subnets.get_mut(other) else { continue };
                self.changed.insert(other.name.clone());
                if other.unblock(ip, now) {
                    freed.push(Freed::Address(other.name.clone(), space_id, ip));
                }
            }
        }
        let Some(subnet) = self.subnets.get_mut(record.subnet) else { return };
        subnet.owners -= usize::from(last);
        if subnet.grants == 0 && !subnet.is_defined() {
            self.forget(record.subnet);
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
        let grants = self.book.grants();
        let free = |item: &&Freed| match item {
            Freed::Address(_, space, ip) => {
                self.spaces.get(*space).is_none_or(|s| s.holder(grants, *ip).is_none())
            }
            Freed::Mac(_, space, mac) => {
                self.spaces.get(*space).is_none_or(|s| s.mac_holder(grants, *mac).is_none())
            }
        };
        let name = |item: &Freed| match item {
            Freed::Address(name, ..) | Freed::Mac(name, ..) => name.clone(),
        };
        freed.iter().filter(free).map(name).collect::<BTreeSet<_>>().into_iter().collect()
    }
}
