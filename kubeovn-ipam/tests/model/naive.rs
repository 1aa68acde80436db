//! What the ledger must be: who holds what, by owner and interface, and what the subnets offer.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use kubeovn_ipam::{DualStack, Family, Grant, IpRange, Ledger, Mac, Offer, OwnerKey, Role, Usage};
use proptest::prelude::*;

pub(crate) const SUBNETS: [&str; 3] = ["a", "b", "c"];

/// Held grants with the holder's uid, by owner and interface, and what the subnets offer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Naive {
    pub(crate) held: BTreeMap<(OwnerKey, Arc<str>), (Arc<str>, Grant)>,
    /// Offers and whether closed; a subnet known from restored grants alone has none.
    pub(crate) offers: BTreeMap<Arc<str>, (Offer, bool)>,
    pub(crate) spaces: BTreeMap<Arc<str>, Arc<str>>,
}

impl Naive {
    pub(crate) fn read(ledger: &Ledger, known: &Naive) -> Self {
        let mut held = BTreeMap::new();
        for (owner, uid) in ledger.owners() {
            for grant in ledger.held(&owner) {
                held.insert((owner.clone(), grant.nic.clone()), (uid.clone(), grant));
            }
        }
        Naive { held, ..known.clone() }
    }

    pub(crate) fn space(&self, subnet: &str) -> Option<&Arc<str>> {
        self.spaces.get(subnet)
    }

    /// Grants held in a subnet's space.
    pub(crate) fn in_space(&self, subnet: &str) -> impl Iterator<Item = (&OwnerKey, &Grant)> {
        let space = self.space(subnet);
        let all = self.held.iter().map(|((owner, _), (_, grant))| (owner, grant));
        all.filter(move |(_, grant)| self.space(&grant.subnet) == space)
    }

    pub(crate) fn in_subnet(&self, subnet: &str) -> impl Iterator<Item = (&OwnerKey, &Grant)> {
        self.held
            .iter()
            .map(|((owner, _), (_, grant))| (owner, grant))
            .filter(move |(_, g)| *g.subnet == *subnet)
    }

    /// What a subnet offers, if it is open.
    pub(crate) fn open(&self, subnet: &str) -> Option<&Offer> {
        self.offers.get(subnet).filter(|(_, closed)| !closed).map(|(offer, _)| offer)
    }

    pub(crate) fn usable(&self, subnet: &str, ip: IpAddr) -> bool {
        self.offers
            .get(subnet)
            .is_some_and(|(offer, _)| offer.cidrs.iter().any(|cidr| cidr.usable().contains(ip)))
    }

    pub(crate) fn is_gateway(&self, subnet: &str, ip: IpAddr) -> bool {
        self.offers.get(subnet).is_some_and(|(offer, _)| offer.gateways.iter().any(|gateway| *gateway == ip))
    }

    pub(crate) fn excluded(&self, subnet: &str, ip: IpAddr) -> bool {
        let (offer, _) = &self.offers[subnet];
        offer.excludes.iter().any(|range| range.contains(ip)) || self.is_gateway(subnet, ip)
    }

    /// The named pool that an address is in; empty for none.
    pub(crate) fn pool(&self, subnet: &str, ip: IpAddr) -> Arc<str> {
        let pools = self.offers.get(subnet).into_iter().flat_map(|(offer, _)| &offer.pools);
        let mut owner = pools.filter(|pool| pool.ranges.iter().any(|range| range.contains(ip)));
        owner.next().map(|pool| pool.name.clone()).unwrap_or_default()
    }

    /// What could be given by itself if `giver` held nothing.
    pub(crate) fn free(&self, subnet: &str, family: Family, giver: Option<&OwnerKey>) -> Vec<IpAddr> {
        let held: BTreeSet<IpAddr> = self
            .in_space(subnet)
            .filter(|(owner, _)| Some(*owner) != giver)
            .flat_map(|(_, grant)| grant.ips.iter().copied().collect::<Vec<_>>())
            .collect();
        let Some(cidr) = self.offers.get(subnet).and_then(|(offer, _)| offer.cidrs.get(family)) else {
            return vec![];
        };
        let (first, last) = cidr.usable().numbers();
        let all = (first..=last).map(|n| family.address(n).unwrap());
        all.filter(|ip| !held.contains(ip) && !self.excluded(subnet, *ip)).collect()
    }

    /// Nothing is live twice, and every number of every subnet is exact.
    pub(crate) fn check(&self, ledger: &Ledger) -> Result<(), TestCaseError> {
        let mut live: BTreeMap<_, Vec<&Grant>> = BTreeMap::new();
        for (_, grant) in self.held.values() {
            let space = self.space(&grant.subnet).cloned();
            let mac = grant.mac.as_ref().map(Mac::to_string);
            for text in grant.ips.iter().map(IpAddr::to_string).chain(mac) {
                live.entry((space.clone(), text)).or_default().push(grant);
            }
        }
        for (what, holders) in live {
            let active = holders.iter().filter(|grant| grant.role == Role::Active).count();
            prop_assert!(active <= 1, "{what:?} is live twice: {holders:?}");
            let subnets: BTreeSet<_> = holders.iter().map(|grant| &grant.subnet).collect();
            prop_assert!(subnets.len() == 1, "{what:?} is shared across subnets: {holders:?}");
        }
        let generations: BTreeSet<u64> = self.held.values().map(|(_, grant)| grant.generation).collect();
        let fresh = self.held.values().filter(|(_, grant)| grant.since > 0).count();
        prop_assert!(generations.len() >= fresh, "generations of grants are distinct");
        for subnet in SUBNETS {
            self.check_numbers(ledger, subnet)?;
        }
        Ok(())
    }

    fn check_numbers(&self, ledger: &Ledger, subnet: &str) -> Result<(), TestCaseError> {
        let here: Vec<_> = self.in_subnet(subnet).collect();
        let Some(usage) = ledger.usage(subnet) else {
            prop_assert!(here.is_empty() && !self.offers.contains_key(subnet));
            return Ok(());
        };
        let owners: BTreeSet<_> = here.iter().map(|(owner, _)| owner).collect();
        prop_assert_eq!(usage.owners, owners.len());
        let names = self.offers.get(subnet).into_iter().flat_map(|(offer, _)| &offer.pools);
        let names = names.map(|pool| pool.name.to_string()).chain([String::new()]);
        let pools: Vec<(String, Usage)> =
            names.filter_map(|name| Some((name.clone(), ledger.pool_usage(subnet, &name)?))).collect();
        for family in Family::BOTH {
            let number = |of: &DualStack<u128>| of.get(family).copied().unwrap_or(0);
            // A shared address counts once.
            let held: BTreeSet<IpAddr> =
                here.iter().filter_map(|(_, grant)| grant.ips.get(family).copied()).collect();
            let inside = held.iter().filter(|ip| self.usable(subnet, **ip)).count() as u128;
            let free: BTreeSet<IpAddr> = self.free(subnet, family, None).into_iter().collect();
            prop_assert_eq!(number(&usage.used), held.len() as u128);
            prop_assert_eq!(number(&usage.outside), held.len() as u128 - inside);
            prop_assert_eq!(number(&usage.available), free.len() as u128);
            let sum = inside + number(&usage.available) + number(&usage.reserved);
            prop_assert_eq!(number(&usage.total), sum);
            prop_assert_eq!(&listed(usage.used_ranges.get(family)), &held);
            prop_assert_eq!(&listed(usage.available_ranges.get(family)), &free);
            let total: u128 = pools.iter().map(|(_, pool)| number(&pool.total)).sum();
            prop_assert!(pools.is_empty() || total == number(&usage.total), "{:?}", pools);
            for (name, pool) in &pools {
                let of_pool = |ip: &&IpAddr| *self.pool(subnet, **ip) == **name;
                let free: BTreeSet<IpAddr> = free.iter().filter(of_pool).copied().collect();
                let held = held.iter().filter(|ip| self.usable(subnet, **ip)).filter(of_pool).count();
                prop_assert_eq!(number(&pool.used), held as u128);
                prop_assert_eq!(listed(pool.available_ranges.get(family)), free);
            }
        }
        Ok(())
    }
}

/// The addresses of a text like `10.0.0.1-10.0.0.3,10.0.0.5`.
fn listed(text: Option<&String>) -> BTreeSet<IpAddr> {
    let ranges = text.into_iter().flat_map(|text| text.split(',')).filter(|range| !range.is_empty());
    let ranges = ranges.map(|range| range.replace('-', "..").parse::<IpRange>().unwrap());
    let addresses = |range: IpRange| {
        let (first, last) = range.numbers();
        (first..=last).map(move |n| range.family().address(n).unwrap())
    };
    ranges.flat_map(addresses).collect()
}
