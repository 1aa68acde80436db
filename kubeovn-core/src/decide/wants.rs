//! What a pod or a node should be given.

use std::net::IpAddr;

use super::subnets_for;
use crate::{
    addr::{DualStack, Family, Mac},
    annotations::nic,
    contract::ipam::{AddrError, MacWish, Want},
    error::Problem,
    index::{
        World,
        objects::{Meta, Name},
    },
    rows::{OwnerKey, OwnerKind},
};

/// What an owner wants of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanting {
    /// Nothing (any more): what it holds is released.
    Nothing,
    /// These.
    These(Vec<Want>),
    /// Cannot be read: what it holds stays.
    Unreadable(Problem),
}

/// What the owner should be given, from the facts alone. Who holds an address already keeps it, whatever becomes of
/// its namespace's binding: a running pod is never renumbered.
pub fn wants(world: &World, owner: &OwnerKey) -> Wanting {
    match owner.kind {
        OwnerKind::Pod => world.pod_of(owner).filter(|p| p.needs_network()).map_or(Wanting::Nothing, |pod| {
            let held = world.grants(owner).first();
            let chosen = pod.meta.annotation(nic::LOGICAL_SWITCH.ovn()).map(Name::from);
            let subnets = match chosen.or(held.map(|grant| grant.subnet.clone())) {
                Some(subnet) => vec![subnet],
                None => subnets_for(world, &pod.meta.namespace),
            };
            one(&pod.meta, subnets, held.and_then(|grant| only_family(&grant.ips)))
        }),
        OwnerKind::Node => world
            .node(&owner.name)
            .map_or(Wanting::Nothing, |node| one(&node.meta, vec![world.settings().join.clone()], None)),
        _ => Wanting::Nothing,
    }
}

/// The family that a pod runs with, if it is one: a prefix that its subnet got later is none that it has.
fn only_family(ips: &DualStack<IpAddr>) -> Option<Family> {
    let mut families = ips.families();
    families.next().filter(|_| families.next().is_none())
}

/// One interface, with what the annotations ask for.
fn one(meta: &Meta, subnets: Vec<Name>, runs_with: Option<Family>) -> Wanting {
    let fixed: Result<DualStack<IpAddr>, _> = meta.annotation(nic::IP_ADDRESS.ovn()).unwrap_or("").parse();
    let mac: Result<Option<Mac>, _> = meta.annotation(nic::MAC_ADDRESS.ovn()).map(str::parse).transpose();
    match (fixed, mac) {
        (Ok(fixed), Ok(mac)) => {
            let mac = mac.map_or(MacWish::Any, MacWish::Is);
            let family = runs_with.filter(|family| fixed.families().all(|named| named == *family));
            Wanting::These(vec![Want { subnets, from: fixed.into(), mac, family, ..Want::default() }])
        }
        (Err(error), _) => Wanting::Unreadable(unreadable(nic::IP_ADDRESS.ovn(), error)),
        (_, Err(error)) => Wanting::Unreadable(unreadable(nic::MAC_ADDRESS.ovn(), error)),
    }
}

fn unreadable(key: &str, error: crate::addr::AddrParseError) -> Problem {
    let error = AddrError::from(error);
    Problem::new(error.code(), format!("annotation {key}: {error}"))
}
