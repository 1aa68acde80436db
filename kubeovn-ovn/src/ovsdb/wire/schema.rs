//! What a server's database looks like, as far as a client must know: which tables and columns there are.
//!
//! Read leniently, so that a newer server's keywords are no reason to refuse it: the schema model of the `ovsdb`
//! crate fails on an unknown keyword and panics on an unknown `max`. Its atomic types are what is used here.

use std::{collections::BTreeMap, sync::Arc};

use ::ovsdb::schema::{Atomic, RefType};
use serde::{Deserialize, Deserializer};

/// The schema of a database, as `get_schema` returns it.
#[derive(Clone, Debug, Deserialize)]
pub struct DbSchema {
    /// The database, such as `OVN_Northbound`.
    pub name: Arc<str>,
    /// The version, `x.y.z`; empty where the schema has none.
    #[serde(default)]
    pub version: String,
    /// The tables by name.
    pub tables: BTreeMap<Arc<str>, TableSchema>,
}

/// A table of a [`DbSchema`].
#[derive(Clone, Debug, Deserialize)]
pub struct TableSchema {
    /// The columns by name.
    pub columns: BTreeMap<Arc<str>, ColumnSchema>,
    /// Whether rows live without being referred to.
    #[serde(default, rename = "isRoot")]
    pub is_root: bool,
    /// Sets of columns of which no two rows may have the same values.
    #[serde(default)]
    pub indexes: Vec<Vec<Arc<str>>>,
    /// How many rows there may be; `None` is unlimited.
    #[serde(default, rename = "maxRows")]
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
    /// Decodes the result of `get_schema`.
    ///
    /// # Errors
    /// JSON that is no schema.
    pub fn decode(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

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
}

impl<'de> Deserialize<'de> for ColumnSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Column {
            #[serde(rename = "type")]
            kind: Kind,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Kind {
            Bare(Atomic),
            Full {
                key: Base,
                value: Option<Base>,
                #[serde(default = "one")]
                min: u64,
                #[serde(default)]
                max: Max,
            },
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Max {
            Count(u64),
            // "unlimited" is the only word that RFC 7047 knows
            Word(serde::de::IgnoredAny),
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Base {
            Bare(Atomic),
            Full {
                r#type: Atomic,
                #[serde(rename = "refTable")]
                table: Option<Arc<str>>,
                #[serde(rename = "refType")]
                reference: Option<RefType>,
            },
        }

        impl Default for Max {
            fn default() -> Self {
                Self::Count(1)
            }
        }
        fn one() -> u64 {
            1
        }
        fn base(base: Base) -> BaseType {
            match base {
                Base::Bare(atom) => BaseType { atom, ref_table: None, weak: false },
                Base::Full { r#type, table, reference } => {
                    BaseType { atom: r#type, ref_table: table, weak: reference == Some(RefType::Weak) }
                }
            }
        }

        Ok(match Column::deserialize(deserializer)?.kind {
            Kind::Bare(atom) => Self { key: base(Base::Bare(atom)), value: None, min: 1, max: Some(1) },
            Kind::Full { key, value, min, max } => Self {
                key: base(key),
                value: value.map(base),
                min,
                max: match max {
                    Max::Count(count) => Some(count),
                    Max::Word(_) => None,
                },
            },
        })
    }
}
