//! Which tables and columns of a database we use, and how each column is written.

use super::{Adoption, Stranger};

/// The part of a database that we read and write. Nothing else is asked for.
#[derive(Debug)]
pub struct Schema {
    /// Name of the database, like `OVN_Northbound`.
    pub database: &'static str,
    /// Tables.
    pub tables: &'static [Table],
    /// Recognises rows of an older writer, which are then treated as the owner's: kept where they are as wanted,
    /// changed where they differ.
    pub adopt: fn(&dyn Stranger) -> Option<Adoption>,
}

impl Schema {
    /// The part of a database of which there was no older writer.
    pub const fn new(database: &'static str, tables: &'static [Table]) -> Self {
        const fn nothing(_: &dyn Stranger) -> Option<Adoption> {
            None
        }
        Schema { database, tables, adopt: nothing }
    }

    /// The table with this name.
    pub fn table(&self, name: &str) -> Option<&'static Table> {
        self.tables.iter().find(|t| t.name == name)
    }
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Rows live by themselves; rows of other tables vanish when nothing refers to them.
    pub root: bool,
    /// The column by which rows that are not ours can be named (`RowKey::named`).
    pub natural: Option<&'static str>,
    /// Columns.
    pub columns: &'static [Column],
}

impl Table {
    /// The column with this name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub kind: ColumnKind,
}

/// How a column is written. One column is fed by its row's owner or by givers, never by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Whole, by the row's owner.
    Value,
    /// By the row's owner, when the row is born; what is there then stays.
    Born,
    /// Whole, by the row's owner. In a server that is too old to have it rows are as if they held this number; another
    /// one can't be written there.
    Implied(i64),
    /// A string map shared with other writers: only these keys are ours, in rows of ours.
    Keys(&'static [&'static str]),
    /// A set of references to rows of the named table, fed by givers. An element is ours iff the row it refers
    /// to is ours.
    Refs {
        /// Table of the targets.
        table: &'static str,
        /// The target lives by this reference (OVSDB's strong reference); else it clears by itself.
        strong: bool,
    },
    /// A set of values, or a string map, fed by givers. An element is ours iff the row is ours.
    Elements,
    /// Only read: others write it.
    Seen,
}
