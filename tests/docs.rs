//! The documentation says no more and no less than there is: every code of the sources stands on the page of errors, and
//! every link leads somewhere.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All files below a folder that end so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files_here): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let here = files_here.into_iter().filter(|path| path.extension().is_some_and(|e| e == ending));
    here.chain(folders.iter().flat_map(|folder| files(folder, ending))).collect()
}

/// Words like `IPAM-NO-SUBNET` right behind `quote`, up to the next one or a colon.
fn codes(text: &str, quote: char) -> BTreeSet<String> {
    let is_part = |part: &str| {
        let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        part.starts_with(|c: char| c.is_ascii_uppercase()) && part.chars().all(fits)
    };
    let is_code = |word: &&str| word.contains('-') && word.split('-').all(is_part);
    let words = text.split(quote).filter_map(|rest| rest.split(':').next());
    words.filter(is_code).map(str::to_owned).collect()
}

#[test]
fn the_page_of_errors_has_every_code_and_no_other() {
    let crates = ["core", "ipam", "ovn", "node", "bins"]
        .map(|name| Path::new(ROOT).join(format!("kubeovn-{name}/src")));
    let sources = crates.iter().flat_map(|source| files(source, "rs"));
    let is_test = |path: &PathBuf| {
        path.components().any(|part| ["tests", "tests.rs"].map(AsRef::as_ref).contains(&part.as_os_str()))
    };
    let mut there = BTreeSet::new();
    for path in sources.filter(|path| !is_test(path)) {
        let text = fs::read_to_string(path).unwrap();
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        there.extend(codes(product, '"'));
    }
    let page = fs::read_to_string(Path::new(ROOT).join("docs/errors.md")).unwrap();
    let told = codes(&page, '`');
    let missing: Vec<_> = there.difference(&told).collect();
    let invented: Vec<_> = told.difference(&there).collect();
    assert!(missing.is_empty(), "codes that docs/errors.md has not: {missing:?}");
    assert!(invented.is_empty(), "codes of docs/errors.md that the sources have not: {invented:?}");
    assert!(there.len() > 50, "the search for codes finds next to nothing: {there:?}");
}

#[test]
fn every_link_leads_to_a_file() {
    let mut pages = files(&Path::new(ROOT).join("docs"), "md");
    let others =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "kubeovn-ipam/README.md", "kubeovn-ovn/README.md"];
    pages.extend(others.map(|name| Path::new(ROOT).join(name)));
    let mut dead = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)) {
            let file = target.split('#').next().unwrap_or_default();
            if !target.contains("://") && !page.parent().unwrap().join(file).exists() {
                dead.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "links to nothing: {dead:#?}");
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let source = files(&Path::new(ROOT).join("kubeovn-ovn"), "rs");
    let sources: String = source.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let page = fs::read_to_string(Path::new(ROOT).join("docs/ovsdb.md")).unwrap();
    // names of tests are sentences
    let is_test = |word: &&str| {
        word.matches('_').count() > 3 && !word.contains(|c: char| c != '_' && !c.is_alphanumeric())
    };
    let named: BTreeSet<&str> = page.split('`').filter(is_test).collect();
    let missing: Vec<_> = named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "tests that docs/ovsdb.md names and nobody wrote: {missing:?}");
    let rows: Vec<_> =
        page.lines().filter(|line| line.starts_with("| ") && !line.contains("shown by |")).collect();
    let unproven: Vec<_> = rows.iter().filter(|row| !named.iter().any(|name| row.contains(name))).collect();
    assert!(unproven.is_empty(), "guarantees without a test: {unproven:#?}");
    assert!(named.len() > 30, "the search for names finds next to nothing: {named:?}");
}
