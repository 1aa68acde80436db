//! What a store remembers: taken back as it was, and written down whole.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use kubeovn_core::{
    addr::DualStack,
    contract::ipam::{AddrError, Grant, Role},
    rows::OwnerKey,
};

use super::{
    Ledger, MOST_RESTORED,
    book::{Found, Record},
    space::Space,
};
use crate::entry::{Entry, Granted, Released, Settlement};

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
        self.apply_settlement(&held(owner.clone(), uid.clone(), grant)).map(|_| ())
    }

    fn apply_settlement(&mut self, settlement: &Settlement) -> Result<Vec<Arc<str>>, AddrError> {
        let Settlement { owner, released, granted, .. } = settlement;
        let home = |granted: &Granted| self.subnet_ids.get(&granted.grant.subnet).copied();
        let mut homes: Vec<Option<u32>> = granted.iter().map(home).collect();
        let nowhere = Arc::default();
        // Where it will be: a subnet is in one space, that of who names it first.
        let space = |grant: &Grant, home: Option<u32>| -> &Arc<str> {
            let known = home.and_then(|id| self.space_of(id)).map(|space| &space.name);
            let first =
                || granted.iter().map(|other| &other.grant).find(|other| other.subnet == grant.subnet);
            known.or_else(|| first().map(|other| &other.space)).unwrap_or(&nowhere)
        };
        let is_right = |(Granted { grant, .. }, home): (&Granted, &Option<u32>)| {
            by_family(&grant.ips) == grant.ips && *space(grant, *home) == grant.space
        };
        if !granted.iter().zip(&homes).all(is_right) {
            let right = |(granted, home): (&Granted, &Option<u32>)| {
                let (ips, space) = (by_family(&granted.grant.ips), space(&granted.grant, *home).clone());
                Granted { grant: Grant { ips, space, ..granted.grant.clone() }, ..granted.clone() }
            };
            let granted = granted.iter().zip(&homes).map(right).collect();
            return self.apply_settlement(&Settlement { granted, ..settlement.clone() });
        }
        let found = self.book.find(owner);
        let gone = |released: &Released| {
            let is = |record: &Record| {
                record.generation() == released.generation && self.book.is_for(record, &released.nic)
            };
            self.book.all_of(found).find(|(_, record)| is(record)).map(|(id, _)| id)
        };
        let dropped: Vec<u32> = released.iter().filter_map(gone).collect();
        let mut again = Vec::new();
        for (i, (new, home)) in granted.iter().zip(&homes).enumerate() {
            let earlier = granted.iter().take(i).map(|earlier| &earlier.grant);
            check_apart(owner, &new.grant, earlier)?;
            if !self.check(settlement, found, &new.grant, *home, &dropped)? {
                again.push(i);
            }
        }
        if !again.is_empty() {
            let new = granted.iter().enumerate().filter(|(i, _)| !again.contains(i));
            let granted = new.map(|(_, granted)| granted.clone()).collect();
            return self.apply_settlement(&Settlement { granted, ..settlement.clone() });
        }
        for (home, Granted { grant, .. }) in homes.iter_mut().zip(granted).filter(|(home, _)| home.is_none())
        {
            *home = Some(self.subnet_in(&grant.subnet, &grant.space));
        }
        Ok(self.make(settlement, found, &dropped, homes.into_iter().flatten()))
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
        let place = match home {
            Some(id) => self.space_of(id),
            None => self.space_ids.get(&grant.space).and_then(|id| self.spaces.get(*id)),
        };
        if let Some(space) = place {
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
