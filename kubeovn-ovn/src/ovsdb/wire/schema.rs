//! What a server's database looks like, as far as a client must know: which tables and columns there are.
//!
//! With feature `client` it is read from what a server answers; without, it is made from our own description.

#[cfg(feature = "client")]
mod decode;

use std::{collections::BTreeMap, fmt, sync::Arc};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Atomic {
    /// A truth value.
    Boolean,
    /// A 64-bit integer.
    Integer,
    /// A double.
    Real,
    /// A text.
    #[default]
    String,
    /// A reference to a row.
    Uuid,
}

/// The type of an atom. By default a text.
#[derive(Clone, Debug, Default)]
pub struct BaseType {
    /// What kind of atom.
    pub atom: Atomic,
    /// The table that a uuid refers to.
    pub ref_table: Option<Arc<str>>,
    /// Whether such a reference vanishes with the row that it points to, instead of keeping that row alive.
    pub weak: bool,
    /// The only texts that there may be; empty where any may.
    pub choices: Vec<Arc<str>>,
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

impl BaseType {
    /// Whether it may be this text.
    pub fn allows(&self, text: &str) -> bool {
        self.atom == Atomic::String && (self.choices.is_empty() || self.choices.iter().any(|c| **c == *text))
    }
}

/// In words, as in "a set of string".
impl fmt::Display for ColumnSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.value, self.min, self.max) {
            (Some(value), ..) => write!(f, "a map of {} to {value}", self.key),
            (None, 1, Some(1)) => write!(f, "one {}", self.key),
            (None, 0, Some(1)) => write!(f, "an optional {}", self.key),
            _ => write!(f, "a set of {}", self.key),
        }
    }
}

impl fmt::Display for BaseType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let atom = match self.atom {
            Atomic::Boolean => "boolean",
            Atomic::Integer => "integer",
            Atomic::Real => "real",
            Atomic::String => "string",
            Atomic::Uuid => "uuid",
        };
        match &self.ref_table {
            Some(table) => write!(f, "{} to {table}", if self.weak { "weak reference" } else { "reference" }),
            None => f.write_str(atom),
        }
    }
}
