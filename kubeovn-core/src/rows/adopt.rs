//! Rows of an older writer: they carry our vendor's mark, but no id, and are recognised by what they say.

use std::sync::Arc;

use super::OwnerKey;

/// A row without an id, as it is looked at to find out whether it is an older writer's.
pub trait Stranger {
    /// Its table.
    fn table(&self) -> &'static str;
    /// The only string of a plain column.
    fn text(&self, column: &str) -> Option<&str>;
    /// The only integer of a plain column.
    fn number(&self, column: &str) -> Option<i64>;
    /// The value of one key of a map column.
    fn pair(&self, column: &str, key: &str) -> Option<&str>;
    /// How many keys a map column has.
    fn pairs(&self, column: &str) -> usize;
    /// Does a reference column refer to anything?
    fn refers(&self, column: &str) -> bool;
    /// The natural name of the row that refers strongly to it, if there is exactly one and it carries our vendor's mark.
    fn parent(&self) -> Option<Arc<str>>;
    /// The strings that a column has in the rows that this parent refers to by another: `networks` of its `ports`.
    fn beside(&self, refs: &str, column: &str) -> Vec<Arc<str>>;
}

/// A row that was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Whose it is.
    pub owner: OwnerKey,
    /// The id under which its owner wants it.
    pub id: String,
    /// It goes when nobody wants it. Otherwise it stays: the same form may be something that we do not know.
    pub sweep: bool,
}

impl Adoption {
    /// A row that stays when nobody wants it.
    pub fn kept(owner: OwnerKey, id: impl Into<String>) -> Self {
        Adoption { owner, id: id.into(), sweep: false }
    }

    /// A row that goes when nobody wants it.
    pub fn swept(owner: OwnerKey, id: impl Into<String>) -> Self {
        Adoption { sweep: true, ..Self::kept(owner, id) }
    }
}
