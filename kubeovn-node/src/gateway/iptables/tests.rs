#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use kubeovn_core::addr::Family;

use super::save::Saved;
use super::spell::Wanted;
use super::{compare, ipset, spell};
use crate::gateway::facts::{Gateway, NatAction, NatRule};
use crate::gateway::plan::plan;
use crate::gateway::samples;

fn everything() -> Wanted {
    spell::wanted(plan(&facts()).rules.v4.as_ref().expect("rules"))
}

fn facts() -> crate::gateway::facts::Facts {
    let mut facts = samples::facts();
    facts.kube_proxy.ipvs.v4 = Some(());
    facts.kube_proxy.local_tcp.v4 = Some([30080].into());
    let web = facts.subnets.first_mut().expect("web");
    web.gateway = Gateway::Centralized {
        nodes: "n1:172.18.0.8".to_owned(),
        selected: false,
        all: true,
        active: String::new(),
    };
    let dst = vec!["192.0.2.0/24".parse().expect("a prefix")];
    web.nat_rules =
        vec![NatRule { id: "0123456789ab".to_owned(), src: Vec::new(), dst, action: NatAction::Forward }];
    facts
}

/// What is there before: kube-proxy's, and somebody's own.
const BEFORE: &str = "\
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:OVN-KUBE-EXTERNAL - [0:0]
-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A POSTROUTING -s 192.168.0.0/16 -j MASQUERADE
-A OVN-KUBE-EXTERNAL -j RETURN
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -j DOCKER-USER
COMMIT
";

/// Carries lines out, as iptables-restore --noflush does.
fn restore(before: &str, lines: &str) -> String {
    let mut chains: Vec<(String, String, Vec<String>)> = Vec::new();
    let mut table = String::new();
    for line in before.lines().chain(lines.lines()) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let name = rest.split(' ').next().unwrap_or_default().to_owned();
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut table);
            continue;
        }
        if let Some(name) = verb.strip_prefix(':') {
            chains.retain(|(t, n, _)| (t, n.as_str()) != (&table, name));
            chains.push((table.clone(), name.to_owned(), Vec::new()));
            continue;
        }
        if line == "COMMIT" {
            continue;
        }
        let at = chains.iter().position(|(t, n, _)| *t == table && *n == name).unwrap_or_else(|| {
            assert!(["INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING"].contains(&&*name), "{line}");
            chains.push((table.clone(), name.clone(), Vec::new()));
            chains.len() - 1
        });
        let rules = &mut chains.get_mut(at).expect("a chain").2;
        let rule = rest.strip_prefix(&name).unwrap_or_default().trim().to_owned();
        let number = |text: &str| text.split(' ').next().and_then(|n| n.parse::<usize>().ok());
        match verb {
            "-A" => rules.push(rule),
            "-I" => {
                let number = number(&rule).expect("a place");
                let (_, rule) = rule.split_once(' ').expect("a rule");
                rules.insert(number - 1, rule.to_owned());
            }
            "-D" => {
                let at = number(&rule).map(|n| n - 1).or_else(|| rules.iter().position(|r| *r == rule));
                rules.remove(at.unwrap_or_else(|| panic!("no rule to delete: {line}")));
            }
            "-F" => rules.clear(),
            "-X" => {
                assert!(rules.is_empty(), "{line}");
                chains.remove(at);
            }
            _ => panic!("{line}"),
        }
    }
    let mut text = String::new();
    for table in ["nat", "mangle", "filter"] {
        let _ = writeln!(text, "*{table}");
        let chains = || chains.iter().filter(|(t, ..)| t == table);
        for (_, name, _) in chains() {
            let _ = writeln!(text, ":{name} - [0:0]");
        }
        chains().flat_map(|(_, name, rules)| rules.iter().map(move |rule| (name, rule))).for_each(
            |(name, rule)| {
                let _ = writeln!(text, "-A {name} {rule}");
            },
        );
        text += "COMMIT\n";
    }
    text
}

#[test]
fn the_lines_are_kube_ovns() {
    let (lines, _) = compare::difference(Family::V4, &Saved::parse(BEFORE), &everything());
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gateway/iptables.txt");
    let (sets, _) = ipset::Sets::default().fill(&ipset::wanted(&plan(&facts()).rules));
    let text = sets + &lines;
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().expect("a folder")).expect("make the folder");
        fs::write(&file, text).expect("write");
        return;
    }
    assert_eq!(text, fs::read_to_string(&file).unwrap_or_default(), "{} is another text now", file.display());
}

#[test]
fn what_was_written_is_not_written_again_and_goes_without_a_trace() {
    let wanted = everything();
    let (lines, changes) = compare::difference(Family::V4, &Saved::parse(BEFORE), &wanted);
    assert!(!changes.is_empty());
    let after = restore(BEFORE, &lines);
    let (again, changes) = compare::difference(Family::V4, &Saved::parse(&after), &wanted);
    assert_eq!((again.as_str(), changes.len()), ("", 0));
    let (gone, _) = compare::difference(Family::V4, &Saved::parse(&after), &Wanted::default());
    let cleared = restore(&after, &gone);
    let rules = |text: &str| {
        text.lines().filter(|line| line.starts_with("-A")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rules(&cleared), rules(BEFORE));
    assert!(cleared.contains(":OVN-KUBE-EXTERNAL"), "not every OVN- chain is Kube-OVN's");
}

#[test]
fn one_rule_more_is_one_line() {
    let wanted = everything();
    let (lines, _) = compare::difference(Family::V4, &Saved::parse(BEFORE), &wanted);
    let after = restore(BEFORE, &lines);
    let mut facts = facts();
    let mut more = facts.subnets.get(1).cloned().expect("plain");
    more.name = "more".to_owned();
    more.cidrs = "10.18.0.0/24".parse().expect("a prefix");
    facts.subnets.push(more);
    let rules = plan(&facts).rules;
    let wanted = spell::wanted(rules.v4.as_ref().expect("rules"));
    let (lines, _) = compare::difference(Family::V4, &Saved::parse(&after), &wanted);
    assert_eq!(
        lines,
        "*filter\n\
         -I FORWARD 1 -s 10.18.0.0/24 -m comment --comment ovn-subnet-gateway,more\n\
         -I FORWARD 2 -d 10.18.0.0/24 -m comment --comment ovn-subnet-gateway,more\n\
         COMMIT\n"
    );
    let (sets, _) = ipset::wanted(&plan(&self::facts()).rules).fill(&ipset::wanted(&rules));
    assert_eq!(sets, "add ovn40subnets 10.18.0.0/24\nadd ovn40subnets-distributed-gw 10.18.0.0/24\n");
}

#[test]
fn hands_are_found_wherever_they_were() {
    let wanted = everything();
    let (lines, _) = compare::difference(Family::V4, &Saved::parse(BEFORE), &wanted);
    let good = restore(BEFORE, &lines);
    let accept = "-A FORWARD -m set --match-set ovn40subnets src -j ACCEPT";
    let jump = "-A PREROUTING -m comment --comment \"kube-ovn prerouting rules\" -j OVN-PREROUTING";
    let services = "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES";
    let edits: [&dyn Fn(String) -> String; 6] = [
        &|text| text.replace(&format!("{accept}\n"), ""),
        &|text| text.replace(accept, &format!("{accept}\n{accept}")),
        &|text| text.replace(&format!("{jump}\n{services}"), &format!("{services}\n{jump}")),
        &|text| text.replace("-A OVN-MASQUERADE -j MASQUERADE --random-fully\n", ""),
        &|text| text.replace("-A OVN-POSTROUTING", "-A OVN-POSTROUTING -j RETURN\n-A OVN-POSTROUTING"),
        &|text| text.replacen("-A INPUT", "-A INPUT -m set --match-set ovn40other src -j DROP\n-A INPUT", 1),
    ];
    for (i, edit) in edits.iter().enumerate() {
        let edited = edit(good.clone());
        assert_ne!(edited, good, "edit {i} changed nothing");
        let (lines, _) = compare::difference(Family::V4, &Saved::parse(&edited), &wanted);
        assert!(!lines.is_empty(), "edit {i} was not found");
        let mended = restore(&edited, &lines);
        let (again, _) = compare::difference(Family::V4, &Saved::parse(&mended), &wanted);
        assert_eq!(again, "", "edit {i} was not mended in one go");
        let at = |text: &str| {
            mended.lines().position(|line| line == text).unwrap_or_else(|| panic!("{text}\n{mended}"))
        };
        assert!(at(jump) < at(services), "edit {i}: services are translated first");
        assert!(
            mended
                .lines()
                .collect::<Vec<_>>()
                .iter()
                .rposition(|line| line.contains("ovn-subnet-gateway"))
                .expect("counters")
                < at(accept),
            "edit {i}: what is let through is not counted\n{mended}"
        );
        assert!(mended.contains("-A FORWARD -j DOCKER-USER"));
    }
}

#[test]
fn everything_is_two_halves_for_ipset() {
    let mut facts = facts();
    let all = vec!["0.0.0.0/0".parse().expect("a prefix"), "10.0.0.0/8".parse().expect("a prefix")];
    let web = facts.subnets.first_mut().expect("web");
    web.nat_rules = vec![NatRule { id: "r".to_owned(), src: Vec::new(), dst: all, action: NatAction::Nat }];
    let (sets, _) = ipset::Sets::default().fill(&ipset::wanted(&plan(&facts).rules));
    assert!(sets.contains("add ovn40natpr-r-dst 0.0.0.0/1\nadd ovn40natpr-r-dst 128.0.0.0/1\n"), "{sets}");
    assert!(!sets.contains("0.0.0.0/0"), "{sets}");
}
