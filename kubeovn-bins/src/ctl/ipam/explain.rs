//! `ipam explain`: one address, or one pod or node.

mod address;
mod owner;

use std::{collections::BTreeMap, net::IpAddr};

use kubeovn_core::rows::{OwnerKey, OwnerKind};
use serde_json::{Map, Value, json};

use super::Addresses;
use crate::ctl::{error::CtlError, paint::Paint};

/// What is asked about.
#[derive(Debug)]
pub(super) enum Subject {
    Address(IpAddr),
    Owner(OwnerKey),
}

impl Subject {
    /// Reads what was asked for.
    ///
    /// # Errors
    /// It is neither.
    pub(super) fn parse(text: &str) -> Result<Self, CtlError> {
        if let Ok(ip) = text.parse() {
            return Ok(Subject::Address(ip));
        }
        match text.split_once('/') {
            Some(("node", name)) if !name.is_empty() => {
                Ok(Subject::Owner(OwnerKey::new(OwnerKind::Node, name)))
            }
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Subject::Owner(OwnerKey::pod(namespace, name)))
            }
            _ => Err(CtlError::ExplainInvalid { text: text.to_owned() }),
        }
    }
}

/// An answer: a sentence, and facts with their names.
#[derive(Debug, Default)]
pub(super) struct Answer {
    head: String,
    facts: Vec<(&'static str, String)>,
}

impl Answer {
    fn new(head: String) -> Self {
        Answer { head, facts: Vec::new() }
    }

    fn fact(&mut self, name: &'static str, text: impl Into<String>) {
        self.facts.push((name, text.into()));
    }

    pub(super) fn to_json(&self) -> Value {
        let mut facts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, text) in &self.facts {
            facts.entry(name).or_default().push(text);
        }
        let facts: Map<String, Value> =
            facts.into_iter().map(|(name, texts)| (name.to_owned(), json!(texts))).collect();
        json!({ "answer": self.head, "facts": facts })
    }

    pub(super) fn to_text(&self, paint: Paint) -> String {
        let facts = self.facts.iter();
        let facts = facts.map(|(name, text)| format!("  {}  {text}\n", paint.bold(&format!("{name:<8}"))));
        [self.head.clone() + "\n"].into_iter().chain(facts).collect()
    }
}

/// Explains.
///
/// # Errors
/// There is no such pod or node, and nothing is kept for it.
pub(super) fn explain(addresses: &Addresses, subject: &Subject) -> Result<Answer, CtlError> {
    match subject {
        Subject::Address(ip) => Ok(address::explain(addresses, *ip)),
        Subject::Owner(owner) => owner::explain(addresses, owner),
    }
}
