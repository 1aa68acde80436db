//! Tables and rows of the in-memory server, with what a commit must look up: references and unique columns.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use crate::ovsdb::wire::{Atom, BaseType, ColumnSchema, Datum, DbSchema};

/// Where a row is: the number of its table, and its UUID.
pub(super) type Place = (usize, Uuid);

/// The columns of a row, as the columns of its table. Shared, so that remembering a row before it is changed costs
/// no copy of a set of thousands.
pub(super) type Cells = Vec<Arc<Datum>>;

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: Arc<str>,
    pub(super) root: bool,
    pub(super) max_rows: Option<u64>,
    pub(super) columns: Vec<Column>,
    /// Sets of columns whose values no two rows share.
    pub(super) indexes: Vec<Vec<usize>>,
    pub(super) rows: BTreeMap<Uuid, Cells>,
    /// How many strong references there are to a row, if any.
    pub(super) strong: BTreeMap<Uuid, usize>,
    /// Weak references to rows of this table: target, then who refers, and by which column.
    pub(super) weak: BTreeSet<(Uuid, Place, usize)>,
    /// Rows by the values of the columns of each index.
    pub(super) unique: Vec<BTreeMap<Cells, Uuid>>,
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: Arc<str>,
    pub(super) kind: ColumnSchema,
    pub(super) default: Arc<Datum>,
    /// What its elements or keys refer to.
    pub(super) key: Option<Target>,
    /// What the values of its map refer to.
    pub(super) value: Option<Target>,
}

/// What a reference refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) table: usize,
    pub(super) weak: bool,
}

/// The tables of a schema, empty.
pub(super) fn tables(schema: &DbSchema) -> Vec<Table> {
    let names: Vec<&Arc<str>> = schema.tables.keys().collect();
    let target = |base: &BaseType| {
        let table = base.ref_table.as_ref()?;
        Some(Target { table: names.binary_search(&table).ok()?, weak: base.weak })
    };
    // RFC 7047, section 3.2: a schema that knows no roots is older than the notion
    let rootless = !schema.tables.values().any(|t| t.is_root);
    schema
        .tables
        .iter()
        .map(|(name, table)| {
            let columns: Vec<Column> = table
                .columns
                .iter()
                .map(|(name, kind)| Column {
                    name: name.clone(),
                    kind: kind.clone(),
                    default: Arc::new(kind.default_datum()),
                    key: target(&kind.key),
                    value: kind.value.as_ref().and_then(target),
                })
                .collect();
            let at = |column: &Arc<str>| columns.iter().position(|c| c.name == *column);
            let indexes: Vec<Vec<usize>> =
                table.indexes.iter().map(|index| index.iter().filter_map(at).collect()).collect();
            Table {
                name: name.clone(),
                root: table.is_root || rootless,
                max_rows: table.max_rows,
                unique: vec![BTreeMap::new(); indexes.len()],
                indexes,
                columns,
                rows: BTreeMap::new(),
                strong: BTreeMap::new(),
                weak: BTreeSet::new(),
            }
        })
        .collect()
}

impl Table {
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| &*c.name == name)
    }

    /// The values by which a row is found in an index.
    pub(super) fn index_key(&self, index: &[usize], cells: &Cells) -> Cells {
        debug_assert!(index.iter().all(|at| *at < self.columns.len()), "an index of another table");
        index.iter().filter_map(|at| cells.get(*at).cloned()).collect()
    }
}

/// What `_version` reads as. Made of the contents, so that nothing need be kept: it changes with every change of the row,
/// and is the same again when the row is, which is all that optimistic locking asks.
pub(super) fn version(uuid: Uuid, cells: &Cells) -> Uuid {
    let cells: Vec<&Datum> = cells.iter().map(|cell| &**cell).collect();
    // data of texts and numbers always has a JSON form
    Uuid::new_v5(&uuid, &serde_json::to_vec(&cells).unwrap_or_default())
}

impl Column {
    /// What the datum refers to, of strong or of weak references.
    pub(super) fn refs<'a>(&self, datum: &'a Datum, weak: bool) -> impl Iterator<Item = Place> + 'a {
        let key = self.key.filter(|target| target.weak == weak);
        let value = self.value.filter(|target| target.weak == weak);
        let place = |target: Option<Target>, atom: &Atom| Some((target?.table, atom.as_uuid()?));
        let keys = datum.elements().iter().chain(datum.pairs().iter().map(|(key, _)| key));
        let values = datum.pairs().iter().map(|(_, value)| value);
        keys.filter_map(move |atom| place(key, atom)).chain(values.filter_map(move |atom| place(value, atom)))
    }

    /// Whether it refers to rows at all, strongly or weakly.
    pub(super) fn has_refs(&self, weak: bool) -> bool {
        [self.key, self.value].into_iter().flatten().any(|target| target.weak == weak)
    }
}
