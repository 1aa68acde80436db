//! The log of a member: every transaction in the one order in which all members have them.

use std::{collections::BTreeSet, fs, path::Path};

use kubeovn_core::rows::{KEY_ROW, RowKey};
use kubeovn_ovn::{
    nb::LOGICAL_SWITCH_PORT,
    ovsdb::{client::FENCE_KEY, txn::row_uuid},
};
use serde_json::Value;
use uuid::Uuid;

/// What a log tells of writers, each of which has a term and computes the UUIDs of its rows from it.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Terms in the order in which they were claimed.
    pub(crate) terms: Vec<u64>,
    /// Ports that were inserted by the writer whose term it was.
    pub(crate) inserted: usize,
    /// Ports that were inserted by another one.
    pub(crate) strange: Vec<String>,
}

/// Reads a database file that holds its whole log, from the beginning.
pub(crate) fn read(database: &Path) -> Told {
    let text = fs::read_to_string(database).unwrap();
    let mut told = Told::default();
    let mut there = BTreeSet::new();
    for record in text.split("OVSDB CLUSTER ").filter_map(|record| record.split_once('\n')) {
        let record: Value = serde_json::from_str(record.1).unwrap();
        let transaction = &record["data"][1];
        if let Some(term) = claimed(transaction)
            && told.terms.last() != Some(&term)
        {
            told.terms.push(term);
        }
        let ports = transaction[LOGICAL_SWITCH_PORT].as_object();
        for (uuid, row) in ports.into_iter().flatten() {
            if row.is_null() {
                there.remove(uuid);
            } else if there.insert(uuid.clone()) {
                let term = told.terms.last().copied().unwrap_or_default();
                match pair(&row["external_ids"], KEY_ROW) {
                    Some(id) if expected(term, id) == *uuid => told.inserted += 1,
                    id => told.strange.push(format!("in term {term}: {id:?}")),
                }
            }
        }
    }
    told
}

/// From what the writer of a term computes UUIDs.
pub(crate) fn namespace(term: u64) -> Uuid {
    Uuid::from_u128(u128::from(term) << 64)
}

fn expected(term: u64, id: &str) -> String {
    row_uuid(namespace(term), &RowKey::new(LOGICAL_SWITCH_PORT, id)).to_string()
}

fn claimed(transaction: &Value) -> Option<u64> {
    let row = transaction["NB_Global"].as_object()?.values().next()?;
    pair(&row["external_ids"], FENCE_KEY)?.split('/').next()?.parse().ok()
}

/// The value of a key in a map as OVSDB writes it.
fn pair<'a>(map: &'a Value, key: &str) -> Option<&'a str> {
    let pairs = map[1].as_array()?.iter();
    pairs.filter(|pair| pair[0] == key).find_map(|pair| pair[1].as_str())
}
