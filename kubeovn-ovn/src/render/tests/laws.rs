//! What holds for all that any feature renders.

use kubeovn_core::rows::{Atom, ColumnKind, Elem, OwnerKey, Rendered, RowKey, RowSpec};

use crate::{
    matching::{Where, parse},
    nb,
};

/// Panics when the database would refuse a row, drop it silently, or skip its match.
pub(super) fn check(owner: &OwnerKey, rendered: &Rendered) {
    for (key, row) in &rendered.rows {
        columns_are_ours(key, row);
        if let Some(place) = place(key, row) {
            let text = row
                .values
                .get("match")
                .unwrap()
                .texts()
                .next()
                .unwrap_or_else(|| panic!("{key} has no match"));
            parse(text, place).unwrap_or_else(|error| panic!("{key} of {owner}: match {text:?}: {error}"));
        }
        let table = nb::NORTHBOUND.table(key.table).unwrap();
        let elem = Elem::Item(Atom::Row(key.clone()));
        let parents = rendered.gives.iter().filter(|give| give.parent && give.elem == elem).count();
        assert_eq!(parents, usize::from(!table.root), "parents of {key} of {owner}");
    }
    for give in &rendered.gives {
        let table = nb::NORTHBOUND.table(give.row.table).unwrap();
        let column = table
            .column(give.column)
            .unwrap_or_else(|| panic!("no column {} in {}", give.column, table.name));
        match (&column.kind, &give.elem) {
            (ColumnKind::Refs { table, strong }, Elem::Item(Atom::Row(row))) => {
                assert_eq!((*table, *strong), (row.table, give.parent), "{} given to {}", row, give.row);
                assert!(
                    !give.parent || rendered.rows.contains_key(row),
                    "{row} is attached but not rendered"
                );
            }
            (ColumnKind::Elements, Elem::Pair(..)) => {
                assert!(rendered.rows.contains_key(&give.row), "a pair for {} of {owner}", give.row);
            }
            other => panic!("{:?} can't be given to {} {}", other.1, give.row, give.column),
        }
    }
}

/// Where the match of a row is evaluated; `None` for rows without one.
fn place(key: &RowKey, row: &RowSpec) -> Option<Where> {
    match key.table {
        nb::LOGICAL_ROUTER_POLICY => Some(Where::RouterPolicy),
        nb::ACL => match row.values.get("direction").unwrap().texts().next().map(AsRef::as_ref) {
            Some("to-lport") => Some(Where::ToLport),
            Some("from-lport") => Some(Where::FromLport),
            other => panic!("{key}: direction {other:?}"),
        },
        _ => None,
    }
}

fn columns_are_ours(key: &RowKey, row: &RowSpec) {
    let table = nb::NORTHBOUND.table(key.table).unwrap_or_else(|| panic!("no table {}", key.table));
    for column in row.values.keys() {
        let kind = table.column(column).map(|c| c.kind);
        let plain = matches!(kind, Some(ColumnKind::Value | ColumnKind::Born | ColumnKind::Implied(_)));
        assert!(plain, "{}.{column} is no plain column", key.table);
    }
    for (column, pairs) in &row.pairs {
        let Some(ColumnKind::Keys(ours)) = table.column(column).map(|c| c.kind) else {
            panic!("{}.{column} is no map column", key.table)
        };
        for name in pairs.keys() {
            assert!(ours.contains(&&**name), "{}.{column}:{name} is not declared", key.table);
        }
    }
}
