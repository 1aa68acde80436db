//! Planning ahead: the next transaction is made ready while the database works on the one before.
//!
//! It is planned on a replica that lacks what is on its way, so it must have nothing to do with that: no row and no
//! element in common, no reference from one to the other. What depends waits until the first is through, as without
//! planning ahead. Nothing is sent before the first is through either; if that fails, or anything that was planned
//! with changes meanwhile, the plan is put back.

use super::{Flight, RowEngine, Slot, plan::Batch};
use crate::{
    hash::FixedSet,
    rows::{Atom, Elem, OwnerKey, Render, Replica, RowKey},
};

impl RowEngine {
    /// Makes the next transaction ready, if one is on its way and there is something to do that does not depend on it. Gives
    /// up after so many batches in which nothing was to be written.
    pub fn plan_ahead(
        &mut self,
        batches: usize,
        render: &mut dyn FnMut(&OwnerKey) -> Render,
        have: &dyn Replica,
    ) {
        let free = self.next.is_none() && !self.unsure && self.groups.is_empty();
        for _ in 0..batches {
            let goes = self.next.is_none() && self.flight.as_ref().is_some_and(|flight| !flight.alone);
            if !free || !goes {
                return;
            }
            let owners = self.take_batch();
            if owners.is_empty() {
                return;
            }
            let mut batch = self.claim(owners, render);
            if let Some(flight) = self.flight.as_mut().filter(|flight| depends(&batch, flight)) {
                flight.alone = true;
                return self.put_back(batch.undo);
            }
            self.settle_claims(&mut batch, have);
            self.next = self.depart(batch, have);
        }
    }

    /// Forgets what was planned ahead: its owners will be planned again.
    pub(super) fn put_back_next(&mut self) {
        if let Some(next) = self.next.take() {
            self.put_back(next.undo);
        }
    }

    fn put_back(&mut self, undo: super::Undo) {
        for (owner, old) in undo {
            self.holdings.replace(&owner, old);
            self.dirty.insert(owner);
        }
    }
}

/// Has a batch anything to do with what is on its way?
fn depends(batch: &Batch, flight: &Flight) -> bool {
    touches(&batch.slots, &flight.rows)
        || touches(&flight.slots, &batch.rows)
        || !batch.rows.is_disjoint(&flight.rows)
        || !batch.slots.is_disjoint(&flight.slots)
}

/// Are these elements of, or references to, any of these rows?
fn touches(slots: &FixedSet<Slot>, rows: &FixedSet<RowKey>) -> bool {
    slots.iter().any(|(row, _, elem)| {
        rows.contains(row) || matches!(elem, Elem::Item(Atom::Row(target)) if rows.contains(target))
    })
}
