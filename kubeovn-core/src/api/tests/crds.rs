//! The generated CRDs against what Kube-OVN's are known to contain, field by field.

use std::collections::{BTreeMap, BTreeSet};

use crate::api;
use serde_json::Value;

/// The CRDs as JSON, by kind.
fn crds() -> BTreeMap<String, Value> {
    let crds = api::crds().into_iter().map(|crd| serde_json::to_value(crd).unwrap());
    crds.map(|crd| (crd["spec"]["names"]["kind"].as_str().unwrap().to_owned(), crd)).collect()
}

fn schema(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// The lines of a data file that are no comments, as columns.
fn columns(data: &str) -> impl Iterator<Item = Vec<&str>> {
    data.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// One line per field below `schema`, written as in the data file: path, type, required, default, constraints.
fn fields(schema: &Value, path: &str, lines: &mut BTreeSet<String>) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let must = if required.contains(&name.as_str()) { "yes" } else { "" };
        let default = field.get("default").map(ToString::to_string).unwrap_or_default();
        let list = field.get("x-kubernetes-list-type").map(|kind| format!("list-type={kind}"));
        let known = type_name(field);
        lines.insert([&path, &known, must, &default, &list.unwrap_or_default()].join("\t"));
        fields(field, &path, lines);
        if let Some(items) = field.get("items") {
            fields(items, &format!("{path}[]"), lines);
        }
    }
}

fn type_name(field: &Value) -> String {
    let own = field["type"].as_str().unwrap_or("none");
    match (own, &field["items"], &field["additionalProperties"], &field["format"]) {
        ("array", items, _, _) => format!("{}[]", type_name(items)),
        ("object", _, Value::Object(_), _) => {
            format!("map<string,{}>", type_name(&field["additionalProperties"]))
        }
        (_, _, _, Value::String(format)) => format!("{own}:{format}"),
        _ => own.to_owned(),
    }
}

#[test]
fn every_field_is_as_known() {
    let mut known = BTreeMap::<String, BTreeSet<String>>::new();
    for line in columns(include_str!("../../../tests/data/crd-fields.tsv")) {
        known.entry(line[0].to_owned()).or_default().insert(line[1..].join("\t"));
    }
    let crds = crds();
    assert_eq!(known.keys().collect::<Vec<_>>(), crds.keys().collect::<Vec<_>>());
    for (kind, crd) in &crds {
        let mut generated = BTreeSet::new();
        fields(schema(crd), "", &mut generated);
        let known = &known[kind];
        let missing: Vec<_> = known.difference(&generated).collect();
        let wrong: Vec<_> = generated.difference(known).collect();
        assert!(missing.is_empty() && wrong.is_empty(), "{kind}: missing {missing:#?}, instead {wrong:#?}");
    }
}

#[test]
fn every_kind_is_as_known() {
    let crds = crds();
    for line in columns(include_str!("../../../tests/data/crd-kinds.tsv")) {
        let [kind, version, plural, short, scope, subresources, printed] = line.as_slice() else {
            panic!("{line:?}")
        };
        let spec = &crds[*kind]["spec"];
        assert_eq!(
            format!("{}/{}", spec["group"].as_str().unwrap(), spec["versions"][0]["name"].as_str().unwrap()),
            *version
        );
        assert_eq!(spec["names"]["plural"], *plural);
        assert_eq!(spec["names"]["singular"], kind.to_lowercase());
        assert_eq!(spec["names"]["shortNames"], serde_json::json!([short]));
        assert_eq!(spec["scope"], *scope);
        assert_eq!(spec["versions"].as_array().unwrap().len(), 1);
        let version = &spec["versions"][0];
        assert_eq!((&version["served"], &version["storage"]), (&true.into(), &true.into()));
        assert_eq!(version.pointer("/subresources/status").is_some(), *subresources == "status");
        let columns = version["additionalPrinterColumns"].as_array().unwrap().iter();
        let columns: Vec<String> = columns
            .map(|column| {
                format!("{}={}", column["name"].as_str().unwrap(), column["jsonPath"].as_str().unwrap())
            })
            .collect();
        assert_eq!(columns.join(" "), *printed);
    }
}

/// `kubectl` shows a column only where its type is that of the field (or is the string that lists turn into).
#[test]
fn columns_have_the_type_of_their_field() {
    for (kind, crd) in crds() {
        for column in crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap() {
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
        assert!(schema.get("nullable").is_none() && schema.get("anyOf").is_none(), "{path}: {schema}");
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
    let samples = [
        ("Vpc", include_str!("../../../tests/data/vpc.json")),
        ("Subnet", include_str!("../../../tests/data/subnet.json")),
        ("IP", include_str!("../../../tests/data/ip.json")),
    ];
    for (kind, text) in samples {
        let sample: Value = serde_json::from_str(text).unwrap();
        for line in columns(include_str!("../../../tests/data/crd-fields.tsv")).filter(|line| line[0] == kind)
        {
            assert!(has(&sample, line[1]), "the sample of {kind} lacks {}", line[1]);
        }
    }
}

/// Whether `path` leads to something, in any element where it goes through a list.
fn has(value: &Value, path: &str) -> bool {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let (name, list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
    let Some(below) = value.get(name) else { return false };
    let Some(rest) = rest else { return true };
    if list { below.as_array().unwrap().iter().any(|item| has(item, rest)) } else { has(below, rest) }
}
