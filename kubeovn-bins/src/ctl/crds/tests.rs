#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::*;

fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

/// The files that users apply are those of this version, no more and no less.
#[test]
fn the_files_in_examples_are_fresh() {
    let folder = repository("examples/deploy/crds");
    let there = fs::read_dir(&folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    let there: BTreeMap<_, _> = there.collect();
    let wanted: BTreeMap<_, _> = files().unwrap().into_iter().collect();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&there), names(&wanted), "write them anew by {WRITE}, and remove what is too much");
    for (name, text) in &wanted {
        assert!(there[name] == *text, "examples/deploy/crds/{name} is stale: write it anew by {WRITE}");
    }
}

const WRITE: &str = "`cargo run -p kubeovn-bins --bin kubeovn-ctl crds --to examples/deploy/crds`";

/// What is written as YAML is read as what it was.
#[test]
fn yaml_says_what_json_says() {
    for ((plural, document), (name, text)) in documents().into_iter().zip(files().unwrap()) {
        assert_eq!(name, format!("{plural}.yaml"));
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, document, "{name}");
    }
}

/// Both forms of what is printed say the same, in the same order, and so does a folder.
#[test]
fn every_way_out_has_all_kinds() {
    let printed = text(Output::Yaml).unwrap();
    let printed: Vec<Value> = serde_saphyr::from_multiple(&printed).unwrap();
    let list: Value = serde_json::from_str(&text(Output::Json).unwrap()).unwrap();
    assert_eq!((&list["apiVersion"], &list["kind"]), (&"v1".into(), &"List".into()));
    assert_eq!(list["items"], Value::from(printed));
    assert_eq!(list["items"].as_array().unwrap().len(), api::crds().len());

    let folder = std::env::temp_dir().join(format!("kubeovn-crds-{}", std::process::id()));
    write(&folder.join("a/b")).unwrap();
    for (name, text) in files().unwrap() {
        assert_eq!(fs::read_to_string(folder.join("a/b").join(&name)).unwrap(), text, "{name}");
    }
    let error = write(&folder.join("a/b/vips.yaml")).unwrap_err().to_string();
    assert!(error.starts_with("CTL-FILE-UNWRITABLE: ") && error.contains("vips.yaml"), "{error}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn bounds_are_whole_numbers() {
    for (name, text) in files().unwrap() {
        let odd = text.lines().find(|line| line.ends_with(".0"));
        assert_eq!(odd, None, "{name}");
    }
}

/// The table of kinds in docs/crds.md is that of this version.
#[test]
fn the_table_of_kinds_is_fresh() {
    let file = repository("docs/crds.md");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once("<!-- kinds -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /kinds -->").unwrap();
    let fresh = format!("{before}<!-- kinds -->\n{}<!-- /kinds -->{after}", kinds());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &fresh).unwrap();
    }
    assert!(
        fs::read_to_string(&file).unwrap() == fresh,
        "UPDATE_GOLDEN=1 writes the table in docs/crds.md anew"
    );
}

fn kinds() -> String {
    let row = |(plural, crd): (String, Value)| {
        let spec = &crd["spec"];
        let short = spec["names"]["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let short: Vec<_> = short.map(|name| format!("`{name}`")).collect();
        let schema = &spec["versions"][0]["schema"]["openAPIV3Schema"];
        let scope = if spec["scope"] == "Namespaced" { "namespace" } else { "cluster" };
        let (kind, what) = (spec["names"]["kind"].as_str().unwrap(), schema["description"].as_str().unwrap());
        format!(
            "| [{kind}](../examples/deploy/crds/{plural}.yaml) | {} | {scope} | {} |\n",
            short.join(", "),
            what.trim_end_matches('.')
        )
    };
    let rows: String = documents().into_iter().map(row).collect();
    format!("| kind | short | of | what it is |\n|---|---|---|---|\n{rows}")
}
