//! What a request would change, decided on the unchanged ledger: here it is refused or not.

use std::{net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{DualStack, Family, Mac, number},
    contract::ipam::{AddrError, Grant, Want},
    rows::{Millis, OwnerKey},
};

use super::{Ledger, book::Record, space::Space};
use crate::{
    mac,
    pool::Pool,
    subnet::{Given, Subnet},
};

/// A change that can be made.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Grants that go.
    pub(super) dropped: Vec<u32>,
    /// What the owner holds after it, in the order of its wants.
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) enum Step {
    /// This grant stays as it is.
    Keep(u32),
    /// A new one.
    New(Chosen),
}

/// A grant to be made.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) nic: Arc<str>,
    pub(super) subnet: u32,
    pub(super) ips: DualStack<(IpAddr, Given)>,
    pub(super) mac: Mac,
    /// Space that the subnet is in.
    space: u32,
}

impl Plan {
    /// One grant, or none, goes.
    pub(super) fn release(grant: Option<u32>) -> Self {
        Plan { dropped: grant.into_iter().collect(), steps: Vec::new() }
    }
}

/// Plans that an owner holds exactly `wants`.
pub(super) fn plan(
    ledger: &Ledger,
    owner: &OwnerKey,
    uid: &Arc<str>,
    wants: &[Want],
    now: Millis,
) -> Result<Plan, AddrError> {
    let book = &ledger.book;
    let known = book.find(owner);
    let same = known.and_then(|id| book.owner(id)).is_some_and(|known| known.uid == *uid);
    let held_for = |want: &Want| {
        let mut held = book.held(known).filter(|_| same);
        held.find(|(_, record)| *book.nic(record) == *want.nic)
    };
    let first = |(i, want): (usize, &Want)| wants.iter().take(i).all(|earlier| earlier.nic != want.nic);
    let wanted = || wants.iter().enumerate().filter(|item| first(*item)).map(|(_, want)| want);

    let stays =
        |want: &Want| held_for(want).filter(|(_, record)| fits(ledger, want, record)).map(|(id, _)| id);
    let kept: Vec<u32> = wanted().filter_map(stays).collect();
    let dropped: Vec<u32> = book.held(known).map(|(id, _)| id).filter(|id| !kept.contains(id)).collect();

    let mut planner =
        Planner { ledger, owner, uid, wants, dropped, steps: Vec::with_capacity(wants.len()), now };
    for want in wanted() {
        let held = held_for(want);
        let step = match held {
            Some((id, _)) if kept.contains(&id) => Step::Keep(id),
            _ => Step::New(planner.choose(want, held.map(|(_, record)| record))?),
        };
        planner.steps.push(step);
    }
    Ok(Plan { dropped: planner.dropped, steps: planner.steps })
}

/// Is what is held what is wanted? A family that is neither held nor asked for by number is no reason to change
/// what an interface runs with; nor is a prefix that was changed since.
fn fits(ledger: &Ledger, want: &Want, record: &Record) -> bool {
    let ips = record.ips();
    ledger.subnets.get(record.subnet).is_some_and(|subnet| want.subnets.contains(&subnet.name))
        && want.fixed.iter().all(|ip| ips.get(Family::of(*ip)) == Some(ip))
        && want.mac.is_none_or(|mac| mac == record.mac)
}

struct Planner<'a> {
    ledger: &'a Ledger,
    owner: &'a OwnerKey,
    uid: &'a str,
    wants: &'a [Want],
    /// Grants that will go: what they hold is there to be taken.
    dropped: Vec<u32>,
    steps: Vec<Step>,
    now: Millis,
}

impl<'a> Planner<'a> {
    /// A grant for a want, from the first subnet that can give it; where the owner is already comes first.
    fn choose(&self, want: &Want, held: Option<&Record>) -> Result<Chosen, AddrError> {
        let home = held.and_then(|record| self.ledger.subnets.get(record.subnet)).map(|subnet| &subnet.name);
        let at_home = want.subnets.iter().filter(|name| Some(*name) == home);
        let elsewhere = want.subnets.iter().filter(|name| Some(*name) != home);
        let mut refusal = AddrError::NoSubnet { subnet: Arc::default() };
        let mut closest = 0;
        for name in at_home.chain(elsewhere) {
            match self.choose_from(name, want, held) {
                Ok(chosen) => return Ok(chosen),
                Err(error) if closeness(&error) > closest => (closest, refusal) = (closeness(&error), error),
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    fn choose_from(&self, name: &Arc<str>, want: &Want, held: Option<&Record>) -> Result<Chosen, AddrError> {
        let open = self.ledger.subnet(name).filter(|(_, subnet)| subnet.is_open());
        let found = open.and_then(|(id, subnet)| Some((id, subnet, self.ledger.spaces.get(subnet.space)?)));
        let (id, subnet, space) = found.ok_or_else(|| AddrError::NoSubnet { subnet: name.clone() })?;

        let mut ips = DualStack::default();
        for ip in want.fixed.iter().copied() {
            self.check_address(ip, subnet, space)?;
            *ips.slot(Family::of(ip)) = Some((ip, Given::ByNumber));
        }
        for (family, pool) in subnet.families() {
            if ips.get(family).is_some() {
                continue;
            }
            let skip = |ip: IpAddr| self.is_spoken_for(ip, want, subnet.space);
            let kept = held
                .filter(|record| record.subnet == id)
                .and_then(|record| record.ips().get(family).copied());
            let kept =
                kept.filter(|ip| pool.shape().contains(number(*ip)) && !pool.shape().is_gateway(number(*ip)));
            let given = kept
                .filter(|ip| !skip(*ip))
                .map(|ip| (ip, Given::ByNumber))
                .or_else(|| {
                    let picked = pool.pick(&|n| family.address(n).is_some_and(skip))?;
                    Some((family.address(picked)?, Given::Picked))
                })
                .or_else(|| self.own_again(pool, subnet.space, skip).map(|ip| (ip, Given::ByNumber)))
                .ok_or_else(|| subnet.exhausted(family, pool))?;
            *ips.slot(family) = Some(given);
        }
        let mac = self.mac(want, held, subnet, space)?;
        Ok(Chosen { nic: want.nic.clone(), subnet: id, ips, mac, space: subnet.space })
    }

    /// Can this subnet give the owner this very address?
    fn check_address(&self, ip: IpAddr, subnet: &Subnet, space: &Space) -> Result<(), AddrError> {
        let inside = subnet.pool(Family::of(ip)).filter(|pool| pool.shape().contains(number(ip)));
        let pool = inside.ok_or_else(|| subnet.out_of_range(ip))?;
        if pool.shape().is_gateway(number(ip)) {
            return Err(AddrError::Gateway { ip, subnet: subnet.name.clone() });
        }
        if let Some((id, record)) = space.holder(self.ledger.book.grants(), ip)
            && !self.dropped.contains(&id)
        {
            return Err(taken(self.ledger, ip, &subnet.name, record));
        }
        if self.chosen(subnet.space).any(|chosen| chosen.ips.iter().any(|(other, _)| *other == ip)) {
            let (holder, generation) = (self.owner.clone(), self.ledger.generation.saturating_add(1));
            return Err(AddrError::Taken {
                ip,
                subnet: subnet.name.clone(),
                holder,
                since: self.now,
                generation,
            });
        }
        Ok(())
    }

    /// Will another interface of this owner hold the address when all is done?
    fn is_spoken_for(&self, ip: IpAddr, want: &Want, space: u32) -> bool {
        self.chosen(space).any(|chosen| chosen.ips.iter().any(|(other, _)| *other == ip))
            || self.rivals(want, space).any(|rival| rival.fixed.get(Family::of(ip)) == Some(&ip))
    }

    /// The last resort: an address that the owner gives up with this very change.
    fn own_again(&self, pool: &Pool, space: u32, skip: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
        let shape = pool.shape();
        let records = self.dropped.iter().filter_map(|id| self.ledger.book.record(*id));
        records
            .filter(|record| {
                self.ledger.subnets.get(record.subnet).is_some_and(|subnet| subnet.space == space)
            })
            .filter_map(|record| record.ips().get(shape.family()).copied())
            .filter(|ip| shape.contains(number(*ip)) && !shape.is_excluded(number(*ip)) && !skip(*ip))
            .min()
    }

    fn mac(
        &self,
        want: &Want,
        held: Option<&Record>,
        subnet: &Subnet,
        space: &Space,
    ) -> Result<Mac, AddrError> {
        let book = &self.ledger.book;
        let chosen = |mac| self.chosen(subnet.space).any(|chosen| chosen.mac == mac);
        if let Some(mac) = want.mac {
            let other = space.mac_holder(book.grants(), mac).filter(|(id, _)| !self.dropped.contains(id));
            let other = other.and_then(|(_, record)| book.owner_of(record)).map(|owner| &owner.key);
            return match other.or(chosen(mac).then_some(self.owner)) {
                Some(holder) => {
                    Err(AddrError::MacTaken { mac, subnet: subnet.name.clone(), holder: holder.clone() })
                }
                None => Ok(mac),
            };
        }
        let asked_for = |mac| self.rivals(want, subnet.space).any(|rival| rival.mac == Some(mac));
        let free = |mac: &Mac| !chosen(*mac) && !asked_for(*mac);
        let is_held = |mac: Mac| space.mac_holder(book.grants(), mac).map(|(id, _)| id);
        let kept = held.map(|record| record.mac).filter(free);
        if let Some(mac) = kept.filter(|mac| is_held(*mac).is_none_or(|id| self.dropped.contains(&id))) {
            return Ok(mac);
        }
        let mut attempt = 0;
        loop {
            let mac = mac::derive(&space.name, self.uid, &want.nic, attempt);
            if free(&mac) && is_held(mac).is_none() {
                return Ok(mac);
            }
            attempt += 1;
        }
    }

    /// What is chosen already in a space.
    fn chosen(&self, space: u32) -> impl Iterator<Item = &Chosen> {
        self.steps.iter().filter_map(move |step| match step {
            Step::New(chosen) if chosen.space == space => Some(chosen),
            _ => None,
        })
    }

    /// The other wants that may be met from a space.
    fn rivals(&self, want: &Want, space: u32) -> impl Iterator<Item = &'a Want> {
        let in_space =
            move |name: &Arc<str>| self.ledger.subnet(name).is_some_and(|(_, subnet)| subnet.space == space);
        self.wants
            .iter()
            .filter(|other| other.nic != want.nic)
            .filter(move |other| other.subnets.iter().any(in_space))
    }
}

/// Of several subnets' refusals the one is told in which the least would have to change.
fn closeness(error: &AddrError) -> u8 {
    match error {
        AddrError::NoSubnet { .. } => 1,
        AddrError::OutOfRange { .. } => 2,
        _ => 3,
    }
}

/// The error that names who holds an address.
fn taken(ledger: &Ledger, ip: IpAddr, subnet: &Arc<str>, record: &Record) -> AddrError {
    let key = ledger.book.owner_of(record).map(|owner| owner.key.clone());
    AddrError::Taken {
        ip,
        subnet: subnet.clone(),
        holder: key.unwrap_or_else(|| OwnerKey::pod("", "")),
        since: record.since,
        generation: record.generation,
    }
}

/// Checks a grant that is to be restored; `false` when it is held already.
pub(super) fn check_restored(
    ledger: &Ledger,
    owner: &OwnerKey,
    uid: &Arc<str>,
    space: &Arc<str>,
    grant: &Grant,
) -> Result<bool, AddrError> {
    let book = &ledger.book;
    let id = book.find(owner);
    let other_object = id.and_then(|id| book.owner(id)).is_some_and(|known| known.uid != *uid);
    let rival = book.held(id).find(|(_, record)| other_object || *book.nic(record) == *grant.nic);
    if let Some((_, record)) = rival {
        let held = ledger.grant(record);
        if !other_object && held.subnet == grant.subnet && held.ips == grant.ips && held.mac == grant.mac {
            return Ok(false);
        }
        return Err(match held.ips.iter().next() {
            Some(ip) => taken(ledger, *ip, &held.subnet, record),
            None => AddrError::MacTaken { mac: held.mac, subnet: held.subnet, holder: owner.clone() },
        });
    }
    let place = match ledger.subnet(&grant.subnet) {
        Some((_, subnet)) => ledger.spaces.get(subnet.space),
        None => ledger.space_ids.get(space).and_then(|id| ledger.spaces.get(*id)),
    };
    let Some(place) = place else { return Ok(true) };
    for ip in grant.ips.iter().copied() {
        if let Some((_, record)) = place.holder(book.grants(), ip) {
            return Err(taken(ledger, ip, &grant.subnet, record));
        }
    }
    if let Some((_, record)) = place.mac_holder(book.grants(), grant.mac) {
        let holder = book.owner_of(record).map_or_else(|| owner.clone(), |owner| owner.key.clone());
        return Err(AddrError::MacTaken { mac: grant.mac, subnet: grant.subnet.clone(), holder });
    }
    Ok(true)
}
