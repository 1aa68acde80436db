//! The ledger: subnets, spaces and grants, and the calls that change them.
//!
//! Every change of grants is planned on the unchanged ledger ([`plan`]), which is where it can be refused, and then
//! made whole ([`commit`]), which can't fail. What a store remembers is checked and made in one step ([`apply`]).

mod apply;
mod book;
mod commit;
mod explain;
mod history;
mod plan;
mod space;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::Cidr,
    contract::ipam::{AddrError, Grant, Offer, Settled, Usage, Want},
    rows::{Millis, OwnerKey},
};

use self::{
    book::{Book, Record},
    history::History,
    space::Space,
};
use crate::{
    subnet::Subnet,
    table::{FixedMap, Slab, fold, hash},
};

pub use commit::Stale;
pub use explain::{AddressState, Misfit};
pub use history::Tenancy;
pub use plan::Plan;

/// Half of all generations are for grants made here, whatever somebody restores.
const MOST_RESTORED: u64 = 1 << 47;

/// Addresses of any number of subnets and spaces, and who holds them.
///
/// # Guarantees
/// Within a space an address and a MAC are held by at most one owner and interface, but for those that a want declares
/// to share it with. A refused call changes nothing. Dual stack is both families or none. The same calls in the same
/// order give the same answers. No call panics on what it is given.
///
/// A clone is a copy of plain memory and independent of its origin: try a change there first.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    spaces: Slab<Space>,
    space_ids: FixedMap<Arc<str>, u32>,
    subnets: Slab<Subnet>,
    subnet_ids: FixedMap<Arc<str>, u32>,
    /// The subnet of the last grant: often the next one is from there, too.
    recent: u32,
    book: Book,
    generation: u64,
    /// Another one after every change, so that a plan knows whether it is still true; also in copies that went
    /// different ways.
    version: u64,
    /// Ids of the subnets of which the numbers may have changed.
    changed: Vec<u32>,
    /// The same of those that are forgotten.
    changed_gone: BTreeSet<Arc<str>>,
    history: History,
}

impl Ledger {
    /// A ledger that knows no subnet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a subnet or changes what it offers. Grants stay, whether they fit or not; a subnet that was closed is
    /// open again. What was free before counts as never used, if prefix, gateway or excludes changed.
    ///
    /// # Errors
    /// [`AddrError::SpaceFixed`] when the subnet holds grants in another space, [`AddrError::PrefixesFixed`] when it
    /// would lose all of its prefixes, [`AddrError::PoolOverlap`]. Nothing is changed then.
    pub fn define(&mut self, offer: &Offer) -> Result<(), AddrError> {
        if let Some((id, subnet)) = self.subnet(&offer.subnet) {
            let from = self.spaces.get(subnet.space).map(|space| space.name.clone()).unwrap_or_default();
            if from != offer.space && subnet.grants > 0 {
                let (subnet, held) = (subnet.name.clone(), subnet.grants);
                return Err(AddrError::SpaceFixed { subnet, from, to: offer.space.clone(), held });
            }
            if from == offer.space && subnet.offers(offer) {
                return Ok(());
            }
            subnet.check(offer)?;
            if from != offer.space {
                self.forget(id);
            }
        } else {
            Subnet::new(offer.subnet.clone(), 0).check(offer)?;
        }
        self.step(hash(&offer.subnet));
        let id = self.subnet_in(&offer.subnet, &offer.space);
        let held_elsewhere = |cidr: &Cidr| {
            let cidr = *cidr;
            self.others(id).flat_map(move |(_, other)| other.holdings(cidr))
        };
        let foreign: Vec<IpAddr> = offer.cidrs.iter().flat_map(held_elsewhere).collect();
        if let Some(subnet) = self.subnets.get_mut(id) {
            subnet.define(offer, &foreign);
        }
        self.mark(id);
        self.meet_neighbours(id);
        Ok(())
    }

    /// Closes a subnet: it grants nothing more. Answers `true` when it is forgotten, because nothing is held in it;
    /// else call again later.
    pub fn close(&mut self, subnet: &str) -> bool {
        let Some(id) = self.subnet_id(subnet) else { return true };
        let Some(closed) = self.subnets.get_mut(id) else { return true };
        closed.close();
        let empty = closed.grants == 0;
        self.step(hash(subnet));
        self.mark(id);
        if empty {
            self.forget(id);
        }
        empty
    }

    /// Makes an owner hold exactly what it wants; no wants release all. What it holds and still fits stays, with its
    /// generation: also when the subnet would not grant it any more. Of two wants for one interface the first counts.
    ///
    /// An owner known under another `uid` is another object: it takes over nothing, but the addresses of its
    /// predecessor are given to it when nothing else is left, and are released if this call succeeds.
    ///
    /// # Errors
    /// Why the first want that can't be met can't be; of several subnets the one where it was closest.
    pub fn settle(
        &mut self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        wants: &[Want],
        now: Millis,
    ) -> Result<Settled, AddrError> {
        let plan = self.plan(owner, uid, wants, now)?;
        Ok(self.carry_out(plan))
    }

    /// Releases one interface's grant, if it still is the one of this generation; else changes nothing.
    pub fn release(&mut self, owner: &OwnerKey, nic: &str, generation: u64, now: Millis) -> Settled {
        let plan = self.plan_release(owner, nic, Some(generation), now);
        self.carry_out(plan)
    }

    /// Makes one interface of an owner hold what it wants; its others stay. See [`Ledger::settle`].
    pub fn settle_nic(
        &mut self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        want: &Want,
        now: Millis,
    ) -> Result<Settled, AddrError> {
        let plan = self.plan_nic(owner, uid, want, now)?;
        Ok(self.carry_out(plan))
    }

    /// What an owner holds, in the order of the interfaces' names.
    pub fn held(&self, owner: &OwnerKey) -> Vec<Grant> {
        let mut grants: Vec<_> =
            self.book.all_of(self.book.find(owner)).map(|(_, record)| self.grant(record)).collect();
        grants.sort_unstable_by(|a, b| a.nic.cmp(&b.nic));
        grants
    }

    /// The object of an owner that holds something.
    pub fn uid(&self, owner: &OwnerKey) -> Option<Arc<str>> {
        self.book.find(owner).one.and_then(|id| self.book.record(id)).map(|record| self.book.uid(record))
    }

    /// The owners that hold something and their uids, in the order of the keys.
    pub fn owners(&self) -> Vec<(OwnerKey, Arc<str>)> {
        let mut owners: Vec<_> =
            self.book.owners().map(|record| (self.book.key(record), self.book.uid(record))).collect();
        owners.sort_unstable();
        owners
    }

    /// Numbers of a subnet; `None` when nothing is known of it. One that holds restored grants but was not defined
    /// has only `used` and `outside`.
    pub fn usage(&self, subnet: &str) -> Option<Usage> {
        self.subnet(subnet).map(|(_, subnet)| subnet.usage())
    }

    /// Numbers of one of a subnet's pools: the named one, or with an empty name of what no named pool has. `None` when
    /// there is no such subnet or pool.
    pub fn pool_usage(&self, subnet: &str, pool: &str) -> Option<Usage> {
        self.subnet(subnet).and_then(|(_, subnet)| subnet.pool_usage(pool))
    }

    /// Names of the subnets of which the numbers may have changed since the last call.
    pub fn take_changed(&mut self) -> BTreeSet<Arc<str>> {
        let mut names = std::mem::take(&mut self.changed_gone);
        for id in std::mem::take(&mut self.changed) {
            if let Some(subnet) = self.subnets.get_mut(id).filter(|subnet| subnet.marked) {
                subnet.marked = false;
                names.insert(subnet.name.clone());
            }
        }
        names
    }

    /// Something has changed.
    fn step(&mut self, what: u64) {
        self.version =
            fold(self.version ^ what ^ 0x9e37_79b9_7f4a_7c15, 0xbb67_ae85_84ca_a73b).wrapping_add(1);
    }

    /// Raises the generation: the next grant's is above this one.
    pub(crate) fn raise(&mut self, generation: u64) {
        self.generation = self.generation.max(generation.min(MOST_RESTORED));
    }

    /// The generation of the last grant.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Notes that a subnet's numbers may have changed.
    fn mark(&mut self, id: u32) {
        if let Some(subnet) = self.subnets.get_mut(id).filter(|subnet| !subnet.marked) {
            subnet.marked = true;
            self.changed.push(id);
        }
    }

    /// The error that names who holds an address.
    fn taken(&self, ip: IpAddr, subnet: &Arc<str>, record: &Record) -> AddrError {
        let (subnet, holder) = (subnet.clone(), self.book.key(record));
        AddrError::Taken { ip, subnet, holder, since: record.since(), generation: record.generation() }
    }

    fn subnet(&self, name: &str) -> Option<(u32, &Subnet)> {
        let recent = self.subnets.get(self.recent).filter(|subnet| *subnet.name == *name);
        recent.map(|subnet| (self.recent, subnet)).or_else(|| {
            let id = *self.subnet_ids.get(name)?;
            Some((id, self.subnets.get(id)?))
        })
    }

    fn subnet_id(&self, name: &str) -> Option<u32> {
        self.subnet(name).map(|(id, _)| id)
    }

    /// The space that a subnet is in.
    fn space_of(&self, subnet: u32) -> Option<&Space> {
        self.spaces.get(self.subnets.get(subnet)?.space)
    }

    /// A record as others see it.
    fn grant(&self, record: &Record) -> Grant {
        let subnet = self.subnets.get(record.subnet());
        let space = subnet.and_then(|subnet| self.spaces.get(subnet.space));
        Grant {
            nic: self.book.nic(record),
            subnet: subnet.map(|subnet| subnet.name.clone()).unwrap_or_default(),
            space: space.map(|space| space.name.clone()).unwrap_or_default(),
            ips: self.book.ips(record),
            mac: record.mac(),
            role: record.role(),
            generation: record.generation(),
            since: record.since(),
        }
    }

    /// The other subnets of a subnet's space.
    fn others(&self, id: u32) -> impl Iterator<Item = (u32, &Subnet)> {
        let all = self.space_of(id).into_iter().flat_map(|space| &space.subnets).copied();
        all.filter(move |other| *other != id).filter_map(|other| Some((other, self.subnets.get(other)?)))
    }

    /// The id of a subnet by name; a new one is put into the space.
    fn subnet_in(&mut self, name: &Arc<str>, space: &Arc<str>) -> u32 {
        if let Some(id) = self.subnet_id(name) {
            return id;
        }
        let spaces = &mut self.spaces;
        let add_space = || spaces.insert(Space::new(space.clone()));
        let space_id = *self.space_ids.entry(space.clone()).or_insert_with(add_space);
        let id = self.subnets.insert(Subnet::new(name.clone(), space_id));
        self.subnet_ids.insert(name.clone(), id);
        if let Some(space) = self.spaces.get_mut(space_id) {
            space.subnets.push(id);
        }
        id
    }

    /// Forgets a subnet in which nothing is held, and its space if it was the last one there.
    fn forget(&mut self, id: u32) {
        self.part_from_neighbours(id);
        let Some(subnet) = self.subnets.remove(id) else { return };
        self.subnet_ids.remove(&subnet.name);
        self.changed_gone.insert(subnet.name.clone());
        let Some(space) = self.spaces.get_mut(subnet.space) else { return };
        space.subnets.retain(|other| *other != id);
        if space.subnets.is_empty()
            && let Some(space) = self.spaces.remove(subnet.space)
        {
            self.space_ids.remove(&space.name);
        }
    }

    /// Finds out anew with which subnets of its space one overlaps.
    fn meet_neighbours(&mut self, id: u32) {
        self.part_from_neighbours(id);
        let Some(subnet) = self.subnets.get(id) else { return };
        let met: Vec<u32> =
            self.others(id).filter(|(_, other)| other.overlaps(subnet)).map(|(id, _)| id).collect();
        for other in &met {
            if let Some(other) = self.subnets.get_mut(*other) {
                other.neighbours.push(id);
            }
        }
        if let Some(subnet) = self.subnets.get_mut(id) {
            subnet.neighbours = met;
        }
    }

    fn part_from_neighbours(&mut self, id: u32) {
        let met = self.subnets.get_mut(id).map(|subnet| std::mem::take(&mut subnet.neighbours));
        for other in met.unwrap_or_default() {
            if let Some(other) = self.subnets.get_mut(other) {
                other.neighbours.retain(|neighbour| *neighbour != id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
