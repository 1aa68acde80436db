//! How a count of addresses stands in a schema.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::count::Count;

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}
