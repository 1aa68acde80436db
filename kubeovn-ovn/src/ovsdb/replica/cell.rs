//! One column of one row: decoding, and the differences of `update2` and `update3`.

use std::{collections::BTreeSet, sync::Arc};

use crate::ovsdb::wire::Atomic;
use kubeovn_core::rows::{Atom, ColumnKind, Value};
use uuid::Uuid;

use super::pairs::{Lists, Pairs};
use crate::ovsdb::wire::{self, ColumnSchema, Datum};

/// How the server writes a column.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// At most one element: a difference is the new value, not a set of toggles.
    one: bool,
    /// Of rows that do not set it.
    pub(super) default: Value,
}

/// The contents of a column, by how they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Read as a whole.
    Plain(Value),
    /// A string map.
    Pairs(Pairs),
    /// A set of strings that givers feed.
    Texts(BTreeSet<Arc<str>>),
    /// A set of references.
    Refs(BTreeSet<Uuid>),
}

/// What an update did to a cell.
#[derive(Debug)]
pub(super) enum Touch {
    /// It reads as before.
    Nothing,
    /// A plain or map column reads otherwise.
    Column,
    /// Elements came (`true`) or went.
    Elems(Vec<(Raw, bool)>),
}

/// An element as the server names it.
#[derive(Debug)]
pub(super) enum Raw {
    Text(Arc<str>),
    Pair(Arc<str>, Arc<str>),
    Ref(Uuid),
}

impl Shape {
    pub(super) fn new(column: &ColumnSchema) -> Self {
        let zero = match column.key.atom {
            Atomic::String => Some(Value::str("")),
            Atomic::Integer => Some(Value::int(0)),
            Atomic::Boolean => Some(Value::bool(false)),
            Atomic::Real | Atomic::Uuid => None,
        };
        let default = if column.is_map() || column.min == 0 { None } else { zero };
        Shape { one: column.max == Some(1) && !column.is_map(), default: default.unwrap_or(Value::EMPTY) }
    }
}

impl Cell {
    /// The cell of a row that does not set the column.
    pub(super) fn unset(kind: ColumnKind, default: &Value) -> Self {
        match kind {
            ColumnKind::Refs { .. } => Cell::Refs(BTreeSet::new()),
            ColumnKind::Elements => Cell::Texts(BTreeSet::new()),
            ColumnKind::Keys(_) => Cell::Pairs(Pairs::default()),
            ColumnKind::Value | ColumnKind::Born | ColumnKind::Implied(_) | ColumnKind::Seen => {
                Cell::Plain(default.clone())
            }
        }
    }

    /// Is it what [`Cell::unset`] makes?
    pub(super) fn is_unset(&self, default: &Value) -> bool {
        match self {
            Cell::Plain(value) => value == default,
            Cell::Pairs(pairs) => pairs.is_empty(),
            Cell::Texts(set) => set.is_empty(),
            Cell::Refs(set) => set.is_empty(),
        }
    }

    /// The cell with these contents. Elements of kinds that cannot be asked for (reals, references in plain columns)
    /// are left out.
    pub(super) fn decode(kind: ColumnKind, datum: &Datum, lists: &mut Lists) -> Self {
        match (datum, kind) {
            (Datum::Map(pairs), _) => {
                let texts = pairs.iter().filter_map(|(k, v)| Some((text(k)?.clone(), text(v)?.clone())));
                Cell::Pairs(lists.pairs(texts))
            }
            (Datum::Set(atoms), ColumnKind::Refs { .. }) => {
                Cell::Refs(atoms.iter().filter_map(wire::Atom::as_uuid).collect())
            }
            (Datum::Set(atoms), ColumnKind::Elements) => {
                Cell::Texts(atoms.iter().filter_map(text).cloned().collect())
            }
            (Datum::Set(_), ColumnKind::Keys(_)) => Cell::Pairs(Pairs::default()),
            (Datum::Set(atoms), _) => Cell::Plain(match atoms.as_slice() {
                [one] => Value::set(plain(one)),
                many => Value::set(many.iter().filter_map(plain)),
            }),
        }
    }

    /// Puts other contents in the place of these.
    pub(super) fn replace(&mut self, new: Cell, kind: ColumnKind) -> Touch {
        if *self == new {
            return Touch::Nothing;
        }
        let old = std::mem::replace(self, new);
        if !matches!(kind, ColumnKind::Refs { .. } | ColumnKind::Elements) {
            return Touch::Column;
        }
        let (before, after) = (old.raw(), self.raw());
        let gone = before.difference(&after).map(|elem| (elem.to_raw(), false));
        let came = after.difference(&before).map(|elem| (elem.to_raw(), true));
        Touch::Elems(gone.chain(came).collect())
    }

    /// Applies a difference as `update2` and `update3` write it.
    pub(super) fn patch(
        &mut self,
        kind: ColumnKind,
        shape: &Shape,
        diff: &Datum,
        lists: &mut Lists,
    ) -> Touch {
        if shape.one {
            return self.replace(Cell::decode(kind, diff, lists), kind);
        }
        match (Cell::decode(kind, diff, lists), self) {
            (Cell::Plain(diff), Cell::Plain(value)) => {
                let toggled = toggle(value.atoms(), diff.atoms());
                *value = Value::set(toggled);
                Touch::Column
            }
            (Cell::Texts(diff), Cell::Texts(set)) => {
                let flipped = diff.into_iter().map(|text| (Raw::Text(text.clone()), flip(set, text)));
                Touch::Elems(flipped.collect())
            }
            (Cell::Refs(diff), Cell::Refs(set)) => {
                Touch::Elems(diff.into_iter().map(|uuid| (Raw::Ref(uuid), flip(set, uuid))).collect())
            }
            (Cell::Pairs(diff), cell) => cell.patch_pairs(&diff, kind, lists),
            // a set column of a row that decoded as a map, or the reverse: the whole is all that can be believed
            (diff, cell) => cell.replace(diff, kind),
        }
    }

    fn patch_pairs(&mut self, diff: &Pairs, kind: ColumnKind, lists: &mut Lists) -> Touch {
        let mut pairs: Vec<(Arc<str>, Arc<str>)> = match self {
            Cell::Pairs(pairs) => pairs.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            _ => Vec::new(),
        };
        let mut elems = Vec::new();
        for (key, value) in diff.iter().map(|(key, value)| (key.clone(), value.clone())) {
            match pairs.binary_search_by(|(held, _)| held.cmp(&key)) {
                Err(at) => {
                    elems.push((Raw::Pair(key.clone(), value.clone()), true));
                    pairs.insert(at, (key, value));
                }
                Ok(at) if pairs.get(at).is_some_and(|(_, held)| *held == value) => {
                    pairs.remove(at);
                    elems.push((Raw::Pair(key, value), false));
                }
                Ok(at) => {
                    if let Some((_, held)) = pairs.get_mut(at) {
                        let old = std::mem::replace(held, value.clone());
                        elems.push((Raw::Pair(key.clone(), old), false));
                        elems.push((Raw::Pair(key, value), true));
                    }
                }
            }
        }
        *self = Cell::Pairs(lists.pairs(pairs));
        if kind == ColumnKind::Elements { Touch::Elems(elems) } else { Touch::Column }
    }

    /// The value under a key of a map.
    pub(super) fn pair(&self, key: &str) -> Option<&Arc<str>> {
        let Cell::Pairs(pairs) = self else { return None };
        pairs.get(key)
    }

    /// This text, as a value of the map holds it.
    pub(super) fn pair_of(&self, text: &str) -> Option<&Arc<str>> {
        let Cell::Pairs(pairs) = self else { return None };
        pairs.values().iter().find(|value| ***value == *text)
    }

    /// The rows that a reference column refers to.
    pub(super) fn refs(&self) -> impl Iterator<Item = Uuid> {
        let set = match self {
            Cell::Refs(set) => Some(set),
            _ => None,
        };
        set.into_iter().flatten().copied()
    }

    fn raw(&self) -> BTreeSet<RawRef<'_>> {
        match self {
            Cell::Plain(_) => BTreeSet::new(),
            Cell::Pairs(pairs) => pairs.iter().map(|(key, value)| RawRef::Pair(key, value)).collect(),
            Cell::Texts(set) => set.iter().map(RawRef::Text).collect(),
            Cell::Refs(set) => set.iter().map(|uuid| RawRef::Ref(*uuid)).collect(),
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum RawRef<'a> {
    Text(&'a Arc<str>),
    Pair(&'a Arc<str>, &'a Arc<str>),
    Ref(Uuid),
}

impl RawRef<'_> {
    fn to_raw(&self) -> Raw {
        match self {
            RawRef::Text(text) => Raw::Text(Arc::clone(text)),
            RawRef::Pair(key, value) => Raw::Pair(Arc::clone(key), Arc::clone(value)),
            RawRef::Ref(uuid) => Raw::Ref(*uuid),
        }
    }
}

/// Adds the element or removes it, whichever changes the set. Answers whether it is there now.
fn flip<T: Ord>(set: &mut BTreeSet<T>, elem: T) -> bool {
    if set.remove(&elem) {
        return false;
    }
    set.insert(elem)
}

fn toggle(held: &[Atom], diff: &[Atom]) -> Vec<Atom> {
    let stays = held.iter().filter(|atom| diff.binary_search(atom).is_err());
    let comes = diff.iter().filter(|atom| held.binary_search(atom).is_err());
    stays.chain(comes).cloned().collect()
}

fn text(atom: &wire::Atom) -> Option<&Arc<str>> {
    match atom {
        wire::Atom::String(text) => Some(text),
        _ => None,
    }
}

fn plain(atom: &wire::Atom) -> Option<Atom> {
    match atom {
        wire::Atom::String(text) => Some(Atom::Str(text.clone())),
        wire::Atom::Integer(number) => Some(Atom::Int(*number)),
        wire::Atom::Boolean(truth) => Some(Atom::Bool(*truth)),
        wire::Atom::Real(_) | wire::Atom::Uuid(_) | wire::Atom::Named(_) => None,
    }
}
