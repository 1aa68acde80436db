//! Rows as the engine sees them: OVSDB-shaped, but knowing no database, no table and no Kubernetes object.
//!
//! An owner (a pod, a subnet …) *claims* rows and *gives* elements to sets of other rows: a port claims its row and
//! gives a reference to its switch. What an owner wants is a [`Rendered`]; the difference to what the database
//! holds ([`Replica`]) is a [`Txn`].

mod adopt;
mod key;
mod schema;
mod value;

pub use adopt::{Adoption, Stranger};
pub use key::{OwnerKey, OwnerKind, RowKey};
pub use schema::{Column, ColumnKind, Schema, Table};
pub use value::{Atom, Elem, Value};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{error::Problem, sorted::SortedMap};

/// Key in `external_ids` that marks a row as Kube-OVN's; its value is [`VENDOR`].
pub const KEY_VENDOR: &str = "vendor";
/// Key in `external_ids` with the owner's [`OwnerKey`] as text.
pub const KEY_OWNER: &str = "owner";
/// Key in `external_ids` with the row's readable id, the `id` of its [`RowKey`].
pub const KEY_ROW: &str = "row";
/// Value of [`KEY_VENDOR`].
pub const VENDOR: &str = "kube-ovn";
/// The map column that carries the three keys above.
pub const EXTERNAL_IDS: &str = "external_ids";

/// Milliseconds since the Unix epoch, or since any other fixed point: the caller's clock, always handed in.
pub type Millis = u64;

/// String pairs of one map column, by declared keys.
pub type Pairs = SortedMap<&'static str, Arc<str>>;

/// What a row should hold, without the elements that others give to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSpec {
    /// Columns written whole.
    pub values: SortedMap<&'static str, Value>,
    /// Map columns of which only the keys declared in the [`Schema`] are ours. A declared key that is not here
    /// is removed from the row.
    pub pairs: SortedMap<&'static str, Pairs>,
}

impl RowSpec {
    /// Sets a plain column. Writing one column twice is a mistake of the renderer (debug builds panic).
    pub fn set(&mut self, column: &'static str, value: Value) -> &mut Self {
        let before = self.values.insert(column, value);
        debug_assert!(before.is_none(), "column {column} rendered twice");
        self
    }

    /// Sets one key of a map column. Writing one key twice is a mistake of the renderer (debug builds panic).
    pub fn pair(&mut self, column: &'static str, key: &'static str, value: impl Into<Arc<str>>) -> &mut Self {
        let before = self.pairs.or_default(column).insert(key, value.into());
        debug_assert!(before.is_none(), "{column}:{key} rendered twice");
        self
    }
}

/// An element that an owner adds to a set of a row that it need not own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Give {
    /// The row that receives the element.
    pub row: RowKey,
    /// Its column.
    pub column: &'static str,
    /// The element.
    pub elem: Elem,
    /// The element is a reference by which the giver's row lives: without this parent row the database drops the
    /// child silently, so the owner waits until the parent is there. Any other give never blocks.
    pub parent: bool,
}

/// All that an owner wants to be in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Rows it claims.
    pub rows: BTreeMap<RowKey, RowSpec>,
    /// Elements it gives.
    pub gives: Vec<Give>,
    /// Names that must be nobody else's, though they are no rows: OVN wants port names unique over tables.
    pub names: BTreeSet<Arc<str>>,
    /// What must never be in two owners' rows at once, not even between two transactions: addresses. Who wants what
    /// another owner's rows still have waits until those rows are changed or gone.
    pub exclusive: BTreeSet<Arc<str>>,
    /// Rows of others without which none of the owner's may come to life: the groups whose rules a port obeys. They come
    /// in the same transaction or before it. An owner whose rows are all there does not wait for them.
    pub needs: BTreeSet<RowKey>,
    /// Tables and beginnings of ids: rows of the owner's that match stay as they are, if they are there and not among
    /// `rows`. For parts that cannot be decided now, when the rest can.
    pub keep: Vec<(&'static str, String)>,
    /// What could not be rendered, while the rest goes on.
    pub reports: Vec<Problem>,
    /// Who wins a row that two owners claim: the lower number (creation time; infrastructure has 0), then the
    /// lower [`OwnerKey`].
    pub rank: u64,
}

impl Rendered {
    /// Is this one of the rows that stay as they are?
    pub fn keeps(&self, row: &RowKey) -> bool {
        !self.rows.contains_key(row)
            && self.keep.iter().any(|(table, start)| row.table == *table && row.id.starts_with(start))
    }

    /// Claims a port name. All owners share one register of them, see [`RowKey::name`].
    pub fn name(&mut self, name: impl Into<Arc<str>>) {
        self.names.insert(name.into());
    }

    /// The row with this key, added if it is not there: several features may write columns of one row.
    pub fn row(&mut self, key: RowKey) -> &mut RowSpec {
        self.rows.entry(key).or_default()
    }

    /// Attaches `child` to the set `column` of `parent`, on which its life depends.
    pub fn attach(&mut self, parent: RowKey, column: &'static str, child: RowKey) {
        self.gives.push(Give { row: parent, column, elem: Elem::Item(Atom::Row(child)), parent: true });
    }
}

/// What a renderer answers for an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Render {
    /// The owner is gone: nothing of it may stay.
    Gone,
    /// This is what should be.
    Want(Rendered),
    /// Can't be decided now: what is there stays, untouched, and the reasons go to the owner's status.
    Hold(Vec<Problem>),
}

/// A change of one row. At most one per row and transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The row.
    pub row: RowKey,
    /// What happens to it.
    pub act: Act,
}

/// What happens to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The row is born with all that its owner and all givers want in it.
    Insert(RowSpec, BTreeMap<&'static str, BTreeSet<Elem>>),
    /// Some of it changes.
    Change(Delta),
    /// The row goes. References to it from weak columns go by themselves.
    Delete,
}

/// The difference of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Plain columns and their new values.
    pub values: BTreeMap<&'static str, Value>,
    /// Keys of map columns: a new value, or `None` to remove the key.
    pub pairs: BTreeMap<&'static str, BTreeMap<&'static str, Option<Arc<str>>>>,
    /// Elements to add.
    pub add: BTreeMap<&'static str, BTreeSet<Elem>>,
    /// Elements to remove.
    pub remove: BTreeMap<&'static str, BTreeSet<Elem>>,
}

impl Delta {
    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.pairs.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

/// One atomic change of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    /// Number given by the engine, unique in its life; the outcome names it.
    pub id: u64,
    /// At most one per row, in the order of the row keys.
    pub ops: Vec<Op>,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied; the replica holds it already.
    Done,
    /// Refused whole; nothing was applied.
    Rejected {
        /// The server's words.
        text: String,
        /// The row that it names as the cause, if it does.
        row: Option<RowKey>,
    },
    /// Nobody knows (connection lost after sending, time-out). The database will be read again before anything
    /// else is planned.
    Unknown,
}

/// A row of the replica changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// Which row.
    pub row: RowKey,
    /// Whose it is (was, for a deleted one), if it carries our mark.
    pub owner: Option<OwnerKey>,
    /// What happened.
    pub what: Change,
}

/// What happened to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there now.
    Inserted,
    /// It is gone.
    Deleted,
    /// Columns differ from before.
    Modified {
        /// Plain, map and read-only columns that changed.
        columns: Vec<&'static str>,
        /// Elements of element columns that came or went.
        elems: Vec<(&'static str, Elem)>,
    },
}

/// What [`Replica::each_pair`] calls: key and value.
pub type EachPair<'f, 'a> = dyn FnMut(&'static str, Option<&'a Arc<str>>) + 'f;

/// What a database holds, as far as we know: the only thing that the engine compares with.
///
/// # Guarantees
/// Reads never see a half-applied update. References are answered as [`Atom::Row`] when the target is one of our
/// rows or a row with a natural name (see [`RowKey::named`]); references to other rows are not visible.
pub trait Replica {
    /// Is the row there?
    fn has(&self, row: &RowKey) -> bool;
    /// The value of a plain or read-only column; `None` when the row is absent. An unset column is the empty value.
    fn value(&self, row: &RowKey, column: &str) -> Option<&Value>;
    /// The value of one key of a map column.
    fn pair(&self, row: &RowKey, column: &str, key: &str) -> Option<&Arc<str>>;
    /// Calls `f` with the value of each of these keys of a map column. One look-up of the row for all: there are many.
    fn each_pair<'a>(&'a self, row: &RowKey, column: &str, keys: &[&'static str], f: &mut EachPair<'_, 'a>) {
        keys.iter().for_each(|key| f(key, self.pair(row, column, key)));
    }
    /// What the database itself calls the row: its UUID, as text. `None` when the row is absent, or has no such name.
    fn uuid(&self, row: &RowKey) -> Option<String> {
        let _ = row;
        None
    }
    /// Does the element column hold this element?
    fn holds(&self, row: &RowKey, column: &str, elem: &Elem) -> bool;
    /// Calls `f` for each element of an element column that can be named.
    fn elements(&self, row: &RowKey, column: &str, f: &mut dyn FnMut(Elem));
    /// Calls `f` for each row and column that refers to this row strongly, ours or not (if it can be named).
    fn parents(&self, row: &RowKey, f: &mut dyn FnMut(RowKey, &'static str));
    /// Calls `f` for each row that carries our mark, with its owner if that is readable. In the order of the keys.
    fn ours(&self, f: &mut dyn FnMut(&RowKey, Option<&OwnerKey>));
    /// Is there a row that carries our mark?
    fn any_ours(&self) -> bool {
        let mut any = false;
        self.ours(&mut |_, _| any = true);
        any
    }
}
