//! What a server's database looks like, as far as a client must know: which tables and columns there are.
//!
//! With feature `client` it is read from what a server answers; without, it is made from our own description.

#[cfg(feature = "client")]
mod decode;

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use super::{Atom, Datum, Real};

/// The schema of a database, as `get_schema` returns it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
pub struct DbSchema {
    /// The database, such as `OVN_Northbound`.
    pub name: Arc<str>,
    /// The version, `x.y.z`; empty where the schema has none.
    #[cfg_attr(feature = "client", serde(default))]
    pub version: String,
    /// The tables by name.
    pub tables: BTreeMap<Arc<str>, TableSchema>,
}

/// A table of a [`DbSchema`].
#[derive(Clone, Debug)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
pub struct TableSchema {
    /// The columns by name.
    pub columns: BTreeMap<Arc<str>, ColumnSchema>,
    /// Whether rows live without being referred to.
    #[cfg_attr(feature = "client", serde(default, rename = "isRoot"))]
    pub is_root: bool,
    /// Sets of columns of which no two rows may have the same values.
    #[cfg_attr(feature = "client", serde(default))]
    pub indexes: Vec<Vec<Arc<str>>>,
    /// How many rows there may be; `None` is unlimited.
    #[cfg_attr(feature = "client", serde(default, rename = "maxRows"))]
    pub max_rows: Option<u64>,
}

/// A column of a [`TableSchema`].
#[derive(Clone, Debug)]
pub struct ColumnSchema {
    /// The type of the elements, or of a map's keys.
    pub key: BaseType,
    /// The type of a map's values; `None` for everything else.
    pub value: Option<BaseType>,
    /// How many elements there are at least: 0 or 1.
    pub min: u64,
    /// How many elements there are at most; `None` is unlimited.
    pub max: Option<u64>,
}

/// A kind of atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomic {
    /// A truth value.
    Boolean,
    /// A 64-bit integer.
    Integer,
    /// A double.
    Real,
    /// A text.
    String,
    /// A reference to a row.
    Uuid,
}

/// The type of an atom.
#[derive(Clone, Debug)]
pub struct BaseType {
    /// What kind of atom.
    pub atom: Atomic,
    /// The table that a uuid refers to.
    pub ref_table: Option<Arc<str>>,
    /// Whether such a reference vanishes with the row that it points to, instead of keeping that row alive.
    pub weak: bool,
}

impl DbSchema {
    /// A column, if this server has it.
    pub fn column(&self, table: &str, column: &str) -> Option<&ColumnSchema> {
        self.tables.get(table)?.columns.get(column)
    }
}

impl ColumnSchema {
    /// Whether it holds exactly one atom.
    pub fn is_scalar(&self) -> bool {
        self.value.is_none() && self.min == 1 && self.max == Some(1)
    }

    /// Whether it holds pairs.
    pub fn is_map(&self) -> bool {
        self.value.is_some()
    }

    /// What it holds in a row that does not set it (RFC 7047, section 5.2.1).
    pub fn default_datum(&self) -> Datum {
        if self.is_map() {
            return Datum::Map(Vec::new());
        }
        if self.min == 0 {
            return Datum::empty();
        }
        Datum::from(match self.key.atom {
            Atomic::String => Atom::from(""),
            Atomic::Integer => Atom::Integer(0),
            Atomic::Real => Atom::Real(Real(0.0)),
            Atomic::Boolean => Atom::Boolean(false),
            Atomic::Uuid => Atom::Uuid(Uuid::nil()),
        })
    }
}
