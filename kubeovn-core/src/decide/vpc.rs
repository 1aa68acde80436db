//! What a VPC is: the routes and policies that its user asks for, read and checked.

use std::net::IpAddr;

use super::subnet::inert;
use crate::{
    addr::{Cidr, Family, IpNet, parse_ip},
    error::Problem,
    index::objects::{Name, PolicyRoute, StaticRoute, Vpc},
};

/// A VPC as it is in effect. What of it can't be used is left out and reported, the rest stays in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VpcPlan {
    /// Routes by destination.
    pub routes: Vec<Route>,
    /// Routes by source.
    pub sources: Vec<Route>,
    /// Policies.
    pub policies: Vec<Policy>,
    /// What could not be used, and why.
    pub problems: Vec<Problem>,
}

/// A route of the user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Route table, empty = main.
    pub table: Name,
    /// Destination or source prefix.
    pub prefix: Cidr,
    /// Next hop, of the prefix's family.
    pub next_hop: IpAddr,
}

/// A policy of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// 0 to 32767, higher wins.
    pub priority: u16,
    /// OVN match, as given.
    pub r#match: Name,
    /// What to do.
    pub action: PolicyAction,
    /// For `reroute`: at least one, all of one family.
    pub next_hops: Vec<IpAddr>,
}

/// What a policy does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyAction {
    /// Let the routes decide.
    Allow,
    /// Drop.
    Drop,
    /// Send to the next hops.
    Reroute,
}

/// Highest priority of a policy or an access rule, from the schema of OVN_Northbound.
const HIGHEST_PRIORITY: i64 = 32_767;

/// Reads a VPC's routes and policies.
pub fn decide_vpc(vpc: &Vpc) -> VpcPlan {
    let name = &vpc.meta.name;
    let mut plan = VpcPlan { problems: inert("VPC", name, &vpc.spec.inert), ..VpcPlan::default() };
    for (i, given) in vpc.spec.static_routes.iter().enumerate() {
        match route(given) {
            Ok((by_source, route)) => {
                let list = if by_source { &mut plan.sources } else { &mut plan.routes };
                if !list.contains(&route) {
                    list.push(route);
                }
            }
            Err(text) => plan.problems.push(Problem::new(
                "VPC-ROUTE-INVALID",
                format!("VPC {name}: staticRoutes[{i}] is not in effect: {text}"),
            )),
        }
    }
    for (i, given) in vpc.spec.policy_routes.iter().enumerate() {
        match policy(given) {
            Ok(policy) => plan.policies.push(policy),
            Err(text) => plan.problems.push(Problem::new(
                "VPC-POLICY-INVALID",
                format!("VPC {name}: policyRoutes[{i}] is not in effect: {text}"),
            )),
        }
    }
    plan.routes.sort();
    plan.sources.sort();
    plan
}

fn route(given: &StaticRoute) -> Result<(bool, Route), String> {
    let by_source = match given.policy.as_str() {
        "" | "policyDst" => false,
        "policySrc" => true,
        other => return Err(format!("policy {other:?} is neither policyDst nor policySrc")),
    };
    let prefix: Cidr = match parse_ip(&given.cidr) {
        Ok(ip) => Cidr::new(IpNet::from(ip)),
        Err(_) => given.cidr.parse().map_err(|e| format!("cidr: {e}"))?,
    };
    let next_hop = parse_ip(&given.next_hop).map_err(|e| format!("nextHopIP: {e}"))?;
    if Family::of(next_hop) != prefix.family() {
        return Err(format!("nextHopIP {next_hop} is not of the family of {prefix}"));
    }
    Ok((by_source, Route { table: given.table.as_str().into(), prefix, next_hop }))
}

/// A priority that OVN takes.
pub(super) fn priority(given: i64) -> Result<u16, String> {
    let fits = u16::try_from(given).ok().filter(|p| i64::from(*p) <= HIGHEST_PRIORITY);
    fits.ok_or_else(|| format!("priority {given} is not between 0 and {HIGHEST_PRIORITY}"))
}

fn policy(given: &PolicyRoute) -> Result<Policy, String> {
    let priority = priority(given.priority)?;
    if given.r#match.trim().is_empty() {
        return Err("match is empty. Write an OVN match, like ip4.src == 10.0.1.0/24".into());
    }
    let mut next_hops: Vec<IpAddr> = Vec::new();
    let action = match given.action.as_str() {
        "" | "allow" => PolicyAction::Allow,
        "drop" => PolicyAction::Drop,
        "reroute" => PolicyAction::Reroute,
        other => return Err(format!("action {other:?} is none of allow, drop and reroute")),
    };
    // For other actions Kube-OVN blanks the next hops; we don't read them.
    if action == PolicyAction::Reroute {
        for text in given.next_hops.split(',').filter(|t| !t.trim().is_empty()) {
            next_hops.push(parse_ip(text).map_err(|e| format!("nextHopIP: {e}"))?);
        }
        let mut families = next_hops.iter().map(|ip| Family::of(*ip));
        let Some(first) = families.next() else {
            return Err("action reroute needs nextHopIP".into());
        };
        if families.any(|f| f != first) {
            return Err(format!("nextHopIP {} mixes address families", given.next_hops));
        }
        next_hops.sort_unstable();
        next_hops.dedup();
    }
    Ok(Policy { priority, r#match: given.r#match.trim().into(), action, next_hops })
}
