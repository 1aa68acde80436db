//! The server: tables, transactions, updates.

use std::{collections::BTreeMap, sync::Arc};

use kubeovn_core::rows::Schema;
use uuid::Uuid;

use super::{
    commit::{Commit, Written},
    diff,
    execute::Execution,
    mutate::error,
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
///   columns. A `wait` waits only for clients of a socket.
#[derive(Clone, Debug)]
pub struct Server {
    schema: Arc<DbSchema>,
    /// The schema as it was read, if it was: it says more than what is kept of it.
    #[cfg(feature = "client")]
    text: Option<Arc<str>>,
    pub(super) tables: Vec<Table>,
    drawn: u64,
    given_uuids: bool,
}

/// What is done at one place of a transaction.
pub(super) enum Step<'a> {
    Run(&'a Operation),
    /// Nothing, with success.
    #[cfg(feature = "client")]
    Pass,
    /// Nothing, and it fails with this.
    #[cfg(feature = "client")]
    Fail(ServerError),
}

/// What became of a transaction.
pub(super) enum Attempt {
    /// The results as on the wire, and what was written.
    Done(Vec<OpResult>, Vec<Written>),
    /// Nothing yet: a `wait` is not met, and may take so long, in milliseconds, from when the transaction came.
    #[cfg_attr(
        not(feature = "client"),
        expect(dead_code, reason = "without clients of sockets nobody waits")
    )]
    Blocked(Option<u64>),
}

impl Server {
    /// An empty database with the schema of a real one (the text of an `.ovsschema` file, decoded).
    pub fn new(schema: DbSchema) -> Self {
        Server {
            tables: tables(&schema),
            schema: Arc::new(schema),
            #[cfg(feature = "client")]
            text: None,
            drawn: 0,
            given_uuids: true,
        }
    }

    /// An empty database with the schema of a real one, from the text of an `.ovsschema` file. Served, it shows the
    /// whole text, where [`Server::new`] shows only what it needs itself.
    ///
    /// # Errors
    /// Text that is no schema.
    #[cfg(feature = "client")]
    pub fn read(schema: &str) -> Result<Self, serde_json::Error> {
        Ok(Self { text: Some(schema.into()), ..Self::new(DbSchema::decode(schema)?) })
    }

    /// Refuses an `insert` that says which UUID the row gets, as ovsdb-server before 2.13 does.
    pub fn without_given_uuids(self) -> Self {
        Self { given_uuids: false, ..self }
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

    /// The schema as it was read.
    #[cfg(feature = "client")]
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Executes a transaction: the results as on the wire (one per operation, and one more if the commit fails),
    /// and what it changed, in the notation of `update2`.
    pub fn transact(&mut self, ops: &[Operation]) -> (Vec<OpResult>, TableUpdates) {
        let steps: Vec<Step<'_>> = ops.iter().map(Step::Run).collect();
        match self.attempt(&steps, None) {
            Attempt::Done(results, written) => (results, diff::updates(&self.tables, &written)),
            // cannot be: who gives no time does not wait
            Attempt::Blocked(_) => (Vec::new(), TableUpdates::new()),
        }
    }

    /// Executes a transaction that came `elapsed` milliseconds ago; `None` is for ever ago.
    pub(super) fn attempt(&mut self, steps: &[Step<'_>], elapsed: Option<u64>) -> Attempt {
        let (given_uuids, total) = (self.given_uuids, steps.len());
        let mut execution = Execution::new(self, steps);
        let mut results = Vec::with_capacity(total);
        for (at, step) in steps.iter().enumerate() {
            let result = match step {
                Step::Run(Operation::Insert { uuid: Some(_), .. }) if !given_uuids => {
                    Err(error("syntax error", unknown_member(at + 1, total, "uuid")))
                }
                Step::Run(op) => execution.run(op),
                #[cfg(feature = "client")]
                Step::Pass => Ok(OpResult::Done),
                #[cfg(feature = "client")]
                Step::Fail(error) => Err(error.clone()),
            };
            let mut failure = match result {
                Ok(result) => {
                    results.push(result);
                    continue;
                }
                Err(failure) => failure,
            };
            if let (true, Some(elapsed), Step::Run(Operation::Wait { timeout, .. })) =
                (execution.unmet, elapsed, step)
            {
                if timeout.is_none_or(|timeout| elapsed < timeout) {
                    execution.roll_back();
                    return Attempt::Blocked(*timeout);
                }
                failure.details = match timeout {
                    Some(0) => "\"where\" clause test failed".to_owned(),
                    _ => format!("\"wait\" timed out after {elapsed} ms"),
                };
            }
            execution.roll_back();
            results.push(OpResult::Error(failure));
            results.resize(total, OpResult::Skipped);
            return Attempt::Done(results, Vec::new());
        }
        let before = execution.before;
        match Commit::check(self, before) {
            Ok(written) => Attempt::Done(results, written),
            Err((before, error)) => {
                self.restore(before);
                results.push(OpResult::Error(error));
                Attempt::Done(results, Vec::new())
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

/// How a server words a member of an operation that it does not know.
pub(super) fn unknown_member(number: usize, total: usize, member: &str) -> String {
    format!(
        "Parsing ovsdb operation {number} of {total} failed: Member '{member}' is present but not allowed here."
    )
}
