//! The tables of flags in docs/kubernetes.md are those of this version.

use std::{collections::BTreeSet, ffi::OsString};

use super::{Flag, Flags, Program};

/// Between `<!-- NAME -->` and `<!-- /NAME -->` is the table of this program, and every flag makes sense.
pub(crate) fn is_fresh(program: &'static Program, name: &str) {
    let names: BTreeSet<&str> = program.all().map(|flag| flag.name).collect();
    assert_eq!(names.len(), program.all().count(), "no flag is there twice");
    Flags::parse(program, [OsString::from(program.name)]).expect("every default can be read");
    assert!(program.all().all(|flag| !flag.help.is_empty() && !flag.help.ends_with('.')));

    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kubernetes.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    let default =
        |flag: &Flag| if flag.default.is_empty() { String::new() } else { format!("`{}`", flag.default) };
    let row =
        |flag: &Flag| format!("| `--{}` | {} | {} | {} |\n", flag.name, default(flag), flag.fate, flag.help);
    let rows: String = program.all().map(row).collect();
    let table = format!("| flag | default | acts | what it is for |\n|---|---|---|---|\n{rows}");
    let fresh = format!("{before}{begin}{table}{end}{after}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, &fresh).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap();
    assert!(found == fresh, "UPDATE_GOLDEN=1 writes the table in docs/kubernetes.md anew");
}
