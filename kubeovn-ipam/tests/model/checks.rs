//! What must hold for a request that was granted, and for one that was refused.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use kubeovn_ipam::{AddrError, DualStack, Family, Grant, MacWish, OwnerKey, Settled, Source, Want};
use proptest::prelude::*;

use crate::naive::Naive;

fn has(ips: &DualStack<IpAddr>, ip: &IpAddr) -> bool {
    ips.iter().any(|other| other == ip)
}

/// Does a want name an address by number?
fn names(want: &Want, ip: &IpAddr) -> bool {
    matches!(&want.from, Source::OneOf(items) if items.iter().any(|item| has(item, ip)))
}

fn fits(state: &Naive, want: &Want, grant: &Grant) -> bool {
    let families: Vec<Family> = grant.ips.families().collect();
    let offered = state.open(&grant.subnet).map(|offer| offer.cidrs).unwrap_or_default();
    let source = match &want.from {
        Source::OneOf(items) if !items.is_empty() => {
            items.iter().any(|item| item.iter().all(|ip| has(&grant.ips, ip)))
        }
        Source::Pools(pools) => {
            let mut ips = grant.ips.iter();
            !grant.ips.is_empty()
                && ips.all(|ip| {
                    state.usable(&grant.subnet, *ip) && pools.contains(&state.pool(&grant.subnet, *ip))
                })
        }
        _ => true,
    };
    source
        && want.subnets.contains(&grant.subnet)
        && want.family.map_or_else(|| offered.families().all(|f| families.contains(&f)), |f| families == [f])
        && !grant.ips.iter().any(|ip| want.skip.contains(ip) && !names(want, ip))
        && match want.mac {
            MacWish::Any => grant.mac.is_some(),
            MacWish::Is(mac) => grant.mac == Some(mac),
            MacWish::Without => true,
        }
}

/// What a granted request must look like.
pub(crate) fn check_granted(
    before: &Naive,
    after: &Naive,
    (key, uid): (&OwnerKey, &Arc<str>),
    wants: &[Want],
    settled: &Settled,
    now: u64,
) -> Result<(), TestCaseError> {
    let mut nics = BTreeSet::new();
    let wants: Vec<&Want> = wants.iter().filter(|want| nics.insert(want.nic.clone())).collect();
    let newest = before.held.values().map(|(_, grant)| grant.generation).max().unwrap_or(0);
    prop_assert_eq!(settled.grants.len(), wants.len());
    for (want, grant) in wants.iter().zip(&settled.grants) {
        prop_assert_eq!(&after.held[&(key.clone(), want.nic.clone())], &(uid.clone(), grant.clone()));
        prop_assert!(fits(before, want, grant), "{:?} is not what was wanted: {:?}", grant, want);
        let old = before.held.get(&(key.clone(), want.nic.clone())).filter(|(known, _)| known == uid);
        if let Some((_, old)) = old.filter(|(_, old)| fits(before, want, old)) {
            prop_assert_eq!(grant, old, "what is held and fits stays");
            continue;
        }
        prop_assert!(grant.generation > newest && grant.since == now);
        let Some(offer) = before.open(&grant.subnet) else {
            return Err(TestCaseError::fail(format!("{} is not open", grant.subnet)));
        };
        let gateway_mac = grant.mac.is_some() && grant.mac == offer.gateway_mac;
        prop_assert!(!gateway_mac, "the gateway's MAC is given");
        let old = old.map(|(_, old)| old).filter(|old| old.subnet == grant.subnet);
        for ip in grant.ips.iter() {
            if old.is_some_and(|old| has(&old.ips, ip)) {
                continue;
            }
            let subnet = &grant.subnet;
            prop_assert!(
                before.usable(subnet, *ip) && !before.is_gateway(subnet, *ip),
                "{} in {}",
                ip,
                subnet
            );
            if names(want, ip) {
                continue;
            }
            prop_assert!(!before.excluded(subnet, *ip), "{} is excluded", ip);
            let pool = before.pool(subnet, *ip);
            let right = match &want.from {
                Source::Pools(pools) => pools.contains(&pool),
                _ => pool.is_empty(),
            };
            prop_assert!(right, "{} of pool {:?} is given for {:?}", ip, pool, want.from);
        }
        for ip in grant.ips.iter() {
            let mut others = after.in_space(&grant.subnet).filter(|(_, other)| has(&other.ips, ip));
            prop_assert!(
                others.all(|(owner, other)| other == grant
                    || want.share.contains(owner)
                    || other.role != grant.role),
                "{} is shared unasked",
                ip
            );
        }
    }
    prop_assert_eq!(settled.changed, before != after);
    for ((owner, _), (_, old)) in before.held.iter().filter(|((owner, _), _)| owner == key) {
        let live: Vec<IpAddr> = after
            .in_space(&old.subnet)
            .flat_map(|(_, g)| g.ips.iter().copied().collect::<Vec<_>>())
            .collect();
        let gone = old.ips.iter().any(|ip| !live.contains(ip));
        let told = !gone || settled.freed.contains(&old.subnet);
        prop_assert!(told, "{} released in {} unseen", owner, old.subnet);
    }
    prop_assert!(settled.changed || settled.freed.is_empty());
    Ok(())
}

/// Is it refused for a reason? `giver` would give up all that it holds.
pub(crate) fn check_refused(
    state: &Naive,
    key: &OwnerKey,
    wants: &[Want],
    giver: Option<&OwnerKey>,
    error: &AddrError,
) -> Result<(), TestCaseError> {
    let skipped = |ip: &IpAddr| wants.iter().any(|want| want.skip.contains(ip));
    match error {
        AddrError::Exhausted { subnet, pool, family, total, used, reserved, .. } => {
            let mut free = state.free(subnet, *family, giver);
            free.retain(|ip| state.pool(subnet, *ip) == *pool && !skipped(ip));
            prop_assert!(free.len() < wants.len(), "{} has {:?} to give", subnet, free);
            prop_assert!(used + reserved <= *total);
        }
        AddrError::Skipped { subnet, pool, family, .. } => {
            let mut free = state.free(subnet, *family, None);
            free.retain(|ip| state.pool(subnet, *ip) == *pool);
            let left = free.iter().filter(|ip| !skipped(ip)).count();
            prop_assert!(!free.is_empty() && left < wants.len(), "{} has {:?} to give", subnet, free);
        }
        AddrError::Taken { ip, subnet, holder, .. } => {
            let held = state
                .in_space(subnet)
                .any(|(owner, grant)| owner == holder && grant.ips.iter().any(|i| i == ip));
            prop_assert!(held || holder == key, "{} does not hold {}", holder, ip);
            let another_nic = state.held.keys().filter(|(owner, _)| owner == key).count() > 0;
            prop_assert!(holder != key || wants.len() > 1 || another_nic);
        }
        AddrError::MacTaken { mac, subnet, holder } => {
            let held =
                state.in_space(subnet).any(|(owner, grant)| owner == holder && grant.mac == Some(*mac));
            prop_assert!(held || holder == key);
        }
        AddrError::GatewayMac { mac, subnet } => {
            prop_assert_eq!(state.offers[subnet].0.gateway_mac, Some(*mac));
        }
        AddrError::OutOfRange { ip, subnet, .. } => prop_assert!(!state.usable(subnet, *ip)),
        AddrError::Gateway { ip, subnet } => prop_assert!(state.is_gateway(subnet, *ip)),
        AddrError::NoSubnet { subnet } => {
            prop_assert!(state.offers.get(subnet).is_none_or(|(_, closed)| *closed));
        }
        AddrError::NoFamily { subnet, family } => {
            prop_assert!(state.offers[subnet].0.cidrs.families().all(|has| has != *family));
        }
        AddrError::WrongFamily { ip, family } => prop_assert!(Family::of(*ip) != *family),
        AddrError::NoPool { pool } => {
            let mut pools =
                wants.iter().flat_map(|want| &want.subnets).filter_map(|subnet| state.open(subnet));
            prop_assert!(pools.any(|offer| offer.pools.iter().all(|known| known.name != *pool)));
        }
        other => prop_assert!(false, "settle answered {}", other),
    }
    Ok(())
}
