//! The difference of two states of Northbound, for people: `+` new rows, `~` changed ones, `-` those that go.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use kubeovn_core::rows::{EXTERNAL_IDS, KEY_OWNER, KEY_ROW};
use kubeovn_ovn::memory::Server;
use kubeovn_ovn::nb::{NB_GLOBAL, NORTHBOUND};
use kubeovn_ovn::ovsdb::wire::{Atom, Datum, Row};
use uuid::Uuid;

/// The rows of one state, in the tables that we use.
pub(super) struct Rows {
    tables: Vec<(&'static str, BTreeMap<Uuid, Row>)>,
    names: BTreeMap<Uuid, String>,
}

impl Rows {
    pub(super) fn of(server: &Server) -> Self {
        let mut tables = Vec::new();
        let mut names = BTreeMap::new();
        for table in NORTHBOUND.tables.iter().filter(|table| table.name != NB_GLOBAL) {
            let mut rows = BTreeMap::new();
            for mut row in server.rows(table.name) {
                let Some(uuid) = row.remove("_uuid").and_then(|uuid| uuid.scalar()?.as_uuid()) else { continue };
                names.insert(uuid, name(&row, uuid));
                rows.insert(uuid, row);
            }
            tables.push((table.name, rows));
        }
        Self { tables, names }
    }
}

/// What a row is called: the id it was rendered under, its name, or its UUID.
fn name(row: &Row, uuid: Uuid) -> String {
    let own = row.get("name").and_then(|name| name.scalar()?.as_str()).filter(|name| !name.is_empty());
    let id = row.get(EXTERNAL_IDS).and_then(|ids| ids.get_str(KEY_ROW));
    own.or(id).map_or_else(|| uuid.to_string(), str::to_owned)
}

/// The difference, with a line at its end that counts.
pub(super) fn render(before: &Rows, after: &Rows) -> String {
    let mut text = String::new();
    let (mut added, mut changed, mut removed) = (0, 0, 0);
    // What is gone has a name only in what was before.
    let names: BTreeMap<&Uuid, &String> = before.names.iter().chain(&after.names).collect();
    for ((table, old), (_, new)) in before.tables.iter().zip(&after.tables) {
        let mut lines = BTreeMap::new();
        for (uuid, row) in new {
            let name = names.get(uuid).map_or("", |name| name.as_str());
            let Some(was) = old.get(uuid) else {
                added += 1;
                lines.insert((name, uuid), format!("+ {table} {name}{}\n{}", owner(row), columns(row, &names)));
                continue;
            };
            let differences = differences(was, row, &names);
            if !differences.is_empty() {
                changed += 1;
                lines.insert((name, uuid), format!("~ {table} {name}{}\n{differences}", owner(row)));
            }
        }
        for (uuid, row) in old.iter().filter(|(uuid, _)| !new.contains_key(*uuid)) {
            removed += 1;
            let name = names.get(uuid).map_or("", |name| name.as_str());
            lines.insert((name, uuid), format!("- {table} {name}{}\n", owner(row)));
        }
        text.extend(lines.into_values());
    }
    let rows = |count: usize| format!("{count} row{}", if count == 1 { "" } else { "s" });
    // Writing to a string cannot fail.
    let _ = match (added, changed, removed) {
        (0, 0, 0) => writeln!(text, "nothing to change"),
        _ => writeln!(text, "{} to add, {} to change, {} to remove", rows(added), rows(changed), rows(removed)),
    };
    text
}

/// On whose behalf the row is there.
fn owner(row: &Row) -> String {
    let owner = row.get(EXTERNAL_IDS).and_then(|ids| ids.get_str(KEY_OWNER));
    owner.map_or_else(String::new, |owner| format!("  ({owner})"))
}

/// The columns of a new row that say something. Bookkeeping does not.
fn columns(row: &Row, names: &BTreeMap<&Uuid, &String>) -> String {
    let telling = row.iter().filter(|(column, datum)| !datum.is_empty() && ***column != *EXTERNAL_IDS && ***column != *"name");
    let mut text = String::new();
    for (column, datum) in telling.filter(|(_, datum)| !is_default(datum)) {
        let items: Vec<String> = items(datum, names).into_iter().collect();
        let _ = writeln!(text, "      {column}: {}", items.join(", "));
    }
    text
}

fn is_default(datum: &Datum) -> bool {
    let zero = |atom: &Atom| match atom {
        Atom::String(text) => text.is_empty(),
        Atom::Integer(number) => *number == 0,
        Atom::Boolean(truth) => !truth,
        Atom::Real(_) | Atom::Uuid(_) | Atom::Named(_) => false,
    };
    datum.scalar().is_some_and(zero)
}

fn differences(was: &Row, is: &Row, names: &BTreeMap<&Uuid, &String>) -> String {
    let empty = Datum::set([]);
    let mut text = String::new();
    for (column, new) in is {
        let old = was.get(column).unwrap_or(&empty);
        if old == new {
            continue;
        }
        let _ = match (old.scalar(), new.scalar()) {
            (Some(old), Some(new)) => writeln!(text, "      {column}: {} -> {}", atom(old, names), atom(new, names)),
            _ => {
                let (old, new) = (items(old, names), items(new, names));
                let gone = old.iter().filter(|item| !new.contains(item)).map(|item| format!("-{item}"));
                let come = new.iter().filter(|item| !old.contains(item)).map(|item| format!("+{item}"));
                writeln!(text, "      {column}: {}", gone.chain(come).collect::<Vec<_>>().join(" "))
            }
        };
    }
    text
}

fn items(datum: &Datum, names: &BTreeMap<&Uuid, &String>) -> Vec<String> {
    let pairs = datum.pairs().iter().map(|(key, value)| format!("{}={}", atom(key, names), atom(value, names)));
    datum.elements().iter().map(|element| atom(element, names)).chain(pairs).collect()
}

fn atom(atom: &Atom, names: &BTreeMap<&Uuid, &String>) -> String {
    match atom {
        Atom::String(text) | Atom::Named(text) => Arc::clone(text).to_string(),
        Atom::Integer(number) => number.to_string(),
        Atom::Real(number) => number.0.to_string(),
        Atom::Boolean(truth) => truth.to_string(),
        Atom::Uuid(uuid) => names.get(uuid).map_or_else(|| uuid.to_string(), |name| (*name).clone()),
    }
}

#[cfg(test)]
mod tests;
