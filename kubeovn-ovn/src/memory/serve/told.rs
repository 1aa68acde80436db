//! Changed rows as monitors tell them, in the notations of `update` and of `update2`, and their JSON.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Serialize, Serializer, ser::SerializeMap};
use uuid::Uuid;

use crate::ovsdb::wire::Datum;

/// Columns with their values, borrowed where nothing had to be computed.
pub(super) type Columns<'a> = Vec<(&'a str, Cow<'a, Datum>)>;

/// Rows by table and UUID.
#[derive(Debug, Default)]
pub(super) struct Told<'a>(BTreeMap<&'a str, BTreeMap<Uuid, RowTold<'a>>>);

/// What is told of one row.
#[derive(Debug)]
pub(super) enum RowTold<'a> {
    /// `update`: the whole row as it was when it is gone, its changed columns when it is not, and as it is.
    Plain { old: Option<Columns<'a>>, new: Option<Columns<'a>> },
    /// `update2`: the row as it is, but for defaults.
    Initial(Columns<'a>),
    /// `update2`: likewise.
    Insert(Columns<'a>),
    /// `update2`: differences.
    Modify(Columns<'a>),
    /// `update2`: gone.
    Delete,
}

impl<'a> Told<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, table: &'a str, uuid: Uuid, row: RowTold<'a>) {
        self.0.entry(table).or_default().insert(uuid, row);
    }
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Rows<'a>(&'a BTreeMap<Uuid, RowTold<'a>>);
        impl Serialize for Rows<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut text = Uuid::encode_buffer();
                let mut map = serializer.serialize_map(Some(self.0.len()))?;
                for (uuid, row) in self.0 {
                    map.serialize_entry(&*uuid.hyphenated().encode_lower(&mut text), row)?;
                }
                map.end()
            }
        }
        serializer.collect_map(self.0.iter().map(|(table, rows)| (table, Rows(rows))))
    }
}

impl Serialize for RowTold<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Row<'a>(&'a Columns<'a>);
        impl Serialize for Row<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(name, value)| (name, &**value)))
            }
        }
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Plain { old, new } => {
                for (word, row) in [("old", old), ("new", new)] {
                    if let Some(row) = row {
                        map.serialize_entry(word, &Row(row))?;
                    }
                }
            }
            Self::Initial(row) => map.serialize_entry("initial", &Row(row))?,
            Self::Insert(row) => map.serialize_entry("insert", &Row(row))?,
            Self::Modify(row) => map.serialize_entry("modify", &Row(row))?,
            Self::Delete => map.serialize_entry("delete", &())?,
        }
        map.end()
    }
}
