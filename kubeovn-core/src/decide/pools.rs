//! Pools: which parts of a subnet its IPPool objects take out, and which of them can't be.

use super::in_vain::ADDRESS_SET;
use crate::{
    addr::{Cidr, IpRange},
    contract::ipam::NamedPool,
    error::{NOT_SUPPORTED, Problem},
    index::{
        World,
        objects::{IpPool, Name},
    },
};

/// The pools of a subnet that are in effect. Of two that share an address the older one has it.
pub(super) fn of_subnet(world: &World, subnet: &str) -> Vec<NamedPool> {
    let mut pools = Vec::new();
    for pool in by_age(world, subnet) {
        if let Ok(ranges) = read(pool).and_then(|ranges| apart(pool, ranges, &pools)) {
            pools.push(NamedPool { name: pool.meta.name.clone(), ranges });
        }
    }
    pools
}

/// What stands against a pool; with `false`, it is not in effect.
pub(super) fn problems(world: &World, pool: &IpPool) -> (bool, Vec<Problem>) {
    let name = &pool.meta.name;
    let mut problems = Vec::new();
    if pool.spec.address_set {
        let text = format!(
            "IPPool {name}: {ADDRESS_SET} is set, but this version does not act on it; the rest is in effect. \
             docs/compatibility.md lists what is supported"
        );
        problems.push(Problem::new(NOT_SUPPORTED, text));
    }
    let Some(plan) = world.plan(&pool.spec.subnet) else {
        let text = format!(
            "IPPool {name}: its subnet {:?} is not there or not in effect, so that nobody gets its addresses. Create the \
             subnet, or see what its status says",
            pool.spec.subnet
        );
        problems.insert(0, Problem::new("IPPOOL-SUBNET", text));
        return (false, problems);
    };
    if plan.pools.iter().any(|there| there.name == *name) {
        return (true, problems);
    }
    if let Err(problem) = read(pool).and_then(|ranges| apart(pool, ranges, &plan.pools)) {
        problems.insert(0, problem);
    }
    (false, problems)
}

/// Names of the pools that a namespace's pods get their addresses from, the oldest first.
pub fn pools_for(world: &World, namespace: &str) -> Vec<Name> {
    let mut pools: Vec<_> = world
        .ip_pools()
        .filter(|pool| !pool.meta.deleting && pool.spec.namespaces.iter().any(|one| **one == *namespace))
        .collect();
    pools.sort_by(|a, b| a.meta.seniority().cmp(&b.meta.seniority()));
    pools.into_iter().map(|pool| pool.meta.name.clone()).collect()
}

fn by_age<'a>(world: &'a World, subnet: &str) -> Vec<&'a IpPool> {
    let mut pools: Vec<&IpPool> = world
        .ip_pools()
        .filter(|pool| pool.spec.subnet == subnet && !pool.meta.deleting)
        .map(|p| &**p)
        .collect();
    pools.sort_by(|a, b| a.meta.seniority().cmp(&b.meta.seniority()));
    pools
}

/// Its addresses, each as a range.
fn read(pool: &IpPool) -> Result<Vec<IpRange>, Problem> {
    let bad = |text: String| Problem::new("IPPOOL-INVALID", format!("IPPool {}: {text}", pool.meta.name));
    let items = pool.spec.ips.iter().map(|item| item.trim()).filter(|item| !item.is_empty());
    let ranges: Vec<IpRange> = items
        .map(|item| match item.parse::<Cidr>() {
            Ok(cidr) if item.contains('/') => Ok(IpRange::from(cidr)),
            _ => item.parse().map_err(|error| bad(format!("ips: {error}"))),
        })
        .collect::<Result<_, _>>()?;
    if ranges.is_empty() {
        return Err(bad("ips is empty. List addresses, ranges a..b or prefixes".to_owned()));
    }
    Ok(ranges)
}

/// The same if no older pool has one of them.
fn apart(pool: &IpPool, ranges: Vec<IpRange>, older: &[NamedPool]) -> Result<Vec<IpRange>, Problem> {
    for there in older.iter().filter(|there| there.name != pool.meta.name) {
        let shared = there.ranges.iter().find_map(|a| ranges.iter().find_map(|b| a.intersection(*b)));
        if let Some(shared) = shared {
            let text = format!(
                "IPPool {}: {shared} is in IPPool {} already, which is older, so that this one is not in effect. Take it out \
                 of one of the two",
                pool.meta.name, there.name
            );
            return Err(Problem::new("IPPOOL-OVERLAP", text));
        }
    }
    Ok(ranges)
}
