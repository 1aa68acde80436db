//! The server: tables, transactions, updates.

use std::{collections::BTreeMap, sync::Arc};

use kubeovn_core::rows::Schema;
use uuid::Uuid;

use super::{
    commit::Commit,
    diff,
    execute::Execution,
    store::{Cells, Place, Table, tables},
};
use crate::{
    nb,
    ovsdb::wire::{Atom, Datum, DbSchema, OpResult, Operation, Row, RowUpdate, ServerError, TableUpdates},
};

/// Where UUIDs begin that are drawn: shaped like random ones, since clients may look.
const DRAWN: (u64, u64) = (0x6d65_6d6f_7279_4000, 0x8000_0000_0000_0000);

/// An OVSDB database in this process.
///
/// # Guarantees
/// * The same operations in the same order give the same rows, down to the UUIDs that it draws.
/// * A refused transaction changes nothing.
/// * Of the rules of a real server these are not kept: enumerations, ranges and lengths of values, immutable
///   columns; a `wait` never waits.
#[derive(Clone, Debug)]
pub struct Server {
    schema: Arc<DbSchema>,
    pub(super) tables: Vec<Table>,
    drawn: u64,
}

impl Server {
    /// An empty database with the schema of a real one (the text of an `.ovsschema` file, decoded).
    pub fn new(schema: DbSchema) -> Self {
        Server { tables: tables(&schema), schema: Arc::new(schema), drawn: 0 }
    }

    /// An empty database with just the tables and columns that we use.
    pub fn of(schema: &'static Schema) -> Self {
        Self::new(nb::server_schema(schema))
    }

    /// A database with these rows: a dump of another server, or of its file.
    ///
    /// # Errors
    /// What is no whole database of this schema: differences, an unknown table or column, a reference to nothing.
    pub fn load(schema: DbSchema, rows: &TableUpdates) -> Result<Self, ServerError> {
        let mut server = Self::new(schema);
        let mut before = BTreeMap::new();
        for (name, rows) in rows {
            let at = server.table(name)?;
            let Some(table) = server.tables.get_mut(at) else { continue };
            for (uuid, update) in rows {
                let (RowUpdate::Initial(row) | RowUpdate::Insert(row)) = update else {
                    let details = format!("Row {uuid} of {name} is a difference, not a row.");
                    return Err(super::mutate::error("syntax error", details));
                };
                let mut cells: Cells = table.columns.iter().map(|column| column.default.clone()).collect();
                for (column, datum) in row {
                    let cell = table.column(column).and_then(|at| cells.get_mut(at)).ok_or_else(|| {
                        super::mutate::error("syntax error", format!("No column {column} in table {name}."))
                    })?;
                    *cell = Arc::new(datum.clone());
                }
                table.rows.insert(*uuid, cells);
                before.insert((at, *uuid), None);
                // what is drawn later must not be one of these
                if uuid.as_u64_pair().0 == DRAWN.0 {
                    server.drawn = server.drawn.max(uuid.as_u64_pair().1 & !DRAWN.1);
                }
            }
        }
        // as if all of it were one transaction: counts references and fills indexes
        Commit::check(&mut server, before).map_err(|(_, error)| error)?;
        Ok(server)
    }

    /// What the database looks like.
    pub fn schema(&self) -> &DbSchema {
        &self.schema
    }

    /// Executes a transaction: the results as on the wire (one per operation, and one more if the commit fails),
    /// and what it changed, in the notation of `update2`.
    pub fn transact(&mut self, ops: &[Operation]) -> (Vec<OpResult>, TableUpdates) {
        let mut execution = Execution::new(self, ops);
        let mut results = Vec::with_capacity(ops.len());
        for op in ops {
            match execution.run(op) {
                Ok(result) => results.push(result),
                Err(error) => {
                    execution.roll_back();
                    results.push(OpResult::Error(error));
                    results.resize(ops.len(), OpResult::Skipped);
                    return (results, TableUpdates::new());
                }
            }
        }
        let before = execution.before;
        match Commit::check(self, before) {
            Ok(updates) => (results, updates),
            Err((before, error)) => {
                self.restore(before);
                results.push(OpResult::Error(error));
                (results, TableUpdates::new())
            }
        }
    }

    /// All rows, as a monitor gets them first.
    pub fn dump(&self) -> TableUpdates {
        let rows = |table: &Table| -> BTreeMap<Uuid, RowUpdate> {
            table
                .rows
                .iter()
                .map(|(uuid, cells)| (*uuid, RowUpdate::Initial(diff::whole(table, cells))))
                .collect()
        };
        let tables = self.tables.iter().filter(|table| !table.rows.is_empty());
        tables.map(|table| (table.name.clone(), rows(table))).collect()
    }

    /// The rows of one table, with all columns and `_uuid`.
    pub fn rows(&self, table: &str) -> Vec<Row> {
        let table = self.tables.iter().find(|t| &*t.name == table);
        let full = |table: &Table, uuid: Uuid, cells: &Cells| -> Row {
            let columns = table.columns.iter().zip(cells);
            let columns = columns.map(|(column, cell)| (column.name.clone(), Datum::clone(cell)));
            columns.chain([("_uuid".into(), Datum::from(Atom::Uuid(uuid)))]).collect()
        };
        table
            .into_iter()
            .flat_map(|table| table.rows.iter().map(move |(uuid, cells)| full(table, *uuid, cells)))
            .collect()
    }

    /// A UUID that was never drawn before.
    pub(super) fn draw(&mut self) -> Uuid {
        self.drawn += 1;
        Uuid::from_u64_pair(DRAWN.0, DRAWN.1 | self.drawn)
    }

    pub(super) fn table(&self, name: &str) -> Result<usize, ServerError> {
        self.tables
            .iter()
            .position(|table| &*table.name == name)
            .ok_or_else(|| super::mutate::error("syntax error", format!("No table named {name}.")))
    }

    pub(super) fn row(&self, place: Place) -> Option<&Cells> {
        self.tables.get(place.0)?.rows.get(&place.1)
    }

    /// Puts rows back as they were.
    pub(super) fn restore(&mut self, before: BTreeMap<Place, Option<Cells>>) {
        for (place, old) in before {
            let Some(table) = self.tables.get_mut(place.0) else { continue };
            match old {
                Some(cells) => table.rows.insert(place.1, cells),
                None => table.rows.remove(&place.1),
            };
        }
    }
}
