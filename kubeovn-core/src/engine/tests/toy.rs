//! A database with the rules that matter to the engine: children without a parent vanish.

use std::collections::{BTreeMap, BTreeSet};

use crate::rows::{
    Act, Atom, Change, Column, ColumnKind, EXTERNAL_IDS, Elem, KEY_OWNER, KEY_ROW, KEY_VENDOR, OwnerKey,
    Pairs, Replica, RowChange, RowKey, Schema, Table, Txn, Value,
};

const KEYS: ColumnKind = ColumnKind::Keys(&[KEY_VENDOR, KEY_OWNER, KEY_ROW]);

pub(super) static SCHEMA: Schema = Schema::new(
    "toy",
    &[
        Table {
            name: "parent",
            root: true,
            natural: None,
            columns: &[
                Column { name: "name", kind: ColumnKind::Value },
                Column { name: "ports", kind: ColumnKind::Refs { table: "child", strong: true } },
                Column { name: "values", kind: ColumnKind::Elements },
                Column { name: EXTERNAL_IDS, kind: KEYS },
            ],
        },
        Table {
            name: "child",
            root: false,
            natural: None,
            columns: &[
                Column { name: "name", kind: ColumnKind::Value },
                Column { name: EXTERNAL_IDS, kind: KEYS },
            ],
        },
    ],
);

pub(super) fn parent(name: &str) -> RowKey {
    RowKey::new("parent", name)
}

pub(super) fn child(name: &str) -> RowKey {
    RowKey::new("child", name)
}

#[derive(Clone, Debug, Default)]
struct Row {
    values: BTreeMap<&'static str, Value>,
    ids: Pairs,
    elems: BTreeMap<&'static str, BTreeSet<Elem>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Toy(BTreeMap<RowKey, Row>);

impl Toy {
    pub(super) fn owner(&self, row: &RowKey) -> Option<OwnerKey> {
        self.0.get(row)?.ids.get(KEY_OWNER)?.parse().ok()
    }

    /// Carries a transaction out, and answers what a client would be told.
    pub(super) fn commit(&mut self, txn: &Txn) -> Vec<RowChange> {
        let mut changes = Vec::new();
        for op in &txn.ops {
            match &op.act {
                Act::Insert(spec, born) => {
                    assert!(!self.0.contains_key(&op.row), "{} inserted twice", op.row);
                    let ids = spec.pairs.get(EXTERNAL_IDS).cloned().unwrap_or_default();
                    self.0.insert(
                        op.row.clone(),
                        Row { values: spec.values.clone().into_iter().collect(), ids, elems: born.clone() },
                    );
                    changes.push(self.told(&op.row, Change::Inserted));
                }
                Act::Change(delta) => {
                    let row = self.0.get_mut(&op.row).expect("a row that is there");
                    row.values.extend(delta.values.clone());
                    for (key, value) in delta.pairs.get(EXTERNAL_IDS).into_iter().flatten() {
                        match value {
                            Some(value) => row.ids.insert(*key, value.clone()),
                            None => row.ids.remove(*key),
                        };
                    }
                    for (column, elems) in &delta.remove {
                        elems.iter().for_each(|e| _ = row.elems.entry(column).or_default().remove(e));
                    }
                    for (column, elems) in &delta.add {
                        row.elems.entry(column).or_default().extend(elems.iter().cloned());
                    }
                    let moved = delta.add.iter().chain(&delta.remove);
                    let elems = moved.flat_map(|(c, es)| es.iter().map(|e| (*c, e.clone()))).collect();
                    let columns = delta.values.keys().copied().collect();
                    changes.push(self.told(&op.row, Change::Modified { columns, elems }));
                }
                Act::Delete => changes.extend(self.delete(&op.row)),
            }
        }
        changes.extend(self.collect());
        changes
    }

    pub(super) fn delete(&mut self, row: &RowKey) -> Vec<RowChange> {
        let change = self.told(row, Change::Deleted);
        self.0.remove(row);
        let mut changes = vec![change];
        changes.extend(self.collect());
        changes
    }

    /// Children that no parent refers to vanish.
    fn collect(&mut self) -> Vec<RowChange> {
        let held: BTreeSet<RowKey> =
            self.0.values().flat_map(|r| r.elems.values().flatten()).filter_map(target).collect();
        let lost: Vec<RowKey> =
            self.0.keys().filter(|k| k.table == "child" && !held.contains(*k)).cloned().collect();
        lost.into_iter()
            .map(|row| {
                let change = self.told(&row, Change::Deleted);
                self.0.remove(&row);
                change
            })
            .collect()
    }

    pub(super) fn insert_foreign(&mut self, row: RowKey, on: Option<RowKey>) {
        if let Some(parent) = on.and_then(|on| self.0.get_mut(&on)) {
            parent.elems.entry("ports").or_default().insert(Elem::Item(Atom::Row(row.clone())));
        }
        self.0.insert(row, Row::default());
    }

    pub(super) fn give(&mut self, row: &RowKey, column: &'static str, elem: Elem) -> RowChange {
        self.0.get_mut(row).unwrap().elems.entry(column).or_default().insert(elem.clone());
        self.told(row, Change::Modified { columns: Vec::new(), elems: vec![(column, elem)] })
    }

    pub(super) fn clear(&mut self, row: &RowKey, column: &'static str) -> Vec<RowChange> {
        let gone = self.0.get_mut(row).unwrap().elems.remove(column).unwrap_or_default();
        let elems = gone.into_iter().map(|e| (column, e)).collect();
        let mut changes = vec![self.told(row, Change::Modified { columns: Vec::new(), elems })];
        changes.extend(self.collect());
        changes
    }

    pub(super) fn set(&mut self, row: &RowKey, column: &'static str, value: Value) -> RowChange {
        self.0.get_mut(row).unwrap().values.insert(column, value);
        self.told(row, Change::Modified { columns: vec![column], elems: Vec::new() })
    }

    fn told(&self, row: &RowKey, what: Change) -> RowChange {
        RowChange { row: row.clone(), owner: self.owner(row), what }
    }
}

fn target(elem: &Elem) -> Option<RowKey> {
    match elem {
        Elem::Item(Atom::Row(row)) => Some(row.clone()),
        _ => None,
    }
}

impl Replica for Toy {
    fn has(&self, row: &RowKey) -> bool {
        self.0.contains_key(row)
    }

    fn value(&self, row: &RowKey, column: &str) -> Option<&Value> {
        self.0.get(row)?.values.get(column)
    }

    fn pair(&self, row: &RowKey, column: &str, key: &str) -> Option<&std::sync::Arc<str>> {
        self.0.get(row).filter(|_| column == EXTERNAL_IDS)?.ids.get(key)
    }

    fn holds(&self, row: &RowKey, column: &str, elem: &Elem) -> bool {
        self.0.get(row).and_then(|r| r.elems.get(column)).is_some_and(|e| e.contains(elem))
    }

    fn elements(&self, row: &RowKey, column: &str, f: &mut dyn FnMut(Elem)) {
        self.0.get(row).and_then(|r| r.elems.get(column)).into_iter().flatten().cloned().for_each(f);
    }

    fn parents(&self, row: &RowKey, f: &mut dyn FnMut(RowKey, &'static str)) {
        let refers =
            |r: &Row| r.elems.get("ports").is_some_and(|e| e.contains(&Elem::Item(Atom::Row(row.clone()))));
        self.0.iter().filter(|(_, r)| refers(r)).for_each(|(key, _)| f(key.clone(), "ports"));
    }

    fn ours(&self, f: &mut dyn FnMut(&RowKey, Option<&OwnerKey>)) {
        for (key, row) in self.0.iter().filter(|(_, row)| row.ids.contains_key(KEY_ROW)) {
            let owner = row.ids.get(KEY_OWNER).and_then(|text| text.parse().ok());
            f(key, owner.as_ref());
        }
    }
}
