//! Problems that people read: a stable code, what happened with numbers, and what to do next.

use std::fmt;

/// Code of a field or annotation that is set, but that nothing acts on; everything else is in effect.
pub const NOT_SUPPORTED: &str = "FIELD-NOT-SUPPORTED";
/// Code of an object whose name in the database another one has: the older, or a part of the infrastructure.
pub const NAME_TAKEN: &str = "NAME-TAKEN";
/// Code of a connection between VPCs of which the other side is missing; this side is in effect.
pub const PEERING_HALF: &str = "VPC-PEERING-HALF";

/// Code of a subnet or pool that has no free address. The numbers in the text are those of the moment.
pub const POOL_EXHAUSTED: &str = "IPAM-POOL-EXHAUSTED";

/// Code of an annotation in our name space that there is none of: a slip of the pen, most often.
pub const UNKNOWN_ANNOTATION: &str = "ANNOTATION-UNKNOWN";
/// Code of an annotation about a network that its pod does not name; everything else is in effect.
pub const NETWORK_UNNAMED: &str = "ANNOTATION-NETWORK-UNNAMED";

/// The longest message, in bytes.
const LONGEST: usize = 2_000;

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
        ![NOT_SUPPORTED, UNKNOWN_ANNOTATION, NETWORK_UNNAMED, PEERING_HALF].contains(&self.code)
    }

    /// Does the other say the same? How full a subnet is, and by whom, changes with everybody who comes and goes in it: that
    /// alone is no news to those who wait.
    pub fn says_same(&self, other: &Problem) -> bool {
        self.code == other.code && lasting(self.code, &self.message) == lasting(other.code, &other.message)
    }

    /// The same of a text, as [`Display`](fmt::Display) makes it.
    pub fn is_said_by(&self, text: &str) -> bool {
        let message = text.strip_prefix(self.code).and_then(|rest| rest.strip_prefix(": "));
        message.is_some_and(|message| lasting(self.code, message) == lasting(self.code, &self.message))
    }

    /// A problem by code and text. A text of the user's that is quoted in it may be of any length; what is said of it is
    /// not, or an API server would refuse to take it: it keeps both ends, where the object and the next step stand.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        if message.len() <= LONGEST {
            return Problem { code, message };
        }
        let start = message.get(..message.floor_char_boundary(LONGEST / 2)).unwrap_or_default();
        let end = message.get(message.ceil_char_boundary(message.len() - LONGEST / 4)..).unwrap_or_default();
        Problem { code, message: format!("{start} […] {end}") }
    }
}

/// A message without what it says of the moment.
fn lasting<'a>(code: &str, message: &'a str) -> &'a str {
    let numbers = (code == POOL_EXHAUSTED).then(|| message.split_once(": ")).flatten();
    numbers.map_or(message, |(place, _)| place)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_full_subnet_are_no_news() {
        let full = |place: &str, numbers: &str| {
            Problem::new(
                POOL_EXHAUSTED,
                format!("(NoAvailableAddress) {place} has no free IPv4 address: {numbers}"),
            )
        };
        let told = full("subnet a", "5 of 5 are in use; most are held by red (5). Widen it");
        let later = full("subnet a", "4 of 5 are in use; most are held by blue (3). Widen it");
        assert!(told.says_same(&later) && told.is_said_by(&later.to_string()));
        for other in
            [full("subnet b", ""), full("pool x of subnet a", ""), Problem::new("A", later.message.as_str())]
        {
            assert!(!told.says_same(&other) && !told.is_said_by(&other.to_string()), "{other}");
        }
        // Of all others every letter counts.
        let taken = |by: &str| Problem::new("IPAM-ADDR-TAKEN", format!("10.1.0.2 is taken: by {by}"));
        assert!(taken("a").says_same(&taken("a")) && taken("a").is_said_by(&taken("a").to_string()));
        assert!(!taken("a").says_same(&taken("b")) && !taken("a").is_said_by(&taken("b").to_string()));
    }

    #[test]
    fn what_is_said_of_a_long_text_keeps_both_ends() {
        let text = |quoted: &str| format!("pod a/b: {quoted:?} is no address. Write one");
        assert_eq!(Problem::new("A", text("x")).message, text("x"));
        for letter in ["x", "é", "𝄞"] {
            let long = Problem::new("A", text(&letter.repeat(100_000))).message;
            assert!(long.len() <= LONGEST, "{}", long.len());
            assert!(long.starts_with("pod a/b: ") && long.ends_with(" is no address. Write one"), "{long}");
        }
    }
}
