//! How results and errors are written.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    memory::mutate::error,
    ovsdb::wire::{Atom, OpResult, Row, ServerError, encode_reply},
};

/// Why a request as a whole is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// As some are told: a bare word.
    Word(&'static str),
    /// As most are told.
    Error {
        error: ServerError,
        /// The JSON that is to blame.
        syntax: Option<String>,
    },
}

/// Longer texts are not repeated to those who sent them.
const MAX_SYNTAX: usize = 1 << 10;

impl Refusal {
    /// A syntax error, and the JSON that is to blame.
    pub(super) fn syntax(details: impl Into<String>, syntax: &str) -> Self {
        Self::of(error("syntax error", details), syntax)
    }

    pub(super) fn of(error: ServerError, syntax: &str) -> Self {
        Self::Error { error, syntax: (syntax.len() <= MAX_SYNTAX).then(|| syntax.to_owned()) }
    }
}

impl From<ServerError> for Refusal {
    fn from(error: ServerError) -> Self {
        Self::Error { error, syntax: None }
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Word(word) => serializer.serialize_str(word),
            Self::Error { error, syntax } => {
                let mut map = serializer.serialize_map(None)?;
                if let Some(syntax) = syntax {
                    map.serialize_entry("syntax", syntax)?;
                }
                map.serialize_entry("details", &error.details)?;
                map.serialize_entry("error", &error.error)?;
                map.end()
            }
        }
    }
}

/// A result of an operation, for the wire.
pub(super) struct Told<'a>(pub(super) &'a OpResult);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            OpResult::Skipped => serializer.serialize_unit(),
            OpResult::Done => serializer.serialize_map(Some(0))?.end(),
            OpResult::Count(count) => member(serializer, "count", count),
            OpResult::Inserted(uuid) => member(serializer, "uuid", &Atom::Uuid(*uuid)),
            OpResult::Rows(rows) => member(serializer, "rows", rows),
            OpResult::Uuids(uuids) => {
                let row = |uuid: &Uuid| Row::from([("_uuid".into(), Atom::Uuid(*uuid).into())]);
                member(serializer, "rows", &uuids.iter().map(row).collect::<Vec<_>>())
            }
            OpResult::Error(error) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("details", &error.details)?;
                map.serialize_entry("error", &error.error)?;
                map.end()
            }
        }
    }
}

fn member<S: Serializer>(
    serializer: S,
    name: &str,
    value: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, value)?;
    map.end()
}

/// The answer to a request, as a frame.
pub(super) fn answer(id: &RawValue, answer: Result<&RawValue, &Refusal>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Refused<'a> {
        id: &'a RawValue,
        result: (),
        error: &'a Refusal,
    }
    let encoded = match answer {
        Ok(result) => encode_reply(id, result),
        Err(error) => serde_json::to_vec(&Refused { id, result: (), error }),
    };
    // texts, and JSON that was read or written before, always have a JSON form
    encoded.unwrap_or_default()
}

/// A value as JSON text.
pub(super) fn raw(value: &(impl Serialize + ?Sized)) -> Result<Box<RawValue>, Refusal> {
    serde_json::value::to_raw_value(value)
        .map_err(|failure| error("internal error", failure.to_string()).into())
}

/// A notification, as a frame.
pub(super) fn notification(method: &str, params: &(impl Serialize + ?Sized)) -> Vec<u8> {
    #[derive(Serialize)]
    struct Notification<'a, P: ?Sized> {
        id: (),
        method: &'a str,
        params: &'a P,
    }
    serde_json::to_vec(&Notification { id: (), method, params }).unwrap_or_default()
}
