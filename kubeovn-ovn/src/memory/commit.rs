//! What a real server does when all operations of a transaction have passed: references, unreferenced rows, limits,
//! unique columns; then the new state is the state, and the difference is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    diff,
    execute::internal,
    mutate::{counted, error},
    server::Server,
    store::{Cells, Place, Target},
};
use crate::ovsdb::wire::{Atom, Datum, ServerError};

/// A row that a transaction wrote, be it with what it held before.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) place: Place,
    /// `None` for a new row.
    pub(super) old: Option<Cells>,
    /// `None` for one that is gone.
    pub(super) new: Option<Cells>,
}

type Before = BTreeMap<Place, Option<Cells>>;

/// A commit while it is checked. The rows are changed already; counts and indexes are not, so that a failure needs no
/// undoing of them.
pub(super) struct Commit<'a> {
    server: &'a mut Server,
    before: Before,
    /// Strong references that came (or went), by target.
    strong: BTreeMap<Place, isize>,
}

impl<'a> Commit<'a> {
    /// Makes the transaction last, and tells what it changed.
    ///
    /// # Errors
    /// Why it cannot be, and the rows as they were before, to be restored.
    pub(super) fn check(
        server: &'a mut Server,
        before: Before,
    ) -> Result<Vec<Written>, (Before, ServerError)> {
        let mut commit = Commit { server, before, strong: BTreeMap::new() };
        match commit.steps() {
            Ok(()) => Ok(commit.finish()),
            Err(error) => Err((commit.before, error)),
        }
    }

    fn steps(&mut self) -> Result<(), ServerError> {
        self.count_references()?;
        self.collect_garbage();
        self.check_limits()?;
        self.clear_weak()?;
        self.check_unique()
    }

    fn count_references(&mut self) -> Result<(), ServerError> {
        let places: Vec<Place> = self.before.keys().copied().collect();
        for place in &places {
            let old = self.before.get(place).cloned().flatten();
            let new = self.server.row(*place).cloned();
            for target in self.recount(*place, old.as_ref(), new.as_ref()) {
                // of a row deleted just now the deletion is to blame
                let deleted = matches!(self.before.get(&target), Some(Some(_)));
                if self.server.row(target).is_none() && !deleted {
                    let details = format!(
                        "Table {} row {} references nonexistent row {} in table {}.",
                        self.name(*place),
                        place.1,
                        target.1,
                        self.name(target)
                    );
                    return Err(error("referential integrity violation", details));
                }
            }
        }
        for place in places {
            let left = self.references(place);
            if self.server.row(place).is_none() && left > 0 {
                let details = format!(
                    "cannot delete {} row {} because of {left} remaining reference(s)",
                    self.name(place),
                    place.1
                );
                return Err(error("referential integrity violation", details));
            }
        }
        Ok(())
    }

    /// Counts the strong references of a row that became another, and answers the new ones.
    fn recount(&mut self, place: Place, old: Option<&Cells>, new: Option<&Cells>) -> BTreeSet<Place> {
        let Some(table) = self.server.tables.get(place.0) else { return BTreeSet::new() };
        let mut came = BTreeSet::new();
        for (at, column) in table.columns.iter().enumerate().filter(|(_, column)| column.has_refs(false)) {
            let (gone, new) = changed(old, new, at);
            for target in column.refs(&gone, false) {
                *self.strong.entry(target).or_default() -= 1;
            }
            for target in column.refs(&new, false) {
                *self.strong.entry(target).or_default() += 1;
                came.insert(target);
            }
        }
        came
    }

    fn references(&self, place: Place) -> isize {
        let held = self.server.tables.get(place.0).and_then(|t| t.strong.get(&place.1)).copied().unwrap_or(0);
        isize::try_from(held).unwrap_or(isize::MAX) + self.strong.get(&place).copied().unwrap_or(0)
    }

    /// Removes rows that live by references and have none.
    fn collect_garbage(&mut self) {
        let mut suspects: BTreeSet<Place> =
            self.before.keys().copied().chain(self.strong.keys().copied()).collect();
        while let Some(place) = suspects.pop_first() {
            let root = self.server.tables.get(place.0).is_none_or(|t| t.root);
            if root || self.references(place) > 0 {
                continue;
            }
            let Some(cells) = self.server.tables.get_mut(place.0).and_then(|t| t.rows.remove(&place.1))
            else {
                continue;
            };
            self.recount(place, Some(&cells), None);
            if let Some(table) = self.server.tables.get(place.0) {
                for (column, cell) in table.columns.iter().zip(&cells) {
                    suspects.extend(column.refs(cell, false));
                }
            }
            self.before.entry(place).or_insert(Some(cells));
        }
    }

    fn check_limits(&self) -> Result<(), ServerError> {
        for table in &self.server.tables {
            let count = table.rows.len() as u64;
            if table.max_rows.is_some_and(|max| count > max) {
                let details =
                    format!("transaction causes table {} to contain {count} rows, too many", table.name);
                return Err(error("constraint violation", details));
            }
        }
        Ok(())
    }

    /// Removes weak references to rows that are not there.
    fn clear_weak(&mut self) -> Result<(), ServerError> {
        let mut holders: BTreeSet<Place> = self.before.keys().copied().collect();
        let absent = |place: &Place| self.server.row(*place).is_none();
        let gone: BTreeSet<Place> = self.before.keys().copied().filter(absent).collect();
        for place in &gone {
            let Some(table) = self.server.tables.get(place.0) else { continue };
            let from = (place.1, (0, Uuid::nil()), 0);
            let to_it = table.weak.range(from..).take_while(|(target, ..)| *target == place.1);
            holders.extend(to_it.map(|(_, holder, _)| *holder));
        }
        for holder in holders {
            if let Some(cleared) = self.without_dangling(holder, &gone)? {
                let old = self.server.tables.get_mut(holder.0).and_then(|t| t.rows.insert(holder.1, cleared));
                self.before.entry(holder).or_insert(old);
            }
        }
        Ok(())
    }

    /// The row without weak references to rows that are not there, if it has any.
    fn without_dangling(&self, holder: Place, gone: &BTreeSet<Place>) -> Result<Option<Cells>, ServerError> {
        let Some(cells) = self.server.row(holder) else { return Ok(None) };
        let old = self.before.get(&holder).map_or(Some(cells), Option::as_ref);
        let columns = &self.server.tables.get(holder.0).ok_or_else(internal)?.columns;
        let mut cleared = None;
        for (at, column) in columns.iter().enumerate().filter(|(_, column)| column.has_refs(true)) {
            let Some(cell) = cells.get(at) else { continue };
            // what was there before and is not among the gone needs no look-up: sets can be large
            let (_, came) = changed(old, Some(cells), at);
            let dangles = column.refs(&came, true).any(|target| self.server.row(target).is_none())
                || (!gone.is_empty() && column.refs(cell, true).any(|target| gone.contains(&target)));
            if !dangles {
                continue;
            }
            let there = |target: Option<Target>, atom: &Atom| match (target, atom.as_uuid()) {
                (Some(target), Some(uuid)) if target.weak => self.server.row((target.table, uuid)).is_some(),
                _ => true,
            };
            let left = match &**cell {
                Datum::Set(set) => {
                    Datum::Set(set.iter().filter(|atom| there(column.key, atom)).cloned().collect())
                }
                Datum::Map(map) => {
                    let stays =
                        |(key, value): &&(Atom, Atom)| there(column.key, key) && there(column.value, value);
                    Datum::Map(map.iter().filter(stays).cloned().collect())
                }
            };
            counted(&column.kind, &left, &column.name, "constraint violation")?;
            if let Some(cell) = cleared.get_or_insert_with(|| cells.clone()).get_mut(at) {
                *cell = Arc::new(left);
            }
        }
        Ok(cleared)
    }

    fn check_unique(&self) -> Result<(), ServerError> {
        let mut fresh: BTreeMap<(usize, usize, Cells), Uuid> = BTreeMap::new();
        for place in self.before.keys() {
            let Some((table, cells)) = self.server.tables.get(place.0).zip(self.server.row(*place)) else {
                continue;
            };
            for (at, (index, unique)) in table.indexes.iter().zip(&table.unique).enumerate() {
                let key = table.index_key(index, cells);
                let held = unique.get(&key).filter(|uuid| !self.before.contains_key(&(place.0, **uuid)));
                let other = held.copied().or_else(|| fresh.insert((place.0, at, key), place.1));
                if let Some(other) = other {
                    let details = format!(
                        "Transaction causes multiple rows in \"{}\" table to have identical values for an index.  \
                         First row, with UUID {}, was written by this transaction.  Second row, with UUID {other}.",
                        table.name, place.1
                    );
                    return Err(error("constraint violation", details));
                }
            }
        }
        Ok(())
    }

    /// Enters all that was checked into counts and indexes, and tells what was written.
    fn finish(self) -> Vec<Written> {
        let Commit { server, before, strong } = self;
        for ((at, uuid), change) in strong {
            let Some(table) = server.tables.get_mut(at) else { continue };
            let count = table.strong.remove(&uuid).unwrap_or(0).saturating_add_signed(change);
            if count > 0 {
                table.strong.insert(uuid, count);
            }
        }
        let mut written = Vec::with_capacity(before.len());
        for (place, old) in before {
            let new = server.row(place).cloned();
            server.index(place, old.as_ref(), new.as_ref());
            written.push(Written { place, old, new });
        }
        written
    }

    fn name(&self, place: Place) -> &str {
        self.server.tables.get(place.0).map_or("", |t| &*t.name)
    }
}

impl Server {
    /// Enters a changed row into the indexes of its table and of those that it refers to weakly.
    fn index(&mut self, place: Place, old: Option<&Cells>, new: Option<&Cells>) {
        let Some(table) = self.tables.get_mut(place.0) else { return };
        for at in 0..table.indexes.len() {
            let key = |cells: &Cells| table.indexes.get(at).map(|index| table.index_key(index, cells));
            let (gone, came) = (old.and_then(key), new.and_then(key));
            let Some(unique) = table.unique.get_mut(at) else { continue };
            if gone != came {
                if let Some(gone) = gone.filter(|gone| unique.get(gone) == Some(&place.1)) {
                    unique.remove(&gone);
                }
                if let Some(came) = came {
                    unique.insert(came, place.1);
                }
            }
        }
        let columns = table.columns.iter().enumerate().filter(|(_, column)| column.has_refs(true));
        let mut weak: Vec<(Place, usize, bool)> = Vec::new();
        for (at, column) in columns {
            let (gone, came) = changed(old, new, at);
            weak.extend(column.refs(&gone, true).map(|target| (target, at, false)));
            weak.extend(column.refs(&came, true).map(|target| (target, at, true)));
        }
        for (target, at, came) in weak {
            let Some(table) = self.tables.get_mut(target.0) else { continue };
            let entry = (target.1, place, at);
            if came {
                table.weak.insert(entry)
            } else {
                table.weak.remove(&entry)
            };
        }
    }
}

/// What went from a column, and what came.
fn changed(old: Option<&Cells>, new: Option<&Cells>, at: usize) -> (Datum, Datum) {
    let old = old.and_then(|cells| cells.get(at));
    let new = new.and_then(|cells| cells.get(at));
    match (old, new) {
        (Some(old), Some(new)) if Arc::ptr_eq(old, new) => (Datum::empty(), Datum::empty()),
        (Some(old), Some(new)) => match (&**old, &**new) {
            (Datum::Set(old), Datum::Set(new)) => {
                let (gone, came) = diff::changes(old, new);
                (Datum::set(gone.into_iter().cloned()), Datum::set(came.into_iter().cloned()))
            }
            _ => (Datum::clone(old), Datum::clone(new)),
        },
        (old, new) => {
            let whole = |cell: Option<&Arc<Datum>>| cell.map_or(Datum::empty(), |cell| Datum::clone(cell));
            (whole(old), whole(new))
        }
    }
}
