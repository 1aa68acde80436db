//! A schema out of what a server answers.
//!
//! Read leniently, so that a newer server's keywords are no reason to refuse it: the schema model of the `ovsdb`
//! crate fails on an unknown keyword and panics on an unknown `max`. Its words for types are what is used of it.

use std::sync::Arc;

use ::ovsdb::schema::{Atomic as Word, RefType};
use serde::{Deserialize, Deserializer};

use super::{Atomic, BaseType, ColumnSchema, DbSchema};

impl From<Word> for Atomic {
    fn from(word: Word) -> Self {
        match word {
            Word::Boolean => Self::Boolean,
            Word::Integer => Self::Integer,
            Word::Real => Self::Real,
            Word::String => Self::String,
            Word::Uuid => Self::Uuid,
        }
    }
}

impl DbSchema {
    /// Decodes the result of `get_schema`.
    ///
    /// # Errors
    /// JSON that is no schema.
    pub fn decode(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
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
            Bare(Word),
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
            Bare(Word),
            Full {
                r#type: Word,
                #[serde(rename = "refTable")]
                table: Option<Arc<str>>,
                #[serde(rename = "refType")]
                reference: Option<RefType>,
                #[serde(rename = "enum")]
                choices: Option<serde_json::Value>,
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
                Base::Bare(atom) => BaseType { atom: atom.into(), ..BaseType::default() },
                Base::Full { r#type, table, reference, choices } => BaseType {
                    atom: r#type.into(),
                    ref_table: table,
                    weak: reference == Some(RefType::Weak),
                    choices: texts(choices.unwrap_or_default()),
                },
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

/// The texts of a value: `"a"`, or `["set", ["a", "b"]]`.
fn texts(value: serde_json::Value) -> Vec<Arc<str>> {
    use serde_json::Value::{Array, String};
    match value {
        String(text) => vec![text.into()],
        Array(pair) => match <[_; 2]>::try_from(pair) {
            Ok([_, Array(all)]) => all.into_iter().flat_map(texts).collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}
