//! What a database tells without knowing what it should hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kubeovn_ovn::matching::{Where, parse};
use kubeovn_ovn::nb::{
    ACL, ADDRESS_SET, LOGICAL_ROUTER, LOGICAL_ROUTER_POLICY, LOGICAL_ROUTER_PORT, LOGICAL_SWITCH,
    LOGICAL_SWITCH_PORT, PORT_GROUP,
};
use uuid::Uuid;

use super::{ADDRESS, DANGLING, Finding, PORT, SHADOW, TWIN, UNREADABLE};
use crate::ctl::nb::listing::{Entry, Listing, Mark};

/// All of it.
pub(super) fn findings(listing: &Listing) -> Vec<Finding> {
    let switches = holders(listing, LOGICAL_SWITCH, "ports");
    let mut found = marks(listing);
    found.extend(ports(listing, &switches));
    found.extend(addresses(listing, &switches));
    found.extend(names(listing));
    found
}

fn finding(code: &'static str, entry: &Entry, message: String) -> Finding {
    let owner = entry.owner().map(ToString::to_string).unwrap_or_default();
    Finding { code, row: entry.name(), owner, message }
}

/// Who refers to whom: by target the rows of a table that name it in a column.
fn holders<'a>(listing: &'a Listing, table: &str, column: &str) -> BTreeMap<Uuid, Vec<&'a Entry>> {
    let mut holders: BTreeMap<Uuid, Vec<&Entry>> = BTreeMap::new();
    for entry in listing.table(table) {
        entry.refs(column).for_each(|target| holders.entry(target).or_default().push(entry));
    }
    holders
}

fn marks(listing: &Listing) -> Vec<Finding> {
    let mut found = Vec::new();
    for entry in &listing.entries {
        if let Mark::Unreadable(why) = &entry.mark {
            let text =
                format!("{why}. Nobody changes or removes such a row: mend its external_ids, or delete it");
            found.push(finding(UNREADABLE, entry, text));
        }
        let twin = entry.id.strip_suffix(&entry.uuid.to_string()).and_then(|id| id.strip_suffix('~'));
        if let Some(id) = twin {
            let text = if matches!(entry.mark, Mark::Foreign) {
                format!("another row of the table is called {id}, too, so nobody can tell them apart by name")
            } else {
                format!(
                    "another row has the id {id}, too: the mark was copied. The controller removes this one when it runs"
                )
            };
            found.push(finding(TWIN, entry, text));
        }
    }
    found
}

fn ports(listing: &Listing, switches: &BTreeMap<Uuid, Vec<&Entry>>) -> Vec<Finding> {
    let mut found = Vec::new();
    for port in listing.table(LOGICAL_SWITCH_PORT) {
        let on: Vec<&str> = switches.get(&port.uuid).into_iter().flatten().map(|s| s.text("name")).collect();
        let says = port.pair("external_ids", "ls").filter(|_| port.owner().is_some());
        let text = match (on.as_slice(), says) {
            ([], _) => "no switch has it: northd does not see it. Delete it".to_owned(),
            ([one], Some(says)) if *one != says => {
                format!(
                    "it belongs to the switch {says} and is on {one}. The controller sets it right when it runs"
                )
            }
            ([_], _) => continue,
            (many, _) => format!("{} switches have it: {}. Leave it on one", many.len(), many.join(", ")),
        };
        found.push(finding(PORT, port, text));
    }
    found
}

/// Addresses by space: what the port says, else the router of its switch, else the switch alone.
fn addresses(listing: &Listing, switches: &BTreeMap<Uuid, Vec<&Entry>>) -> Vec<Finding> {
    let routers = holders(listing, LOGICAL_ROUTER, "ports");
    let router_of: BTreeMap<&str, &str> = listing
        .table(LOGICAL_ROUTER_PORT)
        .iter()
        .filter_map(|port| Some((port.text("name"), routers.get(&port.uuid)?.first()?.text("name"))))
        .collect();
    let space_of: BTreeMap<Uuid, &str> = listing
        .table(LOGICAL_SWITCH_PORT)
        .iter()
        .filter_map(|port| {
            let router = router_of.get(port.pair("options", "router-port")?)?;
            Some((switches.get(&port.uuid)?.first()?.uuid, *router))
        })
        .collect();
    let mut held: BTreeMap<(String, IpAddr), Vec<&Entry>> = BTreeMap::new();
    for port in listing.table(LOGICAL_SWITCH_PORT) {
        let switch = switches.get(&port.uuid).and_then(|on| on.first());
        let space = port.pair("external_ids", "space").filter(|_| port.owner().is_some());
        let space = space.or_else(|| space_of.get(&switch?.uuid).copied());
        let Some(space) =
            space.map(str::to_owned).or_else(|| Some(format!("switch {}", switch?.text("name"))))
        else {
            continue;
        };
        let words = port.texts("addresses").flat_map(str::split_whitespace);
        let ips: BTreeSet<IpAddr> = words.filter_map(|word| word.parse().ok()).collect();
        ips.into_iter().for_each(|ip| held.entry((space.clone(), ip)).or_default().push(port));
    }
    let twice = held.into_iter().filter(|(_, ports)| ports.len() > 1);
    twice
        .flat_map(|((space, ip), ports)| {
            let names: Vec<String> = ports.iter().map(|port| port.id.to_string()).collect();
            ports.into_iter().map(move |port| {
                let others: Vec<&str> = names.iter().map(String::as_str).filter(|n| **n != *port.id).collect();
                let text = format!(
                    "{ip} in {space} is that of {}, too: one of them is not reached. Delete the port that should not have it",
                    others.join(", ")
                );
                finding(ADDRESS, port, text)
            })
        })
        .collect()
}

/// Names in options and matches that lead nowhere, and those that northd would use itself.
fn names(listing: &Listing) -> Vec<Finding> {
    let named = |table| listing.table(table).iter().map(|row| row.text("name")).collect::<BTreeSet<&str>>();
    let (groups, sets, router_ports) = (named(PORT_GROUP), named(ADDRESS_SET), named(LOGICAL_ROUTER_PORT));
    let group_of = |set: &str| {
        let group = set.strip_suffix("_ip4").or_else(|| set.strip_suffix("_ip6"))?;
        groups.contains(group).then(|| group.to_owned())
    };
    let mut found = Vec::new();
    for set in listing.table(ADDRESS_SET) {
        if let Some(group) = group_of(set.text("name")) {
            let text = format!(
                "northd makes a set of this name for the port group {group}, and stops working on anything while this one \
                 is there. Delete it"
            );
            found.push(finding(SHADOW, set, text));
        }
    }
    for port in listing.table(LOGICAL_SWITCH_PORT) {
        let peer = port.pair("options", "router-port").filter(|name| !router_ports.contains(name));
        if let Some(name) = peer {
            let text = format!(
                "options:router-port names {name}, which no router has. Create it, or delete the port"
            );
            found.push(finding(DANGLING, port, text));
        }
    }
    let acls = listing.table(ACL).iter().map(|acl| {
        let place = if acl.text("direction") == "from-lport" { Where::FromLport } else { Where::ToLport };
        (acl, place)
    });
    let policies = listing.table(LOGICAL_ROUTER_POLICY).iter().map(|policy| (policy, Where::RouterPolicy));
    for (row, place) in acls.chain(policies) {
        // What we cannot parse is not ours, or was edited: the plan tells of that.
        let Ok(parsed) = parse(row.text("match"), place) else { continue };
        let no_group = parsed.port_groups().iter().filter(|name| !groups.contains(name.as_str()));
        let no_set = parsed.address_sets().iter();
        let no_set = no_set.filter(|name| !sets.contains(name.as_str()) && group_of(name).is_none());
        let missing: Vec<&str> = no_group.chain(no_set).map(String::as_str).collect();
        if !missing.is_empty() {
            let text = format!(
                "its match names {}, which is not there: OVN skips the row without a word. Create the set, or remove the row",
                missing.join(", ")
            );
            found.push(finding(DANGLING, row, text));
        }
    }
    found
}
