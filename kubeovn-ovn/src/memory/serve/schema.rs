//! A schema as JSON, for a server that was not made from a text.

use serde_json::{Map, Value, json};

use crate::{
    memory::Server,
    ovsdb::wire::{Atomic, BaseType, ColumnSchema, DbSchema, TableSchema},
};

/// The schema as `get_schema` answers it: as it was read, or as much as is known of it.
pub(super) fn schema_text(server: &Server) -> String {
    // a text that was read once has been JSON
    let read = server.text().and_then(|text| serde_json::from_str::<Value>(text).ok());
    read.unwrap_or_else(|| encode(server.schema())).to_string()
}

fn encode(schema: &DbSchema) -> Value {
    let tables: Map<String, Value> =
        schema.tables.iter().map(|(name, table)| (name.to_string(), encode_table(table))).collect();
    // clients insist on a version
    let version = if schema.version.is_empty() { "0.0.0" } else { &schema.version };
    json!({ "name": schema.name, "version": version, "tables": tables })
}

fn encode_table(table: &TableSchema) -> Value {
    let columns: Map<String, Value> =
        table.columns.iter().map(|(name, column)| (name.to_string(), encode_column(column))).collect();
    let mut encoded = json!({ "columns": columns, "isRoot": table.is_root });
    if !table.indexes.is_empty() {
        set(&mut encoded, "indexes", json!(table.indexes));
    }
    if let Some(max) = table.max_rows {
        set(&mut encoded, "maxRows", json!(max));
    }
    encoded
}

fn encode_column(column: &ColumnSchema) -> Value {
    let max = column.max.map_or_else(|| json!("unlimited"), |max| json!(max));
    let mut kind = json!({ "key": encode_base(&column.key), "min": column.min, "max": max });
    if let Some(value) = &column.value {
        set(&mut kind, "value", encode_base(value));
    }
    json!({ "type": kind })
}

fn encode_base(base: &BaseType) -> Value {
    let word = match base.atom {
        Atomic::Boolean => "boolean",
        Atomic::Integer => "integer",
        Atomic::Real => "real",
        Atomic::String => "string",
        Atomic::Uuid => "uuid",
    };
    let mut encoded = json!({ "type": word });
    if let Some(table) = &base.ref_table {
        set(&mut encoded, "refTable", json!(table));
        set(&mut encoded, "refType", json!(if base.weak { "weak" } else { "strong" }));
    }
    encoded
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
