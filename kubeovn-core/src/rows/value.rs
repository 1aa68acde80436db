//! Values of columns.

use std::sync::Arc;

use super::RowKey;

/// One scalar.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Atom {
    /// A string.
    Str(Arc<str>),
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// A reference to a row, by our name for it.
    Row(RowKey),
}

impl From<&str> for Atom {
    fn from(text: &str) -> Self {
        Atom::Str(text.into())
    }
}

/// An element of a set or a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Elem {
    /// Of a set.
    Item(Atom),
    /// Of a map.
    Pair(Arc<str>, Arc<str>),
}

/// The value of a plain column: a set of atoms, sorted, none twice. A scalar is a set of one, an unset optional the
/// empty set: so OVSDB itself sees it (RFC 7047, section 5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(Vec<Atom>);

impl Value {
    /// The unset optional, or the empty set.
    pub const EMPTY: Value = Value(Vec::new());

    /// A set of any atoms.
    pub fn set(atoms: impl IntoIterator<Item = Atom>) -> Self {
        let mut atoms: Vec<Atom> = atoms.into_iter().collect();
        atoms.sort_unstable();
        atoms.dedup();
        Value(atoms)
    }

    /// A string.
    pub fn str(text: impl Into<Arc<str>>) -> Self {
        Value(vec![Atom::Str(text.into())])
    }

    /// A set of strings.
    pub fn strs<T: Into<Arc<str>>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::set(texts.into_iter().map(|t| Atom::Str(t.into())))
    }

    /// An integer.
    pub fn int(number: i64) -> Self {
        Value(vec![Atom::Int(number)])
    }

    /// A boolean.
    pub fn bool(truth: bool) -> Self {
        Value(vec![Atom::Bool(truth)])
    }

    /// The atoms, sorted.
    pub fn atoms(&self) -> &[Atom] {
        &self.0
    }

    /// The strings among the atoms.
    pub fn texts(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().filter_map(|a| match a {
            Atom::Str(text) => Some(text),
            _ => None,
        })
    }

    /// The only atom, if it is an integer.
    pub fn as_int(&self) -> Option<i64> {
        match self.0.as_slice() {
            [Atom::Int(n)] => Some(*n),
            _ => None,
        }
    }
}
