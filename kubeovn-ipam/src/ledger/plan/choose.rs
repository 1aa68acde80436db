//! The grant that meets one want.

mod mac;

use std::{net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{DualStack, Family, number},
    contract::ipam::{AddrError, Grant, Role, Source, Want},
    rows::{Millis, OwnerKey},
};

use crate::{
    entry::Granted,
    ledger::{Ledger, book::Record, space::Space},
    pools::Pools,
    subnet::Subnet,
    table::Ids,
};

/// What is planned for one owner so far.
pub(super) struct Planner<'a> {
    ledger: &'a Ledger,
    owner: &'a OwnerKey,
    uid: &'a str,
    wants: &'a [Want],
    /// Grants that will go: what they hold is there to be taken.
    pub(super) dropped: Ids,
    /// Grants that come, and their subnets.
    pub(super) granted: Vec<Granted>,
    pub(super) subnets: Ids,
    now: Millis,
}

/// Where a grant may come from.
struct Place<'a> {
    id: u32,
    subnet: &'a Subnet,
    space: &'a Space,
    /// The named pool that what nobody asked for by number comes from; empty for the rest of the subnet.
    pool: &'a str,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        ledger: &'a Ledger,
        owner: &'a OwnerKey,
        uid: &'a str,
        wants: &'a [Want],
        dropped: Ids,
        now: Millis,
    ) -> Self {
        let (granted, subnets) = (Vec::with_capacity(wants.len()), Ids::new());
        Planner { ledger, owner, uid, wants, dropped, granted, subnets, now }
    }

    /// A grant for a want, from the first place that can give it; where the owner is already comes first.
    pub(super) fn choose(&mut self, want: &Want, held: Option<&Record>) -> Result<(), AddrError> {
        let (granted, subnet) = self.chosen_for(want, held)?;
        self.granted.push(granted);
        self.subnets.push(subnet);
        Ok(())
    }

    fn chosen_for(&self, want: &Want, held: Option<&Record>) -> Result<(Granted, u32), AddrError> {
        let home =
            held.and_then(|record| self.ledger.subnets.get(record.subnet())).map(|subnet| &subnet.name);
        let at_home = want.subnets.iter().filter(|name| Some(*name) == home);
        let subnets = || at_home.clone().chain(want.subnets.iter().filter(|name| Some(*name) != home));
        let nothing_named = DualStack::default();
        let mut best = Refusals(0, AddrError::NoSubnet { subnet: Arc::default() });
        match &want.from {
            Source::OneOf(items) if !items.is_empty() => {
                for name in subnets() {
                    for item in items {
                        match self
                            .place(name, "")
                            .and_then(|place| self.choose_from(&place, want, item, held))
                        {
                            Ok(chosen) => return Ok(chosen),
                            Err(error) => best.add(error),
                        }
                    }
                }
            }
            Source::Pools(pools) => {
                for pool in pools {
                    for name in subnets() {
                        let place = self.place(name, pool);
                        match place.and_then(|place| self.choose_from(&place, want, &nothing_named, held)) {
                            Ok(chosen) => return Ok(chosen),
                            Err(error) => best.add(error),
                        }
                    }
                }
            }
            _ => {
                for name in subnets() {
                    let place = self.place(name, "");
                    match place.and_then(|place| self.choose_from(&place, want, &nothing_named, held)) {
                        Ok(chosen) => return Ok(chosen),
                        Err(error) => best.add(error),
                    }
                }
            }
        }
        Err(best.1)
    }

    /// A subnet that grants, and a pool that it has.
    fn place<'p>(&self, name: &Arc<str>, pool: &'p str) -> Result<Place<'p>, AddrError>
    where
        'a: 'p,
    {
        let open = self.ledger.subnet(name).filter(|(_, subnet)| subnet.is_open());
        let found = open.and_then(|(id, subnet)| Some((id, subnet, self.ledger.spaces.get(subnet.space)?)));
        let (id, subnet, space) = found.ok_or_else(|| AddrError::NoSubnet { subnet: name.clone() })?;
        if !pool.is_empty() && !subnet.has_pool(pool) {
            return Err(AddrError::NoPool { pool: pool.into() });
        }
        Ok(Place { id, subnet, space, pool })
    }

    fn choose_from(
        &self,
        place: &Place<'_>,
        want: &Want,
        named: &DualStack<IpAddr>,
        held: Option<&Record>,
    ) -> Result<(Granted, u32), AddrError> {
        if !place.pool.is_empty() && place.subnet.families().next().is_none() {
            return Err(place.subnet.exhausted(Family::V4, place.pool));
        }
        let here = held.filter(|record| record.subnet() == place.id);
        let runs_with = here.map(|record| self.ledger.book.ips(record)).unwrap_or_default();
        let (mut ips, mut role) = (DualStack::default(), Role::Active);
        let (mut picked_v4, mut picked_v6) = (false, false);
        for ip in named.iter().copied() {
            if let Some(family) = want.family.filter(|family| *family != Family::of(ip)) {
                return Err(AddrError::WrongFamily { ip, family });
            }
            let has = runs_with.get(Family::of(ip)) == Some(&ip) && !self.is_chosen(ip, place.subnet.space);
            role = role.max(match here.filter(|_| has) {
                Some(record) => self.role_of(ip, record, place),
                None => self.check_address(ip, place, want)?,
            });
            ips.put(ip);
        }
        if let Some(family) = want.family.filter(|family| place.subnet.families().all(|has| has != *family)) {
            return Err(AddrError::NoFamily { subnet: place.subnet.name.clone(), family });
        }
        for family in Family::BOTH.into_iter().filter(|family| want.family.is_none_or(|only| only == *family))
        {
            let offered = place.subnet.pools(family).is_some();
            if ips.get(family).is_some() || !(offered || runs_with.get(family).is_some()) {
                continue;
            }
            let kept = runs_with.get(family).copied().filter(|ip| self.stays(*ip, place, want));
            let ip = match kept {
                Some(ip) => {
                    role = role.max(here.map_or(Role::Active, |record| self.role_of(ip, record, place)));
                    ip
                }
                None if !offered => continue,
                None => {
                    let (ip, is_next) = self.any(family, place, want)?;
                    *(if family == Family::V4 { &mut picked_v4 } else { &mut picked_v6 }) = is_next;
                    ip
                }
            };
            ips.put(ip);
        }
        let mac = self.mac(place, want, held, &ips, &mut role)?;
        let generation = self.next_generation();
        let (subnet, space) = (place.subnet.name.clone(), place.space.name.clone());
        let grant =
            Grant { nic: want.nic.clone(), subnet, space, ips, mac, role, generation, since: self.now };
        Ok((Granted { grant, picked_v4, picked_v6 }, place.id))
    }

    fn next_generation(&self) -> u64 {
        self.ledger.generation.saturating_add(1 + self.granted.len() as u64)
    }

    /// Can the owner have this very address, and as what?
    fn check_address(&self, ip: IpAddr, place: &Place<'_>, want: &Want) -> Result<Role, AddrError> {
        let subnet = place.subnet;
        let inside =
            subnet.pools(Family::of(ip)).map(Pools::prefix).filter(|prefix| prefix.contains(number(ip)));
        let prefix = inside.ok_or_else(|| subnet.out_of_range(ip))?;
        if prefix.is_gateway(number(ip)) {
            return Err(AddrError::Gateway { ip, subnet: subnet.name.clone() });
        }
        if self.is_chosen(ip, subnet.space) {
            let (subnet, holder) = (subnet.name.clone(), self.owner.clone());
            return Err(AddrError::Taken {
                ip,
                subnet,
                holder,
                since: self.now,
                generation: self.next_generation(),
            });
        }
        let others = || self.staying(place.space.holders(ip));
        if others().next().is_none() {
            return Ok(Role::Active);
        }
        if self.may_share(others(), want, place.id) {
            return Ok(Role::Standby);
        }
        let (_, record) = place.space.holder(&self.ledger.book, ip).unzip();
        let record = record.or_else(|| others().next().and_then(|id| self.ledger.book.record(id)));
        Err(record
            .map_or_else(|| subnet.out_of_range(ip), |record| self.ledger.taken(ip, &subnet.name, record)))
    }

    /// Of some grants those that don't go.
    fn staying(&self, ids: impl Iterator<Item = u32>) -> impl Iterator<Item = u32> {
        ids.filter(|id| !self.dropped.contains(id))
    }

    /// Is one of them held from that subnet by an owner with whom the want may share?
    fn may_share(&self, ids: impl Iterator<Item = u32>, want: &Want, subnet: u32) -> bool {
        let mut records = ids.filter_map(|id| self.ledger.book.record(id));
        !want.share.is_empty()
            && records.any(|record| {
                record.subnet() == subnet
                    && want.share.iter().any(|owner| self.ledger.book.is_of(record, owner))
            })
    }

    /// Does a changed grant keep an address that it has? Also one that the subnet would not grant today.
    fn stays(&self, ip: IpAddr, place: &Place<'_>, want: &Want) -> bool {
        let in_pool =
            !matches!(want.from, Source::Pools(_)) || place.subnet.pool_name(ip) == Some(place.pool);
        in_pool && !self.is_spoken_for(ip, want, place.subnet.space) && !want.skip.contains(&ip)
    }

    /// An address that nobody asked for by number, and whether it is the next one in order.
    fn any(&self, family: Family, place: &Place<'_>, want: &Want) -> Result<(IpAddr, bool), AddrError> {
        let (subnet, space) = (place.subnet, place.subnet.space);
        let pool = subnet.pools(family).and_then(|pools| pools.get(place.pool));
        let spoken_for = |ip: IpAddr| self.is_spoken_for(ip, want, space);
        let skip = |ip: IpAddr| want.skip.contains(&ip) || spoken_for(ip);
        let address = |n| family.address(n);
        let pick = |skip: &dyn Fn(IpAddr) -> bool| {
            pool?.pick(self.now, &|n| address(n).is_some_and(skip)).and_then(address)
        };
        if let Some(ip) = pick(&skip) {
            return Ok((ip, true));
        }
        if let Some(ip) = self.own_again(family, place, &skip) {
            return Ok((ip, false));
        }
        if !want.skip.is_empty() && pick(&spoken_for).is_some() {
            let (subnet, pool, skipped) = (subnet.name.clone(), place.pool.into(), want.skip.len());
            return Err(AddrError::Skipped { subnet, pool, family, skipped });
        }
        Err(subnet.exhausted(family, place.pool))
    }

    /// Will another interface of this owner hold the address when all is done?
    fn is_chosen(&self, ip: IpAddr, space: u32) -> bool {
        self.chosen(space).any(|grant| grant.ips.iter().any(|other| *other == ip))
    }

    /// The same, or does one ask for exactly this address?
    fn is_spoken_for(&self, ip: IpAddr, want: &Want, space: u32) -> bool {
        let insists = |rival: &Want| latitude(rival) == 1 && names(rival, ip);
        self.is_chosen(ip, space) || self.rivals(want, space).any(insists)
    }

    /// As what an interface keeps an address: it stands by only if somebody is left for whom.
    fn role_of(&self, ip: IpAddr, held: &Record, place: &Place<'_>) -> Role {
        if self.staying(place.space.holders(ip)).next().is_some() { held.role() } else { Role::Active }
    }

    /// The last resort: an address that the owner gives up with this very change.
    fn own_again(&self, family: Family, place: &Place<'_>, skip: &dyn Fn(IpAddr) -> bool) -> Option<IpAddr> {
        let pools = place.subnet.pools(family)?;
        let space = place.subnet.space;
        let records = self.dropped.iter().filter_map(|id| self.ledger.book.record(*id));
        let here = |record: &&Record| {
            self.ledger.subnets.get(record.subnet()).is_some_and(|subnet| subnet.space == space)
        };
        let free = |ip: &IpAddr| self.staying(place.space.holders(*ip)).next().is_none();
        records
            .filter(here)
            .filter_map(|record| self.ledger.book.ips(record).get(family).copied())
            .filter(|ip| place.subnet.pool_name(*ip) == Some(place.pool))
            .filter(|ip| !pools.prefix().is_excluded(number(*ip)) && !skip(*ip) && free(ip))
            .min()
    }

    /// What is chosen already in a space.
    fn chosen(&self, space: u32) -> impl Iterator<Item = &Grant> {
        let in_space =
            move |id: &u32| self.ledger.subnets.get(*id).is_some_and(|subnet| subnet.space == space);
        let both = self.granted.iter().zip(&self.subnets);
        both.filter(move |(_, subnet)| in_space(subnet)).map(|(granted, _)| &granted.grant)
    }

    /// The other wants that may be met from a space, and count.
    fn rivals(&self, want: &Want, space: u32) -> impl Iterator<Item = &Want> {
        let in_space =
            move |name: &Arc<str>| self.ledger.subnet(name).is_some_and(|(_, subnet)| subnet.space == space);
        let first = |(i, other): &(usize, &Want)| self.wants.iter().take(*i).all(|one| one.nic != other.nic);
        let wants = self.wants.iter().enumerate().filter(|(_, other)| other.nic != want.nic).filter(first);
        wants.map(|(_, other)| other).filter(move |other| other.subnets.iter().any(in_space))
    }
}

/// How much choice a want leaves: one address, some, a pool, any.
pub(super) fn latitude(want: &Want) -> usize {
    match &want.from {
        Source::OneOf(items) if !items.is_empty() => items.len(),
        Source::Pools(_) => usize::MAX - 1,
        _ => usize::MAX,
    }
}

/// Does a want name an address by number?
pub(super) fn names(want: &Want, ip: IpAddr) -> bool {
    let has = |item: &DualStack<IpAddr>| item.get(Family::of(ip)) == Some(&ip);
    matches!(&want.from, Source::OneOf(items) if items.iter().any(has))
}

/// Of several places' refusals the one is told in which the least would have to change; with its closeness.
struct Refusals(u8, AddrError);

impl Refusals {
    fn add(&mut self, error: AddrError) {
        let closeness = match error {
            AddrError::NoSubnet { .. } => 1,
            AddrError::NoPool { .. } => 2,
            AddrError::OutOfRange { .. } | AddrError::NoFamily { .. } => 3,
            _ => 4,
        };
        if closeness > self.0 {
            *self = Refusals(closeness, error);
        }
    }
}
