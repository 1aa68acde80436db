//! A private subnet lets in who is in it, nodes, and the prefixes that it names; nobody else. What it opens itself
//! goes out and is answered.
//!
//! Kube-OVN's rules drop what leaves through the router, too: to the switch that is one more port to deliver to. So
//! there is one rule more here, that lets everything go to the router port and remembers it, for the answers.

use kubeovn_core::{
    addr::Cidr,
    decide::SubnetPlan,
    index::World,
    rows::{EXTERNAL_IDS, OwnerKey, Rendered, RowKey, Value},
};

use super::{adopt, ids, provenance::Field};
use crate::{matching::Match, nb};

/// Nodes reach every pod, for probes and logs.
const NODES: u16 = 3000;
/// Who may come in, and what may leave.
const ALLOW: u16 = 1001;
/// Everybody else.
const DROP: u16 = 1000;

pub(super) const FIELDS: &[Field] = &[
    Field::new("Subnet.spec.private", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.private.to_string())
    }),
    Field::new("Subnet.spec.allowSubnets", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.allow_subnets.join(", "))
    })
    .only(|row| row.id.contains("/allow/")),
    Field::new("Subnet.spec.cidrBlock", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.cidr_block.clone())
    })
    .only(|row| row.id.contains("/own/") || row.id.contains("/allow/")),
    Field::new("Subnet.spec.vpc", |world, owner| Some(world.subnet(&owner.name)?.spec.vpc.clone()))
        .only(|row| ["/out", "/join/", "/nodes/"].iter().any(|what| row.id.contains(what))),
    Field::new("Node.status.addresses", |world, _| {
        let nodes = world.nodes().map(|node| format!("{}: {}", node.meta.name, node.internal));
        Some(nodes.collect::<Vec<_>>().join(", "))
    })
    .only(|row| row.id.contains("/nodes/")),
];

pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let Some(plan) = world.plan(&owner.name).filter(|plan| plan.private) else { return };
    rule(plan, out, DROP, "drop", &Match::ip());
    rule(plan, out, ALLOW, "out", &Match::ip().and(Match::outport(&plan.switch_port())));
    // The join network is only connected to the default VPC; in others its prefix may be anybody's.
    let reached = plan.vpc == world.settings().vpc;
    let join = world.plan(&world.settings().join).filter(|_| reached);
    if reached && join.is_none() {
        // It is refused, and nodes are connected by it all the same: probes go on.
        out.keep.push((nb::ACL, rule_id(&plan.name, NODES, "")));
    }
    for cidr in plan.cidrs.iter() {
        let family = cidr.family();
        rule(plan, out, ALLOW, &own_rule(cidr), &within(cidr));
        if let Some(join) = join.and_then(|join| join.cidrs.get(family)) {
            rule(plan, out, NODES, &join_rule(join), &Match::src(join.net()));
        }
        // A node speaks from its join address, or, by its routes, from its own.
        let nodes = world.nodes().filter(|_| join.is_some()).filter_map(|node| node.internal.get(family));
        if let Some(nodes) = Match::any_of(nodes.map(|ip| Match::src(*ip))) {
            rule(plan, out, NODES, &format!("nodes/{family}"), &nodes);
        }
        for other in plan.allow.iter().filter(|other| other.family() == family) {
            rule(plan, out, ALLOW, &allow_rule(cidr, other), &between(cidr, other));
        }
    }
}

fn rule(plan: &SubnetPlan, out: &mut Rendered, priority: u16, what: &str, matching: &Match) {
    let key = RowKey::new(nb::ACL, rule_id(&plan.name, priority, what));
    let drop = priority == DROP;
    let row = out.row(key.clone());
    row.set("tier", Value::int(nb::TIER));
    row.set("priority", Value::int(priority.into()));
    row.set("direction", Value::str("to-lport"));
    row.set("match", Value::str(matching.to_string()));
    row.set("action", Value::str(if drop { "drop" } else { "allow-related" }));
    row.set("log", Value::bool(drop));
    row.set("severity", if drop { Value::str("warning") } else { Value::EMPTY });
    row.set("name", if drop { Value::str(acl_name(&plan.name)) } else { Value::EMPTY });
    row.pair(EXTERNAL_IDS, "parent", plan.name.clone());
    out.attach(ids::switch(plan.name.clone()), "acls", key);
}

pub(super) fn rule_id(subnet: &str, priority: u16, what: &str) -> String {
    format!("{subnet}/{priority}/{what}")
}

/// What a rule of Kube-OVN's is for, by its priority and match; `None` when it is none of these.
pub(super) fn what(priority: u16, text: &str) -> Option<String> {
    let is = |matching: Match| matching.to_string() == text;
    match (priority, adopt::prefixes(text).as_slice()) {
        (DROP, []) if is(Match::ip()) => Some("drop".to_owned()),
        (NODES, [join]) if is(Match::src(join.net())) => Some(join_rule(join)),
        (ALLOW, [own, again]) if own == again && is(within(own)) => Some(own_rule(own)),
        (ALLOW, [own, other, ..]) if is(between(own, other)) => Some(allow_rule(own, other)),
        _ => None,
    }
}

fn join_rule(join: &Cidr) -> String {
    format!("join/{join}")
}

fn own_rule(cidr: &Cidr) -> String {
    format!("own/{cidr}")
}

fn allow_rule(cidr: &Cidr, other: &Cidr) -> String {
    format!("allow/{cidr}/{other}")
}

pub(super) fn within(cidr: &Cidr) -> Match {
    Match::src(cidr.net()).and(Match::dst(cidr.net()))
}

/// From one prefix to the other and back.
fn between(own: &Cidr, other: &Cidr) -> Match {
    let inwards = Match::src(other.net()).and(Match::dst(own.net()));
    let outwards = Match::src(own.net()).and(Match::dst(other.net()));
    outwards.or(inwards)
}

/// ACL.name holds 63 characters; a longer name is cut, as Kube-OVN does.
fn acl_name(name: &str) -> String {
    if name.chars().count() <= 63 {
        name.to_owned()
    } else {
        name.chars().take(60).chain("...".chars()).collect()
    }
}
