//! Grants that were durable before a restart.

use std::sync::Arc;

use kubeovn_core::{
    contract::ipam::{AddrError, Grant, Role},
    rows::OwnerKey,
};

use super::{Ledger, MOST_RESTORED, book::Record, space::Space};
use crate::entry::{Entry, Granted, Settlement};

impl Ledger {
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
        let generation = grant.generation;
        let (owner, uid) = (owner.clone(), uid.clone());
        let settlement = Settlement {
            owner,
            uid,
            at: grant.since,
            released: vec![],
            granted: vec![Granted { grant, picked_v4: false, picked_v6: false }],
        };
        // Also when it is refused: a release of it must not meet another grant.
        self.raise(generation);
        self.apply(&Entry::Settled(settlement)).map(|_| ())
    }

    /// Can a grant be taken as it is, once `dropped` are gone? `false` when it is held already.
    pub(super) fn check(
        &self,
        owner: &OwnerKey,
        uid: &str,
        grant: &Grant,
        dropped: &[u32],
    ) -> Result<bool, AddrError> {
        let book = &self.book;
        let mut own = book.all_of(book.find(owner)).filter(|(id, _)| !dropped.contains(id));
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
                    let ip = ip.unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
                    self.taken(ip, &held.subnet, record)
                }
            });
        }
        let place = match self.subnet(&grant.subnet) {
            Some((_, subnet)) => self.spaces.get(subnet.space),
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
