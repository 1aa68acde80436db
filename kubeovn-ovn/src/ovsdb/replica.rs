//! What a server holds, kept up to date from the updates of a monitor, in the words of the engine.
//!
//! Rows are found by [`RowKey`]: ours by the id in their `external_ids`, others by their natural name, the only row of
//! a table that can hold one by the empty name. The server's UUIDs stay known beside, since a row that was adopted
//! has one that nobody could compute. References are kept as UUIDs, 16 bytes each, and named when asked for.
//!
//! Rows of one name (a copied mark, two switches called alike) cannot both have it: the later one is known as
//! `name~uuid` until the first is gone, so that it is seen, swept or reported, and never mixed up with it.
//!
//! Rows of an older writer that the schema recognises ([`Schema::adopt`]) are known by the id under which their owner
//! wants them, as if they had it: so they are changed where they differ and keep their UUIDs.

mod apply;
mod cell;
mod compare;
mod identity;
mod pairs;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kubeovn_core::{
    hash::FixedMap,
    rows::{Atom, Column, ColumnKind, EachPair, Elem, OwnerKey, RowKey, Schema, Table, VENDOR, Value},
    sorted::SortedMap,
};
use uuid::Uuid;

pub use self::compare::Difference;
use self::{
    cell::{Cell, Shape},
    pairs::Lists,
};
use super::wire::{DbSchema, TableUpdates};
use crate::{
    capability::{Gap, Release, Thing},
    nb,
};

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Replica {
    schema: &'static Schema,
    /// The version of the server's schema.
    version: Arc<str>,
    tables: Vec<TableRows>,
    /// Who refers strongly to a row: the row, then table, column and UUID of the referring one. Flat, because nearly
    /// every row has exactly one.
    parents: BTreeSet<(Uuid, u16, u16, Uuid)>,
}

/// An update that does not fit what is held: it changes or removes a row that is not there. The replica is as it was;
/// only reading the whole database again helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server changed row {uuid} of {table}, which it had never told of")]
pub struct Diverged {
    /// The table.
    pub table: Arc<str>,
    /// The row.
    pub uuid: Uuid,
}

#[derive(Clone, Debug)]
struct TableRows {
    table: &'static Table,
    /// The table can hold one row only.
    single: bool,
    /// The server has the table.
    there: bool,
    /// As the columns of `table`; `None` where the server has no such column.
    shapes: Vec<Option<Shape>>,
    /// As the columns of `table`: what one that the server lacks is taken to hold in every row.
    assumed: Vec<Value>,
    /// Keys of maps that many rows have, to be held once. Sorted.
    words: Vec<Arc<str>>,
    lists: Lists,
    rows: FixedMap<Uuid, Row>,
    ids: FixedMap<Arc<str>, Uuid>,
    /// Rows whose id another row has already.
    twins: BTreeSet<(Arc<str>, Uuid)>,
}

#[derive(Clone, Debug)]
struct Row {
    key: Option<RowKey>,
    /// The id that it would have if no other row had it.
    id: Option<Arc<str>>,
    ours: bool,
    owner: Option<OwnerKey>,
    cells: Cells,
}

/// What a row sets, by the number of the column: most columns of most rows hold what they hold by default.
type Cells = SortedMap<u8, Cell>;

impl Replica {
    /// An empty replica of the part of a database that `schema` names and `server` has.
    pub fn new(schema: &'static Schema, server: &DbSchema) -> Self {
        let tables = schema.tables.iter().map(|table| TableRows::new(schema, table, server)).collect();
        Replica { schema, version: server.version.as_str().into(), tables, parents: BTreeSet::new() }
    }

    /// What part of which database this is.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The columns to be monitored, by table: those of the schema that the server has.
    pub fn columns(&self) -> BTreeMap<&'static str, Vec<&'static str>> {
        let there = |t: &TableRows| -> Vec<&'static str> {
            t.table
                .columns
                .iter()
                .zip(&t.shapes)
                .filter(|(_, shape)| shape.is_some())
                .map(|(c, _)| c.name)
                .collect()
        };
        self.tables
            .iter()
            .map(|t| (t.table.name, there(t)))
            .filter(|(_, columns)| !columns.is_empty())
            .collect()
    }

    /// Puts a whole database in the place of what was held. It is built aside: on error nothing changes.
    ///
    /// # Errors
    /// [`Diverged`] when `all` is no whole database but a difference.
    pub fn replace(&mut self, all: TableUpdates) -> Result<(), Diverged> {
        let mut fresh = self.clone_empty();
        fresh.fill(all)?;
        *self = fresh;
        Ok(())
    }

    /// The UUID of a row.
    pub fn uuid(&self, row: &RowKey) -> Option<Uuid> {
        self.table(row.table)?.ids.get(&row.id).copied()
    }

    /// The row with this UUID, in whatever table, if it can be named.
    pub fn key(&self, uuid: Uuid) -> Option<&RowKey> {
        self.tables.iter().find_map(|t| t.rows.get(&uuid)).and_then(|row| row.key.as_ref())
    }

    /// Is there a row with this UUID in the table, named or not?
    pub fn has_uuid(&self, table: &str, uuid: Uuid) -> bool {
        self.table(table).is_some_and(|t| t.rows.contains_key(&uuid))
    }

    /// The rows of a table that can be named, in the order of their keys.
    pub fn keys(&self, table: &str) -> Vec<&RowKey> {
        let rows = self.table(table).into_iter().flat_map(|t| t.rows.values());
        let mut keys: Vec<&RowKey> = rows.filter_map(|row| row.key.as_ref()).collect();
        keys.sort_unstable();
        keys
    }

    /// All rows that can be named, in no order: name, UUID, and whose it is, if it carries our mark and that is readable.
    pub fn named_rows(&self) -> impl Iterator<Item = (&RowKey, Uuid, Option<&OwnerKey>)> {
        let rows = self.tables.iter().flat_map(|table| &table.rows);
        rows.filter_map(|(uuid, row)| Some((row.key.as_ref()?, *uuid, row.owner.as_ref())))
    }

    /// How many rows are held, also ones that cannot be named.
    pub fn len(&self) -> usize {
        self.tables.iter().map(|t| t.rows.len()).sum()
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a column holds in a row that does not set it; `None` when the server has no such column.
    pub fn default_of(&self, table: &str, column: &str) -> Option<&Value> {
        let table = self.table(table)?;
        table.default_of(table.column(column)?)
    }

    /// A declared key of a map column, as it is held already: there are many of each.
    pub(super) fn word(&self, table: &str, key: &'static str) -> Arc<str> {
        let words = self.table(table).map_or(&[][..], |t| &t.words);
        let at = words.binary_search_by(|word| (**word).cmp(key));
        at.ok().and_then(|at| words.get(at)).map_or_else(|| key.into(), Arc::clone)
    }

    /// What a column that a table lacks is taken to hold: what is implied, or what one of its type holds when it is not
    /// set. So a row that wants no more than that is as it wants to be. `None` also when the table itself is lacking.
    pub(super) fn assumed(&self, table: &str, column: &str) -> Option<&Value> {
        let table = self.table(table).filter(|table| table.there)?;
        table.assumed.get(usize::from(table.column(column)?))
    }

    /// That the server lacks a column, or its table.
    pub(super) fn gap(&self, table: &'static str, column: &'static str) -> Gap {
        let there = self.table(table).is_some_and(|t| t.there);
        let (thing, since) = if there {
            (Thing::Column(table.into(), column.into()), Release::of_column(table, column))
        } else {
            (Thing::Table(table.into()), Release::of_table(table))
        };
        let (database, version) = (self.schema.database.into(), self.version.clone());
        Gap::Missing { database, version, thing, since, wish: None }
    }

    fn clone_empty(&self) -> Self {
        let empty = |t: &TableRows| TableRows {
            rows: FixedMap::default(),
            ids: FixedMap::default(),
            twins: BTreeSet::new(),
            table: t.table,
            single: t.single,
            there: t.there,
            shapes: t.shapes.clone(),
            assumed: t.assumed.clone(),
            words: t.words.clone(),
            lists: t.lists.clone(),
        };
        Replica {
            schema: self.schema,
            version: self.version.clone(),
            tables: self.tables.iter().map(empty).collect(),
            parents: BTreeSet::new(),
        }
    }

    fn table(&self, name: &str) -> Option<&TableRows> {
        self.tables.iter().find(|t| t.table.name == name)
    }

    fn row(&self, row: &RowKey) -> Option<(&TableRows, &Row)> {
        let table = self.table(row.table)?;
        Some((table, table.rows.get(table.ids.get(&row.id)?)?))
    }

    /// What the row sets in a column.
    fn cell(&self, row: &RowKey, column: &str) -> Option<&Cell> {
        let (table, row) = self.row(row)?;
        row.cells.get(&table.column(column)?)
    }

    /// The row as an element of a reference column to `table`.
    fn named(&self, table: &str, uuid: Uuid) -> Option<Elem> {
        let key = self.table(table)?.rows.get(&uuid)?.key.clone()?;
        Some(Elem::Item(Atom::Row(key)))
    }
}

impl TableRows {
    fn new(schema: &'static Schema, table: &'static Table, server: &DbSchema) -> Self {
        let there = server.tables.get(table.name);
        let shape = |name: &str| there.and_then(|t| t.columns.get(name)).map(Shape::new);
        let assumed = |column: &Column| match (column.kind, nb::column_of(schema, table.name, column.name)) {
            (ColumnKind::Implied(number), _) => Value::int(number),
            (_, Some(there)) => Shape::new(&there).default,
            (_, None) => Value::EMPTY,
        };
        let mut words: Vec<Arc<str>> = vec![VENDOR.into()];
        for column in table.columns {
            if let ColumnKind::Keys(keys) = column.kind {
                words.extend(keys.iter().map(|key| Arc::from(*key)));
            }
        }
        words.sort_unstable();
        words.dedup();
        TableRows {
            table,
            single: there.is_some_and(|t| t.max_rows == Some(1)),
            there: there.is_some(),
            shapes: table.columns.iter().map(|c| shape(c.name)).collect(),
            assumed: table.columns.iter().map(assumed).collect(),
            words,
            lists: Lists::default(),
            rows: FixedMap::default(),
            ids: FixedMap::default(),
            twins: BTreeSet::new(),
        }
    }

    /// The number of a column. Tables have few.
    fn column(&self, name: &str) -> Option<u8> {
        self.table.columns.iter().position(|c| c.name == name).and_then(|at| u8::try_from(at).ok())
    }

    /// The value of a plain column.
    fn value<'a>(&'a self, row: &'a Row, column: u8) -> &'a Value {
        match row.cells.get(&column) {
            Some(Cell::Plain(value)) => value,
            Some(_) => &EMPTY,
            None => self.unset(column),
        }
    }

    /// What a row that does not set the column reads as, also where the server has no such column.
    fn unset(&self, column: u8) -> &Value {
        self.default_of(column).or_else(|| self.assumed.get(usize::from(column))).unwrap_or(&EMPTY)
    }

    /// What a column holds in a row that does not set it; `None` when the server has no such column.
    fn default_of(&self, column: u8) -> Option<&Value> {
        self.shapes.get(usize::from(column))?.as_ref().map(|shape| &shape.default)
    }
}

static EMPTY: Value = Value::EMPTY;

impl kubeovn_core::rows::Replica for Replica {
    fn has(&self, row: &RowKey) -> bool {
        self.uuid(row).is_some()
    }

    fn uuid(&self, row: &RowKey) -> Option<String> {
        Replica::uuid(self, row).map(|uuid| uuid.to_string())
    }

    fn value(&self, row: &RowKey, column: &str) -> Option<&Value> {
        let (table, row) = self.row(row)?;
        Some(table.value(row, table.column(column)?))
    }

    fn pair(&self, row: &RowKey, column: &str, key: &str) -> Option<&Arc<str>> {
        self.cell(row, column)?.pair(key)
    }

    fn each_pair<'a>(&'a self, row: &RowKey, column: &str, keys: &[&'static str], f: &mut EachPair<'_, 'a>) {
        let cell = self.cell(row, column);
        keys.iter().for_each(|key| f(key, cell.and_then(|cell| cell.pair(key))));
    }

    fn holds(&self, row: &RowKey, column: &str, elem: &Elem) -> bool {
        match (self.cell(row, column), elem) {
            (Some(Cell::Texts(set)), Elem::Item(Atom::Str(text))) => set.contains(text),
            (Some(Cell::Refs(set)), Elem::Item(Atom::Row(target))) => {
                self.uuid(target).is_some_and(|uuid| set.contains(&uuid))
            }
            (Some(cell @ Cell::Pairs(_)), Elem::Pair(key, value)) => cell.pair(key) == Some(value),
            _ => false,
        }
    }

    fn elements(&self, row: &RowKey, column: &str, f: &mut dyn FnMut(Elem)) {
        match self.cell(row, column) {
            Some(Cell::Texts(set)) => set.iter().for_each(|text| f(Elem::Item(Atom::Str(text.clone())))),
            Some(Cell::Pairs(pairs)) => pairs.iter().for_each(|(k, v)| f(Elem::Pair(k.clone(), v.clone()))),
            Some(Cell::Refs(set)) => {
                let kind = self.table(row.table).and_then(|t| t.table.column(column)).map(|c| c.kind);
                if let Some(ColumnKind::Refs { table, .. }) = kind {
                    set.iter().filter_map(|uuid| self.named(table, *uuid)).for_each(f);
                }
            }
            Some(Cell::Plain(_)) | None => {}
        }
    }

    fn parents(&self, row: &RowKey, f: &mut dyn FnMut(RowKey, &'static str)) {
        let Some(uuid) = self.uuid(row) else { return };
        let whole = (uuid, 0, 0, Uuid::nil())..=(uuid, u16::MAX, u16::MAX, Uuid::max());
        for (_, table, column, parent) in self.parents.range(whole) {
            let Some(table) = self.tables.get(usize::from(*table)) else { continue };
            let column = table.table.columns.get(usize::from(*column));
            let key = table.rows.get(parent).and_then(|row| row.key.clone());
            if let (Some(key), Some(column)) = (key, column) {
                f(key, column.name);
            }
        }
    }

    fn any_ours(&self) -> bool {
        self.tables.iter().flat_map(|t| t.rows.values()).any(|row| row.ours && row.key.is_some())
    }

    fn ours(&self, f: &mut dyn FnMut(&RowKey, Option<&OwnerKey>)) {
        let mut tables: Vec<&TableRows> = self.tables.iter().collect();
        tables.sort_unstable_by_key(|t| t.table.name);
        for table in tables {
            let mut rows: Vec<(&RowKey, Option<&OwnerKey>)> = table
                .rows
                .values()
                .filter(|row| row.ours)
                .filter_map(|row| Some((row.key.as_ref()?, row.owner.as_ref())))
                .collect();
            rows.sort_unstable_by_key(|(key, _)| *key);
            for (key, owner) in rows {
                f(key, owner);
            }
        }
    }
}
