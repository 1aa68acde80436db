//! Texts compared with files.

use std::{env, fs, path::PathBuf};

const HOW: &str = "Is the change wanted? UPDATE_GOLDEN=1 cargo test -p kubeovn-ovn --lib render";

/// Unchanged lines shown around a change.
const CONTEXT: usize = 2;

/// Where the files are.
pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Are the files to be written anew?
pub(super) fn updating() -> bool {
    env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1")
}

/// Fails with a line diff unless the file of this name holds this text. Writes the file when asked to.
pub(super) fn compare(name: &str, text: &str) {
    let path = folder().join(format!("{name}.txt"));
    if updating() {
        return fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}. {HOW}", path.display()));
    if let Some(diff) = diff(&golden, text) {
        panic!("{name}.txt (-) and what is rendered (+) differ:\n{diff}{HOW}");
    }
}

/// The lines that differ with some around them, or `None`.
fn diff(old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    // common[i][j]: lines that a[i..] and b[j..] have in common.
    let mut common = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] =
                if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            lines.push((' ', a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || i < a.len() && common[i + 1][j] >= common[i][j + 1] {
            lines.push(('-', a[i]));
            i += 1;
        } else {
            lines.push(('+', b[j]));
            j += 1;
        }
    }
    let changed: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].0 != ' ').collect();
    let near = |at: usize| changed.iter().any(|c| c.abs_diff(at) <= CONTEXT);
    let shown = lines.iter().enumerate().filter(|(at, _)| near(*at));
    Some(shown.fold(String::new(), |diff, (_, (mark, line))| diff + &format!("{mark} {line}\n")))
}

#[test]
fn a_diff_shows_what_came_and_went() {
    assert_eq!(diff("a\nb\n", "a\nb\n"), None);
    assert_eq!(
        diff("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\nx\nf\ng\n").unwrap(),
        "  c\n  d\n- e\n+ x\n  f\n+ g\n"
    );
    assert_eq!(diff("", "a\n").unwrap(), "+ a\n");
    assert_eq!(diff("a\n", "").unwrap(), "- a\n");
}
