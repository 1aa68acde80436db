//! Versions of the specification, and what each allows.

use serde_json::{Value, json};

use super::{CniError, PluginCode};

/// Versions of the CNI specification that results can be written for, oldest first.
pub const VERSIONS: &[&str] = &["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
/// The newest of [`VERSIONS`].
pub const NEWEST: &str = "1.1.0";

/// The answer to VERSION.
pub fn render_versions() -> Value {
    json!({"cniVersion": NEWEST, "supportedVersions": VERSIONS})
}

/// Refuses a version that we can't answer in.
pub fn check_version(version: &str) -> Result<(), CniError> {
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    let details = format!("cniVersion is {version:?}, supported are {}", VERSIONS.join(", "));
    Err(CniError::new(PluginCode::IncompatibleVersion, "incompatible CNI versions", details))
}

/// Refuses a verb that the version of the configuration does not know yet.
pub fn need_version(since: &str, version: &str) -> Result<(), CniError> {
    if is_at_least(since, version) {
        return Ok(());
    }
    let details = format!("this verb needs cniVersion {since}, the configuration has {version}");
    Err(CniError::new(PluginCode::IncompatibleVersion, "incompatible CNI versions", details))
}

/// An unknown version is older than all that are known.
pub(super) fn is_at_least(since: &str, version: &str) -> bool {
    let age = |v: &str| VERSIONS.iter().position(|known| *known == v);
    age(version) >= age(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_versions_follow_the_specification() {
        let error = check_version("0.1.0").expect_err("too old");
        assert_eq!(error.render("")["code"], 1);
        assert_eq!(error.render("")["cniVersion"], NEWEST);
        assert!(check_version("1.0.0").is_ok());
        assert_eq!(render_versions()["supportedVersions"][0], "0.3.0");
    }

    #[test]
    fn a_verb_needs_its_version_or_a_later_one() {
        assert!(need_version("0.4.0", "0.4.0").is_ok() && need_version("0.4.0", "1.1.0").is_ok());
        let error = need_version("1.1.0", "1.0.0").expect_err("too old");
        assert_eq!(error.details, "this verb needs cniVersion 1.1.0, the configuration has 1.0.0");
        assert_eq!(need_version("0.4.0", "9.9.9").expect_err("unknown").code, 1);
    }
}
