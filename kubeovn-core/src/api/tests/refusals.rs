//! What the rules refuse and what they let pass, as an API server would evaluate them. The same cases go to a real
//! server in `tests/apiserver/crds.rs` of the repository.

use std::collections::BTreeMap;

use kube_cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde::Deserialize;
use serde_json::Value;

use super::crds::{crds, rules, schema};
use super::samples;

/// One object, told by how it differs from the sample of its kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    kind: String,
    /// A merge patch that makes it.
    new: Value,
    /// A merge patch that makes what was there before; else it is a new object.
    old: Option<Value>,
    /// Where the rule is that refuses it, and how its message begins; else it is let pass.
    refused: Option<(String, String)>,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../../../tests/data/crd-cases.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The document that a merge patch makes of another one.
fn patched(mut document: Value, patch: &Value) -> Value {
    let Some(fields) = patch.as_object() else { return patch.clone() };
    if !document.is_object() {
        document = Value::Object(serde_json::Map::new());
    }
    let object = document.as_object_mut().unwrap();
    for (key, value) in fields {
        if value.is_null() {
            object.remove(key);
        } else {
            let before = object.remove(key).unwrap_or_default();
            object.insert(key.clone(), patched(before, value));
        }
    }
    document
}

/// The rules of all kinds, ready to be evaluated.
struct Server {
    validator: Validator,
    schemas: BTreeMap<String, CompiledSchema>,
}

impl Server {
    fn new() -> Self {
        let schemas = crds().into_iter().map(|(kind, crd)| {
            let compiled = compile_schema(schema(&crd));
            assert!(!compiled.has_errors(), "{kind}: {:?}", compiled.compilation_errors());
            (kind, compiled)
        });
        Self { validator: Validator::new(), schemas: schemas.collect() }
    }

    /// Path and message of what the rules refuse in an object.
    fn refusals(&self, kind: &str, new: &Value, old: Option<&Value>) -> Vec<(String, String)> {
        let refused = self.validator.validate_compiled(&self.schemas[kind], new, old).err();
        let errors = refused.into_iter().flat_map(kube_cel::ValidationErrors::into_vec);
        let known = errors.filter(|error| {
            let false_it_is = error.kind == ErrorKind::ValidationFailure;
            assert!(false_it_is || only_a_server_can_tell(&error.rule), "{kind}: {error:?}");
            false_it_is
        });
        known.map(|error| (without_index(&error.field_path), error.message)).collect()
    }
}

/// Rules that ask for the type of a value, or whether there was an object before: what stands in for a server here
/// cannot.
fn only_a_server_can_tell(rule: &str) -> bool {
    rule.starts_with("type(self)") || rule.starts_with("oldSelf.hasValue()")
}

/// `spec.ips[0]` as `spec.ips`.
fn without_index(path: &str) -> String {
    path.split('.').map(|step| step.split('[').next().unwrap_or_default()).collect::<Vec<_>>().join(".")
}

fn sample(kind: &str) -> Value {
    let (_, text) = samples::ALL.iter().find(|(name, _)| *name == kind).unwrap();
    serde_json::from_str(text).unwrap()
}

#[test]
fn samples_are_let_pass() {
    let server = Server::new();
    for (kind, _) in samples::ALL {
        let sample = sample(kind);
        assert_eq!(server.refusals(kind, &sample, None), [], "{kind}");
        assert_eq!(server.refusals(kind, &sample, Some(&sample)), [], "{kind}");
    }
}

#[test]
fn cases_are_refused_or_let_pass() {
    let (server, all) = (Server::new(), all_rules());
    for case in cases() {
        let sample = sample(&case.kind);
        let old = case.old.as_ref().map(|old| patched(sample.clone(), old));
        let new = patched(old.clone().unwrap_or(sample), &case.new);
        let refusals = server.refusals(&case.kind, &new, old.as_ref());
        match &case.refused {
            None => assert_eq!(refusals, [], "{case:?}"),
            Some(refused)
                if all.iter().any(|rule| {
                    rule.is_of(&case.kind, refused) && only_a_server_can_tell(&rule.expression)
                }) => {}
            Some((path, message)) => assert!(
                refusals.iter().any(|(at, told)| at == path && told.starts_with(message)),
                "{case:?}: {refusals:?}"
            ),
        }
    }
}

/// No rule without a case that it refuses.
#[test]
fn every_rule_has_a_case() {
    let (mut rules, all) = (all_rules(), all_rules());
    for case in cases() {
        if let Some(refused) = &case.refused {
            let before = rules.len();
            rules.retain(|rule| !rule.is_of(&case.kind, refused));
            let known = before > rules.len() || all.iter().any(|rule| rule.is_of(&case.kind, refused));
            assert!(known, "no rule says what {case:?} expects");
        }
    }
    assert!(rules.is_empty(), "rules without a case: {rules:#?}");
}

/// A rule, and where it is.
#[derive(Debug)]
struct Rule {
    kind: String,
    path: String,
    expression: String,
    message: String,
}

impl Rule {
    /// Whether it is the one that a case means.
    fn is_of(&self, kind: &str, (path, message): &(String, String)) -> bool {
        self.kind == kind && self.path == *path && self.message.starts_with(message)
    }
}

fn all_rules() -> Vec<Rule> {
    let mut found = Vec::new();
    for (kind, crd) in crds() {
        collect(&kind, schema(&crd), "", &mut found);
    }
    found
}

fn collect(kind: &str, schema: &Value, path: &str, found: &mut Vec<Rule>) {
    found.extend(rules(schema).map(|(rule, message)| {
        let [kind, path, expression, message] = [kind, path, rule, message].map(ToOwned::to_owned);
        Rule { kind, path, expression, message }
    }));
    if let Some(items) = schema.get("items") {
        collect(kind, items, path, found);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(kind, field, &path, found);
    }
}
