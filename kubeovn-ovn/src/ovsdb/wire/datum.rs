//! Atoms, data (sets and maps of atoms) and rows: the values of OVSDB, with a total order.
//!
//! OVSDB has three notations for a column's value (a bare atom, a set, a map). Here a scalar is a set of one element
//! and an absent optional is the empty set, so that comparing two values never depends on how they were written.

mod json;

pub(super) use json::{Sharing, UuidText};

use std::{cmp::Ordering, collections::BTreeMap, hash::Hash, hash::Hasher, sync::Arc};

use kubeovn_core::sorted::SortedMap;
use uuid::Uuid;

/// The columns of one row by name. A row from the server may leave out columns that hold their default.
pub type Row = SortedMap<Arc<str>, Datum>;

/// One indivisible value.
///
/// JSON does not tell reals from integers: a real without a fraction may arrive as [`Atom::Integer`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Atom {
    /// A string.
    String(Arc<str>),
    /// A signed 64-bit integer.
    Integer(i64),
    /// A floating point number.
    Real(Real),
    /// A truth value.
    Boolean(bool),
    /// A reference to a row, or a row's own identity.
    Uuid(Uuid),
    /// A reference to a row that the same transaction inserts under this `uuid-name`. Never sent by a server.
    Named(Arc<str>),
}

/// A floating point number with the total order of IEEE 754 (`-0.0 < 0.0`, NaN equals itself).
#[derive(Clone, Copy, Debug)]
pub struct Real(pub f64);

/// The value of one column.
///
/// # Guarantees
/// The vectors are sorted and free of duplicates when made by this type's constructors or by decoding; code that
/// fills the variants by hand keeps it so, since equality and look-ups rely on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datum {
    /// A scalar (one element), an optional (none or one) or a set.
    Set(Vec<Atom>),
    /// A map, sorted by key; keys are unique.
    Map(Vec<(Atom, Atom)>),
}

impl Atom {
    /// The text of a string atom.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an integer atom.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth value of a boolean atom.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The identity in a uuid atom; not for [`Atom::Named`].
    pub fn as_uuid(&self) -> Option<Uuid> {
        match self {
            Self::Uuid(uuid) => Some(*uuid),
            _ => None,
        }
    }
}

impl Datum {
    /// The empty set: an absent optional, or the default of every set column.
    pub const fn empty() -> Self {
        Self::Set(Vec::new())
    }

    /// A set of the given elements, in any order; duplicates are dropped.
    pub fn set(elements: impl IntoIterator<Item = Atom>) -> Self {
        let mut set: Vec<Atom> = elements.into_iter().collect();
        set.sort_unstable();
        set.dedup();
        Self::Set(set)
    }

    /// A map of the given pairs, in any order; of two pairs with one key the later counts.
    pub fn map(pairs: impl IntoIterator<Item = (Atom, Atom)>) -> Self {
        let mut map: Vec<(Atom, Atom)> = pairs.into_iter().collect();
        if !map.is_sorted_by(|a, b| a.0 < b.0) {
            map = map.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect();
        }
        Self::Map(map)
    }

    /// The elements of a set; none for a map.
    pub fn elements(&self) -> &[Atom] {
        match self {
            Self::Set(set) => set,
            Self::Map(_) => &[],
        }
    }

    /// The pairs of a map; none for a set.
    pub fn pairs(&self) -> &[(Atom, Atom)] {
        match self {
            Self::Set(_) => &[],
            Self::Map(map) => map,
        }
    }

    /// The only element of a set of one: the value of a scalar or of a present optional.
    pub fn scalar(&self) -> Option<&Atom> {
        match self {
            Self::Set(set) => match set.as_slice() {
                [atom] => Some(atom),
                _ => None,
            },
            Self::Map(_) => None,
        }
    }

    /// The value under a key; `None` for a set.
    pub fn get(&self, key: &Atom) -> Option<&Atom> {
        let map = self.pairs();
        let at = map.binary_search_by(|(held, _)| held.cmp(key)).ok()?;
        map.get(at).map(|(_, value)| value)
    }

    /// The text under a text key, as in `external_ids:vendor`.
    pub fn get_str(&self, key: &str) -> Option<&str> {
        let map = self.pairs();
        let held = |atom: &Atom| match atom {
            Atom::String(text) => text.as_ref().cmp(key),
            // strings sort before every other kind of atom
            _ => Ordering::Greater,
        };
        let at = map.binary_search_by(|(atom, _)| held(atom)).ok()?;
        map.get(at).and_then(|(_, value)| value.as_str())
    }

    /// Whether a set holds the element, or a map the key.
    pub fn contains(&self, atom: &Atom) -> bool {
        match self {
            Self::Set(set) => set.binary_search(atom).is_ok(),
            Self::Map(_) => self.get(atom).is_some(),
        }
    }

    /// How many elements or pairs.
    pub fn len(&self) -> usize {
        match self {
            Self::Set(set) => set.len(),
            Self::Map(map) => map.len(),
        }
    }

    /// Whether there is no element and no pair.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Datum {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T: Into<Atom>> From<T> for Datum {
    fn from(value: T) -> Self {
        Self::Set(vec![value.into()])
    }
}

impl From<&str> for Atom {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Atom {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<Arc<str>> for Atom {
    fn from(text: Arc<str>) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Atom {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Atom {
    fn from(number: f64) -> Self {
        Self::Real(Real(number))
    }
}

impl From<bool> for Atom {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<Uuid> for Atom {
    fn from(uuid: Uuid) -> Self {
        Self::Uuid(uuid)
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Real {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}
