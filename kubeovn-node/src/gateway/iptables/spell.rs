//! From a plan's rules to words of iptables.

use std::collections::BTreeMap;

use kubeovn_core::addr::{Cidr, Family};

use super::ipset;
use super::save::Words;
use crate::gateway::kube_proxy;
use crate::gateway::plan::{Action, Chain, Mark, Match, PolicyJump, Rule, Rules, Set};

/// What all comments of counting rules begin with; Kube-OVN's metrics look for it.
pub(super) const COUNTER: &str = "ovn-subnet-gateway,";

/// What our chains begin with.
pub(super) const PREFIX: &str = "OVN-";
/// Behind that: who asks the exceptions. In two parts, since such words are taken for codes of errors.
pub(super) const POLICIES: &str = concat!("NAT", "-POLICY");
/// And those of a subnet's exceptions.
pub(super) const POLICY_CHAINS: &str = "NAT-PSUBNET-";

/// What a family should have.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Chains of ours by table and name.
    pub(super) chains: BTreeMap<(&'static str, String), Vec<Words>>,
    /// Rules in chains of others by table and chain.
    pub(super) guests: BTreeMap<(&'static str, &'static str), Vec<Words>>,
    /// Rules of ours that accept stay in the filter's chains.
    pub(super) spare: bool,
    /// As of [`Rules::known`].
    pub(super) known: Option<Vec<Cidr>>,
}

/// The table of a chain, and its name if it is ours.
enum Place {
    Ours(&'static str, String),
    Guest(&'static str, &'static str),
}

fn place(chain: &Chain) -> Place {
    let ours = |table: &'static str, name: &str| Place::Ours(table, format!("{PREFIX}{name}"));
    match chain {
        Chain::Prerouting => ours("nat", "PREROUTING"),
        Chain::Postrouting => ours("nat", "POSTROUTING"),
        Chain::Masquerade => ours("nat", "MASQUERADE"),
        Chain::NatPolicy => ours("nat", POLICIES),
        Chain::NatPolicyOf(id) => Place::Ours("nat", policy_chain(id)),
        Chain::Guard => ours("mangle", "POSTROUTING"),
        Chain::Input => Place::Guest("filter", "INPUT"),
        Chain::Forward => Place::Guest("filter", "FORWARD"),
        Chain::Output => Place::Guest("filter", "OUTPUT"),
    }
}

fn policy_chain(id: &str) -> String {
    format!("{PREFIX}{POLICY_CHAINS}{id}")
}

/// The jumps into our chains.
const JUMPS: [(&str, &str, &str, &str); 3] = [
    ("nat", "PREROUTING", "kube-ovn prerouting rules", "PREROUTING"),
    ("nat", "POSTROUTING", "kube-ovn postrouting rules", "POSTROUTING"),
    ("mangle", "POSTROUTING", "kube-ovn postrouting rules", "POSTROUTING"),
];

/// What the family should have.
pub(super) fn wanted(rules: &Rules) -> Wanted {
    let mut wanted = Wanted { known: rules.known.clone(), ..Wanted::default() };
    for (chain, list) in &rules.chains {
        let lines: Vec<Words> = list.iter().flat_map(|rule| lines(rules, rule)).collect();
        match place(chain) {
            Place::Ours(table, name) => drop(wanted.chains.insert((table, name), lines)),
            Place::Guest(table, name) => drop(wanted.guests.insert((table, name), lines)),
        }
    }
    for (table, parent, comment, target) in JUMPS {
        let jump = words(&["-m", "comment", "--comment", comment, "-j", &format!("{PREFIX}{target}")]);
        wanted.guests.entry((table, parent)).or_default().push(jump);
    }
    wanted
}

/// The lines of a rule: one per prefix where it goes by prefixes.
fn lines(rules: &Rules, rule: &Rule) -> Vec<Words> {
    let each =
        |prefixes: &mut dyn Iterator<Item = &Cidr>, action: &dyn Fn(&Cidr) -> Vec<Words>| -> Vec<Words> {
            prefixes
                .flat_map(|prefix| {
                    let tails = action(prefix);
                    tails
                        .into_iter()
                        .map(|tail| line(rules.family, rule, Some(("-s", *prefix)), tail))
                        .collect::<Vec<_>>()
                })
                .collect()
        };
    let jump = |target: &str| words(&["-j", target]);
    match &rule.action {
        Action::SnatByPrefix => each(&mut rules.snat.keys(), &|prefix| {
            rules
                .snat
                .get(prefix)
                .map(|ip| words(&["-j", "SNAT", "--to-source", &ip.to_string(), "--random-fully"]))
                .into_iter()
                .collect()
        }),
        Action::JumpByPolicy => {
            // By the name of the subnet, as Kube-OVN has them.
            let mut sorted: Vec<_> = rules.policies.iter().collect();
            sorted.sort_by(|a, b| a.1.subnet.cmp(&b.1.subnet));
            let one = |(prefix, policy): (&Cidr, &PolicyJump)| {
                let comment = format!("natPolicySubnet-{}", policy.subnet);
                let tail = words(&["-m", "comment", "--comment", &comment, "-j", &policy_chain(&policy.id)]);
                line(rules.family, rule, Some(("-s", *prefix)), tail)
            };
            sorted.into_iter().map(one).collect()
        }
        Action::CountSrc | Action::CountDst => {
            let side = if rule.action == Action::CountSrc { "-s" } else { "-d" };
            let one = |(prefix, subnet): (&Cidr, &String)| {
                let tail = words(&["-m", "comment", "--comment", &format!("{COUNTER}{subnet}")]);
                line(rules.family, rule, Some((side, *prefix)), tail)
            };
            rules.counted.iter().map(one).collect()
        }
        action if rule.matches.contains(&Match::SrcSnat) => {
            let tails = tails(rules.family, action);
            each(&mut rules.snat.keys(), &|_| tails.clone())
        }
        Action::Jump(chain) => match place(chain) {
            Place::Ours(_, name) => vec![line(rules.family, rule, None, jump(&name))],
            Place::Guest(..) => Vec::new(),
        },
        action => {
            tails(rules.family, action).into_iter().map(|tail| line(rules.family, rule, None, tail)).collect()
        }
    }
}

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A line in the order in which iptables-save prints it: prefixes, link, protocol, then matches as given.
fn line(family: Family, rule: &Rule, prefix: Option<(&str, Cidr)>, tail: Words) -> Words {
    let mut head = Words::new();
    if let Some((side, prefix)) = prefix {
        head.extend([side.to_owned(), prefix.to_string()]);
    }
    let mut rest = Words::new();
    for matched in &rule.matches {
        match matched {
            Match::From(link) => head.extend(words(&["-i", link])),
            Match::Is(protocol) => head.extend(words(&["-p", &protocol.to_string()])),
            Match::UdpTo(port) => {
                head.extend(words(&["-p", "udp"]));
                rest.extend(words(&["-m", "udp", "--dport", &port.to_string()]));
            }
            other => rest.extend(matching(family, other)),
        }
    }
    [head, rest, tail].concat()
}

fn matching(family: Family, matched: &Match) -> Words {
    let set = |not: bool, set: &str, side: &str| {
        let mut line = words(&["-m", "set"]);
        line.extend(not.then(|| "!".to_owned()));
        line.extend(words(&["--match-set", set, side]));
        line
    };
    let ours = |not, which, side| set(not, &ipset::name(family, which), side);
    let marked = |not: bool, Mark(bits): Mark| {
        let mut line = words(&["-m", "mark"]);
        line.extend(not.then(|| "!".to_owned()));
        line.extend(["--mark".to_owned(), format!("{bits:#x}/{bits:#x}")]);
        line
    };
    match matched {
        Match::Src(which) => ours(false, which, "src"),
        Match::NotSrc(which) => ours(true, which, "src"),
        Match::Dst(which) => ours(false, which, "dst"),
        Match::NotDst(which) => ours(true, which, "dst"),
        Match::Service { ipvs: false } => ours(false, &Set::Services, "dst"),
        Match::Service { ipvs: true } => set(false, &kube_proxy::services(family), "dst,dst"),
        Match::ToLocalPort(protocol) => set(false, &kube_proxy::local_ports(family, *protocol), "dst"),
        Match::Marked(mark) => marked(false, *mark),
        Match::NotMarked(mark) => marked(true, *mark),
        Match::NoSyn => words(&["-m", "tcp", "--tcp-flags", "SYN", "NONE"]),
        Match::Rst => words(&["-m", "tcp", "--tcp-flags", "RST", "RST"]),
        Match::New => words(&["-m", "conntrack", "--ctstate", "NEW"]),
        Match::Invalid => words(&["-m", "state", "--state", "INVALID"]),
        Match::ToHost => words(&["-m", "addrtype", "--dst-type", "LOCAL"]),
        // Said by the prefix, or before the rest.
        Match::SrcSnat | Match::From(_) | Match::Is(_) | Match::UdpTo(_) => Words::new(),
    }
}

/// What stands behind the matches; two lines where one target can't do it.
fn tails(family: Family, action: &Action) -> Vec<Words> {
    let mark = |text: String| words(&["-j", "MARK", "--set-xmark", &text]);
    let set = |Mark(bits): Mark| mark(format!("{bits:#x}/{bits:#x}"));
    let refusal = match family {
        Family::V4 => "icmp-port-unreachable",
        Family::V6 => "icmp6-port-unreachable",
    };
    match action {
        Action::Accept => vec![words(&["-j", "ACCEPT"])],
        Action::Drop => vec![words(&["-j", "DROP"])],
        Action::Reject => vec![words(&["-j", "REJECT", "--reject-with", refusal])],
        Action::Return => vec![words(&["-j", "RETURN"])],
        Action::Mark(bits) => vec![set(*bits)],
        Action::MarkAndReturn(bits) => vec![set(*bits), words(&["-j", "RETURN"])],
        Action::Unmark => vec![mark("0x0/0xffffffff".to_owned())],
        Action::Masquerade => vec![words(&["-j", "MASQUERADE", "--random-fully"])],
        Action::Snat(ip) => vec![words(&["-j", "SNAT", "--to-source", &ip.to_string(), "--random-fully"])],
        // By prefix or to a chain: said by who asks.
        Action::Jump(_)
        | Action::JumpByPolicy
        | Action::SnatByPrefix
        | Action::CountSrc
        | Action::CountDst => Vec::new(),
    }
}
