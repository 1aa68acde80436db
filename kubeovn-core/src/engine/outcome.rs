//! What becomes of a transaction, and of its owners.

use std::{collections::BTreeSet, sync::Arc};

use super::{Flight, RowEngine, Standing, Undo};
use crate::{
    error::Problem,
    rows::{Act, Millis, Op, Outcome, OwnerKey, Replica, RowKey},
};

impl RowEngine {
    /// The outcome of the transaction on its way; any other id is ignored. `have` holds its effect already.
    pub fn committed(&mut self, now: Millis, id: u64, outcome: Outcome, have: &dyn Replica) {
        let Some(flight) = self.flight.take_if(|f| f.txn.id == id) else { return };
        if outcome != Outcome::Done {
            // It was planned for when this one is through, and is undone first: it came last.
            self.put_back_next();
        }
        match outcome {
            Outcome::Done => self.done(flight, have),
            Outcome::Rejected { text, row } => self.rejected(now, flight, &text, row.as_ref()),
            Outcome::Unknown => self.unknown(flight),
        }
    }

    /// The database has been read anew: everything is compared again, what was blocked too. If nothing of ours is left
    /// in it, all is planned as one transaction.
    pub fn resynced(&mut self, have: &dyn Replica) {
        self.put_back_next();
        if let Some(flight) = self.flight.take() {
            self.unknown(flight);
        }
        self.unsure = false;
        self.whole = false;
        self.look_for_loss(have);
        self.sweep_due = true;
        self.dirty.extend(self.holdings.owners().cloned());
        self.dirty.extend(self.undecided.iter().cloned());
        self.blocked.clear();
        self.dirty.extend(std::mem::take(&mut self.blocked_on).into_keys());
    }

    /// Much has been deleted, perhaps all that is ours: then it is planned as one transaction.
    pub fn look_for_loss(&mut self, have: &dyn Replica) {
        let lost = self.holdings.owners().next().is_some() && !have.any_ours();
        // Every moment in which it is half of what it should be is an outage: what is whole at once is short.
        self.whole |= lost;
    }

    fn done(&mut self, flight: Flight, have: &dyn Replica) {
        self.whole = false;
        // A transaction can succeed without effect (a row removed by somebody else in the same moment): look.
        for op in &flight.txn.ops {
            if as_meant(op, have) {
                self.woken_by(&op.row);
            } else {
                self.look_at(&op.row, &op.act);
            }
        }
        self.wake_followers(&flight.undo);
        self.judged.extend(flight.undo.into_keys());
        self.approve(flight.reports);
    }

    fn look_at(&mut self, row: &RowKey, act: &Act) {
        match self.holdings.winner(row).cloned() {
            Some(owner) => {
                self.dirty.insert(owner);
            }
            None => {
                self.suspects.insert(row.clone());
            }
        }
        if let Act::Change(delta) = act {
            for (column, elems) in delta.add.iter().chain(&delta.remove) {
                self.repairs.extend(elems.iter().map(|e| (row.clone(), *column, e.clone())));
            }
        }
    }

    /// A row is there: whoever waited for it may go on, and references to it can be written.
    pub(super) fn woken_by(&mut self, row: &RowKey) {
        for owner in self.blocked.remove(row).into_iter().flatten() {
            self.blocked_on.remove(&owner);
            self.dirty.insert(owner);
        }
        self.repairs.extend(self.dangling.remove(row).unwrap_or_default());
    }

    /// Nothing was applied. Who is the cause waits; the others are planned again, in halves as long as it is unknown
    /// who the cause is.
    fn rejected(&mut self, now: Millis, flight: Flight, text: &str, row: Option<&RowKey>) {
        let owners: BTreeSet<OwnerKey> = flight.undo.keys().cloned().collect();
        let named = row.and_then(|row| self.blame(row, &flight.undo));
        for (owner, old) in flight.undo {
            self.holdings.replace(&owner, old);
        }
        let culprit = named.or_else(|| owners.first().filter(|_| owners.len() == 1).cloned());
        if let Some(culprit) = culprit {
            self.retries.refused(&culprit, now);
            let text = format!(
                "the database refused its rows: {text}. It is tried again; see also the log of ovsdb-server"
            );
            self.judge(&culprit, Standing::Refused, vec![Problem::new("ROWS-REFUSED", text)]);
            let others: BTreeSet<OwnerKey> = owners.into_iter().filter(|o| *o != culprit).collect();
            if !others.is_empty() {
                self.groups.push(others);
            }
        } else if !owners.is_empty() {
            let mut first = owners;
            let middle = first.iter().nth(first.len() / 2).cloned();
            let second = middle.map(|m| first.split_off(&m)).unwrap_or_default();
            // Popped from the end: parents sort before children, so the first half goes first.
            self.groups.push(second);
            self.groups.push(first);
        }
        // Without owners it was a repair: the next sweep finds it again, if it is still due.
    }

    /// Whose row it is that the database names: who wants it now, or who was about to remove it.
    fn blame(&self, row: &RowKey, undo: &Undo) -> Option<OwnerKey> {
        let wants = self.holdings.winner(row).filter(|owner| undo.contains_key(*owner));
        let had = || {
            undo.iter().find(|(_, old)| old.as_ref().is_some_and(|h| h.rows.contains(row))).map(|(o, _)| o)
        };
        wants.or_else(had).cloned()
    }

    /// Nobody knows what was applied. Both what was held before and what was wanted count as held until the owner is
    /// planned again: if its object vanishes meanwhile, nothing is forgotten.
    fn unknown(&mut self, flight: Flight) {
        self.unsure = true;
        for (owner, old) in flight.undo {
            let both = match (&old, self.holdings.get(&owner)) {
                (Some(old), Some(new)) => Some(Arc::new(new.union(old))),
                (old, new) => new.or(old.as_ref()).cloned(),
            };
            self.holdings.replace(&owner, both);
            self.dirty.insert(owner);
        }
    }
}

/// Does the replica hold what the operation meant?
fn as_meant(op: &Op, have: &dyn Replica) -> bool {
    let row = &op.row;
    let there = have.has(row);
    match &op.act {
        Act::Delete => !there,
        Act::Insert(spec, born) => {
            there
                && spec.values.iter().all(|(c, v)| have.value(row, c) == Some(v))
                && spec.pairs.iter().all(|(c, ps)| ps.iter().all(|(k, v)| have.pair(row, c, k) == Some(v)))
                && born.iter().all(|(c, es)| es.iter().all(|e| have.holds(row, c, e)))
        }
        Act::Change(delta) => {
            there
                && delta.values.iter().all(|(c, v)| have.value(row, c) == Some(v))
                && delta
                    .pairs
                    .iter()
                    .all(|(c, ps)| ps.iter().all(|(k, v)| have.pair(row, c, k) == v.as_ref()))
                && delta.add.iter().all(|(c, es)| es.iter().all(|e| have.holds(row, c, e)))
                && !delta.remove.iter().any(|(c, es)| es.iter().any(|e| have.holds(row, c, e)))
        }
    }
}
