//! What nft says is there.

use std::collections::BTreeMap;

use ipnet::IpNet;
use kubeovn_core::addr::Cidr;
use serde_json::{Map, Value, json};

use super::TABLE;
use super::spell::{is_of_subnets, key, prefix};
use crate::gateway::error::GatewayError;
use crate::gateway::firewall::{Side, Traffic};
use crate::gateway::plan::is_beyond;

/// A table of ours: as it should be, or as it was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) sets: BTreeMap<String, SetState>,
    pub(super) chains: BTreeMap<String, ChainState>,
    /// There is something in it that we never make.
    pub(super) strange: bool,
    /// As of [`Rules::known`](crate::gateway::plan::Rules::known).
    pub(super) known: Option<Vec<Cidr>>,
}

/// A set or a map.
#[derive(Clone, Debug)]
pub(super) struct SetState {
    /// Everything about it but its name and its elements.
    pub(super) head: Value,
    pub(super) elements: BTreeMap<String, Value>,
}

/// A chain.
#[derive(Clone, Debug)]
pub(super) struct ChainState {
    /// Where it is asked; null if others jump to it.
    pub(super) head: Value,
    pub(super) rules: Vec<Value>,
}

impl Table {
    /// Reads `nft -j list table`.
    pub(super) fn parse(text: &str) -> Result<Self, GatewayError> {
        let mut table = Table::default();
        for object in objects(text)? {
            let Some((kind, Value::Object(body))) =
                object.as_object().and_then(|object| object.iter().next())
            else {
                return Err(unreadable("an object of the table"));
            };
            table.enter(kind, body);
        }
        Ok(table)
    }

    /// This table with what is there of unknown prefixes, and all that could belong to it.
    pub(super) fn beside(&self, present: &Table) -> Table {
        let mut table = self.clone();
        let Some(known) = &self.known else { return table };
        for (name, there) in &present.sets {
            let Some(set) = table.sets.get_mut(name) else {
                table.sets.insert(name.clone(), there.clone());
                continue;
            };
            let stays = |value: &Value| prefix(value).is_some_and(|net| is_beyond(known, net));
            let staying = there.elements.iter().filter(|(_, value)| is_of_subnets(name) && stays(value));
            set.elements.extend(staying.map(|(key, value)| (key.clone(), value.clone())));
        }
        for (name, chain) in &present.chains {
            table.chains.entry(name.clone()).or_insert_with(|| chain.clone());
        }
        table
    }

    fn enter(&mut self, kind: &str, body: &Map<String, Value>) {
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match kind {
            "metainfo" => {}
            // A flag can put a whole table to sleep.
            "table" => self.strange |= body.contains_key("flags"),
            "set" | "map" => {
                let elements = body.get("elem").and_then(Value::as_array).into_iter().flatten();
                let elements = elements.map(bare).map(|value| (key(&value), value)).collect();
                let head = without(body, &["family", "table", "name", "handle", "elem"]);
                self.sets.insert(text("name"), SetState { head, elements });
            }
            "chain" => {
                let head = without(body, &["family", "table", "name", "handle"]);
                let base = head.as_object().is_some_and(|head| !head.is_empty());
                let chain = self.chain(text("name"));
                chain.head = if base { head } else { Value::Null };
            }
            "rule" => {
                let rule = normal(body.get("expr").unwrap_or(&Value::Null));
                let rule = match body.get("comment") {
                    // We write none: this rule is somebody else's.
                    Some(comment) => json!([rule, comment]),
                    None => rule,
                };
                self.chain(text("chain")).rules.push(rule);
            }
            _ => self.strange = true,
        }
    }

    fn chain(&mut self, name: String) -> &mut ChainState {
        self.chains.entry(name).or_insert_with(|| ChainState { head: Value::Null, rules: Vec::new() })
    }
}

/// A foreign chain by which packets come to the host or through it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gate {
    /// Family, table and name, as `ip filter FORWARD`.
    pub(super) place: [String; 3],
    /// By its policy it drops what it has no rule for.
    pub(super) drops: bool,
}

/// Reads `nft -j list chains`.
pub(super) fn gates(text: &str) -> Result<Vec<Gate>, GatewayError> {
    let found = objects(text)?.into_iter().filter_map(|object| {
        let chain = object.get("chain")?;
        let text = |key: &str| chain.get(key).and_then(Value::as_str).unwrap_or_default();
        let passes = ["input", "forward"].contains(&text("hook"));
        let place = || ["family", "table", "name"].map(|key| text(key).to_owned());
        (passes && text("table") != TABLE).then(|| Gate { place: place(), drops: text("policy") == "drop" })
    });
    Ok(found.collect())
}

/// Reads `nft -j list chain`: is the last rule one that drops or refuses whatever comes to it?
pub(super) fn refuses_the_rest(text: &str) -> Result<bool, GatewayError> {
    let objects = objects(text)?;
    let mut rules = objects.iter().filter_map(|object| object.get("rule"));
    let Some(Value::Array(words)) = rules.next_back().and_then(|rule| rule.get("expr")) else {
        return Ok(false);
    };
    let refuses = |word: &Value| {
        let target = word.pointer("/xt/name").and_then(Value::as_str);
        word.get("drop").is_some()
            || word.get("reject").is_some()
            || matches!(target, Some("DROP" | "REJECT"))
    };
    let says_nothing = |word: &Value| {
        let comment = word.pointer("/xt/name").and_then(Value::as_str) == Some("comment");
        comment || word.get("counter").is_some() || word.get("log").is_some()
    };
    Ok(words.iter().any(refuses) && words.iter().all(|word| refuses(word) || says_nothing(word)))
}

/// What the elements of a set have counted.
pub(super) fn counted(text: &str, side: Side) -> Result<Vec<Traffic>, GatewayError> {
    let sets = objects(text)?.into_iter().filter_map(|mut object| object.get_mut("set").map(Value::take));
    let elements = sets.filter_map(|mut set| set.get_mut("elem").map(Value::take));
    let elements = elements.filter_map(|elements| elements.as_array().cloned()).flatten();
    let read = |element: Value| {
        let element = element.get("elem")?;
        let number = |key: &str| element.get("counter")?.get(key)?.as_u64();
        let prefix = key(element.get("val")?).parse::<IpNet>().ok()?;
        let (packets, bytes) = (number("packets")?, number("bytes")?);
        Some(Traffic { prefix: Cidr::new(prefix), side, packets, bytes })
    };
    Ok(elements.filter_map(read).collect())
}

fn objects(text: &str) -> Result<Vec<Value>, GatewayError> {
    let mut document: Value = serde_json::from_str(text).map_err(|error| unreadable(&error.to_string()))?;
    match document.get_mut("nftables").map(Value::take) {
        Some(Value::Array(objects)) => Ok(objects),
        _ => Err(unreadable("the list `nftables`")),
    }
}

fn unreadable(what: &str) -> GatewayError {
    GatewayError::Unreadable { program: "nft".to_owned(), what: what.to_owned() }
}

/// An element without what it has counted.
fn bare(element: &Value) -> Value {
    let inner = |value: &Value| value.get("elem").and_then(|elem| elem.get("val")).cloned();
    match element {
        Value::Array(pair) => Value::Array(pair.iter().map(bare).collect()),
        other => inner(other).unwrap_or_else(|| other.clone()),
    }
}

fn without(body: &Map<String, Value>, keys: &[&str]) -> Value {
    let kept = body.iter().filter(|(key, _)| !keys.contains(&key.as_str()));
    normal(&Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect()))
}

/// One spelling for what versions of nft spell in several ways.
pub(super) fn normal(value: &Value) -> Value {
    match value {
        Value::Array(values) => Value::Array(values.iter().map(normal).collect()),
        Value::Object(fields) => {
            let flags = |key: &str, value: &Value| match value.as_array().map(Vec::as_slice) {
                Some([one]) if key == "flags" => one.clone(),
                _ => normal(value),
            };
            let fields: Map<_, _> =
                fields.iter().map(|(key, value)| (key.clone(), flags(key, value))).collect();
            unset(&fields).unwrap_or(Value::Object(fields))
        }
        other => other.clone(),
    }
}

/// `flags ! syn` is `flags & syn == 0`.
fn unset(fields: &Map<String, Value>) -> Option<Value> {
    let (left, right) = (fields.get("left")?, fields.get("right")?);
    (fields.get("op")? == "!").then(|| json!({"op": "==", "left": {"&": [left, right]}, "right": 0}))
}
