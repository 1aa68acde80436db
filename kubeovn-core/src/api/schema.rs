//! Where the schema of a field differs from what its Rust type says by itself.
//!
//! Kube-OVN's CRDs come from Go types, so that an unsigned number is a plain `integer` there and nothing is
//! nullable. A cluster that has those CRDs must see no difference.

use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::rules::{self, rules};

/// No list that an API server walks is longer, and no item of it: without bounds it takes no rule about items. An
/// object of that size is more than it stores.
const MAX_ITEMS: u32 = 16_384;
/// Of lists whose items take longer to check.
const MAX_PAIRS: u32 = 8192;
const MAX_LENGTH: u32 = 128;

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

/// The protocol of a service's port.
pub(super) fn service_protocol(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["", "TCP", "UDP", "SCTP", "tcp", "udp", "sctp"] })
}

/// A list of texts that all obey some rules.
fn texts(max: u32, rules: Value) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": max,
        "items": { "type": "string", "maxLength": MAX_LENGTH, (rules::KEY): rules },
    })
}

/// A list of addresses.
pub(super) fn addresses(_: &mut SchemaGenerator) -> Schema {
    texts(MAX_ITEMS, rules!["isIP(self)" => "write one address, such as 10.0.0.9 or fd00::9"])
}

/// A list of addresses, each of which may be a pair of an IPv4 and an IPv6 one.
pub(super) fn address_pairs(_: &mut SchemaGenerator) -> Schema {
    texts(MAX_PAIRS, rules![rules::addresses() => rules::ADDRESSES])
}

/// A list of addresses, each of which may be a pair; the same twice is refused.
pub(super) fn address_pair_set(generator: &mut SchemaGenerator) -> Schema {
    let mut list = address_pairs(generator);
    list.insert("x-kubernetes-list-type".to_owned(), "set".into());
    list
}

/// A list of CIDRs.
pub(super) fn cidrs(_: &mut SchemaGenerator) -> Schema {
    texts(MAX_ITEMS, rules!["isCIDR(self)" => "write a CIDR, such as 10.0.0.0/16 or fd00::/64"])
}

/// A list of addresses and CIDRs.
pub(super) fn addresses_or_cidrs(_: &mut SchemaGenerator) -> Schema {
    texts(MAX_ITEMS, rules![rules::ADDRESS_OR_CIDR => rules::ADDRESS_OR_CIDR_MESSAGE])
}

/// A list of addresses and ranges of them.
pub(super) fn ranges(_: &mut SchemaGenerator) -> Schema {
    texts(
        MAX_ITEMS,
        rules![
            format!("isIP(self) || {}", rules::RANGE) =>
                "write an address or a range, such as 10.0.0.9 or 10.0.0.10..10.0.0.20"
        ],
    )
}

/// A list of addresses, ranges of them, and CIDRs.
pub(super) fn ranges_or_cidrs(_: &mut SchemaGenerator) -> Schema {
    texts(
        MAX_ITEMS,
        rules![
            format!("isIP(self) || isCIDR(self) || {}", rules::RANGE) =>
                "write an address, a range or a CIDR, such as 10.0.0.9, 10.0.0.10..10.0.0.20 or 10.0.0.0/28"
        ],
    )
}

/// A list of texts in which nothing stands twice.
pub(super) fn set(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } })
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
                        match (object.get_mut(key), value) {
                            // rules of a field and of its type both hold
                            (Some(Value::Array(own)), Value::Array(more)) if key == rules::KEY => {
                                own.extend(more.iter().cloned());
                            }
                            // else what is said of the field goes before what is said of its type
                            (Some(_), _) => {}
                            (None, _) => {
                                object.insert(key.clone(), value.clone());
                            }
                        }
                    }
                }
                _ => {
                    object.insert("anyOf".to_owned(), choices.into());
                }
            }
        }
    }
}
