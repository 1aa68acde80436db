//! Monitors: what a client wants to be told of, and telling it.

mod parse;

use std::{borrow::Cow, sync::Arc};

use serde_json::Value;
use uuid::Uuid;

use super::{
    condition::{Source, Where},
    reply::notification,
    told::{Columns, RowTold, Told},
};
use crate::{
    memory::{
        Server,
        commit::Written,
        diff,
        store::{Cells, Table, version},
    },
    ovsdb::wire::Datum,
};

/// A monitor of one database.
#[derive(Debug)]
pub(super) struct Monitor {
    /// What the client calls it; any JSON.
    pub(super) id: Value,
    pub(super) notation: Notation,
    /// It is one of `_Server`.
    pub(super) about: bool,
    tables: Vec<Watched>,
}

/// How changes are told, by the method that began the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// `monitor`: `update`, whole rows.
    Plain,
    /// `monitor_cond`: `update2`, differences.
    Cond,
    /// `monitor_cond_since`: `update3`, differences and transaction ids.
    CondSince,
}

/// What is watched of a table.
#[derive(Debug)]
struct Watched {
    table: usize,
    columns: Vec<Watch>,
    /// The kinds of change wanted of any column, or of no column but the row.
    kinds: Kinds,
    filter: Where,
}

#[derive(Debug)]
struct Watch {
    name: Arc<str>,
    source: Source,
    kinds: Kinds,
}

/// A set of [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kinds(u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Initial,
    Insert,
    Delete,
    Modify,
}

impl Kinds {
    fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl Notation {
    /// A notification of a monitor; none if there is nothing to tell.
    pub(super) fn notify(self, id: &Value, told: &Told<'_>, last: Uuid) -> Option<Vec<u8>> {
        (!told.is_empty()).then(|| match self {
            Self::Plain => notification("update", &(id, told)),
            Self::Cond => notification("update2", &(id, told)),
            Self::CondSince => notification("update3", &(id, last.hyphenated().to_string(), told)),
        })
    }
}

impl Monitor {
    /// All rows that it wants to begin with.
    pub(super) fn dump<'a>(&'a self, server: &'a Server) -> Told<'a> {
        let mut told = Told::default();
        for (watched, table) in self.watched(server) {
            for (uuid, cells) in &table.rows {
                let row = self.row(watched, table, *uuid, (None, Some(cells)), Kind::Initial);
                if let Some(row) = row {
                    told.add(&table.name, *uuid, row);
                }
            }
        }
        told
    }

    /// What it wants to know of rows written.
    pub(super) fn changes<'a>(
        &'a self,
        server: &'a Server,
        written: impl IntoIterator<Item = &'a Written>,
    ) -> Told<'a> {
        let mut told = Told::default();
        for Written { place, old, new } in written {
            let Some(watched) = self.tables.iter().find(|watched| watched.table == place.0) else { continue };
            let Some(table) = server.tables.get(place.0) else { continue };
            let row = self.row(watched, table, place.1, (old.as_ref(), new.as_ref()), Kind::Insert);
            if let Some(row) = row {
                told.add(&table.name, place.1, row);
            }
        }
        told
    }

    /// A notification; none if there is nothing to tell.
    pub(super) fn notify(&self, told: &Told<'_>, last: Uuid) -> Option<Vec<u8>> {
        self.notation.notify(&self.id, told, last)
    }

    fn watched<'a>(&'a self, server: &'a Server) -> impl Iterator<Item = (&'a Watched, &'a Table)> {
        self.tables.iter().filter_map(|watched| Some((watched, server.tables.get(watched.table)?)))
    }

    /// What is told of a row that was this and is that, if anything. `new` is the kind of a row that it did not know.
    fn row<'a>(
        &self,
        watched: &'a Watched,
        table: &'a Table,
        uuid: Uuid,
        (old, new): (Option<&'a Cells>, Option<&'a Cells>),
        born: Kind,
    ) -> Option<RowTold<'a>> {
        let seen = |cells: Option<&'a Cells>| cells.filter(|cells| watched.filter.holds(uuid, cells));
        let plain = self.notation == Notation::Plain;
        match (seen(old), seen(new)) {
            (None, None) => None,
            (None, Some(new)) => watched.kinds.has(born).then(|| {
                let mut columns = watched.whole(uuid, new, born);
                if plain {
                    return RowTold::Plain { old: None, new: Some(columns) };
                }
                columns.retain(|(name, value)| !is_default(table, name, value));
                if born == Kind::Initial { RowTold::Initial(columns) } else { RowTold::Insert(columns) }
            }),
            (Some(old), None) => watched.kinds.has(Kind::Delete).then(|| {
                let whole = || watched.whole(uuid, old, Kind::Delete);
                if plain { RowTold::Plain { old: Some(whole()), new: None } } else { RowTold::Delete }
            }),
            (Some(old), Some(new)) => {
                // as a real server does it: of a change in columns whose changes are not wanted, it is told that
                if !watched.kinds.has(Kind::Modify) || watched.changed(uuid, old, new).next().is_none() {
                    return None;
                }
                let wanted = watched.changed(uuid, old, new).filter(|watch| watch.kinds.has(Kind::Modify));
                let columns = wanted.filter_map(|watch| {
                    let (was, is) = (watch.value(uuid, old)?, watch.value(uuid, new)?);
                    let value = match watch.source {
                        _ if plain => was,
                        Source::Cell(at) => Cow::Owned(diff::change(table.columns.get(at)?, &was, &is)),
                        Source::Uuid | Source::Version => is,
                    };
                    Some((&*watch.name, value))
                });
                let columns = columns.collect();
                Some(if plain {
                    let new = watched.whole(uuid, new, Kind::Modify);
                    RowTold::Plain { old: Some(columns), new: Some(new) }
                } else {
                    RowTold::Modify(columns)
                })
            }
        }
    }
}

impl Watched {
    /// The columns of which this kind of change is wanted.
    fn whole<'a>(&'a self, uuid: Uuid, cells: &'a Cells, kind: Kind) -> Columns<'a> {
        let wanted = self.columns.iter().filter(|watch| watch.kinds.has(kind));
        wanted.filter_map(|watch| Some((&*watch.name, watch.value(uuid, cells)?))).collect()
    }

    fn changed<'a>(&'a self, uuid: Uuid, old: &'a Cells, new: &'a Cells) -> impl Iterator<Item = &'a Watch> {
        self.columns.iter().filter(move |watch| match watch.source {
            Source::Uuid => false,
            Source::Version => version(uuid, old) != version(uuid, new),
            Source::Cell(at) => match (old.get(at), new.get(at)) {
                (Some(old), Some(new)) => !Arc::ptr_eq(old, new) && old != new,
                _ => false,
            },
        })
    }
}

impl Watch {
    fn value<'a>(&self, uuid: Uuid, cells: &'a Cells) -> Option<Cow<'a, Datum>> {
        Some(match self.source {
            Source::Uuid => Cow::Owned(Datum::from(uuid)),
            Source::Version => Cow::Owned(Datum::from(version(uuid, cells))),
            Source::Cell(at) => Cow::Borrowed(&**cells.get(at)?),
        })
    }
}

fn is_default(table: &Table, name: &str, value: &Datum) -> bool {
    let column = table.column(name).and_then(|at| table.columns.get(at));
    column.is_some_and(|column| *column.default == *value)
}
