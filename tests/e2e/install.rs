//! How our programs come onto the cluster; and the page that tells users how.

use std::{env, fs, path::Path};

/// What there is to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Install {
    /// As processes that this program starts, beside OVN's, which can be killed and watched one by one.
    Processes,
    /// As pods, from the manifests and the image of examples/deploy, by the commands of docs/install.md.
    Pods,
}

impl Install {
    /// `INSTALL`, which is `processes` or `pods`.
    pub(crate) fn given() -> Self {
        match env::var("INSTALL").unwrap_or_default().as_str() {
            "" | "processes" => Self::Processes,
            "pods" => Self::Pods,
            other => panic!("INSTALL is {other:?}; it can be processes or pods"),
        }
    }
}

/// Commands of a section of docs/install.md, as one shell script: those of its blocks that begin with this word.
///
/// What a reader has to put in is what is given here, each of which must be there; nothing else may be left to put in.
pub(crate) fn commands(section: &str, first: &str, put_in: &[(&str, &str)]) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/install.md")).unwrap();
    let (_, rest) = page
        .split_once(&format!("\n## {section}\n"))
        .unwrap_or_else(|| panic!("docs/install.md has no section {section:?}"));
    let section = rest.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut script: String = blocks.filter(|block| block.starts_with(first)).collect();
    assert!(!script.is_empty(), "docs/install.md has no block that begins with {first:?} there");
    // what stands behind is no command
    let lines = script.lines().map(|line| line.split("  # ").next().unwrap().trim_end());
    script = lines.collect::<Vec<_>>().join("\n") + "\n";
    for (words, by) in put_in {
        assert!(script.contains(words), "docs/install.md does not ask for {words:?}: {script}");
        script = script.replace(words, by);
    }
    assert!(!script.contains('<') && !script.contains(" .."), "something is to be put in: {script}");
    script
}
