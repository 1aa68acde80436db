//! The expression tree and its text.

use std::fmt;

use kubeovn_core::addr::Family;

use super::{
    error::{MatchError, Problem},
    lex,
    parse::UserMatch,
};

/// A name that may follow `@` (port group) or `$` (address set): ASCII letters, digits, `_` and `.`, not starting
/// with a digit. That is why Kube-OVN's names of groups and sets have dots where names in Kubernetes have dashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetName(String);

impl SetName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Problem::Name`], when OVN's lexer would not read it as one name.
    pub fn new(name: impl Into<String>) -> Result<Self, MatchError> {
        let name = name.into();
        if lex::is_set_name(&name) {
            return Ok(SetName(name));
        }
        let expected = "a name for a port group or an address set".into();
        Err(MatchError { problem: Problem::Name, at: 0, found: lex::quote(&name), expected })
    }

    /// The address set that northd keeps for the port group of this name: `<group>_ip4` or `<group>_ip6`.
    pub fn addresses(&self, family: Family) -> SetName {
        SetName(match family {
            Family::V4 => format!("{self}_ip4"),
            Family::V6 => format!("{self}_ip6"),
        })
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A match that OVN is certain to understand; its `Display` is the text for the `match` column.
///
/// There is no `not`: OVN refuses the negation of ports, protocols and types, and reads that of a group otherwise
/// than one expects. Terms of this crate's own come from the constructors here and from [`Side`](super::Side) and
/// [`L4`](super::L4), those of users from [`parse`](super::parse()).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Match(Node);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Node {
    Term(String),
    User(UserMatch),
    Group(Box<Match>),
    /// Two or more, none of them an `And`.
    And(Vec<Match>),
    /// Two or more, none of them an `Or`.
    Or(Vec<Match>),
}

impl Match {
    /// A term, by someone who knows that it is right.
    pub(super) fn term(text: String) -> Self {
        Match(Node::Term(text))
    }

    /// Both.
    pub fn and(self, other: Match) -> Match {
        let (mut all, more) = (self.conjuncts(), other.conjuncts());
        all.extend(more);
        Match(Node::And(all))
    }

    /// Either.
    pub fn or(self, other: Match) -> Match {
        let (mut all, more) = (self.disjuncts(), other.disjuncts());
        all.extend(more);
        Match(Node::Or(all))
    }

    /// All of them; a single one stays as it is, and none is no match.
    pub fn all_of(matches: impl IntoIterator<Item = Match>) -> Option<Match> {
        matches.into_iter().reduce(Match::and)
    }

    /// Any of them; a single one stays as it is, and none is no match.
    pub fn any_of(matches: impl IntoIterator<Item = Match>) -> Option<Match> {
        matches.into_iter().reduce(Match::or)
    }

    /// The same in parentheses, for where Kube-OVN writes them without need.
    pub fn group(self) -> Match {
        Match(Node::Group(Box::new(self)))
    }

    fn conjuncts(self) -> Vec<Match> {
        match self.0 {
            Node::And(all) => all,
            other => vec![Match(other)],
        }
    }

    fn disjuncts(self) -> Vec<Match> {
        match self.0 {
            Node::Or(all) => all,
            other => vec![Match(other)],
        }
    }

    /// Does it take parentheses as an operand?
    fn is_compound(&self) -> bool {
        match &self.0 {
            Node::Term(_) | Node::Group(_) => false,
            Node::User(user) => user.is_compound(),
            Node::And(_) | Node::Or(_) => true,
        }
    }
}

impl From<UserMatch> for Match {
    fn from(user: UserMatch) -> Self {
        Match(Node::User(user))
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Node::Term(text) => f.write_str(text),
            Node::User(user) => user.fmt(f),
            Node::Group(inner) => write!(f, "({inner})"),
            Node::And(all) => join(f, " && ", all),
            Node::Or(all) => join(f, " || ", all),
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, operator: &str, all: &[Match]) -> fmt::Result {
    for (index, operand) in all.iter().enumerate() {
        if index > 0 {
            f.write_str(operator)?;
        }
        if operand.is_compound() { write!(f, "({operand})")? } else { write!(f, "{operand}")? }
    }
    Ok(())
}
