//! Problems that people read: a stable code, what happened with numbers, and what to do next.

use std::fmt;

/// Code of a field or annotation that is set, but that nothing acts on; everything else is in effect.
pub const NOT_SUPPORTED: &str = "FIELD-NOT-SUPPORTED";
/// Code of a connection between VPCs of which the other side is missing; this side is in effect.
pub const PEERING_HALF: &str = "VPC-PEERING-HALF";

/// Code of an annotation in our name space that there is none of: a slip of the pen, most often.
pub const UNKNOWN_ANNOTATION: &str = "ANNOTATION-UNKNOWN";

/// Something that a user must know of. The same text goes to events, conditions, the CNI result and the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Stable code, like `IPAM-POOL-EXHAUSTED`: for programs, alerts and the manual.
    pub code: &'static str,
    /// One or two sentences: what, with numbers and the object's name, and the next step. Without the code.
    pub message: String,
}

impl Problem {
    /// Is something not in effect that was asked for, and should be corrected? Not so for fields that are set and merely
    /// not supported, for annotations that nobody reads, and for what only waits for its other side.
    pub fn is_refusal(&self) -> bool {
        ![NOT_SUPPORTED, UNKNOWN_ANNOTATION, PEERING_HALF].contains(&self.code)
    }

    /// A problem by code and text.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Problem { code, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Problem {}
