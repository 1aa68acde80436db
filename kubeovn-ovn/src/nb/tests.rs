//! Our description of tables and columns against the schema that OVN installs.

use super::*;
use crate::ovsdb::wire::{ColumnSchema, DbSchema};

fn installed(path: &str) -> DbSchema {
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|e| panic!("{path}: {e}. Install the package ovn-central"));
    DbSchema::decode(&text).unwrap()
}

/// Which texts a column allows is the server's business.
fn unrestricted(mut column: ColumnSchema) -> ColumnSchema {
    column.key.choices.clear();
    column
}

/// Columns that only newer servers have.
const NEWER: &[(&str, &str)] = &[(ACL, "tier")];

fn compare(schema: &'static Schema, path: &str) {
    let real = installed(path);
    let ours = server_schema(schema);
    assert_eq!(ours.name, real.name);
    for (name, table) in &ours.tables {
        let there = real.tables.get(name).unwrap_or_else(|| panic!("no table {name}"));
        assert_eq!(table.is_root, there.is_root, "{name} root");
        assert_eq!(table.indexes, there.indexes, "{name} indexes");
        assert_eq!(table.max_rows, there.max_rows, "{name} rows");
        for (column, shape) in &table.columns {
            let Some(column_there) = there.columns.get(column).cloned().map(unrestricted) else {
                assert!(NEWER.contains(&(&**name, &**column)), "no column {name}.{column}");
                continue;
            };
            assert_eq!(format!("{shape:?}"), format!("{column_there:?}"), "{name}.{column}");
        }
    }
}

#[test]
fn northbound_is_as_installed() {
    compare(&NORTHBOUND, "/usr/share/ovn/ovn-nb.ovsschema");
}

#[test]
fn keys_are_declared_once() {
    for table in NORTHBOUND.tables {
        for column in table.columns {
            if let Keys(keys) = column.kind {
                let unique: std::collections::BTreeSet<_> = keys.iter().collect();
                assert_eq!(unique.len(), keys.len(), "{}.{}", table.name, column.name);
            }
        }
    }
}
