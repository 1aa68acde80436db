//! The naive ledger: a map of grants, from which every number is counted anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use kubeovn_ipam::{DualStack, Family, Grant, IpRange, Ledger, OwnerKey, PoolSpec};
use proptest::prelude::*;

/// All subnets that there ever are.
pub(crate) const SUBNETS: [&str; 3] = ["a", "b", "c"];

/// All that is held, by owner and interface, and what the subnets offer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Naive {
    pub(crate) held: BTreeMap<(OwnerKey, Arc<str>), (Arc<str>, Grant)>,
    /// Specs and whether closed; a subnet known from restored grants alone has none.
    pub(crate) specs: BTreeMap<Arc<str>, (PoolSpec, bool)>,
    pub(crate) spaces: BTreeMap<Arc<str>, Arc<str>>,
}

impl Naive {
    pub(crate) fn read(ledger: &Ledger, known: &Naive) -> Self {
        let mut held = BTreeMap::new();
        for (owner, uid) in ledger.owners() {
            for grant in ledger.held(owner) {
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

    pub(crate) fn usable(&self, subnet: &str, ip: IpAddr) -> bool {
        self.specs
            .get(subnet)
            .is_some_and(|(spec, _)| spec.cidrs.iter().any(|cidr| cidr.usable().contains(ip)))
    }

    pub(crate) fn excluded(&self, subnet: &str, ip: IpAddr) -> bool {
        let (spec, _) = &self.specs[subnet];
        spec.excludes.iter().any(|range| range.contains(ip))
            || spec.gateways.iter().any(|gateway| *gateway == ip)
    }

    /// What could be given by itself if `giver` held nothing.
    pub(crate) fn free(&self, subnet: &str, family: Family, giver: Option<&OwnerKey>) -> Vec<IpAddr> {
        let held: BTreeSet<IpAddr> = self
            .in_space(subnet)
            .filter(|(owner, _)| Some(*owner) != giver)
            .flat_map(|(_, grant)| grant.ips.iter().copied().collect::<Vec<_>>())
            .collect();
        let Some(cidr) = self.specs.get(subnet).and_then(|(spec, _)| spec.cidrs.get(family)) else {
            return vec![];
        };
        let (first, last) = cidr.usable().numbers();
        let all = (first..=last).map(|n| family.address(n).unwrap());
        all.filter(|ip| !held.contains(ip) && !self.excluded(subnet, *ip)).collect()
    }

    /// Nothing is live twice, and every number of every subnet is exact.
    pub(crate) fn check(&self, ledger: &Ledger) -> Result<(), TestCaseError> {
        let mut seen = BTreeSet::new();
        for (_, grant) in self.held.values() {
            let space = self.space(&grant.subnet).cloned();
            for text in grant.ips.iter().map(IpAddr::to_string).chain([grant.mac.to_string()]) {
                prop_assert!(seen.insert((space.clone(), text.clone())), "{} is live twice", text);
            }
        }
        let generations: BTreeSet<u64> = self.held.values().map(|(_, grant)| grant.generation).collect();
        let fresh = self.held.values().filter(|(_, grant)| grant.since > 0).count();
        prop_assert!(generations.len() >= fresh, "generations of grants are distinct");
        for subnet in SUBNETS {
            let here: Vec<_> = self.in_subnet(subnet).collect();
            let Some(usage) = ledger.usage(subnet) else {
                prop_assert!(here.is_empty() && !self.specs.contains_key(subnet));
                continue;
            };
            let owners: BTreeSet<_> = here.iter().map(|(owner, _)| owner).collect();
            prop_assert_eq!(usage.owners, owners.len());
            for family in Family::BOTH {
                let number = |of: &DualStack<u128>| of.get(family).copied().unwrap_or(0);
                let held: Vec<IpAddr> =
                    here.iter().filter_map(|(_, grant)| grant.ips.get(family).copied()).collect();
                let inside = held.iter().filter(|ip| self.usable(subnet, **ip)).count() as u128;
                let free = self.free(subnet, family, None);
                prop_assert_eq!(number(&usage.used), held.len() as u128);
                prop_assert_eq!(number(&usage.outside), held.len() as u128 - inside);
                prop_assert_eq!(number(&usage.available), free.len() as u128);
                prop_assert_eq!(
                    number(&usage.total),
                    inside + number(&usage.available) + number(&usage.reserved)
                );
                prop_assert_eq!(listed(usage.used_ranges.get(family)), held.into_iter().collect());
                prop_assert_eq!(listed(usage.available_ranges.get(family)), free.into_iter().collect());
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
