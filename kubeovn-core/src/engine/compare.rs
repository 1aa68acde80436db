//! Comparing: the difference between what owners want and what the replica holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Holding, RowEngine, plan::Batch};
use crate::rows::{
    Act, Atom, ColumnKind, Delta, EXTERNAL_IDS, Elem, Give, KEY_OWNER, KEY_ROW, KEY_VENDOR, Op, OwnerKey,
    Replica, RowKey, RowSpec, Value,
};

impl RowEngine {
    /// The difference between what is wanted and what is there, for all that the batch touches.
    pub(super) fn compare(&self, batch: &Batch, have: &dyn Replica) -> Vec<Op> {
        let mut acts: BTreeMap<RowKey, Act> = BTreeMap::new();
        for row in &batch.rows {
            let winner = self.holdings.winner(row);
            match winner.and_then(|w| batch.fresh.get(w)?.rows.get(row)) {
                Some(spec) if have.has(row) => {
                    let delta = self.difference(row, spec, have);
                    if !delta.is_empty() {
                        acts.insert(row.clone(), Act::Change(delta));
                    }
                }
                Some(spec) => {
                    acts.insert(row.clone(), Act::Insert(spec.clone(), BTreeMap::new()));
                }
                None if !self.holdings.wanted(row) && have.has(row) => {
                    acts.insert(row.clone(), Act::Delete);
                }
                None => {}
            }
        }
        self.fill_born(&mut acts, batch, have);
        self.compare_slots(&mut acts, batch, have);
        detach(&mut acts, have);
        acts.into_iter().map(|(row, act)| Op { row, act }).collect()
    }

    /// A row is born with the union of what all give to it: givers that did not change are not planned again.
    fn fill_born(&self, acts: &mut BTreeMap<RowKey, Act>, batch: &Batch, have: &dyn Replica) {
        for (row, act) in acts.iter_mut() {
            let Act::Insert(_, born) = act else { continue };
            for (column, elems) in self.holdings.given(row) {
                let there: BTreeSet<Elem> =
                    elems.keys().filter(|e| self.can_refer(e, batch, have)).cloned().collect();
                if !there.is_empty() {
                    born.insert(column, there);
                }
            }
        }
    }

    fn compare_slots(&self, acts: &mut BTreeMap<RowKey, Act>, batch: &Batch, have: &dyn Replica) {
        for (row, column, elem) in &batch.slots {
            // Absent rows are born complete when they come; deleted ones take their elements along.
            if !have.has(row) || matches!(acts.get(row), Some(Act::Insert(..) | Act::Delete)) {
                continue;
            }
            let want = self.holdings.gives(row, column, elem);
            if want == have.holds(row, column, elem) || (want && !self.can_refer(elem, batch, have)) {
                continue;
            }
            if !want && self.clears_itself(row.table, column, elem, acts) {
                continue;
            }
            let Act::Change(delta) = acts.entry(row.clone()).or_insert_with(|| Act::Change(Delta::default()))
            else {
                continue;
            };
            let side = if want { &mut delta.add } else { &mut delta.remove };
            side.entry(column).or_default().insert(elem.clone());
        }
    }

    /// A reference can only be written to a row that is there.
    fn can_refer(&self, elem: &Elem, batch: &Batch, have: &dyn Replica) -> bool {
        match elem {
            Elem::Item(Atom::Row(target)) => self.will_exist(target, batch, have),
            _ => true,
        }
    }

    /// References that cannot be written yet: they are when the row comes, whoever makes it, and why ever it came late.
    pub(super) fn note_dangling(&mut self, batch: &Batch, have: &dyn Replica) {
        for slot in &batch.slots {
            let (row, column, elem) = slot;
            let Elem::Item(Atom::Row(target)) = elem else { continue };
            if !self.will_exist(target, batch, have) && self.holdings.gives(row, column, elem) {
                self.dangling.entry(target.clone()).or_default().insert(slot.clone());
            }
        }
    }

    /// What is not wanted any more by this holding is noted again if somebody else wants it.
    pub(super) fn forget_dangling(&mut self, old: &Holding) {
        if self.dangling.is_empty() {
            return;
        }
        for Give { row, column, elem, .. } in &*old.gives {
            let Elem::Item(Atom::Row(target)) = elem else { continue };
            if let Some(slots) = self.dangling.get_mut(target) {
                slots.remove(&(row.clone(), *column, elem.clone()));
                if slots.is_empty() {
                    self.dangling.remove(target);
                }
            }
        }
    }

    /// A weak reference to a row that is deleted goes by itself.
    fn clears_itself(&self, table: &str, column: &str, elem: &Elem, acts: &BTreeMap<RowKey, Act>) -> bool {
        let Elem::Item(Atom::Row(target)) = elem else { return false };
        let kind = self.schema.table(table).and_then(|t| t.column(column)).map(|c| c.kind);
        matches!(kind, Some(ColumnKind::Refs { strong: false, .. })) && acts.get(target) == Some(&Act::Delete)
    }

    /// Adds our mark to rows: whose they are, and their readable ids.
    pub(super) fn stamp(&self, owner: &OwnerKey, rows: &mut BTreeMap<RowKey, RowSpec>) {
        let owner: Arc<str> = owner.to_string().into();
        for (row, spec) in rows {
            if self.schema.table(row.table).is_some_and(|t| t.column(EXTERNAL_IDS).is_some()) {
                let ids = spec.pairs.or_default(EXTERNAL_IDS);
                ids.insert(KEY_VENDOR, self.vendor.clone());
                ids.insert(KEY_OWNER, owner.clone());
                ids.insert(KEY_ROW, row.id.clone());
            }
        }
    }

    /// Is it a column that is written only when the row is born?
    fn stays(&self, row: &RowKey, column: &str, has: Option<&Value>) -> bool {
        let kind = self.schema.table(row.table).and_then(|t| t.column(column)).map(|c| c.kind);
        kind == Some(ColumnKind::Born) && has.is_some_and(|has| *has != Value::EMPTY)
    }

    /// Plain columns and declared keys of a row that is there.
    fn difference(&self, row: &RowKey, spec: &RowSpec, have: &dyn Replica) -> Delta {
        let mut delta = Delta::default();
        for (column, value) in &spec.values {
            let has = have.value(row, column);
            if has != Some(value) && !self.stays(row, column, has) {
                delta.values.insert(column, value.clone());
            }
        }
        let columns = self.schema.table(row.table).map_or(&[][..], |t| t.columns);
        for (column, keys) in columns.iter().filter_map(|c| match c.kind {
            ColumnKind::Keys(keys) => Some((c.name, keys)),
            _ => None,
        }) {
            let wanted = spec.pairs.get(column);
            have.each_pair(row, column, keys, &mut |key, has| {
                let want = wanted.and_then(|pairs| pairs.get(key));
                if want != has {
                    delta.pairs.entry(column).or_default().insert(key, want.cloned());
                }
            });
        }
        delta
    }
}

/// A row that goes must leave all that refer to it strongly, also rows of others and ones that a user made.
fn detach(acts: &mut BTreeMap<RowKey, Act>, have: &dyn Replica) {
    let gone: Vec<RowKey> =
        acts.iter().filter(|(_, act)| **act == Act::Delete).map(|(row, _)| row.clone()).collect();
    for row in gone {
        have.parents(&row, &mut |parent, column| {
            if let Act::Change(delta) = acts.entry(parent).or_insert_with(|| Act::Change(Delta::default())) {
                delta.remove.entry(column).or_default().insert(Elem::Item(Atom::Row(row.clone())));
            }
        });
    }
}
