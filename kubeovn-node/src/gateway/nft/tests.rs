#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::compare::Difference;
use super::read::{Table, gates, refuses_the_rest};
use super::{Spelling, spell};
use crate::gateway::firewall::What;
use crate::gateway::plan::plan;
use crate::gateway::samples;

fn wanted() -> Table {
    spell::table(plan(&samples::facts()).rules.v4.as_ref().expect("rules"))
}

/// A table as nft prints it, each rule and head changed by `print`.
fn printed(table: &Table, print: impl Fn(&Value) -> Value) -> Table {
    let mut objects =
        vec![json!({"metainfo": {"version": "1"}}), json!({"table": {"family": "ip", "name": "kube-ovn"}})];
    let body = |name: &str, head: &Value| {
        let mut body = json!({"family": "ip", "table": "kube-ovn", "name": name, "handle": 7});
        let fields = print(head);
        let fields = fields.as_object().cloned().unwrap_or_default();
        body.as_object_mut().expect("an object").extend(fields);
        body
    };
    for (name, set) in &table.sets {
        let mut body = body(name, &set.head);
        body["elem"] = set.elements.values().cloned().collect();
        let kind = if set.head.get("map").is_some() { "map" } else { "set" };
        objects.push(json!({ kind: body }));
    }
    for (name, chain) in &table.chains {
        objects.push(json!({"chain": body(name, &chain.head)}));
        for rule in &chain.rules {
            objects.push(json!({"rule": {"chain": name, "handle": 9, "expr": print(rule)}}));
        }
    }
    Table::parse(&json!({"nftables": objects}).to_string()).expect("a table")
}

fn difference(spelling: &Spelling, present: &Table, wanted: &Table) -> (usize, Vec<What>) {
    let (commands, changes) =
        Difference { family: "ip", spelling, anew: false }.between(Some(present), Some(wanted));
    (commands.len(), changes.into_iter().map(|change| change.what).collect())
}

#[test]
fn what_is_printed_as_it_was_written_is_the_same() {
    let wanted = wanted();
    assert_eq!(difference(&Spelling::new(), &printed(&wanted, Value::clone), &wanted), (0, vec![]));
}

#[test]
fn versions_that_print_otherwise_are_understood_or_remembered() {
    let wanted = wanted();
    // Flags as a list, and the test of a flag in short.
    let known = printed(&wanted, |value| {
        let text = value.to_string();
        let text = text.replace(r#""flags":"interval""#, r#""flags":["interval"]"#);
        let long = r#"{"match":{"left":{"&":[{"payload":{"field":"flags","protocol":"tcp"}},"syn"]},"op":"==","right":0}}"#;
        let short =
            r#"{"match":{"left":{"payload":{"field":"flags","protocol":"tcp"}},"op":"!","right":"syn"}}"#;
        serde_json::from_str(&text.replace(long, short)).expect("json")
    });
    assert_eq!(difference(&Spelling::new(), &known, &wanted), (0, vec![]));
    // A word that nobody has heard of.
    let strange = printed(&wanted, |value| {
        serde_json::from_str(&value.to_string().replace("fully-random", "very-random")).expect("json")
    });
    let (commands, changes) = difference(&Spelling::new(), &strange, &wanted);
    assert!(commands > 0 && changes == [What::Replaced, What::Replaced], "{changes:?}");
    let mut spelling = Spelling::new();
    for (name, chain) in &wanted.chains {
        let printed = &strange.chains.get(name).expect("a chain").rules;
        chain
            .rules
            .iter()
            .zip(printed)
            .for_each(|(wanted, printed)| super::note(&mut spelling, wanted, printed));
    }
    assert_eq!(spelling.len(), 2, "only what differs is remembered");
    assert_eq!(difference(&spelling, &strange, &wanted), (0, vec![]));
}

#[test]
fn what_can_not_be_changed_is_made_anew_in_one_go() {
    let wanted = wanted();
    let edit = |from: &'static str, to: &'static str| {
        printed(&wanted, move |value| {
            serde_json::from_str(&value.to_string().replace(from, to)).expect("json")
        })
    };
    for (from, to) in [
        ("ipv4_addr", "inet_service"),
        (r#""prio":99"#, r#""prio":98"#),
        (r#""policy":"accept""#, r#""policy":"drop""#),
    ] {
        let (_, changes) = difference(&Spelling::new(), &edit(from, to), &wanted);
        assert_eq!(changes, [What::Replaced], "{from}");
    }
    // Whoever was refused once keeps nothing of what differs, and everything of what does not.
    let anew = |present: &Table| {
        let difference = Difference { family: "ip", spelling: &Spelling::new(), anew: true };
        difference.between(Some(present), Some(&wanted)).1.len()
    };
    assert_eq!(anew(&printed(&wanted, Value::clone)), 0);
    assert_eq!(anew(&Table::default()), 1);
    let mut asleep = printed(&wanted, Value::clone);
    asleep.strange = true;
    assert_eq!(difference(&Spelling::new(), &asleep, &wanted).1, [What::Replaced]);
}

#[test]
fn what_is_not_json_of_nft_is_told() {
    for text in ["", "{}", r#"{"nftables": [1]}"#, "Error: nonsense"] {
        let error = Table::parse(text).expect_err("unreadable");
        assert!(error.to_string().starts_with("GATEWAY-FIREWALL: nft printed"), "{error}");
        assert_eq!(error.problem().code, "GATEWAY-FIREWALL");
    }
}

#[test]
fn foreign_chains_that_see_packets_for_or_through_the_host_are_known() {
    let chain = |table: &str, hook: &str, policy: &str| json!({"chain": {"family": "ip", "table": table, "name": "X", "hook": hook, "policy": policy}});
    let chains = [
        chain("filter", "forward", "drop"),
        chain("mangle", "output", "drop"),
        chain("raw", "input", "accept"),
        chain("kube-ovn", "forward", "drop"),
    ];
    let text = json!({"nftables": chains}).to_string();
    let found = gates(&text).expect("chains");
    let found: Vec<_> = found.iter().map(|gate| (gate.place.join(" "), gate.drops)).collect();
    assert_eq!(found, [("ip filter X".to_owned(), true), ("ip raw X".to_owned(), false)]);
}

#[test]
fn a_last_rule_that_drops_all_is_one_without_a_match() {
    let of = |rules: &[Value]| {
        let rules = rules.iter().map(|words| json!({"rule": {"chain": "X", "expr": words}}));
        let objects: Vec<_> = [json!({"chain": {"name": "X"}})].into_iter().chain(rules).collect();
        refuses_the_rest(&json!({"nftables": objects}).to_string()).expect("a chain")
    };
    let counter = json!({"counter": {"packets": 1, "bytes": 2}});
    let xt = |kind: &str, name: &str| json!({"xt": {"type": kind, "name": name}});
    let drop = json!([counter, {"drop": null}]);
    let matched = json!([{"match": {"op": "==", "left": 1, "right": 1}}, {"drop": null}]);
    assert!(of(std::slice::from_ref(&drop)));
    assert!(of(&[json!([xt("match", "comment"), counter, xt("target", "REJECT")])]));
    assert!(of(&[json!([{"reject": {"type": "icmpx", "expr": "admin-prohibited"}}])]));
    assert!(!of(&[]) && !of(&[matched]) && !of(&[drop, json!([{"accept": null}])]));
    assert!(!of(&[json!([xt("match", "conntrack"), {"drop": null}])]));
    assert!(!of(&[json!([counter])]));
}
