//! Where the schema of a field differs from what its Rust type says by itself.
//!
//! Kube-OVN's CRDs come from Go types, so that an unsigned number is a plain `integer` there and nothing is
//! nullable. A cluster that has those CRDs must see no difference.

use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// An integer of any size.
pub(super) fn integer(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer" })
}

/// A small integer. Go's `uint32` is declared so; values above `i32::MAX` do not pass an API server.
pub(super) fn int32(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32" })
}

/// A label selector; its lists are replaced as a whole by server-side apply, as everywhere in Kubernetes.
pub(super) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "matchLabels": {
                "description": "Labels that must all be there with these values.",
                "type": "object",
                "additionalProperties": { "type": "string" },
            },
            "matchExpressions": {
                "description": "Conditions on labels that must all hold, beside matchLabels.",
                "type": "array",
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": { "description": "The label that is looked at.", "type": "string" },
                        "operator": {
                            "description": "In, NotIn, Exists or DoesNotExist.",
                            "type": "string",
                        },
                        "values": {
                            "description": "What In and NotIn compare with; empty for the other two.",
                            "type": "array",
                            "x-kubernetes-list-type": "atomic",
                            "items": { "type": "string" },
                        },
                    },
                },
            },
        },
        "x-kubernetes-map-type": "atomic",
    })
}

/// A list of label selectors.
pub(super) fn label_selectors(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": label_selector(generator) })
}

/// Takes out of a schema and all below it that `null` is a value.
///
/// An API server drops the nulls of fields that are not nullable and stores those of fields that are; dropped
/// is what they mean.
pub(super) fn without_null(mut schema: Schema) -> Schema {
    WithoutNull.transform(&mut schema);
    schema
}

struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|name| name != "null");
            if let [single] = types.as_slice() {
                let single = single.clone();
                object.insert("type".to_owned(), single);
            }
        }
        if let Some(Value::Array(mut choices)) = object.remove("anyOf") {
            choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
            match choices.as_slice() {
                [Value::Object(single)] => {
                    for (key, value) in single {
                        // what is said of the field goes before what is said of its type
                        object.entry(key.as_str()).or_insert_with(|| value.clone());
                    }
                }
                _ => {
                    object.insert("anyOf".to_owned(), choices.into());
                }
            }
        }
    }
}
