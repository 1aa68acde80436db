//! Errors as the runtime reads them.

use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::NEWEST;

/// Error codes of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum PluginCode {
    /// We can't answer in that version.
    IncompatibleVersion = 1,
    /// A variable is missing or wrong.
    InvalidEnvironment = 4,
    /// Reading or writing failed.
    Io = 5,
    /// Text that is not what it should be.
    Decode = 6,
    /// A configuration that can't work.
    InvalidConfig = 7,
    /// It may work later.
    TryAgainLater = 11,
    /// STATUS: no pods can be wired now.
    NotAvailable = 50,
}

/// An error as the runtime reads it; it ends up in the pod's events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Error)]
#[error("{msg}{}{details}", if details.is_empty() { "" } else { ": " })]
pub struct CniError {
    /// A [`PluginCode`].
    pub code: u32,
    /// What failed.
    pub msg: String,
    /// Why, and what to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl CniError {
    /// An error by code and texts.
    pub fn new(code: PluginCode, msg: impl Into<String>, details: impl Into<String>) -> Self {
        Self { code: code as u32, msg: msg.into(), details: details.into() }
    }

    /// The JSON object of the specification, in the version asked for.
    pub fn render(&self, version: &str) -> Value {
        let version = if version.is_empty() { NEWEST } else { version };
        json!({"cniVersion": version, "code": self.code, "msg": self.msg, "details": self.details})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_version_and_reads_as_one_line() {
        let error = CniError::new(PluginCode::Decode, "failed to parse", "line 1");
        assert_eq!(error.render("")["cniVersion"], NEWEST);
        assert_eq!(
            error.render("0.3.1"),
            json!({"cniVersion": "0.3.1", "code": 6, "msg": "failed to parse", "details": "line 1"})
        );
        assert_eq!(error.to_string(), "failed to parse: line 1");
        assert_eq!(CniError::new(PluginCode::Io, "gone", "").to_string(), "gone");
    }
}
