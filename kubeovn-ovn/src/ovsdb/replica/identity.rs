//! Who a row is, by its contents: by our mark, else by what an older writer says in it, else by its name.

use std::sync::Arc;

use kubeovn_core::rows::{
    Adoption, Atom, EXTERNAL_IDS, KEY_OWNER, KEY_ROW, KEY_VENDOR, OwnerKey, Stranger, VENDOR, Value,
};
use uuid::Uuid;

use super::{Replica, Row, TableRows, apply::Place, cell::Cell};

/// Who a row is.
pub(super) struct Identity {
    pub(super) id: Option<Arc<str>>,
    /// It carries our mark, or will, or will be gone.
    pub(super) ours: bool,
    pub(super) owner: Option<OwnerKey>,
}

impl Replica {
    pub(super) fn identity(&self, place: Place) -> Option<Identity> {
        let table = self.tables.get(place.0)?;
        let seen = Seen { replica: self, table, uuid: place.1, row: table.rows.get(&place.1)? };
        let marked = seen.pair(EXTERNAL_IDS, KEY_VENDOR) == Some(VENDOR);
        if marked && let Some(id) = seen.word(KEY_ROW).filter(|id| !id.is_empty()) {
            let owner = seen.word(KEY_OWNER).and_then(|owner| owner.parse().ok());
            let owner = owner.map(|owner| seen.as_held(owner));
            return Some(Identity { id: Some(id.clone()), ours: true, owner });
        }
        if table.single {
            return Some(Identity { id: Some("@".into()), ours: false, owner: None });
        }
        if let Some(Adoption { owner, id, sweep }) = (self.schema.adopt)(&seen) {
            return Some(Identity { id: Some(id.into()), ours: sweep, owner: Some(owner) });
        }
        let name = table.table.natural.and_then(|name| seen.text(name)).filter(|name| !name.is_empty());
        Some(Identity { id: name.map(|name| format!("@{name}").into()), ours: false, owner: None })
    }
}

struct Seen<'a> {
    replica: &'a Replica,
    table: &'a TableRows,
    uuid: Uuid,
    row: &'a Row,
}

impl<'a> Seen<'a> {
    fn cell(&self, column: &str) -> Option<&'a Cell> {
        self.row.cells.get(&self.table.column(column)?)
    }

    /// The value of a plain column.
    fn value(&self, column: &str) -> Option<&'a Value> {
        Some(self.table.value(self.row, self.table.column(column)?))
    }

    /// The owner with a name that the row says anyway, if it does: a pod's.
    fn as_held(&self, mut owner: OwnerKey) -> OwnerKey {
        let same = self.cell(EXTERNAL_IDS).and_then(|ids| ids.pair_of(&owner.name));
        owner.name = same.cloned().unwrap_or(owner.name);
        owner
    }

    fn word(&self, key: &str) -> Option<&'a Arc<str>> {
        self.cell(EXTERNAL_IDS)?.pair(key)
    }

    /// The row that refers strongly to this one, if there is exactly one.
    fn only_parent(&self) -> Option<(&'a TableRows, &'a Row)> {
        let whole = (self.uuid, 0, 0, Uuid::nil())..=(self.uuid, u16::MAX, u16::MAX, Uuid::max());
        let mut parents = self.replica.parents.range(whole);
        let ((_, table, _, parent), None) = (parents.next()?, parents.next()) else { return None };
        let table = self.replica.tables.get(usize::from(*table))?;
        Some((table, table.rows.get(parent)?))
    }
}

impl Stranger for Seen<'_> {
    fn table(&self) -> &'static str {
        self.table.table.name
    }

    fn text(&self, column: &str) -> Option<&str> {
        self.value(column)?.texts().next().map(|text| &**text)
    }

    fn number(&self, column: &str) -> Option<i64> {
        self.value(column)?.as_int()
    }

    fn pair(&self, column: &str, key: &str) -> Option<&str> {
        self.cell(column)?.pair(key).map(|value| &**value)
    }

    fn pairs(&self, column: &str) -> usize {
        match self.cell(column) {
            Some(Cell::Pairs(pairs)) => pairs.len(),
            _ => 0,
        }
    }

    fn refers(&self, column: &str) -> bool {
        self.cell(column).is_some_and(|cell| cell.refs().next().is_some())
    }

    fn parent(&self) -> Option<Arc<str>> {
        let (table, row) = self.only_parent()?;
        let vendor = row.cells.get(&table.column(EXTERNAL_IDS)?)?.pair(KEY_VENDOR)?;
        let name = table.value(row, table.column(table.table.natural?)?).texts().next();
        name.filter(|_| **vendor == *VENDOR).cloned()
    }

    fn beside(&self, refs: &str, column: &str) -> Vec<Arc<str>> {
        let all = || {
            let (table, row) = self.only_parent()?;
            let children = row.cells.get(&table.column(refs)?)?.refs();
            let rows = children.filter_map(|child| {
                self.replica.tables.iter().find_map(|table| Some((table, table.rows.get(&child)?)))
            });
            let values = rows.filter_map(|(table, row)| Some(texts(table.value(row, table.column(column)?))));
            Some(values.flatten().collect())
        };
        all().unwrap_or_default()
    }
}

fn texts(value: &Value) -> impl Iterator<Item = Arc<str>> {
    value.atoms().iter().filter_map(|atom| match atom {
        Atom::Str(text) => Some(text.clone()),
        _ => None,
    })
}
