//! Access rules that users write into a subnet, beside those of a private one.
//!
//! OVN skips a rule whose match it can't parse, and says nothing: a broken drop is an open door. So matches are parsed
//! before, and until all rules can be read those that were there stay.

use kubeovn_core::{
    addr::Cidr,
    decide::{RuleDirection, SubnetRule, decide_rules},
    error::Problem,
    index::{World, objects::SubnetAcl},
    rows::{EXTERNAL_IDS, OwnerKey, Rendered, RowKey, Value},
};

use super::{ids, private::within, provenance::Field};
use crate::{
    matching::{Where, parse},
    nb,
};

/// What stays in the subnet; Kube-OVN's priority.
const EAST_WEST: u16 = 1900;

pub(super) const FIELDS: &[Field] = &[
    Field::new("Subnet.spec.acls", |world, owner| {
        let text = |a: &SubnetAcl| format!("{} {} {} {}", a.direction, a.priority, a.r#match, a.action);
        let all: Vec<String> = world.subnet(&owner.name)?.spec.acls.iter().map(text).collect();
        Some(all.join(", "))
    }),
    Field::new("Subnet.spec.allowEWTraffic", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.allow_ew_traffic.to_string())
    })
    .only(|row| row.id.contains("/inside/")),
    Field::new("Subnet.spec.cidrBlock", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.cidr_block.clone())
    })
    .only(|row| row.id.contains("/inside/")),
];

pub(super) fn render(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let (Some(subnet), Some(plan)) = (world.subnet(&owner.name), world.plan(&owner.name)) else { return };
    let read = decide_rules(subnet);
    let name = &*plan.name;
    let mut problems = read.problems;
    for rule in &read.rules {
        let key = RowKey::new(nb::ACL, users_rule(name, rule.direction, rule.priority, &rule.r#match));
        let checked = check(rule).and_then(|()| {
            let twice = || {
                let text = format!(
                    "another one has direction {}, priority {} and match {:?} too; the first one is in effect. Remove one",
                    rule.direction.word(),
                    rule.priority,
                    rule.r#match
                );
                ("SUBNET-ACL-TWICE", text)
            };
            if out.rows.contains_key(&key) { Err(twice()) } else { Ok(()) }
        });
        match checked {
            Ok(()) => {
                let what = (rule.direction, rule.priority, rule.action.word());
                add(out, name, key, what, rule.r#match.to_string());
            }
            Err((code, why)) => {
                let text = format!("subnet {name}: acls[{}] is not in effect: {why}", rule.number);
                problems.push(Problem::new(code, text));
            }
        }
    }
    for cidr in plan.cidrs.iter().filter(|_| read.east_west) {
        for direction in [RuleDirection::To, RuleDirection::From] {
            let key = RowKey::new(nb::ACL, inside_rule(name, direction, cidr));
            add(out, name, key, (direction, EAST_WEST, "allow"), within(cidr).to_string());
        }
    }
    // Which of the rows that are there a broken item stood for cannot be told.
    if !problems.is_empty() {
        out.keep.push((nb::ACL, users(name)));
    }
    out.reports.extend(problems);
}

/// Would OVN understand the match? Otherwise code and reason.
fn check(rule: &SubnetRule) -> Result<(), (&'static str, String)> {
    let place = match rule.direction {
        RuleDirection::To => Where::ToLport,
        RuleDirection::From => Where::FromLport,
    };
    let text = &rule.r#match;
    let parsed = parse(text, place)
        .map_err(|error| (error.problem.code(), format!("match {text:?}: {}", error.message())))?;
    match parsed.address_sets().iter().chain(parsed.port_groups()).next() {
        Some(set) => Err((
            "SUBNET-ACL-SET",
            format!(
                "match {text:?} names the set {set}, of which nobody knows whether it exists, and OVN skips a rule whose \
                 set is missing. Write the addresses out"
            ),
        )),
        None => Ok(()),
    }
}

fn add(
    out: &mut Rendered,
    subnet: &str,
    key: RowKey,
    (direction, priority, action): (RuleDirection, u16, &str),
    matching: String,
) {
    let row = out.row(key.clone());
    row.set("tier", Value::int(nb::TIER));
    row.set("priority", Value::int(priority.into()));
    row.set("direction", Value::str(direction.word()));
    row.set("match", Value::str(matching));
    row.set("action", Value::str(action));
    row.set("log", Value::bool(false));
    row.set("severity", Value::EMPTY);
    row.set("name", Value::EMPTY);
    row.pair(EXTERNAL_IDS, "parent", subnet);
    row.pair(EXTERNAL_IDS, "subnet", subnet);
    out.attach(ids::switch(subnet), "acls", key);
}

/// Where the ids of a subnet's rules begin that its user asked for.
fn users(subnet: &str) -> String {
    format!("{subnet}/user/")
}

fn users_rule(subnet: &str, direction: RuleDirection, priority: u16, matching: &str) -> String {
    format!("{}{}/{priority}/{}", users(subnet), direction.word(), ids::digest(matching))
}

fn inside_rule(subnet: &str, direction: RuleDirection, cidr: &Cidr) -> String {
    format!("{subnet}/{EAST_WEST}/inside/{}/{cidr}", direction.word())
}

/// The id of a rule of Kube-OVN's that says it is the user's, by its direction, priority and match.
pub(super) fn known(subnet: &str, direction: &str, priority: u16, matching: &str) -> Option<String> {
    let direction = [RuleDirection::To, RuleDirection::From].into_iter().find(|d| d.word() == direction)?;
    let matching = matching.trim();
    let id = match super::adopt::prefixes(matching).as_slice() {
        [own, again] if priority == EAST_WEST && own == again && within(own).to_string() == matching => {
            inside_rule(subnet, direction, own)
        }
        _ => users_rule(subnet, direction, priority, matching),
    };
    Some(id)
}
