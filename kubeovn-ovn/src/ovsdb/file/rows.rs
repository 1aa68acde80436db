//! Rows while a log is replayed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Contents, Format};
use crate::ovsdb::wire::{Atom, ColumnSchema, Datum, DbSchema, Row, RowUpdate, TableSchema};

/// The state of a database.
pub(super) struct Rows {
    schema: DbSchema,
    tables: BTreeMap<Arc<str>, BTreeMap<Uuid, Row>>,
    pub(super) transactions: usize,
}

/// What a transaction does to a table: rows by UUID, `null` for those that go.
type TableTxn = BTreeMap<String, Option<Row>>;

impl Rows {
    /// An empty database.
    pub(super) fn new(schema: DbSchema) -> Self {
        Rows { schema, tables: BTreeMap::new(), transactions: 0 }
    }

    /// Puts another schema in the place of this one. The rows stay, without what the new one has not.
    pub(super) fn convert(&mut self, schema: DbSchema) {
        self.tables.retain(|table, rows| {
            let Some(table) = schema.tables.get(table) else { return false };
            rows.values_mut().for_each(|row| row.retain(|column, _| table.columns.contains_key(column)));
            true
        });
        self.schema = schema;
    }

    /// Applies the JSON of a transaction.
    ///
    /// # Errors
    /// What of it cannot be understood.
    pub(super) fn apply(&mut self, json: &str) -> Result<(), String> {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).map_err(|e| e.to_string())?;
        // differences since OVS 2.15, whole values before; the word may stand behind the tables
        let differences = members.get("_is_diff").is_some_and(|word| word.get() == "true");
        for (name, json) in members.iter().filter(|(name, _)| !name.starts_with('_')) {
            let (name, table) = self
                .schema
                .tables
                .get_key_value(name.as_str())
                .ok_or_else(|| format!("it changes a table {name}, which the schema has not"))?;
            let changes: TableTxn =
                serde_json::from_str(json.get()).map_err(|error| format!("in table {name}: {error}"))?;
            let rows = self.tables.entry(name.clone()).or_default();
            for (uuid, change) in changes {
                let uuid = Uuid::try_parse(&uuid)
                    .map_err(|_| format!("in table {name} {uuid:?} stands where a UUID belongs"))?;
                let wrong = |problem: String| format!("row {uuid} of table {name}: {problem}");
                match (change, rows.get_mut(&uuid)) {
                    (None, Some(_)) => {
                        rows.remove(&uuid);
                    }
                    (None, None) => return Err(wrong("it is deleted, but was never there".to_owned())),
                    (Some(change), Some(row)) => {
                        change_row(row, change, table, differences).map_err(wrong)?;
                    }
                    // of a new row everything is whole, also among differences
                    (Some(change), None) => {
                        let mut row = Row::new();
                        change_row(&mut row, change, table, false).map_err(wrong)?;
                        rows.insert(uuid, row);
                    }
                }
            }
        }
        self.transactions += 1;
        Ok(())
    }

    pub(super) fn done(self, format: Format) -> Contents {
        let initial = |rows: BTreeMap<Uuid, Row>| {
            rows.into_iter().map(|(uuid, row)| (uuid, RowUpdate::Initial(row))).collect()
        };
        let rows = self.tables.into_iter().filter(|(_, rows)| !rows.is_empty());
        Contents {
            schema: self.schema,
            rows: rows.map(|(table, rows)| (table, initial(rows))).collect(),
            format,
            transactions: self.transactions,
            cut: None,
            uncommitted: 0,
        }
    }
}

fn change_row(row: &mut Row, change: Row, table: &TableSchema, differences: bool) -> Result<(), String> {
    for (name, datum) in change {
        let Some((name, column)) = table.columns.get_key_value(&name) else {
            return Err(format!("the schema has no column {name}"));
        };
        let one = column.max == Some(1) && !column.is_map();
        let datum = shaped(datum, column);
        let new = if differences && !one {
            patched(row.get(name).unwrap_or(&column.default_datum()), &datum)
        } else {
            datum
        };
        row.insert(name.clone(), new);
    }
    Ok(())
}

/// An empty map may be written as an empty set.
fn shaped(datum: Datum, column: &ColumnSchema) -> Datum {
    if column.is_map() && datum.is_empty() { Datum::Map(Vec::new()) } else { datum }
}

/// A value and the difference to the next one: elements come or go, pairs come, go or have another value.
fn patched(old: &Datum, diff: &Datum) -> Datum {
    match (old, diff) {
        (Datum::Map(old), Datum::Map(diff)) => {
            let mut map: BTreeMap<Atom, Atom> = old.iter().cloned().collect();
            for (key, value) in diff {
                if map.get(key) == Some(value) {
                    map.remove(key);
                } else {
                    map.insert(key.clone(), value.clone());
                }
            }
            Datum::Map(map.into_iter().collect())
        }
        (Datum::Set(old), Datum::Set(diff)) => {
            let (old, diff): (BTreeSet<&Atom>, BTreeSet<&Atom>) =
                (old.iter().collect(), diff.iter().collect());
            Datum::Set(old.symmetric_difference(&diff).copied().cloned().collect())
        }
        (_, diff) => diff.clone(),
    }
}
