//! What a pod or a node should be given.

use std::{net::IpAddr, sync::Arc};

use super::{
    has_own,
    ip_pool::{IpPool, Member},
    is_kept,
    networks::{Network, check_subnet, networks},
    pools_for, subnets_for,
};
use crate::{
    addr::{DualStack, Family, Mac},
    annotations::nic,
    contract::ipam::{AddrError, MacWish, Source, Want},
    error::Problem,
    index::{
        World, ip_name, is_reserved,
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
        OwnerKind::Node => world.node(&owner.name).map_or(Wanting::Nothing, |node| {
            let join = vec![world.settings().join.clone()];
            let skip = if world.grants(owner).is_empty() { avoided(world, &join) } else { Arc::default() };
            let want = one(&node.meta, "", join, None);
            want.map_or_else(Wanting::Unreadable, |want| Wanting::These(vec![Want { skip, ..want }]))
        }),
        _ => Wanting::Nothing,
    }
}

fn of_pod(world: &World, owner: &OwnerKey, pod: &Pod) -> Wanting {
    match all_of_pod(world, owner, pod) {
        Ok(wants) => Wanting::These(wants),
        Err(problem) => Wanting::Unreadable(problem),
    }
}

/// One for each of its networks, that of the cluster first.
fn all_of_pod(world: &World, owner: &OwnerKey, pod: &Pod) -> Result<Vec<Want>, Problem> {
    let further = networks(world, owner, pod)?;
    let mut wants = Vec::with_capacity(1 + further.len());
    if has_own(pod) {
        wants.push(of_first(world, owner, pod)?);
    }
    for network in &further {
        wants.push(of_network(world, owner, pod, network)?);
    }
    Ok(wants)
}

/// In the cluster's own network.
fn of_first(world: &World, owner: &OwnerKey, pod: &Pod) -> Result<Want, Problem> {
    let held = world.grants(owner).iter().find(|grant| grant.nic.is_empty());
    let record = world.reservation(owner).filter(|_| held.is_none());
    let chosen = pod.meta.annotation(nic::LOGICAL_SWITCH.ovn()).map(Name::from);
    if let Some(chosen) = &chosen {
        check_subnet(world, chosen, true)?;
    }
    let subnets = match chosen.or(held.map(|grant| grant.subnet.clone())) {
        Some(subnet) => vec![subnet],
        None => subnets_for(world, &pod.meta.namespace),
    };
    let named = pod.meta.annotation(nic::IP_ADDRESS.ovn()).is_some();
    if let Some(record) = record.filter(|record| !named && !record.spec.subnet.is_empty()) {
        return reserved(record);
    }
    let runs_with = held.and_then(|grant| only_family(&grant.ips));
    let mut want = one(&pod.meta, "", subnets, runs_with)?;
    if held.is_some() {
        return Ok(want);
    }
    if !named {
        (want.subnets, want.from) = pool(world, owner, pod, "", want.subnets)?;
    }
    want.skip = avoided(world, &want.subnets);
    Ok(want)
}

/// What is given to nobody anew who does not ask for it by number: addresses of nodes. Who runs with one goes on.
fn avoided(world: &World, subnets: &[Name]) -> Arc<[IpAddr]> {
    let plans = subnets.iter().filter_map(|subnet| world.plan(subnet));
    let nodes: Vec<&Arc<[IpAddr]>> =
        plans.map(|plan| &plan.nodes).filter(|nodes| !nodes.is_empty()).collect();
    match nodes.as_slice() {
        [] => Arc::default(),
        [one] => Arc::clone(one),
        many => many.iter().flat_map(|nodes| nodes.iter().copied()).collect(),
    }
}

/// In a further one.
fn of_network(world: &World, owner: &OwnerKey, pod: &Pod, network: &Network<'_>) -> Result<Want, Problem> {
    let held = world.grants(owner).iter().find(|grant| grant.nic == network.nic);
    for subnet in &network.subnets {
        check_subnet(world, subnet, network.ours)?;
    }
    let record =
        world.ip(&ip_name(owner, &network.nic)).filter(|record| held.is_none() && is_reserved(record));
    let (ips, mac) = (network.ips(pod)?, network.mac(pod)?);
    let named = !ips.is_empty() || pod.meta.annotation(&nic::IP_ADDRESS.of(&network.nic)).is_some();
    let runs_with = held.and_then(|grant| only_family(&grant.ips));
    let mut want = if let Some(record) = record.filter(|record| !named && !record.spec.subnet.is_empty()) {
        Want { nic: network.nic.clone(), ..reserved(record)? }
    } else if named || held.is_some() {
        one(&pod.meta, &network.nic, network.subnets.clone(), runs_with)?
    } else {
        let (subnets, from) = pool(world, owner, pod, &network.nic, network.subnets.clone())?;
        Want { from, ..one(&pod.meta, &network.nic, subnets, runs_with)? }
    };
    if held.is_none() {
        want.skip = avoided(world, &want.subnets);
    }
    if !ips.is_empty() {
        want.from = ips.into();
    }
    match mac {
        _ if !network.ours => want.mac = MacWish::Without,
        Some(mac) => want.mac = MacWish::Is(mac),
        None => {}
    }
    Ok(want)
}

/// From which addresses of which subnets a pod that names none gets one: from the list or pool that it names, else from
/// the pools of its namespace (in the cluster's own network), else from what no pool has.
fn pool(
    world: &World,
    owner: &OwnerKey,
    pod: &Pod,
    nic: &str,
    subnets: Vec<Name>,
) -> Result<(Vec<Name>, Source), Problem> {
    let key = nic::IP_POOL.of(nic);
    let Some(text) = pod.meta.annotation(&key) else {
        if !nic.is_empty() {
            return Ok((subnets, Source::Any));
        }
        let in_subnets = |name: &Name| {
            let pool = world.ip_pool(name).map(|pool| &pool.spec.subnet);
            pool.is_some_and(|subnet| subnets.iter().any(|one| **one == **subnet))
        };
        let pools = pools_for(world, &pod.meta.namespace);
        if pools.is_empty() {
            return Ok((subnets, Source::Any));
        }
        let here: Vec<Name> = pools.iter().filter(|name| in_subnets(name)).cloned().collect();
        let from = match pod.meta.annotation(nic::LOGICAL_SWITCH.ovn()) {
            _ if !here.is_empty() => Source::Pools(here),
            // It chose a subnet that the namespace's pools are not of.
            Some(_) => Source::Any,
            // Pools of no subnet that it may have: that is no reason to let it out of them.
            None => Source::Pools(pools),
        };
        return Ok((subnets, from));
    };
    let place = || format!("annotation {key}");
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
        Some(record) if held.is_empty() && !record.meta.deleting => {
            return reserved(record).map_or_else(Wanting::Unreadable, |want| Wanting::These(vec![want]));
        }
        _ if held.is_empty() => return Wanting::Nothing,
        _ => {}
    }
    // The pod comes back with all of its interfaces: what is kept of the first decides.
    let first = held.iter().any(|grant| grant.nic.is_empty());
    let mut deciding = held.iter().filter(|grant| grant.nic.is_empty() || !first);
    if deciding.any(|grant| is_kept(world, owner, grant)) { Wanting::Kept } else { Wanting::Nothing }
}

/// What a record asks for that a user made before its pod.
fn reserved(record: &Ip) -> Result<Want, Problem> {
    let spec = &record.spec;
    if spec.subnet.is_empty() {
        let text = format!(
            "IP {}: spec.subnet is empty, so that no address can be kept. Name the subnet that the address is from",
            record.meta.name
        );
        return Err(Problem::new("IP-RECORD-INVALID", text));
    }
    let place = format!("IP {}", record.meta.name);
    let mut ips = DualStack::default();
    for text in [&spec.ip_address, &spec.v4_ip_address, &spec.v6_ip_address] {
        let more: DualStack<IpAddr> = text.parse().map_err(|error| unreadable(&place, error))?;
        ips = DualStack { v4: ips.v4.or(more.v4), v6: ips.v6.or(more.v6) };
    }
    let mac = Some(&*spec.mac_address).filter(|mac| !mac.is_empty()).map(str::parse).transpose();
    let mac = mac.map_err(|error| unreadable(&place, error))?.map_or(MacWish::Any, MacWish::Is);
    Ok(Want { subnets: vec![spec.subnet.clone()], from: ips.into(), mac, ..Want::default() })
}

/// The family that a pod runs with, if it is one: a prefix that its subnet got later is none that it has.
fn only_family(ips: &DualStack<IpAddr>) -> Option<Family> {
    let mut families = ips.families();
    families.next().filter(|_| families.next().is_none())
}

/// One interface, with what the annotations of its network ask for.
fn one(meta: &Meta, nic: &str, subnets: Vec<Name>, runs_with: Option<Family>) -> Result<Want, Problem> {
    let (ip_key, mac_key) = (nic::IP_ADDRESS.of(nic), nic::MAC_ADDRESS.of(nic));
    let wished = family(meta, nic)?;
    let fixed: DualStack<IpAddr> = meta
        .annotation(&ip_key)
        .unwrap_or("")
        .parse()
        .map_err(|error| unreadable(&format!("annotation {ip_key}"), error))?;
    let mac: Option<Mac> = meta
        .annotation(&mac_key)
        .map(str::parse)
        .transpose()
        .map_err(|error| unreadable(&format!("annotation {mac_key}"), error))?;
    let family = runs_with.filter(|family| fixed.families().all(|named| named == *family)).or(wished);
    let mac = mac.map_or(MacWish::Any, MacWish::Is);
    Ok(Want { nic: nic.into(), subnets, from: fixed.into(), mac, family, ..Want::default() })
}

/// The one family that a pod asks for.
fn family(meta: &Meta, nic: &str) -> Result<Option<Family>, Problem> {
    let key = nic::IP_FAMILY.of(nic);
    match meta.annotation(&key) {
        None => Ok(None),
        Some("ipv4") => Ok(Some(Family::V4)),
        Some("ipv6") => Ok(Some(Family::V6)),
        Some(other) => {
            let text = format!(
                "annotation {key}: {other:?} is no family. Write ipv4 or ipv6, or leave it out for all that the subnet has"
            );
            Err(Problem::new("POD-IP-FAMILY", text))
        }
    }
}

pub(super) fn unreadable(place: &str, error: crate::addr::AddrParseError) -> Problem {
    let error = AddrError::from(error);
    Problem::new(error.code(), format!("{place}: {error}"))
}
