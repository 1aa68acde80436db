//! What a pod or a node should be given.

use std::net::IpAddr;

use super::{
    ip_pool::{IpPool, Member},
    is_kept, pools_for, subnets_for,
};
use crate::{
    addr::{DualStack, Family, Mac},
    annotations::nic,
    contract::ipam::{AddrError, MacWish, Source, Want},
    error::Problem,
    index::{
        World,
        objects::{Ip, Meta, Name, Pod, Workload, member},
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
    /// What it holds, and nothing new: it is not there, but comes back.
    Kept,
    /// Cannot be read: what it holds stays.
    Unreadable(Problem),
}

/// What the owner should be given, from the facts alone. Who holds an address already keeps it, whatever becomes of
/// its namespace's binding: a running pod is never renumbered.
pub fn wants(world: &World, owner: &OwnerKey) -> Wanting {
    match owner.kind {
        OwnerKind::Pod => match world.pod_of(owner).filter(|p| p.needs_network()) {
            Some(pod) => of_pod(world, owner, pod),
            None => of_absent(world, owner),
        },
        OwnerKind::Node => world
            .node(&owner.name)
            .map_or(Wanting::Nothing, |node| one(&node.meta, vec![world.settings().join.clone()], None)),
        _ => Wanting::Nothing,
    }
}

fn of_pod(world: &World, owner: &OwnerKey, pod: &Pod) -> Wanting {
    let held = world.grants(owner).first();
    let record = world.reservation(owner).filter(|_| held.is_none());
    let chosen = pod.meta.annotation(nic::LOGICAL_SWITCH.ovn()).map(Name::from);
    let subnets = match chosen.or(held.map(|grant| grant.subnet.clone())) {
        Some(subnet) => vec![subnet],
        None => subnets_for(world, &pod.meta.namespace),
    };
    let named = pod.meta.annotation(nic::IP_ADDRESS.ovn()).is_some();
    if let Some(record) = record.filter(|record| !named && !record.spec.subnet.is_empty()) {
        return reserved(record);
    }
    let runs_with = held.and_then(|grant| only_family(&grant.ips));
    if named || held.is_some() {
        return one(&pod.meta, subnets, runs_with);
    }
    match pool(world, owner, pod, subnets) {
        Ok((subnets, from)) => match one(&pod.meta, subnets, runs_with) {
            Wanting::These(wants) => {
                Wanting::These(wants.into_iter().map(|want| Want { from: from.clone(), ..want }).collect())
            }
            other => other,
        },
        Err(problem) => Wanting::Unreadable(problem),
    }
}

/// From which addresses of which subnets a pod that names none gets one: from the list or pool that it names, else from
/// the pools of its namespace, else from what no pool has.
fn pool(
    world: &World,
    owner: &OwnerKey,
    pod: &Pod,
    subnets: Vec<Name>,
) -> Result<(Vec<Name>, Source), Problem> {
    let Some(text) = pod.meta.annotation(nic::IP_POOL.ovn()) else {
        let in_subnets = |name: &Name| {
            let pool = world.ip_pool(name).map(|pool| &pool.spec.subnet);
            pool.is_some_and(|subnet| subnets.iter().any(|one| **one == **subnet))
        };
        let pools = pools_for(world, &pod.meta.namespace);
        if pools.is_empty() {
            return Ok((subnets, Source::Any));
        }
        let pools: Vec<Name> = pools.into_iter().filter(in_subnets).collect();
        if pools.is_empty() {
            // It chose a subnet that the namespace's pools are not of.
            return Ok((subnets, Source::Any));
        }
        return Ok((subnets, Source::Pools(pools)));
    };
    let place = || format!("annotation {}", nic::IP_POOL.ovn());
    let read = IpPool::parse(text).map_err(|error| unreadable(&place(), error))?;
    let member = pod
        .workload
        .as_deref()
        .filter(|workload| matches!(workload, Workload::StatefulSet { .. }))
        .and_then(|_| member(&pod.meta.name))
        .map(|(_, ordinal)| Member { ordinal, start: world.set_of(owner).map_or(0, |set| set.start) });
    let source = read.source(member);
    let source = source.map_err(|error| Problem::new(error.code(), format!("{}: {error}", place())))?;
    let IpPool::Named(name) = &read else { return Ok((subnets, source)) };
    let Some(pool) = world.ip_pool(name) else {
        let text = format!("{}: there is no IPPool {name}. Create it, or correct the name", place());
        return Err(Problem::new("IPPOOL-UNKNOWN", text));
    };
    Ok((vec![pool.spec.subnet.as_str().into()], source))
}

/// A pod that is not there, or needs no network any more, holds what is kept for it.
fn of_absent(world: &World, owner: &OwnerKey) -> Wanting {
    let held = world.grants(owner);
    match world.reservation(owner) {
        Some(record) if held.is_empty() && !record.meta.deleting => reserved(record),
        _ if held.is_empty() => Wanting::Nothing,
        // One interface that is kept keeps them all: the pod comes back with all of them.
        _ if held.iter().any(|grant| is_kept(world, owner, grant)) => Wanting::Kept,
        _ => Wanting::Nothing,
    }
}

/// What a record asks for that a user made before its pod.
fn reserved(record: &Ip) -> Wanting {
    let spec = &record.spec;
    if spec.subnet.is_empty() {
        let text = format!(
            "IP {}: spec.subnet is empty, so that no address can be kept. Name the subnet that the address is from",
            record.meta.name
        );
        return Wanting::Unreadable(Problem::new("IP-RECORD-INVALID", text));
    }
    let mut ips = DualStack::default();
    for text in [&spec.ip_address, &spec.v4_ip_address, &spec.v6_ip_address] {
        match text.parse::<DualStack<IpAddr>>() {
            Ok(more) => ips = DualStack { v4: ips.v4.or(more.v4), v6: ips.v6.or(more.v6) },
            Err(error) => return Wanting::Unreadable(unreadable(&format!("IP {}", record.meta.name), error)),
        }
    }
    let mac = match Some(&*spec.mac_address).filter(|mac| !mac.is_empty()).map(str::parse).transpose() {
        Ok(mac) => mac.map_or(MacWish::Any, MacWish::Is),
        Err(error) => return Wanting::Unreadable(unreadable(&format!("IP {}", record.meta.name), error)),
    };
    Wanting::These(vec![Want {
        subnets: vec![spec.subnet.clone()],
        from: ips.into(),
        mac,
        ..Want::default()
    }])
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
    let wished = match family(meta) {
        Ok(wished) => wished,
        Err(problem) => return Wanting::Unreadable(problem),
    };
    match (fixed, mac) {
        (Ok(fixed), Ok(mac)) => {
            let mac = mac.map_or(MacWish::Any, MacWish::Is);
            let family = runs_with.filter(|family| fixed.families().all(|named| named == *family)).or(wished);
            Wanting::These(vec![Want { subnets, from: fixed.into(), mac, family, ..Want::default() }])
        }
        (Err(error), _) => {
            Wanting::Unreadable(unreadable(&format!("annotation {}", nic::IP_ADDRESS.ovn()), error))
        }
        (_, Err(error)) => {
            Wanting::Unreadable(unreadable(&format!("annotation {}", nic::MAC_ADDRESS.ovn()), error))
        }
    }
}

/// The one family that a pod asks for.
fn family(meta: &Meta) -> Result<Option<Family>, Problem> {
    match meta.annotation(nic::IP_FAMILY.ovn()) {
        None => Ok(None),
        Some("ipv4") => Ok(Some(Family::V4)),
        Some("ipv6") => Ok(Some(Family::V6)),
        Some(other) => {
            let text = format!(
                "annotation {}: {other:?} is no family. Write ipv4 or ipv6, or leave it out for all that the subnet has",
                nic::IP_FAMILY.ovn()
            );
            Err(Problem::new("POD-IP-FAMILY", text))
        }
    }
}

fn unreadable(place: &str, error: crate::addr::AddrParseError) -> Problem {
    let error = AddrError::from(error);
    Problem::new(error.code(), format!("{place}: {error}"))
}
