//! The numbers of a subnet, and the refusals that are made of them.

use std::net::IpAddr;

use kubeovn_core::{
    addr::{Family, number},
    contract::ipam::{AddrError, Usage},
};

use super::Subnet;
use crate::{pool::Pool, pools::Pools, range_set::RangeSet};

impl Subnet {
    /// Its numbers.
    pub(crate) fn usage(&self) -> Usage {
        let mut usage = Usage { owners: self.owners, ..Usage::default() };
        for family in Family::BOTH {
            let outside: Vec<u128> =
                self.outside.iter().filter(|ip| Family::of(**ip) == family).map(|ip| number(*ip)).collect();
            let pools = self.pools.get(family);
            if pools.is_none() && outside.is_empty() {
                continue;
            }
            let used = pools.into_iter().flat_map(Pools::iter).flat_map(|(_, pool)| pool.used_runs());
            let used: RangeSet = used.chain(outside.iter().map(|n| (*n, *n))).collect();
            let free = pools.into_iter().flat_map(Pools::iter).map(|(_, pool)| pool.available_runs());
            let free: RangeSet = free.flat_map(|runs| runs.runs().collect::<Vec<_>>()).collect();
            let sum = |of: fn(&Pool) -> u128| pools.map_or(0, |pools| pools.sum(of));
            *usage.used_ranges.slot(family) = Some(used.text(family));
            *usage.outside.slot(family) = Some(outside.len() as u128);
            *usage.used.slot(family) = Some(sum(Pool::used) + outside.len() as u128);
            *usage.total.slot(family) = Some(sum(Pool::total));
            *usage.available.slot(family) = Some(sum(Pool::available));
            *usage.reserved.slot(family) = Some(sum(Pool::reserved));
            *usage.available_ranges.slot(family) = Some(free.text(family));
        }
        usage
    }

    /// The numbers of one of its pools, the one without a name being what no named pool has.
    pub(crate) fn pool_usage(&self, name: &str) -> Option<Usage> {
        let known = name.is_empty() || self.has_pool(name);
        let mut usage = known.then(Usage::default)?;
        for family in self.pools.families() {
            let pool = self.pools.get(family).and_then(|pools| pools.get(name));
            let sum = |of: fn(&Pool) -> u128| Some(pool.map_or(0, of));
            let used: RangeSet = pool.into_iter().flat_map(Pool::used_runs).collect();
            *usage.used_ranges.slot(family) = Some(used.text(family));
            *usage.outside.slot(family) = Some(0);
            *usage.used.slot(family) = sum(Pool::used);
            *usage.total.slot(family) = sum(Pool::total);
            *usage.available.slot(family) = sum(Pool::available);
            *usage.reserved.slot(family) = sum(Pool::reserved);
            *usage.available_ranges.slot(family) =
                Some(pool.map(Pool::available_runs).unwrap_or_default().text(family));
        }
        Some(usage)
    }

    /// The error of a full pool.
    pub(crate) fn exhausted(&self, family: Family, name: &str) -> AddrError {
        let pool = self.pools.get(family).and_then(|pools| pools.get(name));
        AddrError::Exhausted {
            subnet: self.name.clone(),
            pool: name.into(),
            family,
            total: pool.map_or(0, Pool::total),
            used: pool.map_or(0, Pool::used),
            reserved: pool.map_or(0, Pool::reserved),
            holders: self.biggest_holders(),
        }
    }

    /// The error of an address that lies outside.
    pub(crate) fn out_of_range(&self, ip: IpAddr) -> AddrError {
        let cidr = self.offer.as_ref().map(|offer| offer.cidrs.to_string()).unwrap_or_default();
        AddrError::OutOfRange { ip, subnet: self.name.clone(), cidr }
    }

    /// The three groups with the most grants, like `default (200), shop (31)`.
    fn biggest_holders(&self) -> String {
        let mut groups: Vec<_> =
            self.groups.iter().map(|(name, grants)| (std::cmp::Reverse(grants), name)).collect();
        groups.sort_unstable();
        let top: Vec<_> =
            groups.iter().take(3).map(|(grants, name)| format!("{name} ({})", grants.0)).collect();
        if top.is_empty() { "nobody".to_owned() } else { top.join(", ") }
    }
}
