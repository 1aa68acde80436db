//! The rows of a snapshot, named, and with whose they are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kubeovn_core::rows::{EXTERNAL_IDS, KEY_OWNER, KEY_ROW, KEY_VENDOR, OwnerKey, RowKey, VENDOR};
use kubeovn_ovn::nb::NORTHBOUND;
use kubeovn_ovn::ovsdb::replica::Replica;
use kubeovn_ovn::ovsdb::wire::{Atom, BaseType, ColumnSchema, Datum, DbSchema, Row, RowUpdate};
use serde_json::{Value, json};
use uuid::Uuid;

use super::snapshot::Snapshot;
use crate::ctl::error::CtlError;

/// All rows of a snapshot.
pub struct Listing {
    /// The rows, by table and id.
    pub entries: Vec<Entry>,
    /// Where they were read from.
    pub origin: String,
    by_uuid: HashMap<Uuid, usize>,
}

/// A row.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its table.
    pub table: Arc<str>,
    /// The name by which the engine knows it: our id, `@name` of somebody else's, `id~uuid` of a second one of an id; else
    /// the UUID.
    pub id: Arc<str>,
    /// The server's name for it.
    pub uuid: Uuid,
    /// Whose it is.
    pub mark: Mark,
    /// What it holds other than defaults, references by the ids of their targets.
    pub columns: BTreeMap<Arc<str>, Value>,
    /// The same as the server has it.
    pub raw: Row,
}

/// Whose a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Ours.
    Ours(OwnerKey),
    /// Marked as ours, but the mark cannot be read; why.
    Unreadable(String),
    /// Somebody else's, also of a Kube-OVN that is not this one.
    Foreign,
}

impl Listing {
    /// Names all rows.
    ///
    /// # Errors
    /// When the snapshot holds differences instead of rows.
    pub fn of(snapshot: &Snapshot) -> Result<Self, CtlError> {
        let replica = Self::replica(snapshot)?;
        let mut entries = Vec::new();
        for (table, rows) in &snapshot.rows {
            for (uuid, update) in rows {
                let (RowUpdate::Initial(row) | RowUpdate::Insert(row)) = update else { continue };
                entries.push(Entry {
                    table: table.clone(),
                    id: id(&replica, *uuid, row),
                    uuid: *uuid,
                    mark: mark(row),
                    columns: BTreeMap::new(),
                    raw: row.clone(),
                });
            }
        }
        entries.sort_by(|a, b| (&a.table, &a.id).cmp(&(&b.table, &b.id)));
        let by_uuid: HashMap<Uuid, usize> =
            entries.iter().enumerate().map(|(at, entry)| (entry.uuid, at)).collect();
        let ids: HashMap<Uuid, Arc<str>> =
            entries.iter().map(|entry| (entry.uuid, entry.id.clone())).collect();
        for entry in &mut entries {
            entry.columns = columns(&snapshot.schema, &entry.table, &entry.raw, &ids);
        }
        Ok(Listing { entries, origin: snapshot.origin.clone(), by_uuid })
    }

    /// The rows as the engine sees them.
    ///
    /// # Errors
    /// When the snapshot holds differences instead of rows.
    pub fn replica(snapshot: &Snapshot) -> Result<Replica, CtlError> {
        let mut replica = Replica::new(&NORTHBOUND, &snapshot.schema);
        replica.replace(snapshot.rows.clone()).map_err(|error| CtlError::Inconsistent {
            origin: snapshot.origin.clone(),
            problem: error.to_string(),
        })?;
        Ok(replica)
    }

    /// The row with this UUID.
    pub fn row(&self, uuid: Uuid) -> Option<&Entry> {
        self.entries.get(*self.by_uuid.get(&uuid)?)
    }

    /// The rows of a table.
    pub fn table(&self, table: &str) -> &[Entry] {
        let start = self.entries.partition_point(|entry| *entry.table < *table);
        let rest = self.entries.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|entry| *entry.table == *table)).unwrap_or_default()
    }

    /// The row that the engine calls so.
    pub fn find(&self, row: &RowKey) -> Option<&Entry> {
        let rows = self.table(row.table);
        rows.get(rows.binary_search_by(|entry| entry.id.cmp(&row.id)).ok()?)
    }
}

impl Entry {
    /// Whose it is, if it is ours.
    pub fn owner(&self) -> Option<&OwnerKey> {
        match &self.mark {
            Mark::Ours(owner) => Some(owner),
            Mark::Unreadable(_) | Mark::Foreign => None,
        }
    }

    /// Its name for the engine; `None` when its table is none of those that we use.
    pub fn key(&self) -> Option<RowKey> {
        NORTHBOUND.table(&self.table).map(|table| RowKey::new(table.name, self.id.clone()))
    }

    /// A text column, empty if it is not set.
    pub fn text(&self, column: &str) -> &str {
        self.raw.get(column).and_then(Datum::scalar).and_then(Atom::as_str).unwrap_or_default()
    }

    /// All texts of a column.
    pub fn texts(&self, column: &str) -> impl Iterator<Item = &str> {
        self.raw.get(column).into_iter().flat_map(Datum::elements).filter_map(Atom::as_str)
    }

    /// The value under a key of a map column.
    pub fn pair(&self, column: &str, key: &str) -> Option<&str> {
        self.raw.get(column)?.get_str(key)
    }

    /// What a reference column refers to.
    pub fn refs(&self, column: &str) -> impl Iterator<Item = Uuid> {
        self.raw.get(column).into_iter().flat_map(Datum::elements).filter_map(Atom::as_uuid)
    }

    /// The row as `table/id`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.table, self.id)
    }

    /// The row for programs, without its owner.
    pub fn to_json(&self) -> Value {
        json!({
            "table": &*self.table, "id": &*self.id, "uuid": self.uuid.to_string(),
            "columns": self.columns.iter().map(|(name, value)| (name.to_string(), value.clone())).collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn id(replica: &Replica, uuid: Uuid, row: &Row) -> Arc<str> {
    let named = replica.key(uuid).map(|key| key.id.clone());
    let natural = || {
        let name = row.get("name").and_then(Datum::scalar).and_then(Atom::as_str)?;
        (!name.is_empty()).then(|| Arc::from(format!("@{name}")))
    };
    named.or_else(natural).unwrap_or_else(|| uuid.to_string().into())
}

fn mark(row: &Row) -> Mark {
    let ids = row.get(EXTERNAL_IDS);
    let word = |key: &str| ids.and_then(|ids| ids.get_str(key)).filter(|word| !word.is_empty());
    if word(KEY_VENDOR) != Some(VENDOR) {
        return Mark::Foreign;
    }
    match (word(KEY_ROW), word(KEY_OWNER)) {
        (None, None) => Mark::Foreign,
        (None, Some(owner)) => {
            Mark::Unreadable(format!("{EXTERNAL_IDS}:{KEY_ROW} is missing, {KEY_OWNER} is {owner}"))
        }
        (Some(_), None) => Mark::Unreadable(format!("{EXTERNAL_IDS}:{KEY_OWNER} is missing")),
        (Some(_), Some(owner)) => match owner.parse() {
            Ok(owner) => Mark::Ours(owner),
            Err(_) => {
                Mark::Unreadable(format!("{EXTERNAL_IDS}:{KEY_OWNER} is {owner:?}, which names no owner"))
            }
        },
    }
}

fn columns(
    schema: &DbSchema,
    table: &str,
    row: &Row,
    ids: &HashMap<Uuid, Arc<str>>,
) -> BTreeMap<Arc<str>, Value> {
    let told = row.iter().filter_map(|(name, datum)| {
        let column = schema.column(table, name)?;
        let plain = datum.is_empty() || *datum == column.default_datum();
        (!plain).then(|| (name.clone(), value(column, datum, ids)))
    });
    told.collect()
}

fn value(column: &ColumnSchema, datum: &Datum, ids: &HashMap<Uuid, Arc<str>>) -> Value {
    let one = |base: &BaseType, atom: &Atom| match atom {
        Atom::String(text) | Atom::Named(text) => json!(&**text),
        Atom::Integer(number) => json!(number),
        Atom::Real(number) => json!(number.0),
        Atom::Boolean(truth) => json!(truth),
        Atom::Uuid(uuid) => match ids.get(uuid).filter(|_| base.ref_table.is_some()) {
            Some(id) => json!(&**id),
            None => json!(uuid.to_string()),
        },
    };
    match datum {
        Datum::Map(pairs) => {
            let values = column.value.as_ref().unwrap_or(&column.key);
            let pair = |(key, value): &(Atom, Atom)| (text(&one(&column.key, key)), one(values, value));
            Value::Object(pairs.iter().map(pair).collect())
        }
        Datum::Set(atoms) => match atoms.as_slice() {
            [atom] if column.max == Some(1) => one(&column.key, atom),
            atoms => {
                let mut values: Vec<Value> = atoms.iter().map(|atom| one(&column.key, atom)).collect();
                // UUIDs are in no order that means anything
                values.sort_by_key(text);
                Value::Array(values)
            }
        },
    }
}

/// A value for people.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(pairs) => {
            pairs.iter().map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
