//! What a monitor delivers: row updates in the three notations that servers have (`update`, `update2`, `update3`).

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use uuid::Uuid;

use super::{Row, datum::UuidText};

/// The changed rows of a database, by table and identity.
pub type TableUpdates = BTreeMap<Arc<str>, BTreeMap<Uuid, RowUpdate>>;

/// What became of one row.
///
/// In whole rows (`Initial`, `Insert`) columns that hold their type's default may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowUpdate {
    /// The whole row as it was when the monitor began.
    Initial(Row),
    /// The whole row as it is now, replacing what is known of it: a new row, or, from a server that has only the
    /// first `monitor` method, also a changed one.
    Insert(Row),
    /// The difference, per changed column: a scalar's or optional's new value; of a set the elements that came or
    /// went (toggle each); of a map the pairs that came, went (same value as held) or changed (another value).
    Modify(Row),
    /// The row is gone.
    Delete,
}

/// The reply to any of the monitor methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorReply {
    /// Whether `updates` continue from the transaction that the request named (`true`), or are the whole database.
    pub found: bool,
    /// The last transaction contained, to resume from; `None` from methods other than `monitor_cond_since`. All
    /// zero from a server that keeps no history.
    pub last_txn: Option<Uuid>,
    /// The rows.
    pub updates: TableUpdates,
}

/// A notification of a monitor: the parameters of `update`, `update2` or `update3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The identity that the monitor request gave.
    pub monitor: Arc<str>,
    /// The transaction that this brings the monitor to; only in `update3`.
    pub last_txn: Option<Uuid>,
    /// The rows.
    pub updates: TableUpdates,
}

impl MonitorReply {
    /// Decodes the result of `monitor_cond_since` (an array of three) or of `monitor`, `monitor_cond` (the updates).
    ///
    /// # Errors
    /// JSON of another shape.
    pub fn decode(json: &str, since: bool) -> Result<Self, serde_json::Error> {
        if since {
            let (found, last, Updates(updates)) = serde_json::from_str::<(bool, UuidText, _)>(json)?;
            Ok(Self { found, last_txn: Some(last.0), updates })
        } else {
            let Updates(updates) = serde_json::from_str(json)?;
            Ok(Self { found: false, last_txn: None, updates })
        }
    }
}

impl Notification {
    /// Decodes the parameters of a notification; `None` if `method` is none of the three update methods.
    ///
    /// # Errors
    /// JSON of another shape.
    pub fn decode(method: &str, params: &str) -> Result<Option<Self>, serde_json::Error> {
        Ok(match method {
            "update3" => {
                let (monitor, last, Updates(updates)) =
                    serde_json::from_str::<(Arc<str>, UuidText, _)>(params)?;
                Some(Self { monitor, last_txn: Some(last.0), updates })
            }
            "update" | "update2" => {
                let (monitor, Updates(updates)) = serde_json::from_str(params)?;
                Some(Self { monitor, last_txn: None, updates })
            }
            _ => None,
        })
    }
}

impl<'de> Deserialize<'de> for RowUpdate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = RowUpdate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the update of a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RowUpdate, A::Error> {
        let mut update = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "initial" => update = Some(RowUpdate::Initial(map.next_value()?)),
                "insert" | "new" => update = Some(RowUpdate::Insert(map.next_value()?)),
                "modify" => update = Some(RowUpdate::Modify(map.next_value()?)),
                "delete" => {
                    map.next_value::<IgnoredAny>()?;
                    update = Some(RowUpdate::Delete);
                }
                // alone it means deleted; beside `new` the whole new row is enough
                "old" => {
                    map.next_value::<IgnoredAny>()?;
                    update = update.or(Some(RowUpdate::Delete));
                }
                other => return Err(de::Error::unknown_field(other, FORMS)),
            }
        }
        update.ok_or_else(|| de::Error::custom("an update of a row that says nothing"))
    }
}

const FORMS: &[&str] = &["initial", "insert", "modify", "delete", "old", "new"];

/// [`TableUpdates`], decoded with uuids as keys.
struct Updates(TableUpdates);

impl<'de> Deserialize<'de> for Updates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows(BTreeMap<Uuid, RowUpdate>);

        impl<'de> Deserialize<'de> for Rows {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                BTreeMap::<UuidText, RowUpdate>::deserialize(deserializer)
                    .map(|rows| Self(rows.into_iter().map(|(UuidText(uuid), row)| (uuid, row)).collect()))
            }
        }

        let tables = BTreeMap::<Arc<str>, Rows>::deserialize(deserializer)?;
        Ok(Self(tables.into_iter().map(|(table, Rows(rows))| (table, rows)).collect()))
    }
}
