//! How a VPC's router decides.
//!
//! Stock OVN ranks a src-ip route of /24 above every shorter dst-ip route, even above a connected network. So all that
//! is decided by source is a policy, and routes are by destination only. Policies are looked at only after a route
//! was found: hence a *routing hit*, a default route to an address of the router itself, per family and table, where
//! the user has no default route. What then matches no policy would be answered by an ARP request for that address
//! per packet: hence a *drop* of lowest priority.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::{
    addr::{Cidr, DualStack, Family},
    decide::{Policy, Route, SubnetPlan, VpcPlan, decide_vpc},
    error::Problem,
    index::{
        World,
        objects::{Name, PolicyAction},
    },
    rows::{OwnerKey, Rendered, RowKey, Value},
};

use super::ids;
use crate::{
    matching::{Match, Where, parse},
    nb,
};

/// Drops what no policy wants.
const DROP: u16 = 1;
/// Routes by source: this plus the prefix length, so that the longest prefix wins.
const SOURCE: u16 = 100;
/// The user's destinations, above what leads pods to gateways (29000) and other exits; Kube-OVN's 29400 for prefixes.
const DESTINATION: u16 = 29_400;

pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let Some(vpc) = world.vpc(&owner.name) else { return };
    let plan = decide_vpc(vpc);
    let subnets: Vec<&SubnetPlan> = world.plans_of(&owner.name).map(|plan| &**plan).collect();
    for route in &plan.routes {
        add_route(out, &owner.name, route);
    }
    hits(world, &owner.name, &plan, &subnets, out);
    sources(&owner.name, &plan, out);
    users(&owner.name, &plan, out);
    out.reports.extend(plan.problems);
}

fn add_route(out: &mut Rendered, vpc: &str, route: &Route) {
    let id = format!("{vpc}/{}/{}/{}", route.table, route.prefix, route.next_hop);
    let key = RowKey::new(nb::LOGICAL_ROUTER_STATIC_ROUTE, id);
    let row = out.row(key.clone());
    row.set("ip_prefix", Value::str(route.prefix.to_string()));
    row.set("nexthop", Value::str(route.next_hop.to_string()));
    row.set("policy", Value::str("dst-ip"));
    row.set("route_table", Value::str(route.table.clone()));
    out.attach(ids::router(vpc), "static_routes", key);
}

/// A policy of a router, with the columns that all have.
pub(super) fn add_policy(
    out: &mut Rendered,
    vpc: &str,
    key: RowKey,
    priority: u16,
    matching: String,
    action: &str,
    next_hops: impl IntoIterator<Item = std::net::IpAddr>,
) {
    let row = out.row(key.clone());
    row.set("priority", Value::int(priority.into()));
    row.set("match", Value::str(matching));
    row.set("action", Value::str(action));
    row.set("nexthops", Value::strs(next_hops.into_iter().map(|ip| ip.to_string())));
    out.attach(ids::router(vpc), "policies", key);
}

/// Routing hits and drops, for each family that the VPC has.
fn hits(world: &World, vpc: &str, plan: &VpcPlan, subnets: &[&SubnetPlan], out: &mut Rendered) {
    let tables: BTreeSet<Name> = subnets.iter().map(|s| s.table.clone()).chain([Name::from("")]).collect();
    for (family, gateway) in own_addresses(world, vpc, subnets) {
        let Ok(everything) = everything(family).parse::<Cidr>() else { continue };
        let defaults: BTreeSet<&Name> =
            plan.routes.iter().filter(|r| r.prefix == everything).map(|r| &r.table).collect();
        for table in tables.iter().filter(|table| !defaults.contains(table)) {
            add_route(out, vpc, &Route { table: table.clone(), prefix: everything, next_hop: gateway });
        }
        // A default route of the user's is a wish for everything: nothing is left to drop.
        if defaults.is_empty() {
            let key = ids::policy(vpc, DROP, word(family));
            add_policy(out, vpc, key, DROP, Match::family(family).to_string(), "drop", []);
        }
        for prefix in
            plan.routes.iter().map(|r| r.prefix).filter(|p| p.family() == family && *p != everything)
        {
            let key = ids::policy(vpc, DESTINATION, &prefix.to_string());
            if !out.rows.contains_key(&key) {
                let matching = Match::dst(prefix.net()).to_string();
                add_policy(out, vpc, key, DESTINATION, matching, "allow", []);
            }
        }
    }
}

/// An address of the router itself per family: the join gateway in the default VPC, as Kube-OVN does; the oldest
/// subnet's gateway in others.
fn own_addresses(world: &World, vpc: &str, subnets: &[&SubnetPlan]) -> Vec<(Family, std::net::IpAddr)> {
    let join = &world.settings().join;
    let mut ranked: Vec<&&SubnetPlan> = subnets.iter().collect();
    ranked.sort_by_key(|s| (*vpc != *world.settings().vpc || s.name != *join, s.created, &s.name));
    let mut own = DualStack::default();
    for gateway in ranked.iter().flat_map(|s| s.gateways.iter()) {
        own.slot(Family::of(*gateway)).get_or_insert(*gateway);
    }
    own.families().filter_map(|family| Some((family, *own.get(family)?))).collect()
}

fn everything(family: Family) -> &'static str {
    match family {
        Family::V4 => "0.0.0.0/0",
        Family::V6 => "::/0",
    }
}

fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip4",
        Family::V6 => "ip6",
    }
}

/// Routes by source, as policies below everything else.
fn sources(vpc: &str, plan: &VpcPlan, out: &mut Rendered) {
    let mut hops: BTreeMap<Cidr, BTreeSet<std::net::IpAddr>> = BTreeMap::new();
    for route in &plan.sources {
        if !route.table.is_empty() {
            let text = format!(
                "VPC {vpc}: the source route {} in table {} is not in effect: source routes hold for the whole router. \
                 Leave routeTable out",
                route.prefix, route.table
            );
            out.reports.push(Problem::new("VPC-ROUTE-TABLE", text));
            continue;
        }
        hops.entry(route.prefix).or_default().insert(route.next_hop);
    }
    for (prefix, hops) in hops {
        let priority = SOURCE + u16::from(prefix.prefix_len());
        let key = ids::policy(vpc, priority, &prefix.to_string());
        add_policy(out, vpc, key, priority, Match::src(prefix.net()).to_string(), "reroute", hops);
    }
}

/// The user's own policies. OVN skips what it can't parse without a word, so it is parsed before.
fn users(vpc: &str, plan: &VpcPlan, out: &mut Rendered) {
    for Policy { priority, r#match, action, next_hops } in &plan.policies {
        if let Err(error) = parse(r#match, Where::RouterPolicy) {
            let text = format!("VPC {vpc}: the policy of priority {priority} is not in effect: {error}");
            out.reports.push(Problem::new(error.problem.code(), text));
            continue;
        }
        let key = ids::policy(vpc, *priority, &format!("user/{}", ids::digest(r#match)));
        if out.rows.contains_key(&key) {
            let text = format!(
                "VPC {vpc}: two policies have priority {priority} and match {match:?}; the first one is in effect. Remove one",
                r#match = r#match
            );
            out.reports.push(Problem::new("VPC-POLICY-TWICE", text));
            continue;
        }
        let action = match action {
            PolicyAction::Allow => "allow",
            PolicyAction::Drop => "drop",
            PolicyAction::Reroute => "reroute",
        };
        add_policy(out, vpc, key, *priority, r#match.to_string(), action, next_hops.iter().copied());
    }
}
