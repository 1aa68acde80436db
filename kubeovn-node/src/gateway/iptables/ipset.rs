//! Sets: what ipset says is there, and what it should be told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;
use kubeovn_core::addr::{Cidr, DualStack, Family};

use crate::gateway::firewall::{Change, What};
use crate::gateway::plan::{Rules, Set, is_beyond};

/// What all of ours begin with, per family.
const PREFIXES: [&str; 2] = ["ovn40", "ovn60"];

/// The most that a set can hold.
const SIZE: usize = 1_048_576;

/// Sets by name, with their members.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sets(BTreeMap<String, BTreeSet<String>>);

/// The name of a set.
pub(super) fn name(family: Family, set: &Set) -> String {
    match family {
        Family::V4 => format!("ovn40{set}"),
        Family::V6 => format!("ovn60{set}"),
    }
}

/// The sets that should be.
pub(super) fn wanted(rules: &DualStack<Rules>) -> Sets {
    let mut sets = BTreeMap::new();
    for rules in rules.iter() {
        for (set, prefixes) in &rules.sets {
            let members = prefixes.iter().flat_map(|prefix| members(*prefix)).collect();
            sets.insert(name(rules.family, set), members);
        }
    }
    Sets(sets)
}

/// A prefix as ipset prints it. It knows no prefix of length 0, but both halves of it.
fn members(prefix: Cidr) -> Vec<String> {
    let net = prefix.net();
    match (net.prefix_len(), net.max_prefix_len()) {
        (0, _) => match prefix.family() {
            Family::V4 => vec!["0.0.0.0/1".to_owned(), "128.0.0.0/1".to_owned()],
            Family::V6 => vec!["::/1".to_owned(), "8000::/1".to_owned()],
        },
        (length, max) if length == max => vec![net.addr().to_string()],
        _ => vec![net.to_string()],
    }
}

/// An IPv6 address can be written in many ways.
fn one_spelling(member: &str) -> String {
    let ip = || member.parse::<IpAddr>().map(|ip| ip.to_string());
    let net = || member.parse::<IpNet>().map(|net| net.to_string());
    ip().or_else(|_| net()).unwrap_or_else(|_| member.to_owned())
}

fn prefix(member: &str) -> Option<IpNet> {
    member.parse().ok().or_else(|| member.parse().ok().map(|ip: IpAddr| ip.into()))
}

impl Sets {
    /// Reads `ipset save`, of which only our sets are kept.
    pub(super) fn parse(text: &str) -> Self {
        let mut sets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(verb), Some(name)) = (words.next(), words.next()) else { continue };
            if !PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let members = sets.entry(name.to_owned()).or_default();
            if let ("add", Some(member)) = (verb, words.next()) {
                members.insert(one_spelling(member));
            }
        }
        Sets(sets)
    }

    /// These sets with what is there of prefixes of which nothing is known, and the sets of exceptions.
    pub(super) fn beside(mut self, present: &Sets, rules: &DualStack<Rules>) -> Self {
        for rules in rules.iter() {
            let Some(known) = &rules.known else { continue };
            let beginning = name(rules.family, &Set::RuleSrc(String::new())).replace("-src", "");
            let of_subnets = [Set::Subnets, Set::Nat, Set::NatPolicy, Set::Distributed];
            let of_subnets = of_subnets.map(|set| name(rules.family, &set));
            for (name, members) in &present.0 {
                if of_subnets.contains(name) {
                    let stays = |member: &&String| prefix(member).is_some_and(|net| is_beyond(known, net));
                    let staying = members.iter().filter(stays).cloned();
                    self.0.entry(name.clone()).or_default().extend(staying);
                } else if name.starts_with(&beginning) {
                    self.0.entry(name.clone()).or_insert_with(|| members.clone());
                }
            }
        }
        self
    }

    /// Makes what is missing, by the element.
    pub(super) fn fill(&self, wanted: &Sets) -> (String, Vec<Change>) {
        let (mut lines, mut changes) = (String::new(), Vec::new());
        let nothing = BTreeSet::new();
        for (name, members) in &wanted.0 {
            let there = self.0.get(name);
            if there.is_none() {
                let family = if name.starts_with("ovn60") { "inet6" } else { "inet" };
                let _ = writeln!(lines, "create {name} hash:net family {family} maxelem {SIZE}");
            }
            let there_members = there.unwrap_or(&nothing);
            let (mut added, mut removed) = (0, 0);
            for member in members.difference(there_members) {
                let _ = writeln!(lines, "add {name} {member}");
                added += 1;
            }
            for member in there_members.difference(members) {
                let _ = writeln!(lines, "del {name} {member}");
                removed += 1;
            }
            match there {
                None => changes.push(Change::new(format!("ipset {name}"), What::Made)),
                Some(_) if added + removed > 0 => {
                    changes.push(Change::new(format!("ipset {name}"), What::Edited { added, removed }));
                }
                Some(_) => {}
            }
        }
        (lines, changes)
    }

    /// Those that should not be. One that is in use keeps no other from going.
    pub(super) fn strays<'a>(&'a self, wanted: &'a Sets) -> impl Iterator<Item = (&'a str, Change)> {
        let strays = self.0.keys().filter(|name| !wanted.0.contains_key(*name));
        strays.map(|name| (name.as_str(), Change::new(format!("ipset {name}"), What::Removed)))
    }
}
