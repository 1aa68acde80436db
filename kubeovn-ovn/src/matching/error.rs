//! What is wrong with a match, where, and what to do about it.

use std::{borrow::Cow, fmt};

/// Why a match, or a name meant for one, was refused.
///
/// The text form is what a user reads: `MATCH-OPERATOR: at byte 8: found "<", expected == or !=. <next step>`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MatchError {
    /// The kind of mistake.
    pub problem: Problem,
    /// Byte offset into the text, from 0; the length of the text when it ends too early.
    pub at: usize,
    /// What stands there.
    pub found: String,
    /// What could stand there instead.
    pub expected: Cow<'static, str>,
}

impl MatchError {
    /// The sentence without the code, for texts that carry the code themselves.
    pub fn message(&self) -> String {
        let next = self.problem.next_step();
        format!("at byte {}: found {}, expected {}. {next}", self.at, self.found, self.expected)
    }
}

impl std::error::Error for MatchError {}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.problem.code(), self.message())
    }
}

/// The kinds of mistakes. [`code`](Problem::code) is stable, the variants may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A byte that starts no token.
    Character,
    /// A malformed number, address or mask.
    Constant,
    /// A quoted string that doesn't end, or has a bad escape.
    Quote,
    /// A `//` comment, or a `/*` without `*/`.
    Comment,
    /// A `^variable` of Chassis_Template_Var.
    Template,
    /// A token out of place, or an end too early.
    Syntax,
    /// `&&` and `||` side by side without parentheses.
    Mixed,
    /// A name that is no OVN symbol.
    Symbol,
    /// A register or flag that northd uses itself, or a field that is unsafe to match.
    Internal,
    /// A symbol that is not known at the stage where the match is evaluated.
    Place,
    /// A constant or bit range wider than the field, or a range without members.
    Range,
    /// A constant of the wrong type or address family.
    Type,
    /// An operator that the field or the constant doesn't allow.
    Operator,
    /// A negative test of a nominal field or predicate.
    Negation,
    /// A negated group whose terms apply to different kinds of packets.
    Prerequisite,
    /// Later fragments and ports in one match, which OVS refuses together with everything else that is due then.
    Fragment,
    /// Parentheses nested too deeply.
    Depth,
    /// A name that can't follow `@` or `$`.
    Name,
}

impl Problem {
    /// The stable code, `MATCH-...`.
    pub fn code(self) -> &'static str {
        self.texts().0
    }

    /// What the author of the match can do.
    pub fn next_step(self) -> &'static str {
        self.texts().1
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Character => {
                ("MATCH-CHARACTER", "Remove it; only strings in quotes may hold arbitrary text.")
            }
            Self::Constant => (
                "MATCH-CONSTANT",
                "Write a decimal number without leading zeros, 0x1f, or a whole address with or without a mask.",
            ),
            Self::Quote => ("MATCH-QUOTE", "Close the string, and escape quotes and backslashes as in JSON."),
            Self::Comment => (
                "MATCH-COMMENT",
                "Remove it or use /* ... */ on one line: northd puts the match in parentheses, and the comment would hide the closing one.",
            ),
            Self::Template => (
                "MATCH-TEMPLATE",
                "Use an address set: on a chassis without the variable OVN would drop the whole rule.",
            ),
            Self::Syntax => {
                ("MATCH-SYNTAX", "See the match column of Logical_Flow in ovn-sb(5) for the grammar.")
            }
            Self::Mixed => (
                "MATCH-MIXED",
                "Put the && part or the || part in parentheses: OVN has no precedence between them.",
            ),
            Self::Symbol => (
                "MATCH-SYMBOL",
                "See Symbols in ovn-sb(5) for the names; ports and groups need \"...\" or @.",
            ),
            Self::Internal => (
                "MATCH-INTERNAL",
                "Match on fields of the packet, VLANs by vlan.vid, vlan.pcp and vlan.present: this one is for OVN's own use.",
            ),
            Self::Place => {
                ("MATCH-PLACE", "Use the port that is known there, or an ACL of the other direction.")
            }
            Self::Range => (
                "MATCH-RANGE",
                "Write a value that the field can have; otherwise the rule would never apply.",
            ),
            Self::Type => ("MATCH-TYPE", "Write a constant of the field's own type and address family."),
            Self::Operator => {
                ("MATCH-OPERATOR", "Use == or !=, or give the ordered range as low <= field <= high.")
            }
            Self::Negation => (
                "MATCH-NEGATION",
                "List what is wanted, or add a rule of higher priority for the exception: OVN would skip this one or apply it to all packets.",
            ),
            Self::Prerequisite => (
                "MATCH-PREREQUISITE",
                "Add a rule of higher priority for the exception: OVN adds each field's own condition inside the negation, so other packets would not match.",
            ),
            Self::Fragment => (
                "MATCH-FRAGMENT",
                "Use one rule for each: only the first fragment has ports, and a rule that wants both would stop all further changes on the nodes.",
            ),
            Self::Depth => ("MATCH-DEPTH", "Flatten the expression or split it into several rules."),
            Self::Name => {
                ("MATCH-NAME", "Use ASCII letters, digits, \"_\" and \".\", not starting with a digit.")
            }
        }
    }
}
