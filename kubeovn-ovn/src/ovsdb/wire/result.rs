//! What a server answers to each operation of a transaction, and how it words an error.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use uuid::Uuid;

use super::{Atom, Row};

/// The result of one operation.
///
/// A reply to `transact` has one of these per operation. When all operations passed but the commit did not (a
/// constraint, a lost leader), **one more element** follows the last: an [`OpResult::Error`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpResult {
    /// Not executed, because an earlier operation failed.
    Skipped,
    /// Passed, with nothing to tell (`wait`, `comment`).
    Done,
    /// How many rows an `update`, `mutate` or `delete` selected. Zero is no error to the server.
    Count(u64),
    /// The identity of the row that an `insert` added.
    Inserted(Uuid),
    /// What a `select` found.
    Rows(Vec<Row>),
    /// What a `select` of nothing but `_uuid` found, if it found any: there may be a hundred thousand of these.
    Uuids(Vec<Uuid>),
    /// The operation, or as extra element the commit, failed.
    Error(ServerError),
}

/// An error in the server's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{error}{}{details}", if details.is_empty() { "" } else { ": " })]
pub struct ServerError {
    /// The kind, a fixed phrase such as `constraint violation`, `timed out`, `not leader`.
    pub error: String,
    /// What exactly, for people; may be empty. Names row UUIDs where rows are to blame.
    pub details: String,
}

impl OpResult {
    /// The first error among the results of a transaction, with its index. An index equal to `operations` (how many
    /// were sent) is the extra element: the commit failed, no operation is to blame.
    pub fn first_error(results: &[Self]) -> Option<(usize, &ServerError)> {
        results.iter().enumerate().find_map(|(index, result)| match result {
            Self::Error(error) => Some((index, error)),
            _ => None,
        })
    }
}

impl<'de> Deserialize<'de> for OpResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ResultVisitor)
    }
}

struct ResultVisitor;

impl<'de> Visitor<'de> for ResultVisitor {
    type Value = OpResult;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the result of an operation")
    }

    fn visit_unit<E: de::Error>(self) -> Result<OpResult, E> {
        Ok(OpResult::Skipped)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OpResult, A::Error> {
        let mut result = OpResult::Done;
        let mut error = ErrorParts::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "count" => result = OpResult::Count(map.next_value()?),
                "rows" => result = map.next_value::<Selected>()?.0,
                "uuid" => match map.next_value()? {
                    Atom::Uuid(uuid) => result = OpResult::Inserted(uuid),
                    _ => return Err(de::Error::custom("the uuid of an inserted row is none")),
                },
                _ => error.member(&key, &mut map)?,
            }
        }
        Ok(error.finish().map_or(result, OpResult::Error))
    }
}

/// The rows of a `select`.
struct Selected(OpResult);

impl<'de> Deserialize<'de> for Selected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows;
        impl<'de> Visitor<'de> for Rows {
            type Value = Selected;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of rows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Selected, A::Error> {
                let (mut uuids, mut rows) = (Vec::new(), Vec::new());
                while let Some(row) = seq.next_element::<Row>()? {
                    match only_uuid(&row) {
                        Some(uuid) if rows.is_empty() => uuids.push(uuid),
                        _ => {
                            // rows of one select have the same columns, unless a server is out of its mind
                            rows.extend(
                                uuids.drain(..).map(|uuid| Row::from([("_uuid".into(), uuid.into())])),
                            );
                            rows.push(row);
                        }
                    }
                }
                let rows = if uuids.is_empty() { OpResult::Rows(rows) } else { OpResult::Uuids(uuids) };
                Ok(Selected(rows))
            }
        }
        deserializer.deserialize_seq(Rows)
    }
}

/// The UUID of a row of which nothing else is told.
fn only_uuid(row: &Row) -> Option<Uuid> {
    let (column, value) = row.first_key_value().filter(|_| row.len() == 1)?;
    value.scalar().filter(|_| &**column == "_uuid")?.as_uuid()
}

impl<'de> Deserialize<'de> for ServerError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ErrorVisitor(PhantomData))
    }
}

/// Errors of whole requests come as an object, or as a bare string from old servers.
struct ErrorVisitor(PhantomData<ServerError>);

impl<'de> Visitor<'de> for ErrorVisitor {
    type Value = ServerError;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an OVSDB error")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ServerError, E> {
        Ok(ServerError { error: text.to_owned(), details: String::new() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ServerError, A::Error> {
        let mut parts = ErrorParts::default();
        while let Some(key) = map.next_key::<String>()? {
            parts.member(&key, &mut map)?;
        }
        parts.finish().ok_or_else(|| de::Error::missing_field("error"))
    }
}

/// The members of an error object, gathered in whatever order they come.
#[derive(Default)]
struct ErrorParts {
    error: Option<String>,
    details: Option<String>,
    syntax: Option<String>,
}

impl ErrorParts {
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "error" => self.error = map.next_value()?,
            "details" => self.details = map.next_value()?,
            "syntax" => self.syntax = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }

    /// The error, when there was an `error` member. `syntax`, the JSON that was refused, goes with the details.
    fn finish(self) -> Option<ServerError> {
        let details = match (self.details, self.syntax) {
            (Some(details), Some(syntax)) => format!("{details} ({syntax})"),
            (details, syntax) => details.or(syntax).unwrap_or_default(),
        };
        Some(ServerError { error: self.error?, details })
    }
}
