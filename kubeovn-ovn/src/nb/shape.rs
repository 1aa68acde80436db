//! The types of the columns that are used: enough of a server's schema to simulate a server without its schema file.

use std::sync::Arc;

use kubeovn_core::rows::{ColumnKind, Schema, Table};

use super::{
    ACL, ADDRESS_SET, BFD, LOGICAL_ROUTER_POLICY, LOGICAL_ROUTER_PORT, LOGICAL_SWITCH_PORT, NB_GLOBAL,
    NORTHBOUND, PORT_GROUP,
};
use crate::ovsdb::wire::{Atomic, BaseType, ColumnSchema, DbSchema, TableSchema};

/// The part of a real server's schema that `schema` uses, as of OVN 25.03. For the in-memory
/// server; a client asks its server.
pub fn server_schema(schema: &'static Schema) -> DbSchema {
    let tables = schema.tables.iter().map(|table| (Arc::from(table.name), table_schema(table)));
    DbSchema { name: schema.database.into(), version: String::new(), tables: tables.collect() }
}

/// The type that a column should have, where we know: only Northbound's are described here.
pub(crate) fn column_of(schema: &'static Schema, table: &str, column: &str) -> Option<ColumnSchema> {
    let found = schema.table(table)?.column(column)?;
    (schema.database == NORTHBOUND.database).then(|| column_schema(table, column, found.kind))
}

fn table_schema(table: &Table) -> TableSchema {
    let unique: &[&str] = match table.name {
        LOGICAL_ROUTER_PORT | LOGICAL_SWITCH_PORT | ADDRESS_SET | PORT_GROUP => &["name"],
        BFD => &["logical_port", "dst_ip"],
        _ => &[],
    };
    let columns =
        table.columns.iter().map(|c| (Arc::from(c.name), column_schema(table.name, c.name, c.kind)));
    TableSchema {
        columns: columns.collect(),
        is_root: table.root,
        indexes: unique.chunks(2).map(|names| names.iter().map(|name| Arc::from(*name)).collect()).collect(),
        max_rows: (table.name == NB_GLOBAL).then_some(1),
    }
}

fn column_schema(table: &str, column: &str, kind: ColumnKind) -> ColumnSchema {
    let plain = |atom| BaseType { atom, ..BaseType::default() };
    let set = |key, min, max| ColumnSchema { key, value: None, min, max };
    match kind {
        ColumnKind::Keys(_) => string_map(),
        ColumnKind::Refs { table: target, strong } => {
            let key = BaseType {
                atom: Atomic::Uuid,
                ref_table: Some(target.into()),
                weak: !strong,
                ..BaseType::default()
            };
            set(key, 0, ["bfd", "dhcpv4_options", "dhcpv6_options"].contains(&column).then_some(1))
        }
        ColumnKind::Elements if ["options", "ipv6_ra_configs"].contains(&column) => string_map(),
        ColumnKind::Elements => set(plain(Atomic::String), 0, None),
        ColumnKind::Value | ColumnKind::Born | ColumnKind::Implied(_) | ColumnKind::Seen => {
            match (table, column) {
                (_, "options" | "other_config" | "external_ids") => string_map(),
                (_, "priority" | "tier") => set(plain(Atomic::Integer), 1, Some(1)),
                (_, "enabled") => set(plain(Atomic::Boolean), 0, Some(1)),
                (_, "log") => set(plain(Atomic::Boolean), 1, Some(1)),
                (ACL, "name") | (_, "severity" | "peer" | "policy") => set(plain(Atomic::String), 0, Some(1)),
                (LOGICAL_ROUTER_PORT, "networks") => set(plain(Atomic::String), 1, None),
                (LOGICAL_SWITCH_PORT, "addresses" | "port_security")
                | (LOGICAL_ROUTER_PORT, "ipv6_prefix")
                | (LOGICAL_ROUTER_POLICY, "nexthops") => set(plain(Atomic::String), 0, None),
                _ => set(plain(Atomic::String), 1, Some(1)),
            }
        }
    }
}

fn string_map() -> ColumnSchema {
    ColumnSchema { key: BaseType::default(), value: Some(BaseType::default()), min: 0, max: None }
}
