//! A subnet: its pools, what is held from it, and by whom.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{Cidr, DualStack, Family, number},
    contract::ipam::{AddrError, PoolSpec, Usage},
    rows::{Millis, OwnerKey, OwnerKind},
};

use crate::{pool::Pool, range_set::RangeSet, shape::Shape, table::FixedMap};

/// How an address of a new grant was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// The next one in order.
    Picked,
    /// Asked for by number, kept, or restored.
    ByNumber,
}

/// A subnet, independent of all others: who changes one needs no other.
#[derive(Clone, Debug)]
pub(crate) struct Subnet {
    pub(crate) name: Arc<str>,
    pub(crate) space: u32,
    /// Subnets of the same space whose prefixes share addresses with this one's.
    pub(crate) neighbours: Vec<u32>,
    /// Grants held from it.
    pub(crate) grants: usize,
    /// Owners that hold them.
    pub(crate) owners: usize,
    /// What it offers; `None` when it is known only from restored grants.
    spec: Option<PoolSpec>,
    closed: bool,
    pools: DualStack<Pool>,
    /// Held addresses that no pool has.
    outside: BTreeSet<IpAddr>,
    /// Grants by holder's group, for messages.
    groups: FixedMap<Box<str>, u32>,
}

impl Subnet {
    /// A subnet that offers nothing yet.
    pub(crate) fn new(name: Arc<str>, space: u32) -> Self {
        Subnet {
            name,
            space,
            neighbours: Vec::new(),
            grants: 0,
            owners: 0,
            spec: None,
            closed: false,
            pools: DualStack::default(),
            outside: BTreeSet::new(),
            groups: FixedMap::default(),
        }
    }

    /// Does it grant addresses?
    pub(crate) fn is_open(&self) -> bool {
        self.spec.is_some() && !self.closed
    }

    /// Has it been defined and not been forgotten?
    pub(crate) fn is_defined(&self) -> bool {
        self.spec.is_some()
    }

    /// Grants nothing from now on.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Is this what it offers already?
    pub(crate) fn offers(&self, spec: &PoolSpec) -> bool {
        !self.closed && self.spec.as_ref() == Some(spec)
    }

    /// The pool of a family.
    pub(crate) fn pool(&self, family: Family) -> Option<&Pool> {
        self.pools.get(family)
    }

    /// The families it has, v4 first.
    pub(crate) fn families(&self) -> impl Iterator<Item = (Family, &Pool)> {
        self.pools.families().filter_map(|family| Some((family, self.pools.get(family)?)))
    }

    /// Do addresses of the two overlap?
    pub(crate) fn overlaps(&self, other: &Subnet) -> bool {
        self.pools.iter().any(|ours| other.pools.iter().any(|theirs| ours.shape().overlaps(theirs.shape())))
    }

    /// Makes it offer something else. Pools of which the shape stays are kept as they are; the others are built
    /// anew, with what is held from here, what rests, and `foreign`: addresses held in the space from elsewhere.
    pub(crate) fn define(&mut self, spec: &PoolSpec, foreign: &[IpAddr]) {
        let mut before = std::mem::take(&mut self.pools);
        let mut held = std::mem::take(&mut self.outside);
        for cidr in spec.cidrs.iter() {
            let family = cidr.family();
            if self.pools.get(family).is_some() {
                continue;
            }
            let gateway = spec.gateways.iter().find(|ip| Family::of(**ip) == family).copied();
            let shape = Shape::new(*cidr, gateway, &spec.excludes);
            let old = before.slot(family);
            if let Some(same) = old.take_if(|pool| *pool.shape() == shape) {
                *self.pools.slot(family) = Some(same);
                continue;
            }
            let mut pool = Pool::new(shape);
            for ip in foreign.iter().filter(|ip| Family::of(**ip) == family) {
                pool.block(number(*ip));
            }
            held.extend(old.iter().flat_map(held_in));
            held.retain(|ip| {
                let inside = Family::of(*ip) == family && pool.shape().contains(number(*ip));
                if inside {
                    pool.take(number(*ip));
                }
                !inside
            });
            for (until, n) in old.iter().flat_map(Pool::resting) {
                pool.rest(n, until);
            }
            before.slot(family).take();
            *self.pools.slot(family) = Some(pool);
        }
        held.extend(before.iter().flat_map(held_in));
        self.outside = held;
        self.spec = Some(spec.clone());
        self.closed = false;
    }

    /// What is held from here within a prefix.
    pub(crate) fn holdings(&self, cidr: Cidr) -> impl Iterator<Item = IpAddr> + '_ {
        let span = cidr.usable();
        let pool = self.pools.get(cidr.family()).filter(move |pool| pool.shape().shares_with(span));
        let inside = pool.into_iter().flat_map(held_in).filter(move |ip| span.contains(*ip));
        inside.chain(self.outside.range(span.first()..=span.last()).copied())
    }

    /// Notes an address as held from here; `false` when it lies outside.
    pub(crate) fn hold(&mut self, ip: IpAddr, given: Given) -> bool {
        let n = number(ip);
        match self.pool_with(ip) {
            Some(pool) if given == Given::Picked => pool.take_picked(n),
            Some(pool) => pool.take(n),
            None => {
                self.outside.insert(ip);
                return false;
            }
        }
        true
    }

    /// An address is held from here no more; `false` when it lay outside.
    pub(crate) fn free(&mut self, ip: IpAddr, now: Millis) -> bool {
        if self.outside.remove(&ip) {
            return false;
        }
        let until = self.rests_until(now);
        if let Some(pool) = self.pool_with(ip) {
            pool.give_back(number(ip), until);
        }
        true
    }

    /// An address was granted from another subnet of the space.
    pub(crate) fn block(&mut self, ip: IpAddr) {
        if let Some(pool) = self.pool_with(ip) {
            pool.block(number(ip));
        }
    }

    /// It is no longer; `true` when that frees one here.
    pub(crate) fn unblock(&mut self, ip: IpAddr, now: Millis) -> bool {
        let until = self.rests_until(now);
        self.pool_with(ip).is_some_and(|pool| pool.unblock(number(ip), until))
    }

    /// Ends the rest of what has rested long enough.
    pub(crate) fn expire(&mut self, now: Millis) {
        for family in Family::BOTH {
            if let Some(pool) = self.pools.slot(family) {
                pool.expire(now);
            }
        }
    }

    /// Counts one grant more.
    pub(crate) fn count_in(&mut self, owner: &OwnerKey) {
        self.grants += 1;
        match self.groups.get_mut(group(owner)) {
            Some(grants) => *grants += 1,
            None => _ = self.groups.insert(group(owner).into(), 1),
        }
    }

    /// Counts one grant less.
    pub(crate) fn count_out(&mut self, owner: &OwnerKey) {
        self.grants -= 1;
        if let Some(grants) = self.groups.get_mut(group(owner)) {
            *grants -= 1;
            if *grants == 0 {
                self.groups.remove(group(owner));
            }
        }
    }

    /// Its numbers.
    pub(crate) fn usage(&self) -> Usage {
        let mut usage = Usage { owners: self.owners, ..Usage::default() };
        for family in Family::BOTH {
            let outside: Vec<u128> =
                self.outside.iter().filter(|ip| Family::of(**ip) == family).map(|ip| number(*ip)).collect();
            let pool = self.pools.get(family);
            if pool.is_none() && outside.is_empty() {
                continue;
            }
            let used = pool.into_iter().flat_map(Pool::used_runs).chain(outside.iter().map(|n| (*n, *n)));
            let used: RangeSet = used.collect();
            *usage.used_ranges.slot(family) = Some(used.text(family));
            *usage.outside.slot(family) = Some(outside.len() as u128);
            *usage.used.slot(family) = Some(pool.map_or(0, Pool::used) + outside.len() as u128);
            *usage.total.slot(family) = Some(pool.map_or(0, Pool::total));
            *usage.available.slot(family) = Some(pool.map_or(0, Pool::available));
            *usage.reserved.slot(family) = Some(pool.map_or(0, Pool::reserved));
            *usage.available_ranges.slot(family) =
                Some(pool.map(Pool::available_runs).unwrap_or_default().text(family));
        }
        usage
    }

    /// The error of a full pool.
    pub(crate) fn exhausted(&self, family: Family, pool: &Pool) -> AddrError {
        AddrError::Exhausted {
            subnet: self.name.clone(),
            family,
            total: pool.total(),
            used: pool.used(),
            reserved: pool.reserved(),
            holders: self.biggest_holders(),
        }
    }

    /// The error of an address that lies outside.
    pub(crate) fn out_of_range(&self, ip: IpAddr) -> AddrError {
        let cidr = self.spec.as_ref().map(|spec| spec.cidrs.to_string()).unwrap_or_default();
        AddrError::OutOfRange { ip, subnet: self.name.clone(), cidr }
    }

    /// The three groups with the most grants, like `default (200), shop (31)`.
    fn biggest_holders(&self) -> String {
        let mut groups: Vec<_> =
            self.groups.iter().map(|(name, grants)| (std::cmp::Reverse(*grants), name)).collect();
        groups.sort_unstable();
        let top: Vec<_> =
            groups.iter().take(3).map(|(grants, name)| format!("{name} ({})", grants.0)).collect();
        if top.is_empty() { "nobody".to_owned() } else { top.join(", ") }
    }

    fn pool_with(&mut self, ip: IpAddr) -> Option<&mut Pool> {
        self.pools.slot(Family::of(ip)).as_mut().filter(|pool| pool.shape().contains(number(ip)))
    }

    fn rests_until(&self, now: Millis) -> Option<Millis> {
        let rest = self.spec.as_ref().map_or(0, |spec| spec.rest);
        (rest > 0).then(|| now.saturating_add(rest))
    }
}

/// The addresses held from a pool.
fn held_in(pool: &Pool) -> impl Iterator<Item = IpAddr> + '_ {
    let family = pool.shape().family();
    pool.used_runs().flat_map(|(first, last)| first..=last).filter_map(move |n| family.address(n))
}

/// By what the holders of a full pool are summed up: pods by namespace, others by kind.
fn group(owner: &OwnerKey) -> &str {
    match (owner.kind, owner.name.split_once('/')) {
        (OwnerKind::Pod, Some((namespace, _))) => namespace,
        _ => owner.kind.word(),
    }
}
