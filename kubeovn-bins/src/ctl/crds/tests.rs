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

#[test]
fn bounds_are_whole_numbers() {
    for (name, text) in files().unwrap() {
        let odd = text.lines().find(|line| line.ends_with(".0"));
        assert_eq!(odd, None, "{name}");
    }
}
