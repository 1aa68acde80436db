//! What a monitor delivers: row updates in the three notations that servers have (`update`, `update2`, `update3`).

use std::{collections::BTreeMap, fmt, marker::PhantomData, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use uuid::Uuid;

use super::{
    Datum, Row,
    datum::{Sharing, UuidText},
    words::Words,
};

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
        Self::decode_with(json, since, &mut Words::default())
    }

    /// The same, with the texts shared that `words` knows.
    ///
    /// # Errors
    /// JSON of another shape.
    pub fn decode_with(json: &str, since: bool, words: &mut Words) -> Result<Self, serde_json::Error> {
        if since {
            let (found, last, updates) = whole(json, Before::<bool, UuidText>::new(words))?;
            Ok(Self { found, last_txn: Some(last.0), updates })
        } else {
            Ok(Self { found: false, last_txn: None, updates: whole(json, Updates(words))? })
        }
    }
}

impl Notification {
    /// Decodes the parameters of a notification; `None` if `method` is none of the three update methods.
    ///
    /// # Errors
    /// JSON of another shape.
    pub fn decode(method: &str, params: &str) -> Result<Option<Self>, serde_json::Error> {
        Self::decode_with(method, params, &mut Words::default())
    }

    /// The same, with the texts shared that `words` knows.
    ///
    /// # Errors
    /// JSON of another shape.
    pub fn decode_with(
        method: &str,
        params: &str,
        words: &mut Words,
    ) -> Result<Option<Self>, serde_json::Error> {
        Ok(match method {
            "update3" => {
                let (monitor, last, updates) = whole(params, Before::<Arc<str>, UuidText>::new(words))?;
                Some(Self { monitor, last_txn: Some(last.0), updates })
            }
            "update" | "update2" => {
                let (monitor, Nothing, updates) = whole(params, Before::<Arc<str>, Nothing>::new(words))?;
                Some(Self { monitor, last_txn: None, updates })
            }
            _ => None,
        })
    }
}

/// Decodes a whole text.
fn whole<'de, T: DeserializeSeed<'de>>(json: &'de str, what: T) -> Result<T::Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = what.deserialize(&mut deserializer)?;
    deserializer.end().map(|()| value)
}

/// An array of one or two values and, behind them, the updates.
struct Before<'w, A, B> {
    words: &'w mut Words,
    what: PhantomData<(A, B)>,
}

/// What takes no place in an array.
struct Nothing;

/// What stands before the updates.
trait Item: Sized {
    fn next<'de, S: SeqAccess<'de>>(seq: &mut S) -> Result<Option<Self>, S::Error>;
}

impl<'w, A, B> Before<'w, A, B> {
    fn new(words: &'w mut Words) -> Self {
        Self { words, what: PhantomData }
    }
}

impl Item for Nothing {
    fn next<'de, S: SeqAccess<'de>>(_: &mut S) -> Result<Option<Self>, S::Error> {
        Ok(Some(Self))
    }
}

impl Item for bool {
    fn next<'de, S: SeqAccess<'de>>(seq: &mut S) -> Result<Option<Self>, S::Error> {
        seq.next_element()
    }
}

impl Item for Arc<str> {
    fn next<'de, S: SeqAccess<'de>>(seq: &mut S) -> Result<Option<Self>, S::Error> {
        seq.next_element()
    }
}

impl Item for UuidText {
    fn next<'de, S: SeqAccess<'de>>(seq: &mut S) -> Result<Option<Self>, S::Error> {
        seq.next_element()
    }
}

impl<'de, A: Item, B: Item> DeserializeSeed<'de> for Before<'_, A, B> {
    type Value = (A, B, TableUpdates);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, A: Item, B: Item> Visitor<'de> for Before<'_, A, B> {
    type Value = (A, B, TableUpdates);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array that ends with the updates of tables")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        let short = || de::Error::custom("an array of updates that is too short");
        let first = A::next(&mut seq)?.ok_or_else(short)?;
        let second = B::next(&mut seq)?.ok_or_else(short)?;
        let updates = seq.next_element_seed(Updates(self.words))?.ok_or_else(short)?;
        match seq.next_element::<IgnoredAny>()? {
            None => Ok((first, second, updates)),
            Some(_) => Err(de::Error::custom("an array of updates that is too long")),
        }
    }
}

/// Decodes a map with a seed of its own for each of its values.
macro_rules! map_seed {
    ($seed:ident -> $value:ty: $expected:literal, |$words:ident, $map:ident| $body:expr) => {
        struct $seed<'w>(&'w mut Words);

        impl<'de> DeserializeSeed<'de> for $seed<'_> {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<$value, D::Error> {
                deserializer.deserialize_map(self)
            }
        }

        impl<'de> Visitor<'de> for $seed<'_> {
            type Value = $value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expected)
            }

            fn visit_map<M: MapAccess<'de>>(self, mut $map: M) -> Result<$value, M::Error> {
                let $words = self.0;
                $body
            }
        }
    };
}

map_seed!(Updates -> TableUpdates: "updates by table", |words, map| {
    let mut tables = TableUpdates::new();
    while let Some(table) = map.next_key_seed(Text(words))? {
        tables.insert(table, map.next_value_seed(Rows(words))?);
    }
    Ok(tables)
});

map_seed!(Rows -> BTreeMap<Uuid, RowUpdate>: "updates by row", |words, map| {
    // A tree that is built at once is half the size of one that grows in a random order.
    let mut rows = Vec::new();
    while let Some(UuidText(uuid)) = map.next_key()? {
        rows.push((uuid, map.next_value_seed(Update(words))?));
    }
    Ok(rows.into_iter().collect())
});

map_seed!(Update -> RowUpdate: "the update of a row", |words, map| {
    let mut update = None;
    while let Some(form) = map.next_key::<Form>()? {
        match form {
            Form::Initial => update = Some(RowUpdate::Initial(map.next_value_seed(Columns(words))?)),
            Form::Insert => update = Some(RowUpdate::Insert(map.next_value_seed(Columns(words))?)),
            Form::Modify => update = Some(RowUpdate::Modify(map.next_value_seed(Columns(words))?)),
            Form::Delete => {
                map.next_value::<IgnoredAny>()?;
                update = Some(RowUpdate::Delete);
            }
            // alone it means deleted; beside `new` the whole new row is enough
            Form::Old => {
                map.next_value::<IgnoredAny>()?;
                update = update.or(Some(RowUpdate::Delete));
            }
        }
    }
    update.ok_or_else(|| de::Error::custom("an update of a row that says nothing"))
});

map_seed!(Columns -> Row: "the columns of a row", |words, map| {
    let mut columns: Vec<(Arc<str>, Datum)> = Vec::new();
    while let Some(column) = map.next_key_seed(Text(words))? {
        columns.push((column, map.next_value_seed(Sharing::new(words))?));
    }
    Ok(columns.into_iter().collect())
});

/// What is said of a row.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Initial,
    #[serde(alias = "new")]
    Insert,
    Modify,
    Delete,
    Old,
}

/// A name.
struct Text<'w>(&'w mut Words);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Arc<str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        Ok(self.0.share(text))
    }
}
