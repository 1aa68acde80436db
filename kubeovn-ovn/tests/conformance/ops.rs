//! Operations in short.

use std::sync::Arc;

use kubeovn_ovn::ovsdb::wire::{Atom, Condition, Datum, Function, Mutation, Mutator, Operation, Row};
use uuid::Uuid;

/// The n-th of our UUIDs.
pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0000 + n)
}

pub(crate) fn text(text: &str) -> Datum {
    Datum::from(Atom::from(text))
}

pub(crate) fn texts(texts: &[&str]) -> Datum {
    Datum::set(texts.iter().map(|text| Atom::from(*text)))
}

pub(crate) fn int(number: i64) -> Datum {
    Datum::from(number)
}

pub(crate) fn refs(ids: &[u128]) -> Datum {
    Datum::set(ids.iter().map(|n| Atom::Uuid(id(*n))))
}

/// A reference by the name that the row has in this transaction.
pub(crate) fn by_name(name: &str) -> Datum {
    Datum::from(Atom::Named(name.into()))
}

pub(crate) fn map(pairs: &[(&str, &str)]) -> Datum {
    Datum::map(pairs.iter().map(|(key, value)| (Atom::from(*key), Atom::from(*value))))
}

pub(crate) fn row(columns: &[(&str, Datum)]) -> Row {
    columns.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect()
}

pub(crate) fn insert(table: &str, n: u128, columns: &[(&str, Datum)]) -> Operation {
    Operation::Insert { table: table.into(), row: row(columns), uuid: Some(id(n)), name: None }
}

/// The same insertion under a name.
pub(crate) fn named(name: &str, insert: Operation) -> Operation {
    match insert {
        Operation::Insert { table, row, uuid, .. } => {
            Operation::Insert { table, row, uuid, name: Some(name.into()) }
        }
        other => other,
    }
}

/// The same insertion with a UUID that the server draws.
pub(crate) fn drawn(insert: Operation) -> Operation {
    match insert {
        Operation::Insert { table, row, name, .. } => Operation::Insert { table, row, uuid: None, name },
        other => other,
    }
}

pub(crate) fn at(n: u128) -> Vec<Condition> {
    vec![Condition::row(id(n))]
}

pub(crate) fn when(column: &str, function: Function, value: Datum) -> Vec<Condition> {
    vec![Condition { column: column.into(), function, value }]
}

pub(crate) fn update(table: &str, r#where: Vec<Condition>, columns: &[(&str, Datum)]) -> Operation {
    Operation::Update { table: table.into(), r#where, row: row(columns) }
}

pub(crate) fn mutate(
    table: &str,
    r#where: Vec<Condition>,
    mutations: &[(&str, Mutator, Datum)],
) -> Operation {
    let mutation = |(column, mutator, value): &(&str, Mutator, Datum)| Mutation {
        column: (*column).into(),
        mutator: *mutator,
        value: value.clone(),
    };
    Operation::Mutate { table: table.into(), r#where, mutations: mutations.iter().map(mutation).collect() }
}

pub(crate) fn delete(table: &str, r#where: Vec<Condition>) -> Operation {
    Operation::Delete { table: table.into(), r#where }
}

/// A `wait` for the selected rows to be (`true`), or not to be, these.
pub(crate) fn wait(
    table: &str,
    r#where: Vec<Condition>,
    columns: &[&str],
    until_equal: bool,
    rows: Vec<Row>,
) -> Operation {
    let columns = columns.iter().map(|name| Arc::from(*name)).collect();
    Operation::Wait { table: table.into(), timeout: Some(0), r#where, columns, until_equal, rows }
}

pub(crate) fn select(table: &str, r#where: Vec<Condition>, columns: &[&str]) -> Operation {
    let columns = columns.iter().map(|name| Arc::from(*name)).collect();
    Operation::Select { table: table.into(), r#where, columns: Some(columns) }
}
