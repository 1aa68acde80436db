//! `nb dump`: our rows, by owner.

use std::collections::BTreeMap;
use std::fmt::Write;

use kubeovn_core::rows::{OwnerKey, OwnerKind};
use kubeovn_ovn::nb::NORTHBOUND;
use serde_json::{Value, json};

use super::listing::{Entry, Listing, Mark, text};
use super::snapshot::Snapshot;
use crate::ctl::error::CtlError;
use crate::ctl::paint::Paint;

/// Which rows to show.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    owner: Option<Owner>,
    table: Option<String>,
}

#[derive(Clone, Debug)]
enum Owner {
    Kind(OwnerKind),
    One(OwnerKey),
}

impl Filter {
    /// The filter of `--owner` and `--table`.
    ///
    /// # Errors
    /// What names no owner, or no table of the database.
    pub fn new(owner: Option<&str>, table: Option<&str>, snapshot: &Snapshot) -> Result<Self, CtlError> {
        let owner = owner.map(|text| {
            let kind = OwnerKind::ALL.iter().find(|kind| kind.word() == text).copied();
            kind.map(Owner::Kind)
                .or_else(|| Some(Owner::One(text.parse().ok()?)))
                .ok_or_else(|| CtlError::Owner { text: text.to_owned() })
        });
        if let Some(table) = table.filter(|table| !snapshot.schema.tables.contains_key(*table)) {
            let tables = snapshot.schema.tables.keys().map(ToString::to_string).collect();
            return Err(CtlError::Table { table: table.to_owned(), database: NORTHBOUND.database, tables });
        }
        Ok(Filter { owner: owner.transpose()?, table: table.map(str::to_owned) })
    }

    fn lets(&self, entry: &Entry) -> bool {
        let table = self.table.as_ref().is_none_or(|table| **table == *entry.table);
        let owner = match (&self.owner, entry.owner()) {
            (None, _) => true,
            (Some(Owner::Kind(kind)), Some(owner)) => owner.kind == *kind,
            (Some(Owner::One(one)), Some(owner)) => owner == one,
            (Some(_), None) => false,
        };
        table && owner
    }
}

/// What to show.
pub struct Dump<'a> {
    owners: BTreeMap<&'a OwnerKey, Vec<&'a Entry>>,
    unreadable: Vec<(&'a Entry, &'a str)>,
    foreign: Vec<&'a Entry>,
    list_foreign: bool,
}

impl<'a> Dump<'a> {
    /// The rows that the filter lets through; those of others listed or only counted.
    pub fn new(listing: &'a Listing, filter: Filter, list_foreign: bool) -> Self {
        let mut dump =
            Dump { owners: BTreeMap::new(), unreadable: Vec::new(), foreign: Vec::new(), list_foreign };
        for entry in listing.entries.iter().filter(|entry| filter.lets(entry)) {
            match &entry.mark {
                Mark::Ours(owner) => dump.owners.entry(owner).or_default().push(entry),
                Mark::Unreadable(why) => dump.unreadable.push((entry, why)),
                Mark::Foreign => dump.foreign.push(entry),
            }
        }
        dump
    }

    /// How many rows of others there are, by table.
    fn foreign_counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        self.foreign.iter().for_each(|entry| *counts.entry(&*entry.table).or_default() += 1);
        counts
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let owners = self.owners.iter().map(|(owner, rows)| {
            json!({ "owner": owner.to_string(), "rows": rows.iter().map(|row| row.to_json()).collect::<Vec<_>>() })
        });
        let unreadable =
            self.unreadable.iter().map(|(entry, why)| json!({ "why": why, "row": entry.to_json() }));
        let mut document = json!({
            "owners": owners.collect::<Vec<_>>(),
            "unreadable": unreadable.collect::<Vec<_>>(),
            "foreignCounts": self.foreign_counts(),
        });
        if let Some(document) = document.as_object_mut().filter(|_| self.list_foreign) {
            document.insert("foreign".to_owned(), self.foreign.iter().map(|row| row.to_json()).collect());
        }
        document
    }

    /// For people.
    pub fn to_text(&self, paint: Paint) -> String {
        let mut out = String::new();
        for (owner, rows) in &self.owners {
            section(&mut out, &paint.bold(&owner.to_string()), rows);
        }
        if !self.unreadable.is_empty() {
            let _ = writeln!(out, "{}", paint.bold("marked as ours, but unreadable"));
            for (entry, why) in &self.unreadable {
                lines(&mut out, entry);
                let _ = writeln!(out, "      {why}");
            }
            out.push('\n');
        }
        if self.list_foreign && !self.foreign.is_empty() {
            section(&mut out, &paint.bold("others"), &self.foreign);
        }
        let rows: usize = self.owners.values().map(Vec::len).sum();
        let _ = write!(out, "{} of {}", count(rows, "row"), count(self.owners.len(), "owner"));
        if !self.unreadable.is_empty() {
            let _ = write!(out, ", {} unreadable", self.unreadable.len());
        }
        let _ = write!(out, "; {} of others", count(self.foreign.len(), "row"));
        let counts: Vec<String> =
            self.foreign_counts().iter().map(|(table, count)| format!("{table} {count}")).collect();
        if !counts.is_empty() {
            let _ = write!(out, " ({})", counts.join(", "));
        }
        out + "\n"
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn section(out: &mut String, heading: &str, rows: &[&Entry]) {
    let _ = writeln!(out, "{heading}");
    rows.iter().for_each(|row| lines(out, row));
    out.push('\n');
}

/// A row and its columns, one per line.
pub(super) fn lines(out: &mut String, entry: &Entry) {
    let _ = writeln!(out, "  {} {}  {}", entry.table, entry.id, entry.uuid);
    let width = entry.columns.keys().map(|name| name.len()).max().unwrap_or(0);
    for (name, value) in &entry.columns {
        let _ = writeln!(out, "      {name:width$}  {}", text(value));
    }
}
