//! Conditions of monitors: other than in a transaction, a row is told when **any** of them holds.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::request;
use crate::{
    memory::{
        mutate::{error, holds, typed},
        store::{Cells, Table, version},
    },
    ovsdb::wire::{Datum, Function, ServerError},
};

/// What a monitor or a condition looks at in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A column of the table.
    Cell(usize),
    /// `_uuid`
    Uuid,
    /// `_version`
    Version,
}

/// Which rows are told. None at all is every row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Where(Vec<Clause>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Clause {
    Constant(bool),
    Test(Source, Function, Datum),
}

impl Source {
    pub(super) fn find(table: &Table, name: &str) -> Option<Self> {
        match name {
            "_uuid" => Some(Self::Uuid),
            "_version" => Some(Self::Version),
            name => table.column(name).map(Self::Cell),
        }
    }
}

impl Where {
    /// Reads the `where` of a monitor.
    pub(super) fn parse(table: &Table, clauses: &[Value]) -> Result<Self, ServerError> {
        clauses.iter().map(|clause| Clause::parse(table, clause)).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn holds(&self, uuid: Uuid, cells: &Cells) -> bool {
        self.0.is_empty() || self.0.iter().any(|clause| clause.holds(uuid, cells))
    }
}

impl Clause {
    fn parse(table: &Table, clause: &Value) -> Result<Self, ServerError> {
        if let Value::Bool(constant) = clause {
            return Ok(Self::Constant(*constant));
        }
        let (name, function, value) = <(String, String, Value)>::deserialize(clause)
            .map_err(|_| error("syntax error", "Parse error in condition."))?;
        let source = Source::find(table, &name)
            .ok_or_else(|| error("unknown column", format!("No column {name} in table {}.", table.name)))?;
        let function = request::function(&function)?;
        let mut value = request::datum(&value)?;
        if let Source::Cell(at) = source
            && let Some(column) = table.columns.get(at)
        {
            value = typed(&column.kind, &value, &name)?;
        }
        Ok(Self::Test(source, function, value))
    }

    fn holds(&self, uuid: Uuid, cells: &Cells) -> bool {
        match self {
            Self::Constant(constant) => *constant,
            Self::Test(Source::Uuid, function, value) => holds(*function, &Datum::from(uuid), value),
            Self::Test(Source::Version, function, value) => {
                holds(*function, &Datum::from(version(uuid, cells)), value)
            }
            Self::Test(Source::Cell(at), function, value) => {
                cells.get(*at).is_some_and(|cell| holds(*function, cell, value))
            }
        }
    }
}
