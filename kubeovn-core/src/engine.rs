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
    rows::{Elem, Millis, OwnerKey, RowKey, Schema, Txn},
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
pub struct RowEngine {
    schema: &'static Schema,
    batch: usize,
    holdings: Holdings,
    dirty: BTreeSet<OwnerKey>,
    /// Halves of a refused batch: planned one by one, before anything else.
    groups: Vec<BTreeSet<OwnerKey>>,
    undecided: BTreeSet<OwnerKey>,
    blocked: BTreeMap<RowKey, BTreeSet<OwnerKey>>,
    retries: Retries,
    /// Elements that are not as wanted though no owner changed: somebody else's edit.
    repairs: BTreeSet<Slot>,
    /// Rows with our mark that nobody may want.
    suspects: BTreeSet<RowKey>,
    verdicts: BTreeMap<OwnerKey, Verdict>,
    told: BTreeSet<OwnerKey>,
    landed: BTreeSet<OwnerKey>,
    flight: Option<Flight>,
    unsure: bool,
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
}

/// What owners held before a batch.
type Undo = BTreeMap<OwnerKey, Option<Arc<Holding>>>;

impl RowEngine {
    /// An engine that wants nothing yet.
    pub fn new(schema: &'static Schema) -> Self {
        RowEngine {
            schema,
            batch: BATCH,
            holdings: Holdings::default(),
            dirty: BTreeSet::new(),
            groups: Vec::new(),
            undecided: BTreeSet::new(),
            blocked: BTreeMap::new(),
            retries: Retries::default(),
            repairs: BTreeSet::new(),
            suspects: BTreeSet::new(),
            verdicts: BTreeMap::new(),
            told: BTreeSet::new(),
            landed: BTreeSet::new(),
            flight: None,
            unsure: false,
            last_id: 0,
        }
    }

    /// Owners in one transaction, at most.
    #[must_use]
    pub fn with_batch(mut self, owners: usize) -> Self {
        self.batch = owners.max(1);
        self
    }

    /// The owner's facts changed: it will be rendered and compared again, at once also if the database had refused it.
    pub fn mark(&mut self, owner: OwnerKey) {
        self.retries.forget(&owner);
        self.dirty.insert(owner);
    }

    /// Nothing is left to plan and nothing is on its way; retries may be waiting for their time.
    pub fn idle(&self) -> bool {
        self.flight.is_none()
            && !self.unsure
            && self.dirty.is_empty()
            && self.groups.is_empty()
            && self.repairs.is_empty()
            && self.suspects.is_empty()
    }

    /// When [`plan`](Self::plan) should be called again though nothing happens.
    pub fn next_wake(&self) -> Option<Millis> {
        self.retries.next()
    }

    /// Where an owner stands; `None` when all is well and there is nothing to say.
    pub fn verdict(&self, owner: &OwnerKey) -> Option<&Verdict> {
        self.verdicts.get(owner)
    }

    /// Owners whose verdict changed since the last call.
    pub fn take_told(&mut self) -> BTreeSet<OwnerKey> {
        std::mem::take(&mut self.told)
    }

    /// Owners whose rows were found as wanted, or were made so, since the last call.
    pub fn take_landed(&mut self) -> BTreeSet<OwnerKey> {
        std::mem::take(&mut self.landed)
    }

    /// Are the owner's rows in the database as it last wanted them, and is nothing of it on its way?
    pub fn settled(&self, owner: &OwnerKey) -> bool {
        self.holdings.get(owner).is_some_and(|h| !h.beaten)
            && !self.unsure
            && !self.dirty.contains(owner)
            && !self.groups.iter().any(|group| group.contains(owner))
            && self.flight.as_ref().is_none_or(|f| !f.undo.contains_key(owner))
            && self.verdicts.get(owner).is_none_or(|v| v.standing == Standing::Applied)
    }

    fn judge(&mut self, owner: &OwnerKey, standing: Standing, problems: Vec<Problem>) {
        if standing == Standing::Applied && problems.is_empty() {
            if self.verdicts.remove(owner).is_some() {
                self.told.insert(owner.clone());
            }
            return;
        }
        let verdict = Verdict { standing, problems };
        if self.verdicts.get(owner) != Some(&verdict) {
            self.verdicts.insert(owner.clone(), verdict);
            self.told.insert(owner.clone());
        }
    }

    fn unblock(&mut self, owner: &OwnerKey) {
        self.blocked.retain(|_, owners| {
            owners.remove(owner);
            !owners.is_empty()
        });
    }
}

#[cfg(test)]
mod tests;
