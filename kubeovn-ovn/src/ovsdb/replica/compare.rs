//! The replica beside what a server answers to `select`: for finding out that updates were missed.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Replica, pairs::Lists};
use crate::ovsdb::wire;

/// How a row differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The server has it, the replica has not.
    Missing,
    /// The replica has it, the server has not.
    Gone,
    /// Both have it, with other contents.
    Changed,
}

impl Replica {
    /// The rows of a table, named or not, in no order.
    pub fn uuids(&self, table: &str) -> impl Iterator<Item = Uuid> {
        self.table(table).into_iter().flat_map(|t| t.rows.keys().copied())
    }

    /// Compares which rows there are; `there` are all those of the server, none twice.
    pub fn census(&self, table: &str, there: &[Uuid]) -> BTreeMap<Uuid, Difference> {
        let Some(table) = self.table(table) else { return BTreeMap::new() };
        let missing = there.iter().filter(|uuid| !table.rows.contains_key(uuid));
        let mut all: BTreeMap<_, _> = missing.map(|uuid| (*uuid, Difference::Missing)).collect();
        // the usual case costs no sorting
        if there.len() - all.len() < table.rows.len() {
            let mut there = there.to_vec();
            there.sort_unstable();
            let gone = table.rows.keys().filter(|uuid| there.binary_search(uuid).is_err());
            all.extend(gone.map(|uuid| (*uuid, Difference::Gone)));
        }
        all
    }

    /// Compares one row; `there` is what the server has of it, with all [`columns`](Replica::columns) of the table.
    pub fn compare(&self, table: &str, uuid: Uuid, there: Option<&wire::Row>) -> Option<Difference> {
        let table = self.table(table)?;
        let (row, there) = match (table.rows.get(&uuid), there) {
            (None, None) => return None,
            (None, Some(_)) => return Some(Difference::Missing),
            (Some(_), None) => return Some(Difference::Gone),
            (Some(row), Some(there)) => (row, table.decode(there, &mut Lists::default())),
        };
        (row.cells != there).then_some(Difference::Changed)
    }
}
