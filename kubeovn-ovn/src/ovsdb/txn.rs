//! From the engine's transactions to OVSDB operations, and from a server's answer back to an outcome.
//!
//! Every operation is about one row, by its UUID, so that an error can be laid at one row's door and the number of
//! rows that an operation selected is always one.

mod judge;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kubeovn_core::rows::{
    self, Act, ColumnKind, Delta, Elem, Outcome, Pairs, Replica as _, RowKey, RowSpec, Txn,
};
use uuid::Uuid;

pub use judge::Receipt;

use super::{
    replica::Replica,
    wire::{Atom, Condition, Datum, Mutation, Mutator, Operation, Row},
};
use crate::{capability::Gap, nb};

/// How new rows get their UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// We give it, computed from this namespace and the row's key: doing a thing twice collides instead of making two
    /// of it. Servers since OVS 2.13 take it.
    Given(Uuid),
    /// The server draws one.
    Drawn,
}

/// A transaction as operations.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The operations, in the order of the transaction's rows.
    pub ops: Vec<Operation>,
    /// What is needed to judge the answer to them.
    pub receipt: Receipt,
}

/// A transaction that does not fit what the replica holds, or what the server can hold. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TxnError {
    /// The server has no such column, or not even the table: it is too old for what is wanted.
    #[error("{row}: {gap}")]
    NoColumn {
        /// The row to be written.
        row: RowKey,
        /// The column.
        column: &'static str,
        /// What is missing, since when there is such a thing, and what to do.
        #[source]
        gap: Box<Gap>,
    },
    /// An element refers to a row that is neither there nor inserted.
    #[error("{row}: {column} refers to {target}, which is not there")]
    NoTarget {
        /// The row to be written.
        row: RowKey,
        /// The column.
        column: &'static str,
        /// The row referred to.
        target: RowKey,
    },
    /// A row to be changed or deleted is not there.
    #[error("{row} is not there")]
    Absent {
        /// The row.
        row: RowKey,
    },
    /// A row to be inserted is there.
    #[error("{row} is there already")]
    Present {
        /// The row.
        row: RowKey,
    },
}

impl TxnError {
    /// The row that cannot be written.
    pub fn row(&self) -> &RowKey {
        match self {
            TxnError::NoColumn { row, .. }
            | TxnError::NoTarget { row, .. }
            | TxnError::Absent { row }
            | TxnError::Present { row } => row,
        }
    }
}

impl From<TxnError> for Outcome {
    fn from(error: TxnError) -> Self {
        Outcome::Rejected { text: error.to_string(), row: Some(error.row().clone()) }
    }
}

/// The UUID that a new row gets in [`Identity::Given`].
pub fn row_uuid(namespace: Uuid, row: &RowKey) -> Uuid {
    Uuid::new_v5(&namespace, row.to_string().as_bytes())
}

/// Writes a transaction as operations on the rows that `replica` holds.
///
/// # Errors
/// [`TxnError`], which names the row.
pub fn encode(txn: &Txn, replica: &Replica, identity: Identity) -> Result<Encoded, TxnError> {
    let inserted = txn.ops.iter().filter(|op| matches!(op.act, Act::Insert(..))).enumerate();
    let born = inserted.map(|(at, op)| {
        let atom = match identity {
            Identity::Given(namespace) => Atom::Uuid(row_uuid(namespace, &op.row)),
            Identity::Drawn => Atom::Named(format!("row{at}").into()),
        };
        (&op.row, atom)
    });
    let dying = txn.ops.iter().filter(|op| op.act == Act::Delete).map(|op| &op.row).collect();
    let mut encoder = Encoder {
        replica,
        dying,
        born: born.collect(),
        ops: Vec::with_capacity(txn.ops.len()),
        receipt: Receipt::default(),
    };
    for op in &txn.ops {
        match &op.act {
            Act::Insert(spec, elems) => encoder.insert(&op.row, spec, elems)?,
            Act::Change(delta) => encoder.change(&op.row, delta)?,
            Act::Delete => encoder.delete(&op.row)?,
        }
    }
    Ok(Encoded { ops: encoder.ops, receipt: encoder.receipt })
}

struct Encoder<'a> {
    replica: &'a Replica,
    /// How rows that this transaction inserts are referred to.
    born: BTreeMap<&'a RowKey, Atom>,
    /// Rows that it deletes.
    dying: Vec<&'a RowKey>,
    ops: Vec<Operation>,
    receipt: Receipt,
}

impl Encoder<'_> {
    fn insert(
        &mut self,
        row: &RowKey,
        spec: &RowSpec,
        elems: &BTreeMap<&'static str, BTreeSet<Elem>>,
    ) -> Result<(), TxnError> {
        if self.replica.uuid(row).is_some() {
            return Err(TxnError::Present { row: row.clone() });
        }
        // The row is there and has lost our mark: it can't be born again, so it is made what it should be.
        if let Some(Atom::Uuid(uuid)) = self.born.get(row)
            && self.replica.has_uuid(row.table, *uuid)
        {
            let marks = |pairs: &Pairs| pairs.iter().map(|(k, v)| (*k, Some(v.clone()))).collect();
            let delta = Delta {
                values: spec.values.clone().into_iter().collect(),
                pairs: spec.pairs.iter().map(|(column, pairs)| (*column, marks(pairs))).collect(),
                add: elems.clone(),
                ..Delta::default()
            };
            return self.change_at(row, *uuid, &delta);
        }
        let mut columns = Row::new();
        for (column, value) in &spec.values {
            let Some(default) = self.writable(row, column, value)? else { continue };
            if value != default && *value != rows::Value::EMPTY {
                columns.insert(Arc::from(*column), self.value(row, column, value)?);
            }
        }
        for (column, pairs) in spec.pairs.iter().filter(|(_, pairs)| !pairs.is_empty()) {
            self.default_of(row, column)?;
            columns.insert(Arc::from(*column), self.map(row, pairs.iter().map(|(key, value)| (*key, value))));
        }
        for (column, elems) in elems.iter().filter(|(_, elems)| !elems.is_empty()) {
            columns.insert(Arc::from(*column), self.elements(row, column, elems)?);
        }
        let (uuid, name) = match self.born.get(row) {
            Some(Atom::Uuid(uuid)) => (Some(*uuid), None),
            Some(Atom::Named(name)) => (None, Some(name.clone())),
            _ => (None, None),
        };
        self.push(row, uuid, Operation::Insert { table: row.table.into(), row: columns, uuid, name });
        Ok(())
    }

    fn change(&mut self, row: &RowKey, delta: &Delta) -> Result<(), TxnError> {
        let uuid = self.uuid(row)?;
        self.change_at(row, uuid, delta)
    }

    fn change_at(&mut self, row: &RowKey, uuid: Uuid, delta: &Delta) -> Result<(), TxnError> {
        let mut columns = Row::new();
        for (column, value) in &delta.values {
            let Some(default) = self.writable(row, column, value)? else { continue };
            // a scalar cannot be empty: to unset it is to give it the default of its type
            let value = if *value == rows::Value::EMPTY { default } else { value };
            columns.insert(Arc::from(*column), self.value(row, column, value)?);
        }
        // Where there is room for one, whatever is there makes room: a reference of others, too.
        let single = |column: &str| {
            let shape = nb::column_of(self.replica.schema(), row.table, column);
            shape.is_some_and(|shape| shape.max == Some(1))
        };
        for (column, elems) in delta.add.iter().filter(|(column, elems)| !elems.is_empty() && single(column))
        {
            columns.insert(Arc::from(*column), self.elements(row, column, elems)?);
        }
        if !columns.is_empty() {
            let op = Operation::Update {
                table: row.table.into(),
                r#where: vec![Condition::row(uuid)],
                row: columns,
            };
            self.push(row, Some(uuid), op);
        }
        let mut mutations = Vec::new();
        for (column, pairs) in delta.pairs.iter().filter(|(_, pairs)| !pairs.is_empty()) {
            // keys to be taken out of a column that is not there are out
            if self.replica.default_of(row.table, column).is_none() && pairs.values().all(Option::is_none) {
                continue;
            }
            self.default_of(row, column)?;
            // inserting a key that is there changes nothing, so that the old pair goes first, whatever its value
            let keys = Datum::set(pairs.keys().map(|key| self.word(row, key)));
            mutations.push(Mutation::new(*column, Mutator::Delete, keys));
            let set = pairs.iter().filter_map(|(key, value)| Some((*key, value.as_ref()?)));
            let set = self.map(row, set);
            if !set.pairs().is_empty() {
                mutations.push(Mutation::new(*column, Mutator::Insert, set));
            }
        }
        let set =
            |column: &str| delta.add.get(column).is_some_and(|elems| !elems.is_empty() && single(column));
        for (column, elems) in self.removals(row, delta).into_iter().filter(|(column, _)| !set(column)) {
            mutations.push(Mutation::new(column, Mutator::Delete, self.elements(row, column, &elems)?));
        }
        for (column, elems) in delta.add.iter().filter(|(column, elems)| !elems.is_empty() && !single(column))
        {
            // As above: the key of a pair may be there with another value.
            let keys = elems.iter().filter_map(|elem| match elem {
                Elem::Pair(key, _) => Some(Atom::String(key.clone())),
                Elem::Item(_) => None,
            });
            let keys = Datum::set(keys);
            if !keys.elements().is_empty() {
                mutations.push(Mutation::new(*column, Mutator::Delete, keys));
            }
            mutations.push(Mutation::new(*column, Mutator::Insert, self.elements(row, column, elems)?));
        }
        if !mutations.is_empty() {
            let op =
                Operation::Mutate { table: row.table.into(), r#where: vec![Condition::row(uuid)], mutations };
            self.push(row, Some(uuid), op);
        }
        Ok(())
    }

    fn delete(&mut self, row: &RowKey) -> Result<(), TxnError> {
        let uuid = self.uuid(row)?;
        let op = Operation::Delete { table: row.table.into(), r#where: vec![Condition::row(uuid)] };
        self.push(row, Some(uuid), op);
        Ok(())
    }

    fn push(&mut self, row: &RowKey, uuid: Option<Uuid>, op: Operation) {
        self.receipt.note(row, uuid, !matches!(op, Operation::Insert { .. }));
        self.ops.push(op);
    }

    fn uuid(&self, row: &RowKey) -> Result<Uuid, TxnError> {
        self.replica.uuid(row).ok_or_else(|| TxnError::Absent { row: row.clone() })
    }

    fn default_of(&self, row: &RowKey, column: &'static str) -> Result<&rows::Value, TxnError> {
        self.replica.default_of(row.table, column).ok_or_else(|| TxnError::NoColumn {
            row: row.clone(),
            column,
            gap: Box::new(self.replica.gap(row.table, column)),
        })
    }

    /// The default of a column that is to have this value; `None` where the server lacks the column and the value is
    /// what it would hold anyway, so that nothing has to be written.
    fn writable(
        &self,
        row: &RowKey,
        column: &'static str,
        value: &rows::Value,
    ) -> Result<Option<&rows::Value>, TxnError> {
        let assumed = self.replica.assumed(row.table, column);
        let implied = assumed.is_some_and(|held| held == value || *value == rows::Value::EMPTY);
        match self.default_of(row, column) {
            Err(_) if implied => Ok(None),
            found => found.map(Some),
        }
    }

    /// The elements to be taken out of a row: those of the delta that are there (what refers to a row that is gone is
    /// gone itself), and weak references to rows that this transaction deletes. A server clears the latter by itself,
    /// but ovsdb-server 3.1.0 not always in a row that the same transaction also changes: the reference stays, and
    /// comes alive when a row with that UUID is born again.
    fn removals(&self, row: &RowKey, delta: &Delta) -> BTreeMap<&'static str, BTreeSet<Elem>> {
        let mut all: BTreeMap<&'static str, BTreeSet<Elem>> = BTreeMap::new();
        for (column, elems) in &delta.remove {
            let there: BTreeSet<Elem> = elems.iter().filter(|elem| self.is_there(elem)).cloned().collect();
            if !there.is_empty() {
                all.insert(column, there);
            }
        }
        let columns = self.replica.schema().table(row.table).map_or(&[][..], |table| table.columns);
        for column in columns {
            let ColumnKind::Refs { table, strong: false } = column.kind else { continue };
            for target in self.dying.iter().filter(|target| target.table == table) {
                let elem = Elem::Item(rows::Atom::Row((*target).clone()));
                if self.replica.holds(row, column.name, &elem) {
                    all.entry(column.name).or_default().insert(elem);
                }
            }
        }
        all
    }

    fn is_there(&self, elem: &Elem) -> bool {
        match elem {
            Elem::Item(rows::Atom::Row(target)) => self.replica.uuid(target).is_some(),
            _ => true,
        }
    }

    fn value(&self, row: &RowKey, column: &'static str, value: &rows::Value) -> Result<Datum, TxnError> {
        let atoms: Result<Vec<Atom>, TxnError> =
            value.atoms().iter().map(|atom| self.atom(row, column, atom)).collect();
        Ok(Datum::set(atoms?))
    }

    /// Elements of one column: a set, or a map if they are pairs.
    fn elements(
        &self,
        row: &RowKey,
        column: &'static str,
        elems: &BTreeSet<Elem>,
    ) -> Result<Datum, TxnError> {
        self.default_of(row, column)?;
        let mut atoms = Vec::with_capacity(elems.len());
        let mut pairs = Vec::new();
        for elem in elems {
            match elem {
                Elem::Item(atom) => atoms.push(self.atom(row, column, atom)?),
                Elem::Pair(key, value) => {
                    pairs.push((Atom::String(key.clone()), Atom::String(value.clone())));
                }
            }
        }
        Ok(if pairs.is_empty() { Datum::set(atoms) } else { Datum::map(pairs) })
    }

    fn atom(&self, row: &RowKey, column: &'static str, atom: &rows::Atom) -> Result<Atom, TxnError> {
        Ok(match atom {
            rows::Atom::Str(text) => Atom::String(text.clone()),
            rows::Atom::Int(number) => Atom::Integer(*number),
            rows::Atom::Bool(truth) => Atom::Boolean(*truth),
            rows::Atom::Row(target) => match self.replica.uuid(target) {
                Some(uuid) => Atom::Uuid(uuid),
                None => self.born.get(target).cloned().ok_or_else(|| TxnError::NoTarget {
                    row: row.clone(),
                    column,
                    target: target.clone(),
                })?,
            },
        })
    }

    fn map<'v>(&self, row: &RowKey, pairs: impl Iterator<Item = (&'static str, &'v Arc<str>)>) -> Datum {
        Datum::map(pairs.map(|(key, value)| (self.word(row, key), Atom::String(value.clone()))))
    }

    fn word(&self, row: &RowKey, key: &'static str) -> Atom {
        Atom::String(self.replica.word(row.table, key))
    }
}
