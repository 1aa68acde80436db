//! A subnet: its pools, what is held from it, and by whom.

mod usage;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{Cidr, DualStack, Family, IpRange, Mac, number},
    contract::ipam::{AddrError, Offer},
    rows::{Millis, OwnerKind},
};

use crate::{entry::Shelves, pool::Pool, pools::Pools, shape::Prefix, table::Names};

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
    /// Its numbers may have changed since somebody asked which ones have.
    pub(crate) marked: bool,
    /// What it offers; `None` when it is known only from restored grants.
    offer: Option<Offer>,
    closed: bool,
    pools: DualStack<Pools>,
    /// Held addresses that no pool has.
    outside: BTreeSet<IpAddr>,
    /// Grants by holder's group, for messages.
    groups: Names,
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
            marked: false,
            offer: None,
            closed: false,
            pools: DualStack::default(),
            outside: BTreeSet::new(),
            groups: Names::default(),
        }
    }

    /// Does it grant addresses?
    pub(crate) fn is_open(&self) -> bool {
        self.offer.is_some() && !self.closed
    }

    /// Has it been defined and not been forgotten?
    pub(crate) fn is_defined(&self) -> bool {
        self.offer.is_some()
    }

    /// Grants nothing from now on.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Is this what it offers already?
    pub(crate) fn offers(&self, offer: &Offer) -> bool {
        !self.closed && self.offer.as_ref() == Some(offer)
    }

    /// Is this the gateway's MAC?
    pub(crate) fn is_gateway_mac(&self, mac: Mac) -> bool {
        self.offer.as_ref().is_some_and(|offer| offer.gateway_mac == Some(mac))
    }

    /// The pools of a family.
    pub(crate) fn pools(&self, family: Family) -> Option<&Pools> {
        self.pools.get(family)
    }

    /// The families it has, v4 first.
    pub(crate) fn families(&self) -> impl Iterator<Item = Family> + '_ {
        self.pools.families()
    }

    /// Has it a pool of that name?
    pub(crate) fn has_pool(&self, name: &str) -> bool {
        self.offer.as_ref().is_some_and(|offer| offer.pools.iter().any(|pool| *pool.name == *name))
    }

    /// The named pool that an address is in; the empty name when it is in none, `None` when it lies outside.
    pub(crate) fn pool_name(&self, ip: IpAddr) -> Option<&str> {
        self.pools.get(Family::of(ip))?.of(number(ip)).map(|(name, _)| &**name)
    }

    /// Do addresses of the two overlap?
    pub(crate) fn overlaps(&self, other: &Subnet) -> bool {
        self.pools.iter().any(|ours| other.pools.iter().any(|theirs| ours.prefix().overlaps(theirs.prefix())))
    }

    /// Can it offer that?
    pub(crate) fn check(&self, offer: &Offer) -> Result<(), AddrError> {
        if offer.cidrs.is_empty() && !self.pools.is_empty() {
            return Err(AddrError::PrefixesFixed { subnet: self.name.clone() });
        }
        let mut names = BTreeSet::new();
        if let Some(pool) = offer.pools.iter().find(|pool| pool.name.is_empty() || !names.insert(&pool.name))
        {
            return Err(AddrError::PoolName { subnet: self.name.clone(), pool: pool.name.clone() });
        }
        let ranges =
            offer.pools.iter().flat_map(|pool| pool.ranges.iter().map(move |range| (*range, &pool.name)));
        let mut ranges: Vec<(IpRange, &Arc<str>)> = ranges.collect();
        ranges.sort_unstable();
        // The one that reaches furthest of those before.
        let mut furthest: Option<(IpRange, &Arc<str>)> = None;
        for (range, name) in ranges {
            if let Some((before, other)) = furthest
                && let Some(shared) = range.intersection(before).filter(|_| other != name)
            {
                let (pool, other) = (name.max(other).clone(), name.min(other).clone());
                return Err(AddrError::PoolOverlap { subnet: self.name.clone(), pool, other, shared });
            }
            let further = furthest
                .is_none_or(|(before, _)| before.family() != range.family() || before.last() < range.last());
            if further {
                furthest = Some((range, name));
            }
        }
        Ok(())
    }

    /// Makes it offer something else. Pools of which the shape stays are kept as they are; the others are built
    /// anew, with what is held from here, what rests, and `foreign`: addresses held in the space from elsewhere.
    pub(crate) fn define(&mut self, offer: &Offer, foreign: &[IpAddr]) {
        let mut before = std::mem::take(&mut self.pools);
        let mut held = std::mem::take(&mut self.outside);
        for cidr in offer.cidrs.iter() {
            let family = cidr.family();
            if self.pools.get(family).is_some() {
                continue;
            }
            let gateway = offer.gateways.iter().find(|ip| Family::of(**ip) == family).copied();
            let prefix = Prefix::new(*cidr, gateway, &offer.excludes);
            let parts: Vec<_> =
                offer.pools.iter().map(|pool| (pool.name.clone(), prefix.part(&pool.ranges))).collect();
            let old = before.slot(family).take().map(Pools::into_pools).unwrap_or_default();
            let mut left = Vec::new();
            let mut pools = Pools::new(prefix, offer.order, parts.into_iter(), &mut left, old);
            for ip in foreign.iter().filter(|ip| Family::of(**ip) == family) {
                if let Some(pool) = pools.of_mut(number(*ip)) {
                    pool.block(number(*ip));
                }
            }
            held.extend(left.iter().flat_map(|pool| held_in(family, pool)));
            held.retain(|ip| {
                let pool = if Family::of(*ip) == family { pools.of_mut(number(*ip)) } else { None };
                let inside = pool.is_some();
                if let Some(pool) = pool {
                    pool.take(number(*ip));
                }
                !inside
            });
            for (until, n) in left.iter().flat_map(Pool::resting) {
                if let Some(pool) = pools.of_mut(n) {
                    pool.rest(n, until);
                }
            }
            *self.pools.slot(family) = Some(pools);
        }
        for family in Family::BOTH {
            let gone = before.get(family).into_iter().flat_map(Pools::iter);
            held.extend(gone.flat_map(|(_, pool)| held_in(family, pool)));
        }
        self.outside = held;
        self.offer = Some(offer.clone());
        self.closed = false;
    }

    /// What is held from here within a prefix.
    pub(crate) fn holdings(&self, cidr: Cidr) -> impl Iterator<Item = IpAddr> + '_ {
        let span = cidr.usable();
        let family = cidr.family();
        let pools = self.pools.get(family).filter(move |pools| pools.prefix().shares_with(span));
        let inside = pools.into_iter().flat_map(Pools::iter).flat_map(move |(_, pool)| held_in(family, pool));
        let inside = inside.filter(move |ip| span.contains(*ip));
        inside.chain(self.outside.range(span.first()..=span.last()).copied())
    }

    /// Notes an address as held from here; `false` when it lies outside.
    pub(crate) fn hold(&mut self, ip: IpAddr, picked: bool, now: Millis) -> bool {
        let n = number(ip);
        match self.pool_with(ip) {
            Some(pool) if picked => pool.take_picked(n, now),
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

    /// Does an address lie outside of what it offers, though it is held from here?
    pub(crate) fn is_outside(&self, ip: IpAddr) -> bool {
        self.outside.contains(&ip)
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

    /// How the free addresses of its pools lie.
    pub(crate) fn shelves(&self) -> impl Iterator<Item = Shelves> + '_ {
        self.pools.iter().flat_map(move |pools| {
            let family = pools.prefix().family();
            pools.iter().map(move |(name, pool)| {
                let address = |n| family.address(n);
                let range = |(first, last)| IpRange::new(address(first)?, address(last)?);
                let (closed_from, cursor, draws) = pool.progress();
                Shelves {
                    subnet: self.name.clone(),
                    pool: name.clone(),
                    family,
                    released: pool.released_runs().filter_map(range).collect(),
                    resting: pool.resting().filter_map(|(until, n)| Some((address(n)?, until))).collect(),
                    closed_from: closed_from.and_then(address),
                    cursor: address(cursor),
                    draws,
                }
            })
        })
    }

    /// Puts free addresses where they lay when the shelves were written down.
    pub(crate) fn recall(&mut self, shelves: &Shelves) {
        let pools = self.pools.slot(shelves.family).as_mut();
        let Some(pool) = pools.and_then(|pools| pools.get_mut(&shelves.pool)) else { return };
        let of_family = |ip: &IpAddr| Family::of(*ip) == shelves.family;
        for (ip, until) in shelves.resting.iter().filter(|(ip, _)| of_family(ip)) {
            pool.rest(number(*ip), *until);
        }
        let released = shelves.released.iter().filter(|range| range.family() == shelves.family);
        let of = |ip: Option<IpAddr>| ip.filter(of_family).map(number);
        pool.open_below(of(shelves.closed_from));
        pool.recall(&released.map(|range| range.numbers()).collect(), of(shelves.cursor), shelves.draws);
    }

    /// Counts one grant more.
    pub(crate) fn count_in(&mut self, kind: OwnerKind, name: &str) {
        self.grants += 1;
        self.groups.acquire(group(kind, name));
    }

    /// Counts one grant less.
    pub(crate) fn count_out(&mut self, kind: OwnerKind, name: &str) {
        self.grants -= 1;
        self.groups.release_name(group(kind, name));
    }

    fn pool_with(&mut self, ip: IpAddr) -> Option<&mut Pool> {
        self.pools.slot(Family::of(ip)).as_mut()?.of_mut(number(ip))
    }

    fn rests_until(&self, now: Millis) -> Option<Millis> {
        let rest = self.offer.as_ref().map_or(0, |offer| offer.rest);
        (rest > 0).then(|| now.saturating_add(rest))
    }
}

/// The addresses held from a pool.
fn held_in(family: Family, pool: &Pool) -> impl Iterator<Item = IpAddr> + '_ {
    pool.used_runs().flat_map(|(first, last)| first..=last).filter_map(move |n| family.address(n))
}

/// By what the holders of a full pool are summed up: pods by namespace, others by kind.
fn group(kind: OwnerKind, name: &str) -> &str {
    // Byte by byte: a namespace is short, and this is on the way of every grant.
    let namespace = name.bytes().position(|byte| byte == b'/').and_then(|end| name.get(..end));
    namespace.filter(|_| kind == OwnerKind::Pod).unwrap_or_else(|| kind.word())
}
