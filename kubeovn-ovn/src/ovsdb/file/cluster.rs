//! The clustered format: a snapshot, then a Raft log of which a part is committed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Contents, Format,
    error::FileError,
    record::{Record, Records},
    rows::Rows,
    standalone::text,
};
use crate::ovsdb::wire::DbSchema;

/// The first record, as far as it matters for rows.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(default)]
    prev_index: u64,
    #[serde(borrow)]
    prev_data: Option<(Option<&'a RawValue>, Option<&'a RawValue>)>,
    #[serde(default)]
    remote_addresses: Vec<String>,
}

/// Any other record. Terms, votes and notes have none of these.
#[derive(Deserialize)]
struct Body<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    data: Option<(Option<&'a RawValue>, Option<&'a RawValue>)>,
    commit_index: Option<u64>,
}

/// The data of an entry: a schema if it changes, a transaction if there is one.
type Data<'a> = (Option<&'a RawValue>, Option<&'a RawValue>);

pub(super) fn read(records: &mut Records<'_>) -> Result<Contents, FileError> {
    let first = records.first()?;
    let head: Head = serde_json::from_str(text(&first)?).map_err(|error| first.problem(error))?;
    let Some((Some(schema), snapshot)) = head.prev_data else {
        return Err(match head.remote_addresses.into_iter().next() {
            Some(remote) => FileError::Joining { remote },
            None => first.problem("it has no snapshot with a schema"),
        });
    };
    let mut rows = Rows::new(decode(&first, schema)?);
    if let Some(snapshot) = snapshot {
        rows.apply(snapshot.get()).map_err(|problem| first.problem(problem))?;
        rows.transactions = 0;
    }

    let mut log: BTreeMap<u64, (Record<'_>, Data<'_>)> = BTreeMap::new();
    let mut committed = head.prev_index;
    while let Some(record) = records.next()? {
        let body: Body = serde_json::from_str(text(&record)?).map_err(|error| record.problem(error))?;
        committed = committed.max(body.commit_index.unwrap_or(0));
        let Some(index) = body.index else { continue };
        if index <= committed {
            return Err(record.problem(format!("it is entry {index}, and {committed} are committed already")));
        }
        // a new leader had another entry there: what this one and those behind it said never was
        log.split_off(&index);
        log.extend(body.data.map(|data| (index, (record, data))));
    }

    let open = log.split_off(&committed.saturating_add(1));
    for (record, (schema, txn)) in log.into_values() {
        match (schema, txn) {
            (Some(schema), Some(_)) => {
                let transactions = rows.transactions;
                rows = Rows::new(decode(&record, schema)?);
                rows.transactions = transactions;
            }
            // since OVS 3.2 a conversion may leave the rows to the reader
            (Some(schema), None) => rows.convert(decode(&record, schema)?),
            (None, _) => {}
        }
        if let Some(txn) = txn {
            rows.apply(txn.get()).map_err(|problem| record.problem(problem))?;
        }
    }
    let mut contents = rows.done(Format::Clustered);
    contents.uncommitted = open.len();
    Ok(contents)
}

fn decode(record: &Record<'_>, schema: &RawValue) -> Result<DbSchema, FileError> {
    DbSchema::decode(schema.get()).map_err(|error| record.problem(format!("no schema: {error}")))
}
