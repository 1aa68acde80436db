//! Planning: from marked owners to one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Flight, Holding, RowEngine, Slot, Standing, Undo, held::sorted};
use crate::{
    error::{NAME_TAKEN, Problem},
    hash::FixedSet,
    rows::{Atom, Elem, Give, Millis, OwnerKey, Render, Rendered, Replica, RowKey, Txn},
    sorted::SortedSet,
};

/// One batch while it is planned.
#[derive(Default)]
pub(super) struct Batch {
    /// Who wants something, and gets it. Boxed, since nodes of a tree of these would be too large for an allocator to be
    /// quick about.
    pub(super) fresh: BTreeMap<OwnerKey, Box<Rendered>>,
    pub(super) undo: Undo,
    /// Rows and elements to compare.
    pub(super) rows: FixedSet<RowKey>,
    pub(super) slots: FixedSet<Slot>,
    /// How many were rendered, with whatever answer.
    owners: usize,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        // Who was gone or held without a trace leaves nothing to compare, but others may still be waiting in line.
        self.rows.is_empty() && self.slots.is_empty() && self.fresh.is_empty() && self.owners == 0
    }
}

impl RowEngine {
    /// The next transaction, or `None` when there is nothing to do now: one is on its way, the database must be read
    /// again first, or all is as wanted. Call it until it answers `None`.
    pub fn plan(
        &mut self,
        now: Millis,
        render: &mut dyn FnMut(&OwnerKey) -> Render,
        have: &dyn Replica,
    ) -> Option<Txn> {
        self.plan_some(usize::MAX, now, render, have)
    }

    /// The same, which gives up after so many batches in which nothing was to be written. Then there is
    /// [`more`](Self::more).
    pub fn plan_some(
        &mut self,
        batches: usize,
        now: Millis,
        render: &mut dyn FnMut(&OwnerKey) -> Render,
        have: &dyn Replica,
    ) -> Option<Txn> {
        if self.flight.is_some() || self.unsure {
            return None;
        }
        if self.next.is_some() {
            self.flight = self.next.take();
            return self.flight.as_ref().map(|flight| flight.txn.clone());
        }
        self.dirty.extend(self.retries.take_due(now));
        if !std::mem::take(&mut self.goes_on) {
            self.tried.clear();
        }
        for _ in 0..batches {
            let owners = self.take_batch();
            // Repairs go alone: should the database refuse them, no owner is to blame.
            let mut batch = if owners.is_empty() { self.mend() } else { self.claim(owners, render) };
            if batch.is_empty() {
                self.whole = false;
                return None;
            }
            self.settle_claims(&mut batch, have);
            self.flight = self.depart(batch, have);
            if let Some(flight) = &self.flight {
                return Some(flight.txn.clone());
            }
        }
        self.goes_on = true;
        None
    }

    /// Can something be planned at once?
    pub fn more(&self) -> bool {
        self.flight.is_none() && !self.unsure && !self.idle()
    }

    /// The transaction of a batch; `None` when all is as wanted.
    pub(super) fn depart(&mut self, batch: Batch, have: &dyn Replica) -> Option<Flight> {
        let ops = self.compare(&batch, have);
        self.note_dangling(&batch, have);
        let reports = batch.fresh.into_iter().map(|(owner, want)| (owner, want.reports)).collect();
        if ops.is_empty() {
            self.wake_followers(&batch.undo);
            self.approve(reports);
            return None;
        }
        self.last_id += 1;
        let txn = Txn { id: self.last_id, ops };
        let (rows, slots) = (batch.rows, batch.slots);
        Some(Flight { txn, undo: batch.undo, reports, rows, slots, alone: false })
    }

    /// These are as they want to be.
    pub(super) fn approve(&mut self, reports: Vec<(OwnerKey, Vec<Problem>)>) {
        for (owner, problems) in reports {
            self.retries.forget(&owner);
            self.judge(&owner, Standing::Applied, problems);
        }
    }

    fn mend(&mut self) -> Batch {
        Batch {
            rows: std::mem::take(&mut self.suspects).into_iter().collect(),
            slots: std::mem::take(&mut self.repairs).into_iter().collect(),
            ..Batch::default()
        }
    }

    pub(super) fn take_batch(&mut self) -> BTreeSet<OwnerKey> {
        if let Some(group) = self.groups.pop() {
            self.dirty.retain(|owner| !group.contains(owner));
            return group;
        }
        if self.whole || self.dirty.len() <= self.batch {
            return std::mem::take(&mut self.dirty);
        }
        match self.dirty.iter().nth(self.batch).cloned() {
            Some(first_left) => {
                let left = self.dirty.split_off(&first_left);
                std::mem::replace(&mut self.dirty, left)
            }
            None => std::mem::take(&mut self.dirty),
        }
    }

    /// Renders the owners and enters what they want into the holdings, before anything is compared: claims on one
    /// row are resolved over the whole batch (deleting and inserting a row in one transaction is refused).
    pub(super) fn claim(
        &mut self,
        owners: BTreeSet<OwnerKey>,
        render: &mut dyn FnMut(&OwnerKey) -> Render,
    ) -> Batch {
        let mut batch = Batch::default();
        for owner in owners {
            batch.owners += 1;
            self.unblock(&owner);
            match render(&owner) {
                Render::Hold(problems) => {
                    self.undecided.insert(owner.clone());
                    self.judge(&owner, Standing::Held, problems);
                }
                Render::Gone => {
                    self.decided(&owner);
                    self.retries.forget(&owner);
                    self.swap(&owner, None, &mut batch);
                    self.judge(&owner, Standing::Applied, Vec::new());
                }
                Render::Want(mut want) => {
                    self.decided(&owner);
                    self.stamp(&owner, &mut want.rows);
                    let holding = self.wanted_holding(&owner, &want);
                    self.swap(&owner, Some(Arc::new(holding)), &mut batch);
                    batch.fresh.insert(owner, Box::new(want));
                }
            }
        }
        batch
    }

    /// What the owner will hold: what it wants, and of what it holds what is to stay as it is.
    fn wanted_holding(&self, owner: &OwnerKey, want: &Rendered) -> Holding {
        let held = self.holdings.get(owner).filter(|_| !want.keep.is_empty());
        let kept: SortedSet<RowKey> =
            held.iter().flat_map(|h| &h.rows).filter(|row| want.keeps(row)).cloned().collect();
        let attached = |give: &&Give| matches!(&give.elem, Elem::Item(Atom::Row(row)) if kept.contains(row));
        let gives = held.iter().flat_map(|h| h.gives.iter()).filter(attached);
        let known = |what: &Arc<str>| self.holdings.exclusive(RowKey::exclusive(what.clone()));
        Holding {
            gives: sorted(want.gives.iter().map(|give| self.holdings.give(give)).chain(gives.cloned())),
            rows: claimed(want).map(|row| self.holdings.row(row)).chain(kept.iter().cloned()).collect(),
            exclusive: want.exclusive.iter().map(known).collect(),
            rank: want.rank,
            beaten: false,
        }
    }

    /// Changes a holding, remembers the old one, and notes what must be compared.
    fn swap(&mut self, owner: &OwnerKey, new: Option<Arc<Holding>>, batch: &mut Batch) {
        let mut touch = |holding: &Holding| {
            batch.rows.extend(holding.rows.iter().cloned());
            batch.slots.extend(holding.gives.iter().map(|g| (g.row.clone(), g.column, g.elem.clone())));
        };
        if let Some(old) = self.holdings.get(owner).filter(|old| new.as_ref() == Some(*old)).cloned() {
            // It wants what it has, as most do when they are looked at again.
            touch(&old);
            batch.undo.entry(owner.clone()).or_insert(Some(old));
            return;
        }
        let before = self.contested(owner, new.as_ref());
        let old = self.holdings.replace(owner, new.clone());
        old.iter().for_each(|old| self.forget_dangling(old));
        old.iter().chain(&new).for_each(|holding| touch(holding));
        // Whoever wins or loses a row by this must be looked at again.
        for (row, winner) in before {
            if self.holdings.winner(&row) != winner.as_ref() {
                let others = self.holdings.claimants(&row).filter(|o| *o != owner).cloned();
                self.dirty.extend(others);
            }
        }
        batch.undo.entry(owner.clone()).or_insert(old);
    }

    /// Rows of the owner's, old or new, that somebody else claims too, and who has them now.
    fn contested(&self, owner: &OwnerKey, new: Option<&Arc<Holding>>) -> Vec<(RowKey, Option<OwnerKey>)> {
        let rows = self.holdings.get(owner).into_iter().chain(new).flat_map(|h| &h.rows);
        rows.filter(|row| self.holdings.claimants(row).any(|other| other != owner))
            .map(|row| (row.clone(), self.holdings.winner(row).cloned()))
            .collect()
    }

    /// Takes out of the batch who lost a row to an older owner, and who lacks the row that it lives by. Who leaves
    /// may have been a parent himself, so this goes on until nobody does.
    pub(super) fn settle_claims(&mut self, batch: &mut Batch, have: &dyn Replica) {
        loop {
            let leavers: Vec<(OwnerKey, Obstacle)> = batch
                .fresh
                .iter()
                .filter_map(|(owner, want)| Some((owner.clone(), self.obstacle(owner, want, batch, have)?)))
                .collect();
            if leavers.is_empty() {
                return;
            }
            for (owner, why) in leavers {
                batch.fresh.remove(&owner);
                self.turn_away(&owner, why, batch);
            }
        }
    }

    fn turn_away(&mut self, owner: &OwnerKey, why: Obstacle, batch: &mut Batch) {
        match why {
            Obstacle::Beaten(row, winner) => {
                let beaten =
                    self.holdings.get(owner).map(|h| Arc::new(Holding { beaten: true, ..(**h).clone() }));
                self.swap(owner, beaten, batch);
                let text = format!(
                    "the name {} is taken by {winner}, which is older or part of the infrastructure. Rename one of the two",
                    row.id
                );
                self.judge(owner, Standing::Beaten, vec![Problem::new(NAME_TAKEN, text)]);
            }
            Obstacle::NoParent(parent) => {
                let text = format!("waits for {parent}, which is not there yet");
                self.wait(owner, parent, text, batch);
            }
            Obstacle::Busy(what, rival) => {
                // Who could not change places together can't by being tried again.
                if let Some(ring) =
                    self.ring(owner, &what, batch).filter(|ring| self.tried.insert(ring.clone()))
                {
                    self.groups.push(ring);
                }
                let text = format!("waits until {} has left the rows of {rival}", what.id);
                self.wait(owner, what, text, batch);
            }
        }
    }

    /// Those who wait for each other in a ring, beginning with who has what the owner wants: they can only change
    /// places in one transaction. After an unknown outcome a thing may have several holders; all of them belong to
    /// the ring, and there is none yet as long as one of them waits for nothing, for he will leave by himself.
    fn ring(&self, owner: &OwnerKey, what: &RowKey, batch: &Batch) -> Option<BTreeSet<OwnerKey>> {
        let had = batch.undo.get(owner)?.as_ref()?;
        let mut ring = BTreeSet::from([owner.clone()]);
        let mut closed = false;
        let mut ahead: Vec<&OwnerKey> = self.holdings.rivals(what, owner).collect();
        while let Some(next) = ahead.pop() {
            if ring.insert(next.clone()) {
                let awaited = self.blocked_on.get(next)?;
                let before = ahead.len();
                ahead.extend(self.holdings.rivals(awaited, next));
                let given_up = had.exclusive.contains(awaited);
                if !given_up && ahead.len() == before {
                    return None;
                }
                closed |= given_up;
            }
        }
        closed.then_some(ring)
    }

    /// What the owner had before stays until what it waits for is there.
    fn wait(&mut self, owner: &OwnerKey, what: RowKey, text: String, batch: &mut Batch) {
        let old = batch.undo.get(owner).cloned().flatten();
        self.swap(owner, old, batch);
        self.block(owner, what);
        self.judge(owner, Standing::Waiting, vec![Problem::new("ROW-WAITS", text)]);
    }

    /// Wakes who waited for something exclusive that these owners have left.
    pub(super) fn wake_followers(&mut self, before: &Undo) {
        let left: Vec<RowKey> = before
            .iter()
            .filter_map(|(owner, old)| Some((self.holdings.get(owner), old.as_ref()?)))
            .flat_map(|(new, old)| {
                old.exclusive.iter().filter(move |what| !new.is_some_and(|n| n.exclusive.contains(*what)))
            })
            .cloned()
            .collect();
        if !left.is_empty() {
            self.tried.clear();
        }
        left.iter().for_each(|what| self.woken_by(what));
    }

    fn obstacle(
        &self,
        owner: &OwnerKey,
        want: &Rendered,
        batch: &Batch,
        have: &dyn Replica,
    ) -> Option<Obstacle> {
        let holding = self.holdings.get(owner)?;
        for row in &holding.rows {
            if let Some(winner) = self.holdings.winner(row).filter(|w| *w != owner) {
                return Some(Obstacle::Beaten(row.clone(), winner.clone()));
            }
        }
        for what in &holding.exclusive {
            if let Some(rival) = self.holdings.rivals(what, owner).next() {
                return Some(Obstacle::Busy(what.clone(), rival.clone()));
            }
        }
        let parents = want.gives.iter().filter(|give| give.parent).map(|give| &give.row);
        let enters = want.rows.keys().any(|row| !have.has(row));
        parents
            .chain(want.needs.iter().filter(|_| enters))
            .find(|row| !self.will_exist(row, batch, have))
            .map(|row| Obstacle::NoParent(row.clone()))
    }

    /// Will the row be there after this batch?
    pub(super) fn will_exist(&self, row: &RowKey, batch: &Batch, have: &dyn Replica) -> bool {
        if have.has(row) {
            return !batch.rows.contains(row) || self.holdings.wanted(row);
        }
        let winner = self.holdings.winner(row);
        winner.and_then(|w| batch.fresh.get(w)).is_some_and(|want| want.rows.contains_key(row))
    }
}

/// Rows and names that must be the owner's alone.
fn claimed(want: &Rendered) -> impl Iterator<Item = RowKey> {
    want.rows.keys().cloned().chain(want.names.iter().map(|name| RowKey::name(name.clone())))
}

enum Obstacle {
    Beaten(RowKey, OwnerKey),
    NoParent(RowKey),
    Busy(RowKey, OwnerKey),
}
