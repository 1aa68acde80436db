//! From what is there to what should be: the commands of one transaction.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::read::{ChainState, SetState, Table};
use super::{Spelling, TABLE};
use crate::gateway::firewall::{Change, What};

/// How tables of one family are compared.
pub(super) struct Difference<'a> {
    pub(super) family: &'a str,
    /// How rules of ours are printed.
    pub(super) spelling: &'a Spelling,
    /// Nothing is kept of a table that is not as it should be.
    pub(super) anew: bool,
}

impl Difference<'_> {
    /// Commands and what they change. Within the transaction what is referred to comes before what refers to it, and goes
    /// after it.
    pub(super) fn between(
        &self,
        present: Option<&Table>,
        wanted: Option<&Table>,
    ) -> (Vec<Value>, Vec<Change>) {
        match (present, wanted) {
            (None, None) => (Vec::new(), Vec::new()),
            (Some(_), None) => {
                (vec![self.command("delete", "table", json!({}))], vec![self.table(What::Removed)])
            }
            (None, Some(wanted)) => (self.all(wanted), vec![self.table(What::Made)]),
            (Some(present), Some(wanted)) => {
                let (edit, changes) = self.edit(present, wanted);
                if present.strange || self.anew && !edit.is_empty() || !self.alike(present, wanted) {
                    // Whoever adds a table that is there is right too: so this also works when it has just gone.
                    let mut commands = vec![
                        self.command("add", "table", json!({})),
                        self.command("delete", "table", json!({})),
                    ];
                    commands.extend(self.all(wanted));
                    return (commands, vec![self.table(What::Replaced)]);
                }
                (edit, changes)
            }
        }
    }

    fn all(&self, wanted: &Table) -> Vec<Value> {
        let mut commands = vec![self.command("add", "table", json!({}))];
        commands.extend(self.edit(&Table::default(), wanted).0);
        commands
    }

    fn edit(&self, present: &Table, wanted: &Table) -> (Vec<Value>, Vec<Change>) {
        let (mut first, mut then, mut last) = (Vec::new(), Vec::new(), Vec::new());
        let mut changes = Vec::new();
        for (name, chain) in &wanted.chains {
            let there = present.chains.get(name);
            if there.is_none() {
                let mut body = json!({"name": name});
                merge(&mut body, &chain.head);
                first.push(self.command("add", "chain", body));
            }
            if !there.is_some_and(|there| self.same(chain, there)) {
                changes.push(self.change(
                    "chain",
                    name,
                    if there.is_some() { What::Replaced } else { What::Made },
                ));
                then.extend(there.map(|_| self.command("flush", "chain", json!({"name": name}))));
                let add = |rule| self.command("add", "rule", json!({"chain": name, "expr": rule}));
                then.extend(chain.rules.iter().map(add));
            }
        }
        for (name, set) in &wanted.sets {
            let there = present.sets.get(name);
            if there.is_none() {
                let mut body = json!({"name": name});
                merge(&mut body, &set.head);
                first.push(self.command("add", set.kind(), body));
            }
            let nothing = BTreeMap::new();
            let old = there.map_or(&nothing, |there| &there.elements);
            let gone: Vec<_> = missing_in(&set.elements, old);
            let new: Vec<_> = missing_in(old, &set.elements);
            let (added, removed) = (new.len(), gone.len());
            // What goes makes room for what comes: intervals must not overlap.
            first.extend(self.elements("delete", name, gone));
            first.extend(self.elements("add", name, new));
            match there {
                None => changes.push(self.change(set.kind(), name, What::Made)),
                Some(_) if added + removed > 0 => {
                    changes.push(self.change(set.kind(), name, What::Edited { added, removed }));
                }
                Some(_) => {}
            }
        }
        let strays = present.chains.keys().filter(|name| !wanted.chains.contains_key(*name));
        for name in strays {
            then.push(self.command("flush", "chain", json!({"name": name})));
            last.push(self.command("delete", "chain", json!({"name": name})));
            changes.push(self.change("chain", name, What::Removed));
        }
        for (name, set) in present.sets.iter().filter(|(name, _)| !wanted.sets.contains_key(*name)) {
            last.push(self.command("delete", set.kind(), json!({"name": name})));
            changes.push(self.change(set.kind(), name, What::Removed));
        }
        first.extend(then);
        first.extend(last);
        (first, changes)
    }

    fn same(&self, wanted: &ChainState, present: &ChainState) -> bool {
        let alike = |(wanted, present): (&Value, &Value)| {
            wanted == present
                || !self.spelling.is_empty() && self.spelling.get(&wanted.to_string()) == Some(present)
        };
        wanted.rules.len() == present.rules.len() && wanted.rules.iter().zip(&present.rules).all(alike)
    }

    /// Can one be changed into the other? Neither a set's type nor a chain's place can be changed.
    fn alike(&self, present: &Table, wanted: &Table) -> bool {
        let heads = |wanted: &Value, present: &Value| {
            wanted == present || self.spelling.get(&wanted.to_string()) == Some(present)
        };
        let set = |(name, set): (&String, &SetState)| {
            present.sets.get(name).is_none_or(|there| heads(&set.head, &there.head))
        };
        let chain = |(name, chain): (&String, &ChainState)| {
            present.chains.get(name).is_none_or(|there| heads(&chain.head, &there.head))
        };
        wanted.sets.iter().all(set) && wanted.chains.iter().all(chain)
    }

    fn elements(&self, verb: &str, set: &str, elements: Vec<&Value>) -> Option<Value> {
        (!elements.is_empty()).then(|| self.command(verb, "element", json!({"name": set, "elem": elements})))
    }

    fn command(&self, verb: &str, kind: &str, mut body: Value) -> Value {
        let place = if kind == "table" {
            json!({"family": self.family, "name": TABLE})
        } else {
            json!({"family": self.family, "table": TABLE})
        };
        merge(&mut body, &place);
        listed(&mut body);
        json!({ verb: { kind: body } })
    }

    fn table(&self, what: What) -> Change {
        Change::new(format!("nft table {} {TABLE}", self.family), what)
    }

    fn change(&self, kind: &str, name: &str, what: What) -> Change {
        Change::new(format!("nft {} {TABLE} {kind} {name}", self.family), what)
    }
}

impl SetState {
    fn kind(&self) -> &'static str {
        if self.head.get("map").is_some() { "map" } else { "set" }
    }
}

fn missing_in<'a>(here: &BTreeMap<String, Value>, of: &'a BTreeMap<String, Value>) -> Vec<&'a Value> {
    of.iter().filter(|(key, _)| !here.contains_key(*key)).map(|(_, value)| value).collect()
}

fn merge(into: &mut Value, from: &Value) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        into.extend(from.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}

/// Not every version takes a flag that is not in a list, though some print it so.
fn listed(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(listed),
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                if key == "flags" && value.is_string() {
                    *value = Value::Array(vec![value.take()]);
                } else {
                    listed(value);
                }
            }
        }
        _ => {}
    }
}
