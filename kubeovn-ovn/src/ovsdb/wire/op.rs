//! The operations of a transaction, and their JSON. Encoding only: no server asks us to transact.

use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeMap};
use uuid::Uuid;

use super::{Datum, Row};

/// One operation of a `transact` request (RFC 7047 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Adds a row; columns left out take their default.
    Insert {
        /// The table.
        table: Arc<str>,
        /// The columns given a value.
        row: Row,
        /// The identity of the new row. An extension of OVS 2.13 and later: older servers refuse the operation.
        uuid: Option<Uuid>,
        /// The name by which other operations of the transaction refer to the row ([`super::Atom::Named`]).
        name: Option<Arc<str>>,
    },
    /// Reads rows.
    Select {
        /// The table.
        table: Arc<str>,
        /// All of these must hold.
        r#where: Vec<Condition>,
        /// The columns wanted; `None` is all of them.
        columns: Option<Vec<Arc<str>>>,
    },
    /// Gives columns of rows another value.
    Update {
        /// The table.
        table: Arc<str>,
        /// All of these must hold.
        r#where: Vec<Condition>,
        /// The columns and their new values.
        row: Row,
    },
    /// Changes columns in place.
    Mutate {
        /// The table.
        table: Arc<str>,
        /// All of these must hold.
        r#where: Vec<Condition>,
        /// Applied in order.
        mutations: Vec<Mutation>,
    },
    /// Removes rows.
    Delete {
        /// The table.
        table: Arc<str>,
        /// All of these must hold.
        r#where: Vec<Condition>,
    },
    /// Fails the transaction unless the selected rows are, or are not, the given ones.
    Wait {
        /// The table.
        table: Arc<str>,
        /// How long the server may wait for it to come true, in milliseconds; `None` is for ever, 0 not at all.
        timeout: Option<u64>,
        /// All of these must hold.
        r#where: Vec<Condition>,
        /// The columns compared.
        columns: Vec<Arc<str>>,
        /// Whether to wait for equality (`==`) or for difference (`!=`).
        until_equal: bool,
        /// The rows compared with.
        rows: Vec<Row>,
    },
    /// A remark for the server's log of transactions.
    Comment {
        /// The remark.
        text: Arc<str>,
    },
}

/// A test on a column; a row is selected when all conditions hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The column, `_uuid` included.
    pub column: Arc<str>,
    /// How it is compared.
    pub function: Function,
    /// With what.
    pub value: Datum,
}

/// How a [`Condition`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
    /// Holds every given element or pair.
    Includes,
    /// Holds none of the given elements or pairs.
    Excludes,
}

/// A change of a column in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// The column.
    pub column: Arc<str>,
    /// What is done.
    pub mutator: Mutator,
    /// With what. `Delete` on a map takes a set of keys or a map of exact pairs. Elements must not repeat.
    pub value: Datum,
}

/// What a [`Mutation`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutator {
    /// `+=`
    Add,
    /// `-=`
    Subtract,
    /// `*=`
    Multiply,
    /// `/=`
    Divide,
    /// `%=`
    Remainder,
    /// Adds elements, or pairs whose keys are absent: a pair with a present key is silently left out.
    Insert,
    /// Removes elements, pairs or keys.
    Delete,
}

impl Condition {
    /// Selects the one row with this identity.
    pub fn row(uuid: Uuid) -> Self {
        Self::new("_uuid", Function::Equal, uuid)
    }

    /// A test of a column.
    pub fn new(column: impl Into<Arc<str>>, function: Function, value: impl Into<Datum>) -> Self {
        Self { column: column.into(), function, value: value.into() }
    }
}

impl Mutation {
    /// A change of a column.
    pub fn new(column: impl Into<Arc<str>>, mutator: Mutator, value: impl Into<Datum>) -> Self {
        Self { column: column.into(), mutator, value: value.into() }
    }
}

impl Function {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
            Self::Includes => "includes",
            Self::Excludes => "excludes",
        }
    }
}

impl Mutator {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+=",
            Self::Subtract => "-=",
            Self::Multiply => "*=",
            Self::Divide => "/=",
            Self::Remainder => "%=",
            Self::Insert => "insert",
            Self::Delete => "delete",
        }
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.column, self.function.as_str(), &self.value).serialize(serializer)
    }
}

impl Serialize for Mutation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.column, self.mutator.as_str(), &self.value).serialize(serializer)
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("op", self.word())?;
        if let Some(table) = self.table() {
            map.serialize_entry("table", table)?;
        }
        match self {
            Self::Insert { row, uuid, name, .. } => {
                map.serialize_entry("row", row)?;
                if let Some(uuid) = uuid {
                    // bare text here, unlike every other place where a uuid is written
                    map.serialize_entry("uuid", &uuid.as_hyphenated().to_string())?;
                }
                if let Some(name) = name {
                    map.serialize_entry("uuid-name", name)?;
                }
            }
            Self::Select { r#where, columns, .. } => {
                map.serialize_entry("where", r#where)?;
                if let Some(columns) = columns {
                    map.serialize_entry("columns", columns)?;
                }
            }
            Self::Update { r#where, row, .. } => {
                map.serialize_entry("where", r#where)?;
                map.serialize_entry("row", row)?;
            }
            Self::Mutate { r#where, mutations, .. } => {
                map.serialize_entry("where", r#where)?;
                map.serialize_entry("mutations", mutations)?;
            }
            Self::Delete { r#where, .. } => map.serialize_entry("where", r#where)?,
            Self::Wait { timeout, r#where, columns, until_equal, rows, .. } => {
                if let Some(timeout) = timeout {
                    map.serialize_entry("timeout", timeout)?;
                }
                map.serialize_entry("where", r#where)?;
                map.serialize_entry("columns", columns)?;
                map.serialize_entry("until", if *until_equal { "==" } else { "!=" })?;
                map.serialize_entry("rows", rows)?;
            }
            Self::Comment { text } => map.serialize_entry("comment", text)?,
        }
        map.end()
    }
}

impl Operation {
    /// The table it is about; a comment has none.
    pub fn table(&self) -> Option<&Arc<str>> {
        match self {
            Self::Insert { table, .. }
            | Self::Select { table, .. }
            | Self::Update { table, .. }
            | Self::Mutate { table, .. }
            | Self::Delete { table, .. }
            | Self::Wait { table, .. } => Some(table),
            Self::Comment { .. } => None,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Insert { .. } => "insert",
            Self::Select { .. } => "select",
            Self::Update { .. } => "update",
            Self::Mutate { .. } => "mutate",
            Self::Delete { .. } => "delete",
            Self::Wait { .. } => "wait",
            Self::Comment { .. } => "comment",
        }
    }
}
