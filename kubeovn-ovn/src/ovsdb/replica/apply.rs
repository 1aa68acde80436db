//! Updates of a monitor become changes of rows.
//!
//! In three passes, so that rows of one update find each other whatever their order: contents, then names, then the
//! changes to be told, in which elements are named.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kubeovn_core::rows::{Atom, Change, ColumnKind, Elem, OwnerKey, RowChange, RowKey, Value};
use uuid::Uuid;

use super::{
    Cells, Diverged, Replica, Row, TableRows,
    cell::{Cell, Raw, Touch},
    identity::Identity,
    pairs::Lists,
};
use crate::ovsdb::wire::{self, RowUpdate, TableUpdates};

/// Where a row is: the number of its table, and its UUID.
pub(super) type Place = (usize, Uuid);

/// What one update does, while it is applied.
#[derive(Default)]
struct Batch {
    /// Who the touched rows were before.
    before: BTreeMap<Place, Option<(RowKey, Option<OwnerKey>)>>,
    /// What changed in them, by column.
    touched: BTreeMap<Place, Vec<(u8, Touch)>>,
    /// Ids that lost their row.
    freed: BTreeSet<(usize, Arc<str>)>,
    /// Rows whose names have to be looked at.
    unnamed: Vec<Place>,
    /// All rows are new, and nobody is told.
    whole: bool,
}

impl Replica {
    /// Applies an update and tells what it changed: first deletions, then insertions, then modifications, each in
    /// the order of the row keys. A row that changed its name was deleted and inserted.
    ///
    /// # Errors
    /// [`Diverged`]; nothing was applied.
    pub fn apply(&mut self, updates: TableUpdates) -> Result<Vec<RowChange>, Diverged> {
        let batch = self.take(updates, false)?;
        Ok(self.tell(batch))
    }

    /// Applies a whole database to an empty replica.
    ///
    /// # Errors
    /// [`Diverged`] when it is none; nothing was applied.
    pub(in crate::ovsdb) fn fill(&mut self, all: TableUpdates) -> Result<(), Diverged> {
        let whole = self.is_empty();
        self.take(all, whole).map(drop)
    }

    fn take(&mut self, updates: TableUpdates, whole: bool) -> Result<Batch, Diverged> {
        self.check(&updates)?;
        let mut batch = Batch { whole, ..Batch::default() };
        for (name, rows) in updates {
            let Some(at) = self.tables.iter().position(|t| t.table.name == &*name) else { continue };
            if let Some(table) = self.tables.get_mut(at).filter(|_| whole) {
                table.rows.reserve(rows.len());
                table.ids.reserve(rows.len());
            }
            // Each is gone when the next is looked at: of a large dump that is half the memory.
            for (uuid, update) in rows {
                self.update_row((at, uuid), update, &mut batch);
            }
        }
        self.rename(&mut batch);
        Ok(batch)
    }

    fn check(&self, updates: &TableUpdates) -> Result<(), Diverged> {
        for (name, rows) in updates {
            let Some(table) = self.table(name) else { continue };
            for (uuid, update) in rows {
                let needs = matches!(update, RowUpdate::Modify(_) | RowUpdate::Delete);
                if needs && !table.rows.contains_key(uuid) {
                    return Err(Diverged { table: name.clone(), uuid: *uuid });
                }
            }
        }
        Ok(())
    }

    fn update_row(&mut self, place: Place, update: RowUpdate, batch: &mut Batch) {
        let Some(table) = self.tables.get_mut(place.0) else { return };
        let held = table.rows.get(&place.1);
        if !batch.whole {
            batch.before.insert(place, held.and_then(|row| Some((row.key.clone()?, row.owner.clone()))));
        }
        batch.unnamed.push(place);
        match update {
            RowUpdate::Initial(row) | RowUpdate::Insert(row) => {
                let mut lists = std::mem::take(&mut table.lists);
                let mut cells = table.decode(&row, &mut lists);
                table.lists = lists;
                let Some(row) = table.rows.get_mut(&place.1) else {
                    self.parents.extend(table.strong_refs(place, &cells));
                    let row = Row { key: None, id: None, ours: false, owner: None, cells };
                    table.rows.insert(place.1, row);
                    return;
                };
                let mut touches = Vec::new();
                let defaults = table.shapes.iter().zip(&table.assumed);
                let defaults =
                    defaults.map(|(shape, assumed)| shape.as_ref().map_or(assumed, |s| &s.default));
                for (at, (column, default)) in (0..).zip(table.table.columns.iter().zip(defaults)) {
                    let new = cells.remove(&at).unwrap_or_else(|| Cell::unset(column.kind, default));
                    let touch = row.change(at, column.kind, default, |cell| cell.replace(new, column.kind));
                    touches.push((at, touch));
                }
                self.note(place, touches, batch);
            }
            RowUpdate::Modify(diff) => {
                let TableRows { table, shapes, lists, rows, .. } = table;
                let Some(row) = rows.get_mut(&place.1) else { return };
                let mut touches = Vec::new();
                for (at, (column, shape)) in (0..).zip(table.columns.iter().zip(shapes)) {
                    if let (Some(shape), Some(diff)) = (shape, diff.get(column.name)) {
                        let patch = |cell: &mut Cell| cell.patch(column.kind, shape, diff, lists);
                        touches.push((at, row.change(at, column.kind, &shape.default, patch)));
                    }
                }
                self.note(place, touches, batch);
            }
            RowUpdate::Delete => {
                let Some(row) = table.rows.remove(&place.1) else { return };
                if let Some(id) = row.id {
                    table.release(place.1, &id);
                    batch.freed.insert((place.0, id));
                }
                for entry in table.strong_refs(place, &row.cells) {
                    self.parents.remove(&entry);
                }
            }
        }
    }

    /// Keeps what changed for the telling, and the index of strong references.
    fn note(&mut self, place: Place, touches: Vec<(u8, Touch)>, batch: &mut Batch) {
        let columns = self.tables.get(place.0).map_or(&[][..], |t| t.table.columns);
        for (at, touch) in &touches {
            if let Touch::Elems(elems) = touch
                && columns.get(usize::from(*at)).is_some_and(|column| is_strong(column.kind))
            {
                for (raw, came) in elems {
                    let Raw::Ref(child) = raw else { continue };
                    let entry = (*child, number(place.0), u16::from(*at), place.1);
                    if *came {
                        self.parents.insert(entry)
                    } else {
                        self.parents.remove(&entry)
                    };
                }
            }
        }
        let touches = touches.into_iter().filter(|(_, touch)| !matches!(touch, Touch::Nothing));
        batch.touched.entry(place).or_default().extend(touches);
    }

    /// Gives every touched row the name that it has now. All old names go before any new one comes: a row may take
    /// over the name of another one in the same update.
    fn rename(&mut self, batch: &mut Batch) {
        let mut fresh = Vec::new();
        let identities: Vec<(Place, Identity)> =
            batch.unnamed.iter().filter_map(|place| Some((*place, self.identity(*place)?))).collect();
        for ((at, uuid), Identity { id, ours, owner }) in identities {
            let Some(table) = self.tables.get_mut(at) else { continue };
            let Some(row) = table.rows.get_mut(&uuid) else { continue };
            let old = row.id.clone();
            row.ours = ours;
            row.owner = owner;
            if old != id {
                row.key = None;
                row.id.clone_from(&id);
                fresh.extend(id.map(|id| (at, uuid, id)));
                if let Some(old) = old {
                    table.release(uuid, &old);
                    batch.freed.insert((at, old));
                }
            }
        }
        for (at, uuid, id) in fresh {
            if let Some(table) = self.tables.get_mut(at) {
                table.assign(uuid, &id);
            }
        }
        for (at, id) in std::mem::take(&mut batch.freed) {
            let Some(table) = self.tables.get_mut(at) else { continue };
            let Some(twin) = table.first_twin(&id).filter(|_| !table.ids.contains_key(&id)) else { continue };
            let before = table.rows.get(&twin).and_then(|row| Some((row.key.clone()?, row.owner.clone())));
            if !batch.whole {
                batch.before.entry((at, twin)).or_insert(before);
            }
            table.release(twin, &id);
            table.assign(twin, &id);
        }
    }

    fn tell(&self, batch: Batch) -> Vec<RowChange> {
        let (mut gone, mut came, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        let Batch { before, mut touched, .. } = batch;
        for (place, old) in &before {
            let now = self.tables.get(place.0).and_then(|t| t.rows.get(&place.1));
            let now = now.and_then(|row| Some((row.key.clone()?, row.owner.clone())));
            match (old, now) {
                (Some((was, _)), Some((row, owner))) if *was == row => {
                    let what = self.modified(place.0, touched.remove(place).unwrap_or_default(), &before);
                    changed.extend(what.map(|what| RowChange { row, owner, what }));
                }
                (old, now) => {
                    gone.extend(old.clone().map(|(row, owner)| RowChange {
                        row,
                        owner,
                        what: Change::Deleted,
                    }));
                    came.extend(now.map(|(row, owner)| RowChange { row, owner, what: Change::Inserted }));
                }
            }
        }
        for list in [&mut gone, &mut came, &mut changed] {
            list.sort_by(|a, b| a.row.cmp(&b.row));
        }
        gone.into_iter().chain(came).chain(changed).collect()
    }

    fn modified(
        &self,
        at: usize,
        touches: Vec<(u8, Touch)>,
        before: &BTreeMap<Place, Option<(RowKey, Option<OwnerKey>)>>,
    ) -> Option<Change> {
        let (mut columns, mut elems) = (Vec::new(), Vec::new());
        for (column, touch) in touches {
            let column = self.tables.get(at)?.table.columns.get(usize::from(column))?;
            match touch {
                Touch::Nothing => {}
                Touch::Column => columns.push(column.name),
                Touch::Elems(raw) => {
                    for (raw, _) in raw {
                        let elem = match raw {
                            Raw::Text(text) => Some(Elem::Item(Atom::Str(text))),
                            Raw::Pair(key, value) => Some(Elem::Pair(key, value)),
                            Raw::Ref(uuid) => self.named_or_gone(column.kind, uuid, before),
                        };
                        elems.extend(elem.map(|elem| (column.name, elem)));
                    }
                }
            }
        }
        let visible = !columns.is_empty() || !elems.is_empty();
        visible.then_some(Change::Modified { columns, elems })
    }

    /// A reference by the name of its target, by its last name if this very update removed it.
    fn named_or_gone(
        &self,
        kind: ColumnKind,
        uuid: Uuid,
        before: &BTreeMap<Place, Option<(RowKey, Option<OwnerKey>)>>,
    ) -> Option<Elem> {
        let ColumnKind::Refs { table, .. } = kind else { return None };
        self.named(table, uuid).or_else(|| {
            let at = self.tables.iter().position(|t| t.table.name == table)?;
            let (key, _) = before.get(&(at, uuid))?.as_ref()?;
            Some(Elem::Item(Atom::Row(key.clone())))
        })
    }
}

impl Row {
    /// Changes what the row holds in a column; what it holds by default is not kept.
    fn change(
        &mut self,
        column: u8,
        kind: ColumnKind,
        default: &Value,
        change: impl FnOnce(&mut Cell) -> Touch,
    ) -> Touch {
        let mut cell = self.cells.remove(&column).unwrap_or_else(|| Cell::unset(kind, default));
        let touch = change(&mut cell);
        if !cell.is_unset(default) {
            self.cells.insert(column, cell);
        }
        touch
    }
}

impl TableRows {
    pub(super) fn decode(&self, row: &wire::Row, lists: &mut Lists) -> Cells {
        let cells = (0..).zip(self.table.columns).filter_map(|(at, column)| {
            let cell = Cell::decode(column.kind, row.get(column.name)?, lists);
            (!cell.is_unset(self.unset(at))).then_some((at, cell))
        });
        cells.collect()
    }

    /// The entries of [`Replica::parents`] that a row makes.
    fn strong_refs(&self, place: Place, cells: &Cells) -> impl Iterator<Item = (Uuid, u16, u16, Uuid)> {
        let strong = cells.iter().filter(|(at, _)| {
            self.table.columns.get(usize::from(**at)).is_some_and(|column| is_strong(column.kind))
        });
        strong.flat_map(move |(at, cell)| {
            cell.refs().map(move |child| (child, number(place.0), u16::from(*at), place.1))
        })
    }

    fn assign(&mut self, uuid: Uuid, id: &Arc<str>) {
        let taken = self.ids.contains_key(id);
        let name: Arc<str> = if taken { format!("{id}~{uuid}").into() } else { id.clone() };
        if taken {
            self.twins.insert((id.clone(), uuid));
        }
        self.ids.insert(name.clone(), uuid);
        if let Some(row) = self.rows.get_mut(&uuid) {
            row.key = Some(RowKey::new(self.table.name, name));
        }
    }

    fn release(&mut self, uuid: Uuid, id: &Arc<str>) {
        if self.twins.remove(&(id.clone(), uuid)) {
            self.ids.remove(&*format!("{id}~{uuid}"));
        } else if self.ids.get(id) == Some(&uuid) {
            self.ids.remove(id);
        }
    }

    fn first_twin(&self, id: &Arc<str>) -> Option<Uuid> {
        let (held, uuid) = self.twins.range((id.clone(), Uuid::nil())..).next()?;
        (held == id).then_some(*uuid)
    }
}

fn is_strong(kind: ColumnKind) -> bool {
    matches!(kind, ColumnKind::Refs { strong: true, .. })
}

/// Tables and columns of a schema are few.
fn number(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}
