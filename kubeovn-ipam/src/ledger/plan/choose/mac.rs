//! The MAC that goes with the addresses.

use std::net::IpAddr;

use kubeovn_core::{
    addr::{DualStack, Mac},
    contract::ipam::{AddrError, MacWish, Role, Want},
};

use super::{Place, Planner};
use crate::{ledger::book::Record, mac};

impl Planner<'_> {
    /// The MAC for a want that gets these addresses; who shares one with somebody stands by.
    pub(super) fn mac(
        &self,
        place: &Place<'_>,
        want: &Want,
        held: Option<&Record>,
        ips: &DualStack<IpAddr>,
        role: &mut Role,
    ) -> Result<Option<Mac>, AddrError> {
        let (book, subnet) = (&self.ledger.book, place.subnet);
        let others = |mac: Mac| self.staying(place.space.mac_holders(book, mac));
        let chosen = |mac: Mac| self.chosen(subnet.space).any(|grant| grant.mac == Some(mac));
        let wished = match want.mac {
            MacWish::Without => return Ok(None),
            MacWish::Is(mac) => Some(mac),
            // Who stands by for another one answers under its MAC.
            MacWish::Any if *role == Role::Standby && held.and_then(Record::mac).is_none() => {
                let others = self.staying(ips.iter().flat_map(|ip| place.space.holders(*ip)));
                let records = others.filter_map(|id| book.record(id));
                records.min_by_key(|record| record.role()).and_then(Record::mac)
            }
            MacWish::Any => None,
        };
        if let Some(mac) = wished {
            if subnet.is_gateway_mac(mac) {
                return Err(AddrError::GatewayMac { mac, subnet: subnet.name.clone() });
            }
            let other = others(mac).next().and_then(|id| book.record(id));
            let taken = |holder| Err(AddrError::MacTaken { mac, subnet: subnet.name.clone(), holder });
            return match other {
                _ if chosen(mac) => taken(self.owner.clone()),
                // It had the MAC before, beside those with whom it shares its address.
                Some(_)
                    if held
                        .is_some_and(|held| held.mac() == Some(mac) && self.mac_stays(held, ips, place)) =>
                {
                    Ok(Some(mac))
                }
                Some(_) if self.may_share(others(mac), want, place.id) => {
                    *role = Role::Standby;
                    Ok(Some(mac))
                }
                Some(record) => taken(book.key(record)),
                None => Ok(Some(mac)),
            };
        }
        let asked_for = |mac| self.rivals(want, subnet.space).any(|rival| rival.mac == MacWish::Is(mac));
        let free = |mac: &Mac| !chosen(*mac) && !asked_for(*mac) && !subnet.is_gateway_mac(*mac);
        let kept = held.filter(|held| self.mac_stays(held, ips, place)).and_then(Record::mac);
        if let Some(mac) = kept.filter(free) {
            return Ok(Some(mac));
        }
        let mut attempt = 0;
        loop {
            let mac = mac::derive(&place.space.name, self.uid, &want.nic, attempt);
            if free(&mac) && place.space.mac_holders(book, mac).next().is_none() {
                return Ok(Some(mac));
            }
            attempt += 1;
        }
    }

    /// Can an interface keep its MAC? Nobody else is left with it, or all that are share an address of these, too.
    fn mac_stays(&self, held: &Record, ips: &DualStack<IpAddr>, place: &Place<'_>) -> bool {
        let book = &self.ledger.book;
        let Some(mac) = held.mac() else { return false };
        let shares = |record: &Record| {
            let common = || book.ips(record).iter().any(|ip| ips.iter().any(|other| other == ip));
            held.subnet() == place.id && record.subnet() == place.id && (ips.is_empty() || common())
        };
        let mut others = self.staying(place.space.mac_holders(book, mac));
        others.all(|id| book.record(id).is_some_and(shares))
    }
}
