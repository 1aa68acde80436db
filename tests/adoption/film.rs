//! What happened to rows, notification by notification, and what must never be seen in any of them.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::index::objects::Object;
use kubeovn_ovn::ovsdb::wire::{Atom, Datum, Row, TableUpdates};
use uuid::Uuid;

use crate::seen::{Raw, replay};

/// What there was, and every notification since.
pub(crate) struct Film {
    pub(crate) before: Raw,
    pub(crate) frames: Vec<TableUpdates>,
}

/// A row: its table and UUID.
pub(crate) type Place = (String, Uuid);

impl Film {
    /// What there is in the end.
    pub(crate) fn after(&self) -> Raw {
        let mut rows = self.before.clone();
        self.frames.iter().for_each(|frame| replay(&mut rows, frame.clone()));
        rows
    }

    /// Rows of the beginning that were gone at any time, in words.
    pub(crate) fn gone(&self) -> BTreeMap<Place, String> {
        let mut gone = BTreeMap::new();
        self.each_moment(&mut |rows| {
            for (table, before) in &self.before {
                let now = rows.get(table);
                for (uuid, row) in
                    before.iter().filter(|(uuid, _)| !now.is_some_and(|t| t.contains_key(uuid)))
                {
                    gone.insert((table.to_string(), *uuid), label(table, row));
                }
            }
        });
        gone
    }

    /// What was wrong at any time with a port of a pod or node that lives: not there, without an address that it had,
    /// not on its switch.
    pub(crate) fn ports_cut_off(&self, objects: &[Object]) -> BTreeSet<String> {
        let ports = living_ports(&self.before, objects);
        let homes = homes(&self.before);
        let mut wrong = BTreeSet::new();
        self.each_moment(&mut |rows| {
            let now = self::homes(rows);
            for (uuid, (name, addresses)) in &ports {
                let Some(row) = row_of(rows, "Logical_Switch_Port", *uuid) else {
                    wrong.insert(format!("{name} was not there"));
                    continue;
                };
                let left = words(row);
                let lost: Vec<&String> = addresses.iter().filter(|word| !left.contains(*word)).collect();
                if !lost.is_empty() {
                    wrong.insert(format!("{name} was without {lost:?}"));
                }
                if now.get(uuid) != homes.get(uuid) {
                    wrong.insert(format!("{name} was not on its switch"));
                }
            }
        });
        wrong
    }

    /// Router ports of the beginning whose MAC or networks changed at any time, or that left their router. A pod that
    /// runs has the MAC in its neighbour table: until that runs out, another one cuts it off.
    pub(crate) fn gateways_moved(&self) -> BTreeSet<String> {
        let homes = homes(&self.before);
        let mut wrong = BTreeSet::new();
        self.each_moment(&mut |rows| {
            let now = self::homes(rows);
            for (uuid, before) in self.before.get("Logical_Router_Port").into_iter().flatten() {
                let row = row_of(rows, "Logical_Router_Port", *uuid);
                for column in ["mac", "networks"] {
                    if row.is_some_and(|row| row.get(column) != before.get(column)) {
                        wrong.insert(format!("{}: {column}", label("Logical_Router_Port", before)));
                    }
                }
                if row.is_none() || now.get(uuid) != homes.get(uuid) {
                    wrong.insert(format!("{}: not on its router", label("Logical_Router_Port", before)));
                }
            }
        });
        wrong
    }

    /// Calls `f` with what there was after every notification.
    fn each_moment(&self, f: &mut dyn FnMut(&Raw)) {
        let mut rows = self.before.clone();
        for frame in &self.frames {
            replay(&mut rows, frame.clone());
            f(&rows);
        }
    }
}

/// Ports whose pod or node lives, with their name and addresses. Whose a port is, says `pod`; of a node, its name.
pub(crate) fn living_ports(rows: &Raw, objects: &[Object]) -> BTreeMap<Uuid, (String, BTreeSet<String>)> {
    let living: BTreeSet<String> = objects
        .iter()
        .filter_map(|object| match object {
            Object::Pod(pod) if pod.needs_network() => {
                Some(format!("{}/{}", pod.meta.namespace, pod.meta.name))
            }
            Object::Node(node) => Some(format!("node-{}", node.meta.name)),
            _ => None,
        })
        .collect();
    let ports = rows.get("Logical_Switch_Port").into_iter().flatten();
    ports
        .filter(|(_, row)| {
            let whose = pair(row, "pod").or(text(row, "name")).unwrap_or_default();
            is_go(row) && living.contains(whose)
        })
        .map(|(uuid, row)| (*uuid, (label("Logical_Switch_Port", row), words(row))))
        .collect()
}

/// Does the row say that a Kube-OVN wrote it, and is not yet ours?
pub(crate) fn is_go(row: &Row) -> bool {
    pair(row, "vendor") == Some("kube-ovn") && pair(row, "row").is_none()
}

pub(crate) fn row_of<'a>(rows: &'a Raw, table: &str, uuid: Uuid) -> Option<&'a Row> {
    rows.get(table)?.get(&uuid)
}

/// A pair of `external_ids`.
pub(crate) fn pair<'a>(row: &'a Row, key: &str) -> Option<&'a str> {
    row.get("external_ids")?.get_str(key)
}

pub(crate) fn text<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    row.get(column)?.scalar()?.as_str()
}

/// A row in words: what tells it from others of its table.
pub(crate) fn label(table: &str, row: &Row) -> String {
    let columns: &[&str] = match table {
        "Logical_Router_Policy" | "ACL" => &["priority", "match"],
        "Logical_Router_Static_Route" => &["policy", "ip_prefix", "nexthop"],
        "NAT" => &["type", "logical_ip"],
        _ => &["name"],
    };
    let words = columns.iter().filter_map(|column| match row.get(*column)?.scalar()? {
        Atom::String(text) => Some(text.to_string()),
        Atom::Integer(number) => Some(number.to_string()),
        _ => None,
    });
    let parent = pair(row, "parent").map(ToOwned::to_owned);
    format!("{table}/{}", parent.into_iter().chain(words).collect::<Vec<_>>().join(" "))
}

/// MAC and addresses of a port. A MAC is the same in either case.
fn words(row: &Row) -> BTreeSet<String> {
    let elements = row.get("addresses").map_or(&[][..], Datum::elements);
    elements.iter().filter_map(Atom::as_str).flat_map(str::split_whitespace).map(str::to_lowercase).collect()
}

/// On which switch or router each port is.
fn homes(rows: &Raw) -> BTreeMap<Uuid, Uuid> {
    let mut homes = BTreeMap::new();
    for table in ["Logical_Switch", "Logical_Router"] {
        for (parent, row) in rows.get(table).into_iter().flatten() {
            let ports = row.get("ports").map_or(&[][..], Datum::elements);
            homes.extend(ports.iter().filter_map(|port| Some((port.as_uuid()?, *parent))));
        }
    }
    homes
}

/// What differs in these rows of the beginning, other than by references to rows that `gone` names: row and column.
pub(crate) fn touched(
    before: &Raw,
    after: &Raw,
    of: impl Fn(&str, &Uuid) -> bool,
    gone: &BTreeMap<Place, String>,
) -> BTreeSet<String> {
    let gone: BTreeSet<Uuid> = gone.keys().map(|(_, uuid)| *uuid).collect();
    let still = |datum: &Datum| match datum {
        Datum::Set(atoms) => {
            Datum::set(atoms.iter().filter(|a| a.as_uuid().is_none_or(|uuid| !gone.contains(&uuid))).cloned())
        }
        Datum::Map(_) => datum.clone(),
    };
    let mut touched = BTreeSet::new();
    for (table, rows) in before {
        for (uuid, row) in rows.iter().filter(|(uuid, _)| of(table, uuid)) {
            let Some(now) = row_of(after, table, *uuid) else {
                touched.insert(format!("{}: gone", label(table, row)));
                continue;
            };
            let columns: BTreeSet<_> = row.keys().chain(now.keys()).collect();
            for column in columns.into_iter().filter(|column| !column.starts_with('_')) {
                let (was, is) = (row.get(column).map(still), now.get(column).map(still));
                let (was, is) = match (&**table, &**column) {
                    // the token of who writes, not of the network
                    ("NB_Global", "external_ids") => (was.map(tokenless), is.map(tokenless)),
                    _ => (was, is),
                };
                if was != is {
                    touched.insert(format!("{}: {column}: {was:?} -> {is:?}", label(table, row)));
                }
            }
        }
    }
    touched
}

/// What is left of a live migration whose machine is no more: a port is where its pod is.
pub(crate) const LEFT_OF_MOVES: [&str; 2] = [
    "Logical_Switch_Port/mover.blue: options:activation-strategy",
    "Logical_Switch_Port/mover.blue: options:requested-chassis",
];

/// What these rows of the beginning have no longer: references to rows that are still there, and keys of maps.
pub(crate) fn lost(
    before: &Raw,
    after: &Raw,
    of: impl Fn(&str, &Uuid) -> bool,
    gone: &BTreeMap<Place, String>,
) -> BTreeSet<String> {
    let gone: BTreeSet<Uuid> = gone.keys().map(|(_, uuid)| *uuid).collect();
    let mut lost = BTreeSet::new();
    for (table, rows) in before {
        for (uuid, row) in rows.iter().filter(|(uuid, _)| of(table, uuid)) {
            let (name, now) = (label(table, row), row_of(after, table, *uuid));
            for (column, was) in row.iter().filter(|(column, _)| !column.starts_with('_')) {
                let is = now.and_then(|now| now.get(column));
                let refs = was.elements().iter().filter_map(|atom| Some((atom, atom.as_uuid()?)));
                let missing = refs
                    .filter(|(atom, uuid)| !gone.contains(uuid) && !is.is_some_and(|is| is.contains(atom)));
                lost.extend(missing.map(|(_, uuid)| format!("{name}: {column} {uuid}")));
                let keys = was.pairs().iter().filter_map(|(key, _)| key.as_str());
                let missing = keys.filter(|key| is.and_then(|is| is.get_str(key)).is_none());
                lost.extend(missing.map(|key| format!("{name}: {column}:{key}")));
            }
        }
    }
    lost
}

fn tokenless(datum: Datum) -> Datum {
    let pairs = datum.pairs().iter().filter(|(key, _)| key.as_str() != Some("kubeovn-writer")).cloned();
    Datum::map(pairs)
}
