//! What is wrong with the files of a folder, in the form in which it is told to people.

use std::fmt;

/// The text is no YAML; what the file gave before stays.
pub const YAML_INVALID: &str = "FILE-YAML-INVALID";
/// The file, or the folder itself, cannot be read; what it gave before stays.
pub const UNREADABLE: &str = "FILE-UNREADABLE";
/// A document is no object: no mapping, or without apiVersion or kind.
pub const OBJECT_INVALID: &str = "FILE-OBJECT-INVALID";
/// Nothing here makes use of the kind.
pub const KIND_UNKNOWN: &str = "FILE-KIND-UNKNOWN";
/// The object has no name.
pub const NAME_MISSING: &str = "FILE-NAME-MISSING";
/// Kubernetes would not accept the name or namespace.
pub const NAME_INVALID: &str = "FILE-NAME-INVALID";
/// A field has a value that it cannot have; what the object was before stays.
pub const FIELD_INVALID: &str = "FILE-FIELD-INVALID";
/// A field that the kind does not have.
pub const FIELD_UNKNOWN: &str = "FILE-FIELD-UNKNOWN";
/// Another document has defined the same object before.
pub const OBJECT_DUPLICATE: &str = "FILE-OBJECT-DUPLICATE";

/// How much of what stands in the file is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The object, or the whole file, has no effect.
    Error,
    /// The rest of the object has its effect.
    Warning,
}

/// Something in a file that has no effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejected {
    /// The file's name within the folder.
    pub file: String,
    /// The line of what is wrong, counted from 1; 0 where it is about no line.
    pub line: u64,
    /// Whether the whole object is lost.
    pub severity: Severity,
    /// The object's kind as written; empty where it cannot be told.
    pub kind: String,
    /// The object's name, behind its namespace and a slash where it has one; empty where it cannot be told.
    pub name: String,
    /// One of the constants of this module, for programs.
    pub code: &'static str,
    /// What is wrong and what to do about it.
    pub message: String,
}

impl fmt::Display for Rejected {
    /// `file:line: CODE: Kind name: message`, as compilers write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.code)?;
        if !self.kind.is_empty() {
            write!(f, ": {}", self.kind)?;
            if !self.name.is_empty() {
                write!(f, " {}", self.name)?;
            }
        }
        write!(f, ": {}", self.message)
    }
}
