//! What a watcher has been shown, and the difference to what is there now.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::rows::{ColumnKind, Millis, OwnerKey, Replica as _, RowKey};
use kubeovn_ovn::nb::NORTHBOUND;
use kubeovn_ovn::ovsdb::replica::Replica;
use serde_json::{Map, Value, json};

use crate::ctl::paint::Paint;
use crate::run::plan::{atom, elem};

/// Columns by name; the elements of each as texts. A column of one element and a set of one are told apart by nobody.
type Columns = BTreeMap<&'static str, BTreeSet<String>>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    owner: Option<OwnerKey>,
    columns: Columns,
}

/// The rows as they were last shown.
pub(super) struct Shown {
    foreign: bool,
    rows: BTreeMap<RowKey, Row>,
}

/// A row that is not what it was.
#[derive(Debug)]
pub(super) struct Change {
    row: RowKey,
    owner: Option<OwnerKey>,
    /// `None` when it was not there before.
    old: Option<Columns>,
    /// `None` when it is gone.
    new: Option<Columns>,
}

impl Shown {
    /// What is there at the beginning.
    pub(super) fn of(replica: &Replica, foreign: bool) -> Self {
        let mut shown = Shown { foreign, rows: BTreeMap::new() };
        shown.compare(replica);
        shown
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// What became of these rows.
    pub(super) fn update(&mut self, rows: impl IntoIterator<Item = RowKey>, replica: &Replica) -> Vec<Change> {
        let rows: BTreeSet<RowKey> = rows.into_iter().collect();
        rows.into_iter().filter_map(|row| self.look(row, replica)).collect()
    }

    /// What became of all rows.
    pub(super) fn compare(&mut self, replica: &Replica) -> Vec<Change> {
        let there = replica.named_rows().map(|(row, ..)| row.clone());
        let all: Vec<RowKey> = there.chain(self.rows.keys().cloned()).collect();
        self.update(all, replica)
    }

    fn look(&mut self, row: RowKey, replica: &Replica) -> Option<Change> {
        let owner = replica
            .pair(&row, kubeovn_core::rows::EXTERNAL_IDS, kubeovn_core::rows::KEY_OWNER)
            .and_then(|owner| owner.parse().ok());
        let visible = self.foreign || !row.id.starts_with('@');
        let now = (replica.has(&row) && visible).then(|| Row { owner, columns: columns(&row, replica) });
        let before = match &now {
            Some(now) => self.rows.insert(row.clone(), now.clone()),
            None => self.rows.remove(&row),
        };
        if before == now {
            return None;
        }
        let owner = now.as_ref().or(before.as_ref()).and_then(|row| row.owner.clone());
        Some(Change { row, owner, old: before.map(|row| row.columns), new: now.map(|row| row.columns) })
    }
}

fn columns(row: &RowKey, replica: &Replica) -> Columns {
    let table = NORTHBOUND.table(row.table).map_or(&[][..], |table| table.columns);
    let mut columns = Columns::new();
    for column in table {
        let mut texts = BTreeSet::new();
        if let ColumnKind::Value | ColumnKind::Seen = column.kind {
            let default = replica.default_of(row.table, column.name);
            let value = replica.value(row, column.name).filter(|value| Some(*value) != default);
            texts.extend(value.into_iter().flat_map(|value| value.atoms()).map(atom));
        }
        replica.elements(row, column.name, &mut |element| {
            texts.insert(elem(&element));
        });
        if !texts.is_empty() {
            columns.insert(column.name, texts);
        }
    }
    columns
}

impl Change {
    fn sign(&self) -> char {
        match (&self.old, &self.new) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        }
    }

    /// The columns that differ: what went from each and what came.
    fn differences(&self) -> Vec<(&'static str, Vec<&String>, Vec<&String>)> {
        let none = Columns::new();
        let (old, new) = (self.old.as_ref().unwrap_or(&none), self.new.as_ref().unwrap_or(&none));
        let nothing = BTreeSet::new();
        // Borrowed from the two, not from the empty ones: those have no elements.
        let mut told = Vec::new();
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let (before, after) = (old.get(name).unwrap_or(&nothing), new.get(name).unwrap_or(&nothing));
            let gone: Vec<&String> = self.elements(&self.old, name).filter(|text| !after.contains(*text)).collect();
            let came: Vec<&String> = self.elements(&self.new, name).filter(|text| !before.contains(*text)).collect();
            if !gone.is_empty() || !came.is_empty() {
                told.push((*name, gone, came));
            }
        }
        told
    }

    fn elements<'a>(&self, of: &'a Option<Columns>, name: &str) -> impl Iterator<Item = &'a String> + use<'a> {
        of.iter().filter_map(|columns| columns.get(name)).flatten().collect::<Vec<_>>().into_iter()
    }

    fn whose(&self) -> String {
        self.owner.as_ref().map_or_else(|| "others".to_owned(), ToString::to_string)
    }

    /// One line.
    pub(super) fn to_text(&self, paint: Paint) -> String {
        let list = |texts: &[&String]| texts.iter().map(|text| text.as_str()).collect::<Vec<_>>().join(",");
        let differences = self.differences().into_iter();
        let told: Vec<String> = match self.sign() {
            '+' => differences.map(|(name, _, came)| format!("{name}={}", list(&came))).collect(),
            '-' => Vec::new(),
            _ => differences
                .map(|(name, gone, came)| match (gone.as_slice(), came.as_slice()) {
                    ([], came) => format!("{name} + {}", list(came)),
                    (gone, []) => format!("{name} - {}", list(gone)),
                    (gone, came) => format!("{name}: {} -> {}", list(gone), list(came)),
                })
                .collect(),
        };
        let line = format!("{} {}  {} {}", self.sign(), self.whose(), self.row.table, self.row.id);
        let line = paint.signed(self.sign(), &line);
        if told.is_empty() { line } else { format!("{line}  {}", told.join("  ")) }
    }

    /// One line of JSON.
    pub(super) fn to_json(&self, time: Millis) -> Value {
        let columns: Map<String, Value> = self
            .differences()
            .into_iter()
            .map(|(name, gone, came)| (name.to_owned(), json!({ "gone": gone, "came": came })))
            .collect();
        let change = match self.sign() {
            '+' => "add",
            '-' => "remove",
            _ => "change",
        };
        json!({
            "time": time, "change": change, "owner": self.owner.as_ref().map(ToString::to_string),
            "table": self.row.table, "id": &*self.row.id, "columns": columns,
        })
    }
}
