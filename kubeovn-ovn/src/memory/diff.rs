//! Differences of rows as `update2` and `update3` write them.

use std::{cmp::Ordering, sync::Arc};

use super::{
    commit::Written,
    store::{Cells, Column, Table},
};
use crate::ovsdb::wire::{Atom, Datum, Row, RowUpdate, TableUpdates};

/// What a transaction changed, in the notation of `update2`. Rows that hold what they held are left out.
pub(super) fn updates(tables: &[Table], written: &[Written]) -> TableUpdates {
    let mut updates = TableUpdates::new();
    for Written { place, old, new } in written {
        let Some(table) = tables.get(place.0) else { continue };
        if let Some(update) = row_update(table, old.as_ref(), new.as_ref()) {
            updates.entry(table.name.clone()).or_default().insert(place.1, update);
        }
    }
    updates
}

/// What became of a row, if anything.
pub(super) fn row_update(table: &Table, old: Option<&Cells>, new: Option<&Cells>) -> Option<RowUpdate> {
    match (old, new) {
        (None, None) => None,
        (Some(_), None) => Some(RowUpdate::Delete),
        (None, Some(new)) => Some(RowUpdate::Insert(whole(table, new))),
        (Some(old), Some(new)) => {
            let columns = table.columns.iter().zip(old.iter().zip(new));
            let diff: Row = columns
                .filter(|(_, (old, new))| !Arc::ptr_eq(old, new) && old != new)
                .map(|(column, (old, new))| (column.name.clone(), change(column, old, new)))
                .collect();
            (!diff.is_empty()).then_some(RowUpdate::Modify(diff))
        }
    }
}

/// A row without what every row has by default.
pub(super) fn whole(table: &Table, cells: &Cells) -> Row {
    let columns = table.columns.iter().zip(cells).filter(|(column, cell)| **cell != column.default);
    columns.map(|(column, cell)| (column.name.clone(), Datum::clone(cell))).collect()
}

/// How the change of a column is told: the new value of what holds one at most, else the difference.
pub(super) fn change(column: &Column, old: &Datum, new: &Datum) -> Datum {
    let one = column.kind.max == Some(1) && !column.kind.is_map();
    if one { new.clone() } else { difference(old, new) }
}

/// Of a set the elements that came or went, of a map the pairs that came, went or have another value.
fn difference(old: &Datum, new: &Datum) -> Datum {
    if let (Datum::Set(old), Datum::Set(new)) = (old, new) {
        let (gone, came) = changes(old, new);
        return Datum::set(gone.into_iter().chain(came).cloned());
    }
    let gone = old.pairs().iter().filter(|(key, _)| new.get(key).is_none());
    let other = new.pairs().iter().filter(|(key, value)| old.get(key) != Some(value));
    Datum::map(gone.chain(other).cloned())
}

/// What went from one sorted slice, and what came, to make the other.
pub(super) fn changes<'a>(mut old: &'a [Atom], mut new: &'a [Atom]) -> (Vec<&'a Atom>, Vec<&'a Atom>) {
    let (mut gone, mut came) = (Vec::new(), Vec::new());
    loop {
        match (old.split_first(), new.split_first()) {
            (None, _) => {
                came.extend(new);
                return (gone, came);
            }
            (_, None) => {
                gone.extend(old);
                return (gone, came);
            }
            (Some((a, rest_old)), Some((b, rest_new))) => match a.cmp(b) {
                Ordering::Less => {
                    gone.push(a);
                    old = rest_old;
                }
                Ordering::Greater => {
                    came.push(b);
                    new = rest_new;
                }
                Ordering::Equal => (old, new) = (rest_old, rest_new),
            },
        }
    }
}
