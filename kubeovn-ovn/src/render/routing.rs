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
    decide::{Policy, PolicyAction, Route, SubnetPlan, VpcPlan, decide_vpc},
    error::Problem,
    index::{
        World,
        objects::{Name, PolicyRoute, StaticRoute},
    },
    rows::{OwnerKey, Rendered, RowKey, Value},
};

use super::{ids, provenance::Field};
use crate::{
    matching::{Match, Where, parse},
    nb,
};

/// Drops what no policy wants.
const DROP: u16 = 1;
/// The user's destinations in the default VPC: above what leads pods to gateways (29000) and other exits; Kube-OVN's
/// 29400 for prefixes.
const DESTINATION: u16 = 29_400;

/// Priorities at the bottom, where routes become policies: the drop, then routes by source, a longer prefix above a
/// shorter one, then the user's destinations, so that these win over sources, and the user's policies over all.
struct Bottom {
    /// Prefix lengths of source routes, rising.
    lengths: Vec<u8>,
    destination: u16,
    /// The lowest that is left for policies of the user.
    free: u16,
}

impl Bottom {
    fn new(world: &World, vpc: &str, plan: &VpcPlan) -> Self {
        let lengths: BTreeSet<u8> = plan.sources.iter().map(|route| route.prefix.prefix_len()).collect();
        let above = DROP + 1 + u16::try_from(lengths.len()).unwrap_or(u16::MAX);
        let default = *vpc == *world.settings().vpc;
        let own = u16::from(!default && !plan.routes.is_empty());
        let destination = if default { DESTINATION } else { above };
        Bottom { lengths: lengths.into_iter().collect(), destination, free: above + own }
    }

    fn source(&self, length: u8) -> u16 {
        let below = self.lengths.iter().filter(|l| **l < length).count();
        DROP + 1 + u16::try_from(below).unwrap_or(u16::MAX)
    }
}

pub(super) const FIELDS: &[Field] = &[
    Field::new("Vpc.spec.staticRoutes", |world, owner| {
        let routes = &world.vpc(&owner.name)?.spec.static_routes;
        let text = |r: &StaticRoute| format!("{} {} via {}", r.policy, r.cidr, r.next_hop).trim().to_owned();
        Some(routes.iter().map(text).collect::<Vec<_>>().join(", "))
    }),
    Field::new("Vpc.spec.policyRoutes", |world, owner| {
        let policies = &world.vpc(&owner.name)?.spec.policy_routes;
        let text = |p: &PolicyRoute| format!("{} {} {}", p.priority, p.r#match, p.action).trim().to_owned();
        Some(policies.iter().map(text).collect::<Vec<_>>().join(", "))
    })
    .only(|row| row.table == nb::LOGICAL_ROUTER_POLICY && row.id.contains("/user/")),
    Field::new("Subnet.spec.gateway", |world, owner| {
        Some(of_subnets(world, owner, |plan| plan.gateways.to_string()))
    })
    .only(|row| row.id.contains("/hit/")),
    Field::new("Subnet.spec.routeTable", |world, owner| {
        Some(of_subnets(world, owner, |plan| plan.table.to_string()))
    })
    .only(|row| !row.id.contains("/user/")),
];

/// What the subnets of a VPC say, by name.
fn of_subnets(world: &World, owner: &OwnerKey, text: impl Fn(&SubnetPlan) -> String) -> String {
    let plans = world.plans_of(&owner.name).map(|plan| (&plan.name, text(plan)));
    let told = plans.filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name}: {text}"));
    told.collect::<Vec<_>>().join(", ")
}

pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let Some(vpc) = world.vpc(&owner.name) else { return };
    let plan = decide_vpc(vpc);
    let subnets: Vec<&SubnetPlan> = world.plans_of(&owner.name).map(|plan| &**plan).collect();
    let start = ids::users(&owner.name);
    for route in &plan.routes {
        add_route(out, &owner.name, &start, route);
    }
    let bottom = Bottom::new(world, &owner.name, &plan);
    hits(world, &owner.name, &plan, &bottom, &subnets, out);
    sources(&owner.name, &plan, &bottom, out);
    users(&owner.name, &plan, &bottom, out);
    out.reports.extend(plan.problems);
    // Which of the rows that are there a broken item stood for cannot be told. A drop that vanishes with a slip of the
    // pen would be an open door, so all of the user's stay until everything can be read.
    if out.reports.iter().any(Problem::is_refusal) {
        out.keep.extend(
            [nb::LOGICAL_ROUTER_STATIC_ROUTE, nb::LOGICAL_ROUTER_POLICY].map(|table| (table, start.clone())),
        );
    }
}

/// Where the ids of routing hits begin.
pub(super) fn hit_ids(vpc: &str) -> String {
    format!("{vpc}/hit/")
}

pub(super) fn route_id(start: &str, table: &str, prefix: &Cidr, next_hop: std::net::IpAddr) -> String {
    format!("{start}{table}/{prefix}/{next_hop}")
}

fn add_route(out: &mut Rendered, vpc: &str, start: &str, route: &Route) {
    let id = route_id(start, &route.table, &route.prefix, route.next_hop);
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

/// A subnet as its router sees it.
struct Port {
    name: String,
    table: Name,
    /// None of a subnet that is refused and does not tell.
    cidrs: DualStack<Cidr>,
}

impl Port {
    /// Of the subnets in effect, and of those that are refused: these are there all the same, with their pods.
    fn all(world: &World, vpc: &str, subnets: &[&SubnetPlan]) -> Vec<Port> {
        let there = subnets.iter().map(|plan| (&plan.name, plan.table.clone(), plan.cidrs));
        let refused = world.refused_of(vpc).into_iter().map(|name| {
            let spec = world.subnet(name).map(|subnet| &subnet.spec);
            let table = spec.map_or("", |spec| spec.route_table.as_str());
            (name, table.into(), spec.and_then(|spec| spec.cidr_block.parse().ok()).unwrap_or_default())
        });
        let mut all: Vec<_> = there.chain(refused).collect();
        all.sort_by_key(|(name, ..)| *name);
        let port = |(name, table, cidrs): (&Name, _, _)| Port {
            name: SubnetPlan::router_port_of(vpc, name),
            table,
            cidrs,
        };
        all.into_iter().map(port).collect()
    }

    fn may_have(&self, family: Family) -> bool {
        self.cidrs.is_empty() || self.cidrs.get(family).is_some()
    }
}

/// Routing hits and drops, for each family that the VPC has. As long as a subnet is refused it may have any. Then what is
/// there stays, but for what would stand against a default route of the user's.
fn hits(
    world: &World,
    vpc: &str,
    plan: &VpcPlan,
    bottom: &Bottom,
    subnets: &[&SubnetPlan],
    out: &mut Rendered,
) {
    let (own, ports) = (own_addresses(world, vpc, subnets), Port::all(world, vpc, subnets));
    let refused = ports.len() > subnets.len();
    if refused && plan.routes.iter().all(|route| route.prefix.prefix_len() > 0) {
        // In whichever table the refused one is.
        out.keep.push((nb::LOGICAL_ROUTER_STATIC_ROUTE, hit_ids(vpc)));
    }
    let tables: BTreeSet<Name> = ports.iter().map(|port| port.table.clone()).chain(["".into()]).collect();
    for family in Family::BOTH {
        let gateway = own.get(family).copied();
        if gateway.is_none() && !refused {
            continue;
        }
        let Ok(everything) = everything(family).parse::<Cidr>() else { continue };
        let defaults: BTreeSet<&Name> =
            plan.routes.iter().filter(|r| r.prefix == everything).map(|r| &r.table).collect();
        for table in tables.iter().filter(|table| !defaults.contains(table)) {
            if let Some(next_hop) = gateway {
                let route = Route { table: table.clone(), prefix: everything, next_hop };
                add_route(out, vpc, &hit_ids(vpc), &route);
            }
            if refused {
                let start = format!("{}{table}/{everything}/", hit_ids(vpc));
                out.keep.push((nb::LOGICAL_ROUTER_STATIC_ROUTE, start));
            }
        }
        let mut policy = |key: RowKey, priority, matching: Match, action| match gateway {
            Some(_) if out.rows.contains_key(&key) => {}
            Some(_) => add_policy(out, vpc, key, priority, matching.to_string(), action, []),
            // Only the refused one could tell whether the VPC has the family.
            None => out.keep.push((key.table, key.id.to_string())),
        };
        // A default route of the user's is a wish for everything: nothing is left to drop in its table.
        let matching = if defaults.is_empty() {
            Some(Match::family(family))
        } else {
            let others = ports.iter().filter(|port| !defaults.contains(&port.table) && port.may_have(family));
            Match::any_of(others.map(|port| Match::inport(&port.name))).map(|m| Match::family(family).and(m))
        };
        if let Some(matching) = matching {
            policy(ids::policy(vpc, DROP, word(family)), DROP, matching, "drop");
        }
        for prefix in
            plan.routes.iter().map(|r| r.prefix).filter(|p| p.family() == family && *p != everything)
        {
            let key = users_policy(vpc, bottom.destination, &prefix.to_string());
            policy(key, bottom.destination, Match::dst(prefix.net()), "allow");
        }
    }
}

/// An address of the router itself per family: the join gateway in the default VPC, as Kube-OVN does; the oldest
/// subnet's gateway in others.
fn own_addresses(world: &World, vpc: &str, subnets: &[&SubnetPlan]) -> DualStack<std::net::IpAddr> {
    let join = &world.settings().join;
    let mut ranked: Vec<&&SubnetPlan> = subnets.iter().collect();
    ranked.sort_by_key(|s| (*vpc != *world.settings().vpc || s.name != *join, s.created, &s.name));
    let mut own = DualStack::default();
    for gateway in ranked.iter().flat_map(|s| s.gateways.iter()) {
        own.slot(Family::of(*gateway)).get_or_insert(*gateway);
    }
    own
}

fn everything(family: Family) -> &'static str {
    match family {
        Family::V4 => "0.0.0.0/0",
        Family::V6 => "::/0",
    }
}

pub(super) fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip4",
        Family::V6 => "ip6",
    }
}

/// A policy that the user asked for.
pub(super) fn users_policy(vpc: &str, priority: u16, what: &str) -> RowKey {
    RowKey::new(nb::LOGICAL_ROUTER_POLICY, format!("{}{priority}/{what}", ids::users(vpc)))
}

/// Routes by source, as policies below everything else.
fn sources(vpc: &str, plan: &VpcPlan, bottom: &Bottom, out: &mut Rendered) {
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
        let priority = bottom.source(prefix.prefix_len());
        let key = users_policy(vpc, priority, &prefix.to_string());
        add_policy(out, vpc, key, priority, Match::src(prefix.net()).to_string(), "reroute", hops);
    }
}

/// The user's own policies. OVN skips what it can't parse without a word, so it is parsed before.
fn users(vpc: &str, plan: &VpcPlan, bottom: &Bottom, out: &mut Rendered) {
    for Policy { priority, r#match, action, next_hops } in &plan.policies {
        let mut refuse = |code, why: String| {
            let text = format!("VPC {vpc}: the policy of priority {priority} is not in effect: {why}");
            out.reports.push(Problem::new(code, text));
        };
        if *priority < bottom.free {
            let why = format!(
                "priorities below {} are those of routes and drops. Use {0} or a higher one",
                bottom.free
            );
            refuse("VPC-POLICY-PRIORITY", why);
            continue;
        }
        match parse(r#match, Where::RouterPolicy) {
            Err(error) => {
                refuse(error.problem.code(), error.message());
                continue;
            }
            Ok(parsed) => {
                if let Some(name) = parsed.address_sets().iter().chain(parsed.port_groups()).next() {
                    let why = format!(
                        "it names the set {name}, of which nobody knows whether it exists, and OVN skips a policy whose \
                         set is missing. Write the addresses out"
                    );
                    refuse("VPC-POLICY-SET", why);
                    continue;
                }
            }
        }
        let key = users_policy(vpc, *priority, &ids::digest(r#match));
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
