//! The operations of one transaction, applied in place; what they touch is remembered for the commit or the way back.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use super::{
    mutate::{counted, error, holds, mutated, typed},
    server::{Server, Step},
    store::{Cells, Place, Table, version},
};
use crate::ovsdb::wire::{Atom, Condition, Datum, Function, Mutation, OpResult, Operation, Row, ServerError};

/// A transaction while it is executed.
pub(super) struct Execution<'a> {
    server: &'a mut Server,
    /// Touched rows as they were; `None` for inserted ones.
    pub(super) before: BTreeMap<Place, Option<Cells>>,
    /// What the names of inserted rows stand for, known from the start: an operation may refer to a later one's row.
    names: BTreeMap<Arc<str>, Uuid>,
    used: Vec<Arc<str>>,
    /// The operation that failed is a `wait` whose rows are not as wished.
    pub(super) unmet: bool,
}

/// What a condition looks at.
enum Tested {
    Uuid,
    Version,
    Cell(usize),
}

impl<'a> Execution<'a> {
    pub(super) fn new(server: &'a mut Server, steps: &[Step<'_>]) -> Self {
        let mut names = BTreeMap::new();
        for step in steps {
            if let Step::Run(Operation::Insert { uuid, name: Some(name), .. }) = step {
                names.entry(name.clone()).or_insert_with(|| uuid.unwrap_or_else(|| server.draw()));
            }
        }
        Execution { server, before: BTreeMap::new(), names, used: Vec::new(), unmet: false }
    }

    pub(super) fn roll_back(self) {
        self.server.restore(self.before);
    }

    pub(super) fn run(&mut self, op: &Operation) -> Result<OpResult, ServerError> {
        match op {
            Operation::Insert { table, row, uuid, name } => self.insert(table, row, *uuid, name.as_ref()),
            Operation::Select { table, r#where, columns } => {
                let at = self.server.table(table)?;
                let table = self.server.tables.get(at).ok_or_else(internal)?;
                let all = || {
                    let own = ["_uuid".into(), "_version".into()];
                    table.columns.iter().map(|c| c.name.clone()).chain(own).collect()
                };
                let columns = columns.clone().unwrap_or_else(all);
                let rows = self.selected(at, r#where)?.into_iter().map(|uuid| {
                    let cells = columns.iter().map(|name| Ok((name.clone(), self.cell((at, uuid), name)?)));
                    cells.collect()
                });
                Ok(OpResult::Rows(rows.collect::<Result<_, ServerError>>()?))
            }
            Operation::Update { table, r#where, row } => {
                let at = self.server.table(table)?;
                let columns = self.columns(at, row)?;
                self.each(at, r#where, |_, cells| {
                    for (column, value) in &columns {
                        if let Some(cell) = cells.get_mut(*column) {
                            *cell = value.clone();
                        }
                    }
                    Ok(())
                })
            }
            Operation::Mutate { table, r#where, mutations } => {
                let at = self.server.table(table)?;
                let mutations: Result<Vec<(usize, Mutation)>, ServerError> =
                    mutations.iter().map(|mutation| self.mutation(at, mutation)).collect();
                let mutations = mutations?;
                self.each(at, r#where, |table, cells| {
                    for (column, mutation) in &mutations {
                        let kind = &table.columns.get(*column).ok_or_else(internal)?.kind;
                        let cell = cells.get_mut(*column).ok_or_else(internal)?;
                        let new = mutated(kind, cell, mutation.mutator, &mutation.value, &mutation.column)?;
                        *cell = Arc::new(new);
                    }
                    Ok(())
                })
            }
            Operation::Delete { table, r#where } => {
                let at = self.server.table(table)?;
                let rows = self.selected(at, r#where)?;
                for uuid in &rows {
                    self.touch((at, *uuid));
                    if let Some(table) = self.server.tables.get_mut(at) {
                        table.rows.remove(uuid);
                    }
                }
                Ok(OpResult::Count(rows.len() as u64))
            }
            Operation::Wait { table, r#where, columns, until_equal, rows, .. } => {
                let at = self.server.table(table)?;
                self.unmet = !self.wait(at, r#where, columns, *until_equal, rows)?;
                if self.unmet {
                    return Err(error("timed out", "\"wait\" timed out: the selected rows are others"));
                }
                Ok(OpResult::Done)
            }
            Operation::Comment { .. } => Ok(OpResult::Done),
        }
    }

    fn insert(
        &mut self,
        table: &str,
        row: &Row,
        uuid: Option<Uuid>,
        name: Option<&Arc<str>>,
    ) -> Result<OpResult, ServerError> {
        let at = self.server.table(table)?;
        let columns = self.columns(at, row)?;
        if let Some(name) = name {
            if self.used.contains(name) {
                return Err(error("duplicate uuid-name", format!("{name} names two rows")));
            }
            self.used.push(name.clone());
        }
        let named = name.and_then(|name| self.names.get(name).copied());
        let uuid = uuid.or(named).unwrap_or_else(|| self.server.draw());
        let place = (at, uuid);
        // one that was inserted and deleted again in this transaction has left nothing behind
        let deleted = matches!(self.before.get(&place), Some(Some(_)));
        if self.server.row(place).is_some() || deleted {
            return Err(error(
                "duplicate uuid",
                format!("there is, or was just deleted, a row {uuid} in {table}"),
            ));
        }
        self.before.insert(place, None);
        let table = self.server.tables.get_mut(at).ok_or_else(internal)?;
        let mut cells: Cells = table.columns.iter().map(|column| column.default.clone()).collect();
        for (column, value) in columns {
            if let Some(cell) = cells.get_mut(column) {
                *cell = value;
            }
        }
        table.rows.insert(uuid, cells);
        Ok(OpResult::Inserted(uuid))
    }

    /// Changes the selected rows; the answer is their count.
    fn each(
        &mut self,
        at: usize,
        conditions: &[Condition],
        change: impl Fn(&Table, &mut Cells) -> Result<(), ServerError>,
    ) -> Result<OpResult, ServerError> {
        let rows = self.selected(at, conditions)?;
        for uuid in &rows {
            self.touch((at, *uuid));
            let table = self.server.tables.get_mut(at).ok_or_else(internal)?;
            let Some(mut cells) = table.rows.get(uuid).cloned() else { continue };
            change(table, &mut cells)?;
            table.rows.insert(*uuid, cells);
        }
        Ok(OpResult::Count(rows.len() as u64))
    }

    /// Whether the selected rows are, or are not, the given ones.
    fn wait(
        &self,
        at: usize,
        conditions: &[Condition],
        columns: &[Arc<str>],
        until_equal: bool,
        rows: &[Row],
    ) -> Result<bool, ServerError> {
        let mut found: Vec<Vec<Datum>> = Vec::new();
        for uuid in self.selected(at, conditions)? {
            found.push(columns.iter().map(|name| self.cell((at, uuid), name)).collect::<Result<_, _>>()?);
        }
        let mut wanted: Vec<Vec<Datum>> = Vec::new();
        for row in rows {
            let given: BTreeMap<usize, Arc<Datum>> = self.columns(at, row)?.into_iter().collect();
            let table = self.server.tables.get(at).ok_or_else(internal)?;
            let value = |name: &Arc<str>| {
                let column = table.column(name)?;
                let default = &table.columns.get(column)?.default;
                Some(Datum::clone(given.get(&column).unwrap_or(default)))
            };
            wanted.push(columns.iter().filter_map(value).collect());
        }
        for rows in [&mut found, &mut wanted] {
            rows.sort_unstable();
            rows.dedup();
        }
        Ok((found == wanted) == until_equal)
    }

    /// The rows for which all conditions hold.
    fn selected(&self, at: usize, conditions: &[Condition]) -> Result<Vec<Uuid>, ServerError> {
        let table = self.server.tables.get(at).ok_or_else(internal)?;
        let mut tests = Vec::with_capacity(conditions.len());
        let mut one = None;
        for condition in conditions {
            let value = self.resolved(&condition.value);
            if &*condition.column == "_uuid" {
                if condition.function == Function::Equal {
                    one = value.scalar().and_then(Atom::as_uuid).or(one);
                }
                tests.push((Tested::Uuid, condition.function, value));
                continue;
            }
            if &*condition.column == "_version" {
                tests.push((Tested::Version, condition.function, value));
                continue;
            }
            let column = column_of(table, &condition.column)?;
            let kind = &table.columns.get(column).ok_or_else(internal)?.kind;
            tests.push((Tested::Cell(column), condition.function, typed(kind, &value, &condition.column)?));
        }
        let passes = |uuid: &Uuid, cells: &Cells| {
            tests.iter().all(|(column, function, value)| match column {
                Tested::Uuid => holds(*function, &Datum::from(*uuid), value),
                Tested::Version => holds(*function, &Datum::from(version(*uuid, cells)), value),
                Tested::Cell(at) => cells.get(*at).is_some_and(|cell| holds(*function, cell, value)),
            })
        };
        if let Some(uuid) = one {
            let row = table.rows.get(&uuid);
            return Ok(row.filter(|cells| passes(&uuid, cells)).map(|_| uuid).into_iter().collect());
        }
        Ok(table.rows.iter().filter(|(uuid, cells)| passes(uuid, cells)).map(|(uuid, _)| *uuid).collect())
    }

    fn cell(&self, place: Place, name: &str) -> Result<Datum, ServerError> {
        if name == "_uuid" {
            return Ok(Datum::from(Atom::Uuid(place.1)));
        }
        let table = self.server.tables.get(place.0).ok_or_else(internal)?;
        if name == "_version" {
            return Ok(Datum::from(version(place.1, self.server.row(place).ok_or_else(internal)?)));
        }
        let column = column_of(table, name)?;
        let cell = self.server.row(place).and_then(|cells| cells.get(column)).ok_or_else(internal)?;
        Ok(Datum::clone(cell))
    }

    /// The columns of a row given by an operation, checked.
    fn columns(&self, at: usize, row: &Row) -> Result<Vec<(usize, Arc<Datum>)>, ServerError> {
        let table = self.server.tables.get(at).ok_or_else(internal)?;
        let mut columns = Vec::with_capacity(row.len());
        for (name, value) in row {
            let column = column_of(table, name)?;
            let kind = &table.columns.get(column).ok_or_else(internal)?.kind;
            let value = typed(kind, &self.resolved(value), name)?;
            counted(kind, &value, name, "syntax error")?;
            columns.push((column, Arc::new(value)));
        }
        Ok(columns)
    }

    fn mutation(&self, at: usize, mutation: &Mutation) -> Result<(usize, Mutation), ServerError> {
        let table = self.server.tables.get(at).ok_or_else(internal)?;
        let column = column_of(table, &mutation.column)?;
        Ok((column, Mutation { value: self.resolved(&mutation.value), ..mutation.clone() }))
    }

    /// The value with the UUIDs that names stand for. A name of no row stands for a row that does not exist.
    fn resolved(&self, value: &Datum) -> Datum {
        let atom = |atom: &Atom| match atom {
            Atom::Named(name) => Atom::Uuid(self.names.get(name).copied().unwrap_or(Uuid::max())),
            other => other.clone(),
        };
        match value {
            Datum::Set(set) => Datum::set(set.iter().map(atom)),
            Datum::Map(map) => Datum::map(map.iter().map(|(key, value)| (atom(key), atom(value)))),
        }
    }

    fn touch(&mut self, place: Place) {
        if !self.before.contains_key(&place) {
            self.before.insert(place, self.server.row(place).cloned());
        }
    }
}

fn column_of(table: &Table, name: &str) -> Result<usize, ServerError> {
    table
        .column(name)
        .ok_or_else(|| error("unknown column", format!("No column {name} in table {}.", table.name)))
}

/// A table or column number that is none of this server's: cannot happen, and must not panic if it does.
pub(super) fn internal() -> ServerError {
    error("internal error", "a table or column that is not there")
}
