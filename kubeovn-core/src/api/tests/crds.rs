//! The generated CRDs against what Kube-OVN's are known to contain, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::samples;
use crate::api;

/// The CRDs as JSON, by kind.
pub(super) fn crds() -> BTreeMap<String, Value> {
    let crds = api::crds().into_iter().map(|crd| serde_json::to_value(crd).unwrap());
    crds.map(|crd| (crd["spec"]["names"]["kind"].as_str().unwrap().to_owned(), crd)).collect()
}

pub(super) fn schema(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// The lines of a data file that are no comments, as columns.
fn columns(data: &str) -> impl Iterator<Item = Vec<&str>> {
    data.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// What is known of a field: type, required, default, and what else values must be.
#[derive(Debug, Default, PartialEq)]
struct Field {
    told: String,
    limits: BTreeSet<String>,
}

/// The fields below `schema` by their paths, written as in the data file.
fn fields(schema: &Value, path: &str, found: &mut BTreeMap<String, Field>) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let must = if required.contains(&name.as_str()) { "yes" } else { "" };
        let default = field.get("default").map(ToString::to_string).unwrap_or_default();
        let known = type_name(field);
        let mut found_limits = limits(field);
        found_limits.extend(limits(&field["items"]));
        let foreign = known.starts_with("core/v1");
        if !foreign {
            fields(field, &path, found);
            fields(&field["items"], &format!("{path}[]"), found);
        }
        found.insert(path, Field { told: [known.as_str(), must, &default].join(" "), limits: found_limits });
    }
}

fn type_name(field: &Value) -> String {
    let own = field["type"].as_str().unwrap_or("none");
    let below = |name: &str| field["properties"].get(name).is_some();
    match (own, &field["items"], &field["additionalProperties"], &field["format"]) {
        ("object", ..) if below("podAffinity") => "core/v1 Affinity".to_owned(),
        ("object", ..) if below("tolerationSeconds") => "core/v1 Toleration".to_owned(),
        ("object", ..) if below("limits") => "core/v1 ResourceRequirements".to_owned(),
        ("array", items, _, _) => format!("{}[]", type_name(items)),
        ("object", _, Value::Object(_), _) => {
            format!("map<string,{}>", type_name(&field["additionalProperties"]))
        }
        (_, _, _, Value::String(format)) => format!("{own}:{format}"),
        ("none", ..) if field["x-kubernetes-int-or-string"] == true => "int-or-string".to_owned(),
        _ => own.to_owned(),
    }
}

/// What a schema says of values beside their type: one line each, a rule as its expression.
fn limits(schema: &Value) -> BTreeSet<String> {
    let bounds = ["enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"];
    let lists = ["x-kubernetes-list-type", "x-kubernetes-list-map-keys"];
    let named = bounds.into_iter().chain(lists).filter_map(|key| {
        let limit = schema.get(key)?;
        Some(limit_line(key.trim_start_matches("x-kubernetes-"), limit))
    });
    let rules = rules(schema).map(|(rule, _)| format!("cel={rule}"));
    named.chain(rules).collect()
}

fn limit_line(key: &str, limit: &Value) -> String {
    // a schema has bounds as floating-point numbers
    let whole = limit.as_f64().map(|number| format!("{key}={number}"));
    whole.unwrap_or_else(|| format!("{key}={limit}"))
}

/// The rules of a schema: expression and message.
pub(super) fn rules(schema: &Value) -> impl Iterator<Item = (&str, &str)> {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.map(|rule| (rule["rule"].as_str().unwrap(), rule["message"].as_str().unwrap()))
}

/// A field as the data file has it.
fn known(line: &[&str]) -> Field {
    let [_, _, kind, required, default, limits] = line else { panic!("{line:?}") };
    let limits = limits.split("; ").filter(|limit| !limit.is_empty()).map(|limit| {
        let (key, text) = limit.split_once('=').unwrap();
        match serde_json::from_str(text) {
            Ok(value) if key != "cel" => limit_line(key, &value),
            _ => limit.to_owned(),
        }
    });
    Field { told: [*kind, required, default].join(" "), limits: limits.collect() }
}

/// Every field is there as Kube-OVN has it; all that it says of values is said, and what is said beyond that is what
/// the second file lists.
#[test]
fn every_field_is_as_known() {
    let mut known_fields = BTreeMap::<String, BTreeMap<String, Field>>::new();
    for line in columns(include_str!("../../../tests/data/crd-fields.tsv")) {
        known_fields.entry(line[0].to_owned()).or_default().insert(line[1].to_owned(), known(&line));
    }
    let crds = crds();
    assert_eq!(known_fields.keys().collect::<Vec<_>>(), crds.keys().collect::<Vec<_>>());
    let mut own = vec!["# kind\tpath\twhat an API server refuses beyond what Kube-OVN's CRD says".to_owned()];
    for (kind, crd) in &crds {
        let mut generated = BTreeMap::new();
        fields(schema(crd), "", &mut generated);
        let known = &known_fields[kind];
        let paths = |fields: &BTreeMap<String, Field>| fields.keys().cloned().collect::<BTreeSet<_>>();
        let (missing, wrong) = (&paths(known) - &paths(&generated), &paths(&generated) - &paths(known));
        assert!(missing.is_empty() && wrong.is_empty(), "{kind}: missing {missing:#?}, instead {wrong:#?}");
        let more = rules(schema(crd)).map(|(_, message)| format!("{kind}\t\t{message}"));
        own.extend(more);
        for (path, field) in &generated {
            let known = &known[path];
            assert_eq!(field.told, known.told, "{kind} {path}");
            let missing = &known.limits - &field.limits;
            assert!(missing.is_empty(), "{kind} {path}: missing {missing:#?} in {:#?}", field.limits);
            let more = field.limits.difference(&known.limits);
            own.extend(more.map(|limit| format!("{kind}\t{path}\t{}", told(schema(crd), path, limit))));
        }
    }
    let own = own.join("\n") + "\n";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/crd-limits.tsv");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, &own).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), own, "UPDATE_GOLDEN=1 writes it anew");
}

/// A limit for people: a rule is told by its message.
fn told(root: &Value, path: &str, limit: &str) -> String {
    let field = root.pointer(&pointer(path)).unwrap();
    let own = rules(field).chain(rules(&field["items"]));
    let message = own.into_iter().find(|(rule, _)| limit.strip_prefix("cel=") == Some(rule));
    message.map_or_else(|| limit.to_owned(), |(_, message)| message.to_owned())
}

/// Where the schema of a field is.
fn pointer(path: &str) -> String {
    path.split('.').fold(String::new(), |pointer, step| match step.strip_suffix("[]") {
        Some(name) => format!("{pointer}/properties/{name}/items"),
        None => format!("{pointer}/properties/{step}"),
    })
}

/// The singular of those kinds where it is not the kind in small letters.
fn singular(kind: &str, plural: &str) -> String {
    if plural.contains('-') {
        let singular = plural.strip_suffix("ies").map(|stem| format!("{stem}y"));
        let singular = singular.or_else(|| plural.strip_suffix("dnses").map(|stem| format!("{stem}dns")));
        return singular.unwrap_or_else(|| plural.strip_suffix('s').unwrap().to_owned());
    }
    kind.to_lowercase()
}

#[test]
fn every_kind_is_as_known() {
    let crds = crds();
    let mut seen = 0;
    for line in columns(include_str!("../../../tests/data/crd-kinds.tsv")) {
        let [kind, version, plural, short, scope, subresources, printed] = line.as_slice() else {
            panic!("{line:?}")
        };
        seen += 1;
        let spec = &crds[*kind]["spec"];
        assert_eq!(
            format!("{}/{}", spec["group"].as_str().unwrap(), spec["versions"][0]["name"].as_str().unwrap()),
            *version
        );
        let short: Vec<_> = short.split(',').filter(|name| !name.is_empty()).collect();
        let mut names =
            serde_json::json!({ "kind": kind, "plural": plural, "singular": singular(kind, plural) });
        if !short.is_empty() {
            names["shortNames"] = short.into();
        }
        assert_eq!(spec["names"], names, "{kind}");
        assert_eq!(spec["scope"], *scope);
        assert_eq!(spec.get("preserveUnknownFields"), None);
        assert_eq!(spec["versions"].as_array().unwrap().len(), 1);
        let version = &spec["versions"][0];
        assert_eq!((&version["served"], &version["storage"]), (&true.into(), &true.into()));
        let found = version["subresources"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        assert_eq!(found.collect::<Vec<_>>().join(","), *subresources, "{kind}");
        let columns = version["additionalPrinterColumns"].as_array().into_iter().flatten();
        let columns: Vec<String> = columns
            .map(|column| {
                format!("{}={}", column["name"].as_str().unwrap(), column["jsonPath"].as_str().unwrap())
            })
            .collect();
        assert_eq!(columns.join(" "), *printed);
    }
    assert_eq!(seen, crds.len());
}

/// What is shown of a gateway with `-o wide` only.
#[test]
fn wide_columns_and_the_scale_of_a_gateway() {
    let crds = crds();
    let version = &crds["VpcEgressGateway"]["spec"]["versions"][0];
    let columns = version["additionalPrinterColumns"].as_array().unwrap();
    let wide: Vec<_> =
        columns.iter().filter(|column| column["priority"] == 1).map(|column| &column["name"]).collect();
    assert_eq!(wide, ["Internal IPs", "External IPs", "Working Nodes"]);
    let scale = serde_json::json!({
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.labelSelector",
    });
    assert_eq!(version["subresources"]["scale"], scale);
}

/// `kubectl` shows a column only where its type is that of the field (or is the string that lists turn into).
#[test]
fn columns_have_the_type_of_their_field() {
    for (kind, crd) in crds() {
        let columns = &crd["spec"]["versions"][0]["additionalPrinterColumns"];
        for column in columns.as_array().into_iter().flatten() {
            let path = column["jsonPath"].as_str().unwrap();
            if path == ".metadata.creationTimestamp" {
                assert_eq!(column["type"], "date");
                continue;
            }
            let pointer = path.replace('.', "/properties/");
            let field = schema(&crd).pointer(&pointer).unwrap_or_else(|| panic!("{kind}: no field {path}"));
            let shown = field["type"].as_str().unwrap().replace("array", "string");
            assert_eq!(column["type"], shown.as_str(), "{kind} {path}");
        }
    }
}

/// What `kubectl explain` shows, and what an API server accepts as a schema.
#[test]
fn every_field_is_explained_and_nothing_is_nullable() {
    fn check(path: &str, schema: &Value) {
        assert!(
            schema["description"].as_str().is_some_and(|text| text.ends_with('.')),
            "{path}: no description"
        );
        assert!(schema["nullable"] != true && schema.get("anyOf").is_none(), "{path}: {schema}");
        if type_name(schema).starts_with("core/v1") {
            return; // Kubernetes explains these
        }
        let below = schema["properties"].as_object().into_iter().flatten();
        let items = schema["items"]["properties"].as_object().into_iter().flatten();
        for (name, field) in below.chain(items) {
            check(&format!("{path}.{name}"), field);
        }
    }
    for (kind, crd) in crds() {
        check(&kind, schema(&crd));
    }
}

/// The manifests that the round trip is tested with leave out no field.
#[test]
fn samples_have_every_field() {
    for (kind, text) in samples::ALL {
        let sample: Value = serde_json::from_str(text).unwrap();
        for line in
            columns(include_str!("../../../tests/data/crd-fields.tsv")).filter(|line| line[0] == *kind)
        {
            assert!(has(&sample, line[1]), "the sample of {kind} lacks {}", line[1]);
        }
    }
    assert_eq!(samples::ALL.len(), api::crds().len());
}

/// Whether `path` leads to something, in any element where it goes through a list.
fn has(value: &Value, path: &str) -> bool {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let (name, list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
    let Some(below) = value.get(name) else { return false };
    let Some(rest) = rest else { return true };
    if list { below.as_array().unwrap().iter().any(|item| has(item, rest)) } else { has(below, rest) }
}
