//! The row engine: makes a database hold what its owners want, by differences, and nothing else.
//!
//! It knows owners and rows, but no kind of object: what an owner wants comes from a `render` closure. Every change
//! of a fact only *marks* an owner; [`RowEngine::plan`] renders marked owners, compares with the replica and answers
//! one transaction at a time. So a start, a repair, an upgrade and a single edit are one and the same path.
//!
//! # Guarantees
//! * What is as it should be is never written.
//! * What cannot be decided now (`Render::Hold`) stays as it is, also over a restart, together with the rows that it
//!   lives by.
//! * A refused transaction costs only the owner that is the cause: it is tried again later, the others go through.
//! * After an unknown outcome nothing is planned until the database has been read again, and nothing leaks.
//! * Rows and elements of others are never touched.

mod ahead;
mod compare;
mod drift;
mod held;
mod outcome;
mod plan;
mod retry;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    error::Problem,
    hash::FixedSet,
    index::Marks,
    rows::{Atom, Elem, Give, Millis, OwnerKey, Replica, RowKey, Schema, Txn, VENDOR},
    sorted::SortedSet,
};
use held::{Holding, Holdings};
use retry::Retries;

/// Owners in one transaction, at most. Measured on ovsdb-server 3.1.0: 100 to 500 rows per transaction are fastest,
/// standalone and clustered.
pub const BATCH: usize = 500;

/// Where an owner stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it wants to be; problems are those that its renderer reported along the way.
    Applied,
    /// Its renderer cannot decide: what is there stays.
    Held,
    /// A row that its own rows live by is not there yet.
    Waiting,
    /// An older owner has the row that this one claims.
    Beaten,
    /// The database refused its rows; will be tried again.
    Refused,
}

/// Where an owner stands, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where.
    pub standing: Standing,
    /// Why, for people.
    pub problems: Vec<Problem>,
}

/// See the [module](self).
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is about something else")]
pub struct RowEngine {
    schema: &'static Schema,
    batch: usize,
    /// [`VENDOR`], to be shared.
    vendor: Arc<str>,
    holdings: Holdings,
    dirty: BTreeSet<OwnerKey>,
    /// Halves of a refused batch: planned one by one, before anything else.
    groups: Vec<BTreeSet<OwnerKey>>,
    /// Rings that were planned together since anybody left anything.
    tried: BTreeSet<BTreeSet<OwnerKey>>,
    /// Planning was given up for a moment, and is still the same.
    goes_on: bool,
    undecided: BTreeSet<OwnerKey>,
    /// Owners of rows that a sweep left alone, because it was open what they want. When that is decided their rows
    /// are not found by what they hold: another sweep is due.
    spared: BTreeSet<OwnerKey>,
    sweep_due: bool,
    blocked: BTreeMap<RowKey, BTreeSet<OwnerKey>>,
    /// The same by owner, who waits for one thing at a time.
    blocked_on: BTreeMap<OwnerKey, RowKey>,
    retries: Retries,
    /// References that are wanted, by the row that they name, which is not there.
    dangling: BTreeMap<RowKey, BTreeSet<Slot>>,
    /// Elements that are not as wanted though no owner changed: somebody else's edit.
    repairs: BTreeSet<Slot>,
    /// Rows with our mark that nobody may want.
    suspects: BTreeSet<RowKey>,
    verdicts: BTreeMap<OwnerKey, Verdict>,
    judged: Marks<OwnerKey>,
    flight: Option<Flight>,
    /// Planned while another one is on its way; goes out as soon as that one is through.
    next: Option<Flight>,
    unsure: bool,
    /// The database has lost all that is ours: it is made anew in one transaction.
    whole: bool,
    last_id: u64,
}

/// An element of a column of a row.
type Slot = (RowKey, &'static str, Elem);

/// A transaction on its way.
#[derive(Debug)]
struct Flight {
    txn: Txn,
    /// What its owners held before.
    undo: Undo,
    /// What their renderers reported; told when the transaction is through.
    reports: Vec<(OwnerKey, Vec<Problem>)>,
    /// Rows that were compared for it.
    rows: FixedSet<RowKey>,
    /// Elements that were.
    slots: FixedSet<Slot>,
    /// What comes next depends on it.
    alone: bool,
}

/// What owners held before a batch.
type Undo = BTreeMap<OwnerKey, Option<Arc<Holding>>>;

impl RowEngine {
    /// An engine that wants nothing yet.
    pub fn new(schema: &'static Schema) -> Self {
        RowEngine {
            schema,
            batch: BATCH,
            vendor: VENDOR.into(),
            holdings: Holdings::default(),
            dirty: BTreeSet::new(),
            groups: Vec::new(),
            tried: BTreeSet::new(),
            goes_on: false,
            undecided: BTreeSet::new(),
            spared: BTreeSet::new(),
            sweep_due: false,
            blocked: BTreeMap::new(),
            blocked_on: BTreeMap::new(),
            retries: Retries::default(),
            dangling: BTreeMap::new(),
            repairs: BTreeSet::new(),
            suspects: BTreeSet::new(),
            verdicts: BTreeMap::new(),
            judged: Marks::default(),
            flight: None,
            next: None,
            unsure: false,
            whole: false,
            last_id: 0,
        }
    }

    /// Owners in one transaction, at most.
    #[must_use]
    pub fn with_batch(mut self, owners: usize) -> Self {
        self.batch = owners.max(1);
        self
    }

    /// Rows that are found with the owner's mark when the database has been read, and what of them is exclusive. The
    /// owner counts as their holder, too, until it is planned: nobody takes a row, nobody else's row gets what it has.
    pub fn found(
        &mut self,
        owner: &OwnerKey,
        rows: impl IntoIterator<Item = RowKey>,
        exclusive: impl IntoIterator<Item = Arc<str>>,
        have: &dyn Replica,
    ) {
        let rows: SortedSet<RowKey> = rows.into_iter().collect();
        let mut gives = Vec::new();
        for row in &rows {
            have.parents(row, &mut |parent, column| {
                let elem = Elem::Item(Atom::Row(row.clone()));
                gives.push(Give { row: parent, column, elem, parent: true });
            });
        }
        let exclusive = exclusive.into_iter().map(RowKey::exclusive).collect();
        let holding =
            Holding { rows, gives: held::sorted(gives.into_iter()), exclusive, ..Holding::default() };
        // What it held already, the database may have forgotten.
        let holding = match self.holdings.get(owner) {
            Some(held) => held.union(&holding),
            None => holding,
        };
        self.holdings.replace(owner, Some(Arc::new(holding)));
        self.dirty.insert(owner.clone());
    }

    /// The owner's facts changed: it will be rendered and compared again, at once also if the database had refused it.
    pub fn mark(&mut self, owner: OwnerKey) {
        self.retries.forget(&owner);
        if self.next.as_ref().is_some_and(|next| next.undo.contains_key(&owner)) {
            self.put_back_next();
        }
        self.dirty.insert(owner);
    }

    /// Is a [`sweep`](Self::sweep) due, as soon as it can be done?
    pub fn sweep_due(&self) -> bool {
        self.sweep_due
    }

    /// Nothing is left to plan and nothing is on its way; retries may be waiting for their time.
    pub fn idle(&self) -> bool {
        self.flight.is_none()
            && self.next.is_none()
            && !self.unsure
            && self.dirty.is_empty()
            && self.groups.is_empty()
            && self.repairs.is_empty()
            && self.suspects.is_empty()
    }

    /// All that is ours has vanished from the database, and is being made anew in one transaction.
    pub fn rebuilding(&self) -> bool {
        self.whole
    }

    /// What is left to do, in words.
    pub(crate) fn unfinished(&self) -> String {
        format!(
            "on its way {:?}, next {:?}, unsure {}, queued {:?}, groups {}, repairs {:?}, suspects {:?}",
            self.flight.as_ref().map(|f| f.txn.id),
            self.next.as_ref().map(|f| f.txn.id),
            self.unsure,
            self.dirty,
            self.groups.len(),
            self.repairs,
            self.suspects
        )
    }

    /// When [`plan`](Self::plan) should be called again though nothing happens.
    pub fn next_wake(&self) -> Option<Millis> {
        self.retries.next()
    }

    /// Where an owner stands; `None` when all is well and there is nothing to say.
    pub fn verdict(&self, owner: &OwnerKey) -> Option<&Verdict> {
        self.verdicts.get(owner)
    }

    /// Owners of whom it was found out where they stand, since the last call.
    pub fn take_judged(&mut self) -> Marks<OwnerKey> {
        std::mem::take(&mut self.judged)
    }

    /// Is it being found out where the owner stands? Nothing is worth telling of it before that.
    pub fn pending(&self, owner: &OwnerKey) -> bool {
        self.dirty.contains(owner)
            || self.groups.iter().any(|group| group.contains(owner))
            || self.flight.iter().chain(&self.next).any(|f| f.undo.contains_key(owner))
            || self.unsure
    }

    /// Must the database be read again before anything is planned or known?
    pub fn unsure(&self) -> bool {
        self.unsure
    }

    /// Are the owner's rows in the database as it last wanted them, and is nothing of it on its way?
    pub fn settled(&self, owner: &OwnerKey) -> bool {
        !self.pending(owner)
            && self.holdings.get(owner).is_some_and(|h| !h.beaten)
            && self.verdicts.get(owner).is_none_or(|v| v.standing == Standing::Applied)
    }

    fn judge(&mut self, owner: &OwnerKey, standing: Standing, problems: Vec<Problem>) {
        self.judged.insert(owner.clone());
        if standing == Standing::Applied && problems.is_empty() {
            self.verdicts.remove(owner);
        } else {
            self.verdicts.insert(owner.clone(), Verdict { standing, problems });
        }
    }

    /// It is decided what this owner wants.
    fn decided(&mut self, owner: &OwnerKey) {
        self.undecided.remove(owner);
        self.sweep_due |= self.spared.remove(owner);
    }

    fn block(&mut self, owner: &OwnerKey, what: RowKey) {
        self.unblock(owner);
        self.blocked.entry(what.clone()).or_default().insert(owner.clone());
        self.blocked_on.insert(owner.clone(), what);
    }

    fn unblock(&mut self, owner: &OwnerKey) {
        let Some(what) = self.blocked_on.remove(owner) else { return };
        if let Some(owners) = self.blocked.get_mut(&what) {
            owners.remove(owner);
            if owners.is_empty() {
                self.blocked.remove(&what);
            }
        }
    }
}

#[cfg(test)]
mod tests;
