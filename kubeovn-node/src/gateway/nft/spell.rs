//! From a plan's rules to nft's JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use kubeovn_core::addr::{Cidr, Family};
use serde_json::{Value, json};

use super::read::{ChainState, SetState, Table, normal};
use super::word;
use crate::gateway::plan::{Action, Chain, Mark, Match, PolicyJump, Protocol, Rule, Rules, Set};

/// Prefixes that leave with an address of their own, and these addresses.
const SNAT: &str = "snat-to";
/// The same prefixes, as a set.
const SNAT_SET: &str = "subnets-snat";
const POLICIES: &str = "policies";
pub(super) const COUNT_SRC: &str = "counted-src";
pub(super) const COUNT_DST: &str = "counted-dst";

/// The table that a family should have.
pub(super) fn table(rules: &Rules) -> Table {
    let mut table = Table { known: rules.known.clone(), ..Table::default() };
    sets(&mut table, rules);
    for (name, rules_of) in &rules.chains {
        let spell = |rule: &Rule| normal(&expressions(rules, rule));
        // What others drop, nobody can let through.
        let saying = rules_of.iter().filter(|rule| rule.action != Action::Accept);
        let chain = ChainState { head: head(name), rules: saying.map(spell).collect() };
        if !chain.rules.is_empty() || chain.head.is_null() {
            table.chains.insert(name.to_string(), chain);
        }
    }
    table
}

/// Where a chain is asked; null for one that others jump to.
///
/// Ours are asked right before those of iptables and kube-proxy, as Kube-OVN's were the first of theirs.
fn head(chain: &Chain) -> Value {
    let base = |kind: &str, hook: &str, priority: i32| json!({"type": kind, "hook": hook, "prio": priority, "policy": "accept"});
    match chain {
        Chain::Prerouting => base("nat", "prerouting", -101),
        Chain::Postrouting => base("nat", "postrouting", 99),
        Chain::Input => base("filter", "input", -1),
        Chain::Forward => base("filter", "forward", -1),
        Chain::Output => base("filter", "output", -1),
        Chain::Guard => base("filter", "postrouting", -151),
        Chain::Masquerade | Chain::NatPolicy | Chain::NatPolicyOf(_) => Value::Null,
    }
}

fn sets(table: &mut Table, rules: &Rules) {
    let address = match rules.family {
        Family::V4 => "ipv4_addr",
        Family::V6 => "ipv6_addr",
    };
    let interval = || json!({"type": address, "flags": "interval"});
    let mut put = |name: &str, head: Value, values: Vec<Value>| {
        let elements = values.into_iter().map(|value| (key(&value), value)).collect();
        table.sets.insert(name.to_owned(), SetState { head, elements });
    };
    for (set, prefixes) in &rules.sets {
        put(&set.to_string(), interval(), prefixes.iter().map(|cidr| element(*cidr)).collect());
    }
    let prefixes = |map: Vec<&Cidr>| -> Vec<Value> { map.into_iter().map(|cidr| element(*cidr)).collect() };
    for name in [COUNT_SRC, COUNT_DST] {
        let head = json!({"type": address, "flags": "interval", "stmt": [{"counter": null}]});
        put(name, head, prefixes(rules.counted.keys().collect()));
    }
    let verdicts = |policies: &BTreeMap<Cidr, PolicyJump>| -> Vec<Value> {
        let target =
            |jump: &PolicyJump| json!({"jump": {"target": Chain::NatPolicyOf(jump.id.clone()).to_string()}});
        policies.iter().map(|(cidr, jump)| json!([element(*cidr), target(jump)])).collect()
    };
    put(POLICIES, json!({"type": address, "map": "verdict", "flags": "interval"}), verdicts(&rules.policies));
    if !rules.snat.is_empty() || rules.known.is_some() {
        let pairs = rules.snat.iter().map(|(cidr, ip)| json!([element(*cidr), ip.to_string()])).collect();
        put(SNAT, json!({"type": address, "map": address, "flags": "interval"}), pairs);
        put(SNAT_SET, interval(), prefixes(rules.snat.keys().collect()));
    }
    let ports = |ports: &BTreeSet<u16>| ports.iter().map(|port| json!(port)).collect();
    for (protocol, numbers) in &rules.local_ports {
        put(&local_ports(*protocol), json!({"type": "inet_service"}), ports(numbers));
    }
}

fn local_ports(protocol: Protocol) -> String {
    format!("local-{protocol}")
}

/// A prefix as an element: one address is written without its length.
fn element(cidr: Cidr) -> Value {
    let net: IpNet = cidr.net();
    if net.prefix_len() == net.max_prefix_len() {
        json!(net.addr().to_string())
    } else {
        json!({"prefix": {"addr": net.addr().to_string(), "len": net.prefix_len()}})
    }
}

/// The sets and maps whose elements are prefixes of subnets.
pub(super) fn is_of_subnets(name: &str) -> bool {
    let sets = [Set::Subnets, Set::Nat, Set::NatPolicy, Set::Distributed];
    [COUNT_SRC, COUNT_DST, POLICIES, SNAT, SNAT_SET].contains(&name)
        || sets.iter().any(|set| set.to_string() == name)
}

/// The prefix of an element, or of what an element of a map is found by.
pub(super) fn prefix(element: &Value) -> Option<IpNet> {
    let text = key(element.as_array().and_then(|pair| pair.first()).unwrap_or(element));
    text.parse().ok().or_else(|| text.parse().ok().map(|ip: IpAddr| ip.into()))
}

/// What an element is known by.
pub(super) fn key(element: &Value) -> String {
    match element {
        Value::Array(pair) => {
            let parts: Vec<String> = pair.iter().map(key).collect();
            parts.join(" : ")
        }
        other => {
            let prefix = other.get("prefix");
            let part = |name: &str| prefix.and_then(|prefix| prefix.get(name));
            match (part("addr").and_then(Value::as_str), part("len").and_then(Value::as_u64)) {
                (Some(address), Some(length)) => format!("{}/{length}", one_spelling(address)),
                _ => other.as_str().map_or_else(|| other.to_string(), one_spelling),
            }
        }
    }
}

/// An IPv6 address can be written in many ways.
fn one_spelling(text: &str) -> String {
    text.parse::<IpAddr>().map_or_else(|_| text.to_owned(), |ip| ip.to_string())
}

fn expressions(rules: &Rules, rule: &Rule) -> Value {
    let mut list: Vec<Value> = Vec::new();
    // Naming a port or a flag says which protocol.
    let implied = rule.matches.iter().any(|m| matches!(m, Match::NoSyn | Match::Rst | Match::ToLocalPort(_)));
    for matched in rule.matches.iter().filter(|m| !(implied && matches!(m, Match::Is(_)))) {
        list.push(expression(rules.family, matched));
    }
    list.extend(actions(rules.family, &rule.action));
    Value::Array(list)
}

fn meta(key: &str) -> Value {
    json!({"meta": {"key": key}})
}

fn payload(protocol: &str, field: &str) -> Value {
    json!({"payload": {"protocol": protocol, "field": field}})
}

fn compare(op: &str, left: Value, right: Value) -> Value {
    json!({"match": {"op": op, "left": left, "right": right}})
}

fn expression(family: Family, matched: &Match) -> Value {
    let within = |op: &str, field: &str, set: &str| {
        compare(op, payload(word(family), field), json!(format!("@{set}")))
    };
    let named = |op: &str, field: &str, set: &Set| within(op, field, &set.to_string());
    let marked = |op: &str, Mark(bits): Mark| compare(op, json!({"&": [meta("mark"), bits]}), json!(bits));
    let state = |state: &str| compare("in", json!({"ct": {"key": "state"}}), json!(state));
    match matched {
        Match::From(link) => compare("==", meta("iifname"), json!(link)),
        Match::Src(set) => named("==", "saddr", set),
        Match::NotSrc(set) => named("!=", "saddr", set),
        Match::Dst(set) => named("==", "daddr", set),
        Match::NotDst(set) => named("!=", "daddr", set),
        Match::SrcSnat => within("==", "saddr", SNAT_SET),
        Match::Service { .. } => named("==", "daddr", &Set::Services),
        Match::Marked(mark) => marked("==", *mark),
        Match::NotMarked(mark) => marked("!=", *mark),
        Match::Is(protocol) => compare("==", meta("l4proto"), json!(protocol.to_string())),
        Match::UdpTo(port) => compare("==", payload("udp", "dport"), json!(port)),
        Match::NoSyn => compare("==", json!({"&": [payload("tcp", "flags"), "syn"]}), json!(0)),
        Match::Rst => compare("in", payload("tcp", "flags"), json!("rst")),
        Match::New => state("new"),
        Match::Invalid => state("invalid"),
        Match::ToHost => compare("==", json!({"fib": {"result": "type", "flags": "daddr"}}), json!("local")),
        Match::ToLocalPort(protocol) => {
            let port = payload(&protocol.to_string(), "dport");
            compare("==", port, json!(format!("@{}", local_ports(*protocol))))
        }
    }
}

fn actions(family: Family, action: &Action) -> Vec<Value> {
    let mark = |value: Value| json!({"mangle": {"key": meta("mark"), "value": value}});
    let set = |Mark(bits): Mark| mark(json!({"|": [meta("mark"), bits]}));
    let by =
        |field: &str, data: &str| json!({"key": payload(word(family), field), "data": format!("@{data}")});
    let random = "fully-random";
    let snat = |address: Value| json!({"snat": {"addr": address, "flags": random}});
    let as_text = |ip: &IpAddr| json!(ip.to_string());
    let icmp = match family {
        Family::V4 => "icmp",
        Family::V6 => "icmpv6",
    };
    match action {
        Action::Accept => vec![json!({"accept": null})],
        Action::Drop => vec![json!({"drop": null})],
        Action::Reject => vec![json!({"reject": {"type": icmp, "expr": "port-unreachable"}})],
        Action::Return => vec![json!({"return": null})],
        Action::Jump(chain) => vec![json!({"jump": {"target": chain.to_string()}})],
        Action::JumpByPolicy => vec![json!({"vmap": by("saddr", POLICIES)})],
        Action::Mark(bits) => vec![set(*bits)],
        Action::MarkAndReturn(bits) => vec![set(*bits), json!({"return": null})],
        Action::Unmark => vec![mark(json!(0))],
        Action::Masquerade => vec![json!({"masquerade": {"flags": random}})],
        Action::Snat(ip) => vec![snat(as_text(ip))],
        Action::SnatByPrefix => vec![snat(json!({"map": by("saddr", SNAT)}))],
        // The elements of these sets count by themselves.
        Action::CountSrc => {
            vec![compare("==", payload(word(family), "saddr"), json!(format!("@{COUNT_SRC}")))]
        }
        Action::CountDst => {
            vec![compare("==", payload(word(family), "daddr"), json!(format!("@{COUNT_DST}")))]
        }
    }
}
