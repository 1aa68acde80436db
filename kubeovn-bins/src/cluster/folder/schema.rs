//! Manifests against the schema of their kind, as an API server checks them before it takes them in.
//!
//! The records that objects become skip what they do not know, so a field with a typo would be lost in silence.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use kubeovn_core::api;
use serde_json::Value as Schema;

use super::yaml::{Node, Value};

/// The fields of any object.
const OBJECT: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];

/// The fields of `metadata`.
const METADATA: &[&str] = &[
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// A field that is not as the schema says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: u64,
    pub(super) message: String,
    /// The schema has no such field; else its value is wrong.
    pub(super) unknown: bool,
}

/// What no object has, in its outermost fields and its metadata.
pub(super) fn check_frame(object: &Node, faults: &mut Vec<Fault>) {
    unknown_fields(object, "", OBJECT, faults);
    if let Some(metadata) = object.get("metadata") {
        unknown_fields(metadata, "metadata", METADATA, faults);
    }
}

/// What the spec of an object has that its CRD does not, or differently. Objects without a CRD pass.
pub(super) fn check_spec(kind: &str, object: &Node, faults: &mut Vec<Fault>) {
    if let (Some(schema), Some(spec)) = (spec_schemas().get(kind), object.get("spec")) {
        check(schema, spec, "spec", faults);
    }
}

fn spec_schemas() -> &'static BTreeMap<String, Schema> {
    static SCHEMAS: OnceLock<BTreeMap<String, Schema>> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let crds = api::crds().into_iter().filter_map(|crd| {
            let kind = crd.spec.names.kind.clone();
            let version = crd.spec.versions.into_iter().next()?;
            let root = serde_json::to_value(version.schema?.open_api_v3_schema?).ok()?;
            Some((kind, root.pointer("/properties/spec")?.clone()))
        });
        crds.collect()
    })
}

fn check(schema: &Schema, node: &Node, path: &str, faults: &mut Vec<Fault>) {
    let expected = schema.get("type").and_then(Schema::as_str).unwrap_or_default();
    match (expected, &node.value) {
        ("object", Value::Map(entries)) => match schema.get("additionalProperties") {
            Some(each) => {
                for entry in entries {
                    check(each, &entry.node, &format!("{path}.{}", entry.key), faults);
                }
            }
            None => check_fields(schema, node, path, faults),
        },
        ("array", Value::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{index}]"), faults);
            }
        }
        ("string", Value::Text(_)) | ("boolean", Value::Bool(_)) => {}
        // a number or a text
        ("", _) if schema.get("x-kubernetes-int-or-string").is_some() => {}
        ("integer" | "number", Value::Unsigned(_) | Value::Signed(_)) | ("number", Value::Float(_)) => {
            check_range(schema, node, path, faults);
        }
        ("string", Value::Bool(_) | Value::Unsigned(_) | Value::Signed(_) | Value::Float(_)) => {
            let message = format!("{path} is {}, must be string: put it in quotes", node.value.kind());
            faults.push(Fault { line: node.line, message, unknown: false });
        }
        (expected, value) => {
            let message = format!("{path} is {}, must be {expected}", value.kind());
            faults.push(Fault { line: node.line, message, unknown: false });
        }
    }
}

fn check_fields(schema: &Schema, node: &Node, path: &str, faults: &mut Vec<Fault>) {
    let empty = serde_json::Map::new();
    let properties = schema.get("properties").and_then(Schema::as_object).unwrap_or(&empty);
    let names: Vec<_> = properties.keys().map(String::as_str).collect();
    unknown_fields(node, path, &names, faults);
    for entry in node.entries() {
        if let Some(field) = properties.get(&entry.key)
            && entry.node.value != Value::Null
        {
            check(field, &entry.node, &format!("{path}.{}", entry.key), faults);
        }
    }
    for name in schema.get("required").and_then(Schema::as_array).into_iter().flatten() {
        let Some(name) = name.as_str() else { continue };
        if node.get(name).is_none() {
            let message = format!("{path}.{name} is missing");
            faults.push(Fault { line: node.line, message, unknown: false });
        }
    }
}

/// Of the ranges that a schema can set, ours set that of a format only.
fn check_range(schema: &Schema, node: &Node, path: &str, faults: &mut Vec<Fault>) {
    let number = match node.value {
        Value::Unsigned(number) => i128::from(number),
        Value::Signed(number) => i128::from(number),
        _ => return,
    };
    if schema.get("format").is_some_and(|format| format == "int32")
        && !(0..=i128::from(i32::MAX)).contains(&number)
    {
        let message = format!("{path} is {number}, must be 0 to {}", i32::MAX);
        faults.push(Fault { line: node.line, message, unknown: false });
    }
}

fn unknown_fields(node: &Node, path: &str, known: &[&str], faults: &mut Vec<Fault>) {
    for entry in node.entries().iter().filter(|entry| !known.contains(&entry.key.as_str())) {
        let dot = if path.is_empty() { "" } else { "." };
        let hint = nearest(&entry.key, known);
        let hint = hint.map_or_else(|| "remove it".to_owned(), |name| format!("did you mean {name}?"));
        let message = format!("there is no field {path}{dot}{}; {hint}", entry.key);
        faults.push(Fault { line: entry.line, message, unknown: true });
    }
}

/// The name that `written` is most likely a slip of.
fn nearest<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let near = names.iter().map(|name| (distance(&lower, &name.to_lowercase()), *name)).min()?;
    (near.0 <= 2 && near.0 <= written.len() / 2).then_some(near.1)
}

/// How many letters must be put in, taken out or replaced to make one text the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (done, from) in a.chars().enumerate() {
        let mut diagonal = done;
        let mut left = done + 1;
        for (to, cell) in b.chars().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            let replaced = diagonal + usize::from(from != to);
            left = replaced.min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = done + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let names = &["cidrBlock", "gateway", "gatewayNode", "vpc", "vlan"];
        assert_eq!(nearest("cidrblock", names), Some("cidrBlock"));
        assert_eq!(nearest("gatway", names), Some("gateway"));
        assert_eq!(nearest("gatewayNodes", names), Some("gatewayNode"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("vps", names), Some("vpc"));
        assert_eq!(nearest("a", names), None);
    }

    #[test]
    fn distance_counts_single_changes() {
        for (a, b, steps) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("abc", "axc", 1), ("ab", "ba", 2)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (steps, steps), "{a} {b}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
