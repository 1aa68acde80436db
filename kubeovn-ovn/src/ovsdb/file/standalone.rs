//! The standalone format: the schema, then transactions.

use super::{
    Contents, Format,
    error::FileError,
    record::{Record, Records},
    rows::Rows,
};
use crate::ovsdb::wire::DbSchema;

pub(super) fn read(records: &mut Records<'_>) -> Result<Contents, FileError> {
    let first = records.first()?;
    let schema =
        DbSchema::decode(text(&first)?).map_err(|error| first.problem(format!("no schema: {error}")))?;
    let mut rows = Rows::new(schema);
    while let Some(record) = records.next()? {
        rows.apply(text(&record)?).map_err(|problem| record.problem(problem))?;
    }
    Ok(rows.done(Format::Standalone))
}

/// The second line of a record.
pub(super) fn text<'a>(record: &Record<'a>) -> Result<&'a str, FileError> {
    std::str::from_utf8(record.body).map_err(|error| record.problem(error))
}
