//! What a watcher has been shown, and the difference to what is there now.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::rows::{
    ColumnKind, EXTERNAL_IDS, KEY_OWNER, Millis, OwnerKey, Replica as _, RowKey, Value,
};
use kubeovn_ovn::nb::NORTHBOUND;
use kubeovn_ovn::ovsdb::replica::Replica;
use serde_json::{Map, json};

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
pub(in crate::ctl) struct Shown {
    foreign: bool,
    rows: BTreeMap<RowKey, Row>,
}

/// A row that is not what it was.
#[derive(Debug)]
pub(in crate::ctl) struct Change {
    row: RowKey,
    owner: Option<OwnerKey>,
    /// `None` when it was not there before.
    old: Option<Columns>,
    /// `None` when it is gone.
    new: Option<Columns>,
}

impl Shown {
    /// What is there at the beginning.
    pub(in crate::ctl) fn of(replica: &Replica, foreign: bool) -> Self {
        let mut shown = Shown { foreign, rows: BTreeMap::new() };
        shown.compare(replica);
        shown
    }

    pub(in crate::ctl) fn len(&self) -> usize {
        self.rows.len()
    }

    /// What became of these rows.
    pub(in crate::ctl) fn update(
        &mut self,
        rows: impl IntoIterator<Item = RowKey>,
        replica: &Replica,
    ) -> Vec<Change> {
        let rows: BTreeSet<RowKey> = rows.into_iter().collect();
        rows.into_iter().filter_map(|row| self.look(row, replica)).collect()
    }

    /// What became of all rows.
    pub(in crate::ctl) fn compare(&mut self, replica: &Replica) -> Vec<Change> {
        let there = replica.named_rows().map(|(row, ..)| row.clone());
        let all: Vec<RowKey> = there.chain(self.rows.keys().cloned()).collect();
        self.update(all, replica)
    }

    fn look(&mut self, row: RowKey, replica: &Replica) -> Option<Change> {
        let owner = replica.pair(&row, EXTERNAL_IDS, KEY_OWNER).and_then(|owner| owner.parse().ok());
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
            texts.extend(value.into_iter().flat_map(Value::atoms).map(atom));
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

    /// The columns that differ, before and after.
    fn differences(&self) -> Vec<(&'static str, &BTreeSet<String>, &BTreeSet<String>)> {
        let columns = self.old.iter().chain(&self.new);
        let names: BTreeSet<&'static str> = columns.flat_map(|columns| columns.keys().copied()).collect();
        let told = names
            .into_iter()
            .map(|name| (name, elements(self.old.as_ref(), name), elements(self.new.as_ref(), name)));
        told.filter(|(_, old, new)| old != new).collect()
    }

    /// One column: a plain one as old and new, of a set or map what came and what went.
    fn told(&self, name: &str, old: &BTreeSet<String>, new: &BTreeSet<String>) -> String {
        let table = NORTHBOUND.table(self.row.table);
        let kind = table.and_then(|table| table.column(name)).map(|column| column.kind);
        if self.old.is_none() {
            return format!("{name}={}", list(new));
        }
        // a map may be among these: of it whoever reads wants the pairs that changed
        if matches!(kind, Some(ColumnKind::Value | ColumnKind::Seen)) && old.len().max(new.len()) <= 2 {
            let word = |texts: &BTreeSet<String>| {
                if texts.is_empty() { "(none)".to_owned() } else { list(texts) }
            };
            return format!("{name}: {} -> {}", word(old), word(new));
        }
        let signed = |sign: char, these: &BTreeSet<String>, those: &BTreeSet<String>| {
            let more: BTreeSet<String> = these.difference(those).cloned().collect();
            if more.is_empty() { String::new() } else { format!(" {sign} {}", list(&more)) }
        };
        format!("{name}{}{}", signed('-', old, new), signed('+', new, old))
    }

    /// Whose the row is.
    pub(in crate::ctl) fn owner(&self) -> Option<&OwnerKey> {
        self.owner.as_ref()
    }

    fn whose(&self) -> String {
        self.owner.as_ref().map_or_else(|| "others".to_owned(), ToString::to_string)
    }

    /// One line.
    pub(in crate::ctl) fn to_text(&self, paint: Paint) -> String {
        self.line(paint, |_, _| true)
    }

    /// One line without what it says already: the row's marks, and columns that hold its name.
    pub(in crate::ctl) fn to_brief(&self, paint: Paint) -> String {
        self.line(paint, |column, new| {
            column != EXTERNAL_IDS && (self.old.is_some() || !new.iter().eq([&*self.row.id]))
        })
    }

    fn line(&self, paint: Paint, tells: impl Fn(&str, &BTreeSet<String>) -> bool) -> String {
        let gone = self.new.is_none();
        let differences = self.differences().into_iter();
        let differences = differences.filter(|(name, _, new)| !gone && tells(name, new));
        let told: Vec<String> = differences.map(|(name, old, new)| self.told(name, old, new)).collect();
        let line = format!("{} {}  {} {}", self.sign(), self.whose(), self.row.table, self.row.id);
        let line = paint.signed(self.sign(), &line);
        if told.is_empty() { line } else { format!("{line}  {}", told.join("  ")) }
    }

    /// One line of JSON.
    pub(in crate::ctl) fn to_json(&self, time: Millis) -> serde_json::Value {
        let columns: Map<String, serde_json::Value> = self
            .differences()
            .into_iter()
            .map(|(name, old, new)| {
                let (gone, came): (Vec<_>, Vec<_>) =
                    (old.difference(new).collect(), new.difference(old).collect());
                (name.to_owned(), json!({ "gone": gone, "came": came }))
            })
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

/// The elements of a column that may not be there.
fn elements<'a>(columns: Option<&'a Columns>, name: &str) -> &'a BTreeSet<String> {
    static NOTHING: BTreeSet<String> = BTreeSet::new();
    columns.and_then(|columns| columns.get(name)).unwrap_or(&NOTHING)
}

fn list(texts: &BTreeSet<String>) -> String {
    texts.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}
