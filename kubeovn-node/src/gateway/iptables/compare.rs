//! From what is there to what should be: lines for iptables-restore.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ipnet::IpNet;
use kubeovn_core::addr::{Cidr, Family};

use super::save::{Saved, Words, join};
use super::spell::{COUNTER, POLICIES, POLICY_CHAINS, PREFIX, Wanted};
use crate::gateway::firewall::{Change, What};
use crate::gateway::plan::is_beyond;

/// Chains of Kube-OVN's by table, without their common beginning. Those of others may begin with `OVN-` as well.
const OURS: [(&str, &str); 7] = [
    ("nat", "PREROUTING"),
    ("nat", "POSTROUTING"),
    ("nat", "MASQUERADE"),
    ("nat", POLICIES),
    ("mangle", "POSTROUTING"),
    ("mangle", "PREROUTING"),
    ("mangle", "OUTPUT"),
];

/// The jump that ours must come before: behind it, services are other addresses.
const SERVICES: [&str; 2] = ["KUBE-", "SERVICES"];

const TABLES: [&str; 3] = ["nat", "mangle", "filter"];

fn is_our_chain(table: &str, chain: &str) -> bool {
    let named = |name| OURS.contains(&(table, name)) || table == "nat" && name.starts_with(POLICY_CHAINS);
    chain.strip_prefix(PREFIX).is_some_and(named)
}

/// Is a rule in a chain of others ours? It names one of our sets or chains, or counts for a subnet.
fn is_our_guest(table: &str, rule: &Words) -> bool {
    let pairs = || rule.iter().zip(rule.iter().skip(1));
    if table == "filter" && is_unmark(rule) {
        return true;
    }
    pairs().any(|(option, value)| match option.as_str() {
        "--match-set" => value.starts_with("ovn40") || value.starts_with("ovn60"),
        "-j" | "-g" => is_our_chain(table, value),
        "--comment" => value.starts_with(COUNTER),
        _ => false,
    })
}

/// The lines, table by table, and what they change.
pub(super) fn difference(family: Family, saved: &Saved, wanted: &Wanted) -> (String, Vec<Change>) {
    let (mut lines, mut changes) = (String::new(), Vec::new());
    for table in TABLES {
        let mut edit = Edit { family, table, ..Edit::default() };
        edit.chains(saved, wanted);
        edit.guests(saved, wanted);
        if !edit.is_empty() {
            let _ = writeln!(lines, "*{table}\n{}{}{}COMMIT", edit.declared, edit.rules, edit.deleted);
            changes.append(&mut edit.changes);
        }
    }
    (lines, changes)
}

/// What is to be done in one table: what is referred to first, and what was referred to last.
#[derive(Debug)]
struct Edit {
    family: Family,
    table: &'static str,
    declared: String,
    rules: String,
    deleted: String,
    changes: Vec<Change>,
}

impl Default for Edit {
    fn default() -> Self {
        Edit {
            family: Family::V4,
            table: "",
            declared: String::new(),
            rules: String::new(),
            deleted: String::new(),
            changes: Vec::new(),
        }
    }
}

impl Edit {
    fn is_empty(&self) -> bool {
        self.declared.is_empty() && self.rules.is_empty() && self.deleted.is_empty()
    }

    fn change(&mut self, chain: &str, what: What) {
        let program = match self.family {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        };
        self.changes.push(Change::new(format!("{program} {} {chain}", self.table), what));
    }

    fn chains(&mut self, saved: &Saved, wanted: &Wanted) {
        let own = self.table;
        for ((_, name), rules) in wanted.chains.iter().filter(|((table, _), _)| *table == own) {
            match saved.chain(self.table, name) {
                None => {
                    let _ = writeln!(self.declared, ":{name} - [0:0]");
                    rules.iter().for_each(|rule| self.append(name, rule));
                    self.change(name, What::Made);
                }
                Some(present) => self.edit(name, present, &beside(present, rules, wanted.known.as_deref())),
            }
        }
        let strays: Vec<&str> = saved
            .chains()
            .filter(|(table, name, _)| *table == self.table && is_our_chain(table, name))
            .map(|(_, name, _)| name)
            // Exceptions of a subnet of which nothing is known may be among them.
            .filter(|name| wanted.known.is_none() || !name.contains(POLICY_CHAINS))
            .filter(|name| !wanted.chains.contains_key(&(self.table, (*name).to_owned())))
            .collect();
        // They may jump to each other.
        for name in &strays {
            let _ = writeln!(self.deleted, "-F {name}");
        }
        for name in strays {
            let _ = writeln!(self.deleted, "-X {name}");
            self.change(name, What::Removed);
        }
    }

    fn append(&mut self, chain: &str, rule: &Words) {
        let _ = writeln!(self.rules, "-A {chain} {}", join(rule));
    }

    /// Replaces what differs between the same beginning and the same end.
    fn edit(&mut self, chain: &str, present: &[Words], wanted: &[Words]) {
        let start = present.iter().zip(wanted).take_while(|(a, b)| a == b).count();
        let (present, wanted) =
            (present.get(start..).unwrap_or_default(), wanted.get(start..).unwrap_or_default());
        let end = present.iter().rev().zip(wanted.iter().rev()).take_while(|(a, b)| a == b).count();
        let (removed, added) = (present.len() - end, wanted.len() - end);
        for _ in 0..removed {
            let _ = writeln!(self.rules, "-D {chain} {}", start + 1);
        }
        for (i, rule) in wanted.iter().take(added).enumerate() {
            let _ = writeln!(self.rules, "-I {chain} {} {}", start + i + 1, join(rule));
        }
        if added + removed > 0 {
            self.change(chain, What::Edited { added, removed });
        }
    }

    /// Rules of ours in chains of others.
    fn guests(&mut self, saved: &Saved, wanted: &Wanted) {
        let mut parents: Vec<&str> =
            wanted.guests.keys().filter(|(table, _)| *table == self.table).map(|(_, chain)| *chain).collect();
        let hosting = saved.chains().filter(|(table, chain, rules)| {
            *table == self.table
                && !is_our_chain(table, chain)
                && rules.iter().any(|rule| is_our_guest(table, rule))
        });
        parents.extend(hosting.map(|(_, chain, _)| chain));
        parents.sort_unstable();
        parents.dedup();
        let (nothing, none) = (Vec::new(), Vec::new());
        let spared = wanted.spare && self.table == "filter";
        let known = wanted.known.as_deref();
        let stays = |rule: &Words| spared && is_jump_to(rule, "ACCEPT") || stays_beside(rule, known);
        for parent in parents {
            let present = saved.chain(self.table, parent).unwrap_or(&nothing);
            let wanted =
                wanted.guests.iter().find(|((table, chain), _)| (*table, *chain) == (self.table, parent));
            self.guests_of(parent, present, wanted.map_or(&none, |(_, rules)| rules), &stays);
        }
    }

    /// Rules of others may come and go meanwhile, so what goes is named by its words, not by its place. iptables then deletes
    /// the first of its kind: a rule that is there twice, or too late, goes altogether and comes back at its place.
    fn guests_of(
        &mut self,
        parent: &str,
        present: &[Words],
        wanted: &[Words],
        stays: &dyn Fn(&Words) -> bool,
    ) {
        let is_nat_prerouting = self.table == "nat" && parent == "PREROUTING";
        let services =
            present.iter().position(|rule| is_nat_prerouting && is_jump_to(rule, &SERVICES.concat()));
        let late = |at: usize| services.is_some_and(|services| services < at);
        let mut copies: BTreeMap<&Words, Vec<usize>> = BTreeMap::new();
        present.iter().enumerate().for_each(|(at, rule)| copies.entry(rule).or_default().push(at));
        let fine = |rule: &Words| {
            wanted.contains(rule) && matches!(copies.get(rule).map(Vec::as_slice), Some([at]) if !late(*at))
        };
        let ours = |rule: &Words| is_our_guest(self.table, rule) || wanted.contains(rule);
        let goes = |rule: &Words| ours(rule) && !fine(rule) && !stays(rule);

        let gone: Vec<&Words> = present.iter().filter(|rule| goes(rule)).collect();
        let kept: Vec<&Words> = present.iter().filter(|rule| !goes(rule)).collect();
        let missing = wanted.iter().filter(|rule| !fine(rule));
        let (counters, others): (Vec<&Words>, Vec<&Words>) = missing.partition(|rule| is_counter(rule));
        for rule in &gone {
            let _ = writeln!(self.rules, "-D {parent} {}", join(rule));
        }
        // Counting comes before letting through, and everything of ours before everything of others.
        let counted = kept.iter().rposition(|rule| is_counter(rule)).map_or(0, |last| last + 1);
        for (rules, place) in [(&others, counted), (&counters, 0)] {
            for (i, rule) in rules.iter().enumerate() {
                let _ = writeln!(self.rules, "-I {parent} {} {}", place + i + 1, join(rule));
            }
        }
        let (added, removed) = (others.len() + counters.len(), gone.len());
        if added + removed > 0 {
            self.change(parent, What::Edited { added, removed });
        }
    }
}

/// The wanted rules, and between them those present that are of a prefix of which nothing is known.
fn beside(present: &[Words], wanted: &[Words], known: Option<&[Cidr]>) -> Vec<Words> {
    let (mut all, mut place) = (wanted.to_vec(), 0);
    for rule in present.iter().filter(|_| known.is_some()) {
        if let Some(at) = all.iter().position(|other| other == rule) {
            place = at + 1;
        } else if stays_beside(rule, known) {
            all.insert(place, rule.clone());
            place += 1;
        }
    }
    all
}

/// Is a rule of a prefix of which nothing is known?
fn stays_beside(rule: &Words, known: Option<&[Cidr]>) -> bool {
    let prefix = match &**rule {
        [side, prefix, ..] if side == "-s" || side == "-d" => prefix.parse::<IpNet>().ok(),
        _ => None,
    };
    known.zip(prefix).is_some_and(|(known, prefix)| is_beyond(known, prefix))
}

fn is_counter(rule: &Words) -> bool {
    rule.iter().any(|word| word.starts_with(COUNTER))
}

/// What takes the mark off tunnel packets names nothing of ours, but nobody else writes exactly this.
fn is_unmark(rule: &Words) -> bool {
    let words: Vec<&str> = rule.iter().map(String::as_str).collect();
    matches!(
        *words,
        ["-p", "udp", "-m", "udp", "--dport", "6081" | "4789", "-j", "MARK", "--set-xmark", "0x0/0xffffffff"]
    )
}

fn is_jump_to(rule: &Words, chain: &str) -> bool {
    rule.iter().zip(rule.iter().skip(1)).any(|(option, value)| option == "-j" && value == chain)
}
