//! What others change, and what nobody wants any more.

use std::collections::BTreeSet;

use super::{Flight, RowEngine};
use crate::rows::{
    Atom, Change, ColumnKind, EXTERNAL_IDS, Elem, KEY_ROW, OwnerKey, Replica, RowChange, RowKey,
};

impl RowEngine {
    /// A row of the replica changed. Our own transaction's echo costs nothing; somebody else's edit marks what it
    /// touched for repair.
    pub fn changed(&mut self, change: &RowChange, have: &dyn Replica) {
        let row = &change.row;
        if change.what == Change::Inserted {
            self.woken_by(row);
        }
        // What is on its way is compared when its outcome is known.
        let writes = |f: &Flight| f.txn.ops.binary_search_by(|op| op.row.cmp(row)).is_ok();
        let own = self.flight.as_ref().is_some_and(writes);
        if !own && self.next.as_ref().is_some_and(writes) {
            self.put_back_next();
        }
        match &change.what {
            Change::Inserted | Change::Deleted if own => {}
            Change::Inserted | Change::Deleted => {
                let open = change.owner.as_ref().is_none_or(|owner| self.is_open(owner));
                if let Some(winner) = self.holdings.winner(row).cloned() {
                    self.dirty.insert(winner);
                } else if have.has(row) && !open {
                    self.suspects.insert(row.clone());
                }
            }
            Change::Modified { columns, elems } => {
                if !own && columns.iter().any(|c| self.is_written(row, c)) {
                    self.dirty.extend(self.holdings.winner(row).cloned());
                }
                for (column, elem) in elems {
                    let (has, wants) =
                        (have.holds(row, column, elem), self.holdings.gives(row, column, elem));
                    if wants != has && (wants || is_ours(elem, change.owner.is_some(), have)) {
                        self.repairs.insert((row.clone(), column, elem.clone()));
                    }
                }
            }
        }
    }

    /// Compares all that carries our mark with what owners want, and plans to remove what nobody wants. Call it when
    /// every fact is known and [`idle`](Self::idle): else what is merely not yet decided would look unwanted.
    pub fn sweep(&mut self, have: &dyn Replica) {
        if !self.idle() {
            return;
        }
        let mut rows: Vec<(RowKey, Option<OwnerKey>)> = Vec::new();
        have.ours(&mut |row, owner| rows.push((row.clone(), owner.cloned())));
        let waiting: BTreeSet<&RowKey> = rows
            .iter()
            .filter(|(_, owner)| owner.as_ref().is_some_and(|o| self.is_open(o)))
            .map(|(row, _)| row)
            .collect();
        let mut suspects = BTreeSet::new();
        let mut repairs = BTreeSet::new();
        let mut spared = BTreeSet::new();
        let mut passed_over = false;
        for (row, owner) in &rows {
            if !self.holdings.wanted(row) {
                // A mark that this version cannot read may be a newer one's: leave it.
                if let Some(owner) = owner {
                    if waiting.contains(row) {
                        spared.insert(owner.clone());
                    } else if !self.bears(row, &waiting, have) {
                        suspects.insert(row.clone());
                    }
                }
                continue;
            }
            for column in self.schema.table(row.table).map_or(&[][..], |t| t.columns) {
                let refs = matches!(column.kind, ColumnKind::Refs { .. });
                if !refs && column.kind != ColumnKind::Elements {
                    continue;
                }
                // A value in a set cannot be attributed: as long as anybody is undecided it may be his.
                let may_be_his = !refs && !self.undecided.is_empty();
                have.elements(row, column.name, &mut |elem| {
                    let target = match &elem {
                        Elem::Item(Atom::Row(target)) => Some(target),
                        _ => None,
                    };
                    let waits = target.is_some_and(|t| waiting.contains(t));
                    if self.holdings.gives(row, column.name, &elem) || waits || !is_ours(&elem, true, have) {
                        return;
                    }
                    if may_be_his {
                        passed_over = true;
                    } else {
                        repairs.insert((row.clone(), column.name, elem));
                    }
                });
            }
        }
        self.holdings.each_given(&mut |row, column, elem| {
            if have.has(row) && !have.holds(row, column, elem) {
                repairs.insert((row.clone(), column, elem.clone()));
            }
        });
        if passed_over {
            // To be looked at again as soon as one more is decided.
            spared.extend(self.undecided.iter().cloned());
        }
        self.spared = spared;
        self.sweep_due = false;
        self.suspects = suspects;
        self.repairs = repairs;
    }

    /// Is it not settled what the owner wants?
    fn is_open(&self, owner: &OwnerKey) -> bool {
        self.undecided.contains(owner)
            || self.dirty.contains(owner)
            || self.groups.iter().any(|group| group.contains(owner))
            || self.retries.waits(owner)
            || self.blocked_on.contains_key(owner)
    }

    /// Do rows of undecided owners live by this row?
    fn bears(&self, row: &RowKey, waiting: &BTreeSet<&RowKey>, have: &dyn Replica) -> bool {
        let columns = self.schema.table(row.table).map_or(&[][..], |t| t.columns);
        columns.iter().filter(|c| matches!(c.kind, ColumnKind::Refs { strong: true, .. })).any(|column| {
            let mut bears = false;
            have.elements(row, column.name, &mut |elem| {
                bears |= matches!(&elem, Elem::Item(Atom::Row(t)) if waiting.contains(t));
            });
            bears
        })
    }

    fn is_written(&self, row: &RowKey, column: &str) -> bool {
        let kind = self.schema.table(row.table).and_then(|t| t.column(column)).map(|c| c.kind);
        matches!(kind, Some(ColumnKind::Value | ColumnKind::Keys(_)))
    }
}

/// Is the element ours to remove? A reference, when it points to a row of ours; a value, when the row is ours.
fn is_ours(elem: &Elem, row_is_ours: bool, have: &dyn Replica) -> bool {
    match elem {
        Elem::Item(Atom::Row(target)) => have.pair(target, EXTERNAL_IDS, KEY_ROW).is_some(),
        _ => row_is_ours,
    }
}
