//! What a server's answer means.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::rows::{Outcome, RowKey};
use uuid::{Uuid, fmt::Hyphenated};

use crate::ovsdb::wire::{OpResult, ServerError};

/// What was sent, as far as the answer is judged by it.
#[derive(Clone, Debug, Default)]
pub struct Receipt {
    /// By operation: the row, and whether the answer is a count of rows.
    targets: Vec<(RowKey, bool)>,
    rows: BTreeMap<Uuid, RowKey>,
}

/// Errors that say nothing of the transaction, only that this server could not see it through.
const UNDECIDED: &[&str] = &["not leader", "disconnected", "cluster error", "I/O error"];

impl Receipt {
    pub(super) fn note(&mut self, row: &RowKey, uuid: Option<Uuid>, counts: bool) {
        self.targets.push((row.clone(), counts));
        if let Some(uuid) = uuid {
            self.rows.insert(uuid, row.clone());
        }
    }

    /// The outcome, from the results of exactly the operations of the transaction (and the element that follows them
    /// when the commit fails).
    ///
    /// An operation that selected no row is no error to the server, though what was wanted did not happen: the
    /// replica was wrong, and the outcome is `Unknown`, so that the database is read again.
    ///
    /// A refusal is only as good as the server's word: one that lost a reply of its cluster may have applied a
    /// transaction and call its own rows duplicates. Who sent twice must read before it believes.
    pub fn judge(&self, results: &[OpResult]) -> Outcome {
        if let Some((index, error)) = OpResult::first_error(results) {
            if UNDECIDED.contains(&error.error.as_str()) {
                return Outcome::Unknown;
            }
            let row = match self.targets.get(index) {
                Some((row, _)) => Some(row.clone()),
                None => self.blamed(error, results),
            };
            return Outcome::Rejected { text: error.to_string(), row };
        }
        let as_expected = self.targets.iter().zip(results).all(|((_, counts), result)| match result {
            OpResult::Count(count) => *counts && *count == 1,
            OpResult::Inserted(_) => !counts,
            _ => false,
        });
        if as_expected && results.len() == self.targets.len() { Outcome::Done } else { Outcome::Unknown }
    }

    /// The row of this transaction that the error is about, by the UUIDs that it names. Of several a new one: what was
    /// there before was no trouble. Else the first by its key, so that all servers blame the same.
    fn blamed(&self, error: &ServerError, results: &[OpResult]) -> Option<RowKey> {
        let words = error.details.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
        let words = words.filter(|word| word.len() == Hyphenated::LENGTH);
        let named: BTreeSet<Uuid> = words.filter_map(|word| Uuid::try_parse(word).ok()).collect();
        let born = self.targets.iter().zip(results).filter_map(|((row, _), result)| match result {
            OpResult::Inserted(uuid) if named.contains(uuid) => Some(row),
            _ => None,
        });
        let written = || named.iter().filter_map(|uuid| self.rows.get(uuid)).min();
        born.min().or_else(written).cloned()
    }
}
