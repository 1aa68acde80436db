//! Label selectors.

use super::{Labels, Name};

/// `matchLabels` and `matchExpressions`, all of which must hold. An empty selector matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "camelCase", default))]
pub struct Selector {
    /// Labels that must have these values.
    pub match_labels: Labels,
    /// Conditions on single labels.
    pub match_expressions: Vec<Expression>,
}

/// A condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct Expression {
    /// Label.
    pub key: Name,
    /// Kind of condition.
    pub operator: Operator,
    /// Values, for `In` and `NotIn`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub values: Vec<Name>,
}

/// Kinds of conditions, as Kubernetes names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
    /// A word that is none of these: matches nothing.
    #[cfg_attr(feature = "serde", serde(other))]
    Unknown,
}

impl Selector {
    /// Do these labels match?
    pub fn matches(&self, labels: &Labels) -> bool {
        self.match_labels.iter().all(|(k, v)| labels.get(k) == Some(v))
            && self.match_expressions.iter().all(|e| e.matches(labels.get(&e.key)))
    }
}

impl Expression {
    fn matches(&self, value: Option<&Name>) -> bool {
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.contains(v)),
            Operator::NotIn => value.is_none_or(|v| !self.values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Unknown => false,
        }
    }
}
