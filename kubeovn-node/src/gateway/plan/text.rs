//! A plan as people read it.

use std::fmt::{self, Display, Formatter};

use super::Plan;
use super::rules::{Action, Chain, Mark, Match, Protocol, Rule, Rules, Set};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for rules in self.rules.iter() {
            write!(f, "{rules}")?;
        }
        writeln!(f, "routes of {}", self.routing.link)?;
        for route in &self.routing.routes {
            write!(f, "  {route}")?;
            match route.src {
                Some(src) => writeln!(f, " src {src}")?,
                None => writeln!(f)?,
            }
        }
        for ((table, family), gateway) in &self.routing.gateways {
            writeln!(f, "table {table} {family}: default via {gateway}")?;
        }
        for rule in &self.routing.rules {
            writeln!(f, "{rule}")?;
        }
        if self.routing.known.is_some() {
            writeln!(f, "what is there of other prefixes stays")?;
        }
        for (key, value) in &self.settings {
            writeln!(f, "{key} = {value}")?;
        }
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl Display for Rules {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.family)?;
        for (set, prefixes) in self.sets.iter().filter(|(_, prefixes)| !prefixes.is_empty()) {
            write!(f, "  {set}:")?;
            prefixes.iter().try_for_each(|prefix| write!(f, " {prefix}"))?;
            writeln!(f)?;
        }
        for (prefix, ip) in &self.snat {
            writeln!(f, "  {prefix} leaves as {ip}")?;
        }
        for (prefix, jump) in &self.policies {
            writeln!(f, "  {prefix} has the exceptions {} of {}", jump.id, jump.subnet)?;
        }
        for (prefix, subnet) in &self.counted {
            writeln!(f, "  {prefix} is counted for {subnet}")?;
        }
        for (protocol, ports) in &self.local_ports {
            writeln!(f, "  local ports {protocol}: {ports:?}")?;
        }
        for (chain, rules) in &self.chains {
            writeln!(f, "  {chain}")?;
            rules.iter().try_for_each(|rule| writeln!(f, "    {rule}"))?;
        }
        Ok(())
    }
}

impl Display for Set {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Set::Services => f.write_str("services"),
            Set::Subnets => f.write_str("subnets"),
            Set::Nat => f.write_str("subnets-nat"),
            Set::NatPolicy => f.write_str("subnets-nat-policy"),
            Set::Distributed => f.write_str("subnets-distributed-gw"),
            Set::OtherNodes => f.write_str("other-node"),
            Set::RuleSrc(id) => write!(f, "natpr-{id}-src"),
            Set::RuleDst(id) => write!(f, "natpr-{id}-dst"),
        }
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Chain::Prerouting => f.write_str("prerouting"),
            Chain::Postrouting => f.write_str("postrouting"),
            Chain::Masquerade => f.write_str("masq"),
            Chain::NatPolicy => f.write_str("nat-policy"),
            Chain::NatPolicyOf(id) => write!(f, "nat-policy-{id}"),
            Chain::Input => f.write_str("input"),
            Chain::Forward => f.write_str("forward"),
            Chain::Output => f.write_str("output"),
            Chain::Guard => f.write_str("guard"),
        }
    }
}

impl Display for Protocol {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

impl Display for Mark {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, matched) in self.matches.iter().enumerate() {
            write!(f, "{}{matched}", if i == 0 { "" } else { ", " })?;
        }
        write!(f, "{}{}", if self.matches.is_empty() { "" } else { ": " }, self.action)
    }
}

impl Display for Match {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Match::From(link) => write!(f, "in by {link}"),
            Match::Src(set) => write!(f, "from {set}"),
            Match::NotSrc(set) => write!(f, "not from {set}"),
            Match::Dst(set) => write!(f, "to {set}"),
            Match::NotDst(set) => write!(f, "not to {set}"),
            Match::SrcSnat => f.write_str("from what leaves as an address of its own"),
            Match::Service { ipvs: false } => f.write_str("to services"),
            Match::Service { ipvs: true } => f.write_str("to services (of IPVS)"),
            Match::Marked(mark) => write!(f, "marked {mark}"),
            Match::NotMarked(mark) => write!(f, "not marked {mark}"),
            Match::Is(protocol) => write!(f, "{protocol}"),
            Match::UdpTo(port) => write!(f, "udp to port {port}"),
            Match::NoSyn => f.write_str("without SYN"),
            Match::Rst => f.write_str("with RST"),
            Match::New => f.write_str("opening a connection"),
            Match::Invalid => f.write_str("of no connection"),
            Match::ToHost => f.write_str("to the host"),
            Match::ToLocalPort(protocol) => write!(f, "to a local port {protocol}"),
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Action::Accept => f.write_str("accept"),
            Action::Drop => f.write_str("drop"),
            Action::Reject => f.write_str("reject"),
            Action::Return => f.write_str("return"),
            Action::Jump(chain) => write!(f, "{chain}"),
            Action::JumpByPolicy => f.write_str("by prefix: its exceptions"),
            Action::Mark(mark) => write!(f, "mark {mark}"),
            Action::MarkAndReturn(mark) => write!(f, "mark {mark}, return"),
            Action::Unmark => f.write_str("clear the mark"),
            Action::Masquerade => f.write_str("masquerade"),
            Action::Snat(ip) => write!(f, "leave as {ip}"),
            Action::SnatByPrefix => f.write_str("by prefix: leave as its address"),
            Action::CountSrc => f.write_str("count by prefix of the source"),
            Action::CountDst => f.write_str("count by prefix of the destination"),
        }
    }
}
