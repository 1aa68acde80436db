//! What must hold for a request that was granted, and for one that was refused.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use kubeovn_ipam::{AddrError, Grant, OwnerKey, Settled, Want};
use proptest::prelude::*;

use crate::naive::Naive;

fn fits(want: &Want, grant: &Grant) -> bool {
    want.subnets.contains(&grant.subnet)
        && want.fixed.iter().all(|ip| grant.ips.iter().any(|held| held == ip))
        && want.mac.is_none_or(|mac| mac == grant.mac)
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
    prop_assert_eq!(after.held.keys().filter(|(owner, _)| owner == key).count(), wants.len());
    for (want, grant) in wants.iter().zip(&settled.grants) {
        prop_assert_eq!(&after.held[&(key.clone(), want.nic.clone())], &(uid.clone(), grant.clone()));
        prop_assert!(fits(want, grant), "{:?} is not what was wanted: {:?}", grant, want);
        let old = before.held.get(&(key.clone(), want.nic.clone())).filter(|(known, _)| known == uid);
        if let Some((_, old)) = old.filter(|(_, old)| fits(want, old)) {
            prop_assert_eq!(grant, old, "what is held and fits stays");
            continue;
        }
        prop_assert!(grant.generation > newest && grant.since == now);
        let (spec, closed) = &before.specs[&grant.subnet];
        prop_assert!(!closed);
        let families: Vec<_> = spec.cidrs.families().collect();
        prop_assert_eq!(grant.ips.families().collect::<Vec<_>>(), families, "dual stack is both or none");
        for ip in grant.ips.iter() {
            prop_assert!(
                before.usable(&grant.subnet, *ip) && !spec.gateways.iter().any(|gateway| gateway == ip)
            );
            let kept = old.is_some_and(|(_, old)| old.ips.iter().any(|held| held == ip));
            let named = want.fixed.iter().any(|fixed| fixed == ip);
            prop_assert!(named || kept || !before.excluded(&grant.subnet, *ip), "{} is excluded", ip);
        }
    }
    prop_assert_eq!(settled.changed, before != after);
    for ((owner, _), (_, old)) in before.held.iter().filter(|((owner, _), _)| owner == key) {
        let live: Vec<IpAddr> = after
            .in_space(&old.subnet)
            .flat_map(|(_, g)| g.ips.iter().copied().collect::<Vec<_>>())
            .collect();
        let gone = old.ips.iter().any(|ip| !live.contains(ip));
        prop_assert!(
            !gone || settled.freed.contains(&old.subnet),
            "{} released in {} unseen",
            owner,
            old.subnet
        );
    }
    prop_assert!(settled.changed || settled.freed.is_empty());
    Ok(())
}

/// Is it refused for a reason?
pub(crate) fn check_refused(
    state: &Naive,
    key: &OwnerKey,
    wants: &[Want],
    error: &AddrError,
) -> Result<(), TestCaseError> {
    match error {
        AddrError::Exhausted { subnet, family, total, used, reserved, .. } => {
            let free = state.free(subnet, *family, Some(key));
            prop_assert!(free.len() < wants.len(), "{} has {:?} to give", subnet, free);
            prop_assert!(used + reserved <= *total);
        }
        AddrError::Taken { ip, subnet, holder, .. } => {
            let held = state
                .in_space(subnet)
                .any(|(owner, grant)| owner == holder && grant.ips.iter().any(|i| i == ip));
            prop_assert!(held || holder == key, "{} does not hold {}", holder, ip);
            prop_assert!(holder != key || wants.len() > 1);
        }
        AddrError::MacTaken { mac, subnet, holder } => {
            let held = state.in_space(subnet).any(|(owner, grant)| owner == holder && grant.mac == *mac);
            prop_assert!(held || holder == key);
            prop_assert!(holder != key || wants.len() > 1);
        }
        AddrError::OutOfRange { ip, subnet, .. } => prop_assert!(!state.usable(subnet, *ip)),
        AddrError::Gateway { ip, subnet } => {
            prop_assert!(state.specs[subnet].0.gateways.iter().any(|gateway| gateway == ip));
        }
        AddrError::NoSubnet { subnet } => {
            prop_assert!(state.specs.get(subnet).is_none_or(|(_, closed)| *closed));
        }
        other => prop_assert!(false, "settle answered {}", other),
    }
    Ok(())
}
