//! What iptables-save prints, and rules as words.

use std::collections::BTreeMap;

use ipnet::IpNet;
use kubeovn_core::addr::Cidr;

use super::spell::COUNTER;
use crate::gateway::firewall::{Side, Traffic};

/// A rule as the words of its line, without the verb and the chain.
pub(super) type Words = Vec<String>;

/// Chains of all tables by table and name, with their rules.
#[derive(Debug, Default)]
pub(super) struct Saved(BTreeMap<(String, String), Vec<Words>>);

impl Saved {
    /// Reads `iptables-save`.
    pub(super) fn parse(text: &str) -> Self {
        let mut chains: BTreeMap<_, Vec<Words>> = BTreeMap::new();
        let mut table = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('*') {
                name.clone_into(&mut table);
            } else if let Some(chain) = line.strip_prefix(':') {
                let name = chain.split_whitespace().next().unwrap_or_default();
                chains.entry((table.clone(), name.to_owned())).or_default();
            } else if let Some(rule) = line.strip_prefix("-A ") {
                let mut words = split(rule).into_iter();
                let Some(chain) = words.next() else { continue };
                chains.entry((table.clone(), chain)).or_default().push(words.collect());
            }
        }
        Saved(chains)
    }

    /// The rules of a chain, if it is there.
    pub(super) fn chain(&self, table: &str, chain: &str) -> Option<&Vec<Words>> {
        self.0.get(&(table.to_owned(), chain.to_owned()))
    }

    /// Tables and chains, with their rules.
    pub(super) fn chains(&self) -> impl Iterator<Item = (&str, &str, &Vec<Words>)> {
        self.0.iter().map(|((table, chain), rules)| (table.as_str(), chain.as_str(), rules))
    }
}

/// Reads `[3:180] -A FORWARD -s 10.16.0.0/24 -m comment --comment "ovn-subnet-gateway,web"`.
pub(super) fn counted(line: &str) -> Option<Traffic> {
    let (counts, rule) = line.strip_prefix('[')?.split_once("] -A FORWARD ")?;
    let (packets, bytes) = counts.split_once(':')?;
    let words = split(rule);
    let [side, prefix, rest @ ..] = &*words else { return None };
    let side = match side.as_str() {
        "-s" => Side::From,
        "-d" => Side::To,
        _ => return None,
    };
    let ours = rest.iter().any(|word| word.starts_with(COUNTER));
    let prefix = Cidr::new(prefix.parse::<IpNet>().ok().filter(|_| ours)?);
    Some(Traffic { prefix, side, packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
}

/// Chains by which packets come to the host or through it, and that drop what they have no rule for: by their policy, or by
/// a last rule without any match.
pub(super) fn dropping(text: &str) -> Vec<&'static str> {
    let drops = |chain: &&'static str| {
        let policy = format!(":{chain} DROP ");
        let head = format!("-A {chain} ");
        let last = text.lines().filter_map(|line| line.strip_prefix(head.as_str())).next_back();
        let words = last.map(split).unwrap_or_default();
        let words = match &*words {
            [m, comment, option, _, rest @ ..]
                if (&**m, &**comment, &**option) == ("-m", "comment", "--comment") =>
            {
                rest
            }
            all => all,
        };
        let refuses =
            matches!(words, [j, target, ..] if j == "-j" && ["DROP", "REJECT"].contains(&target.as_str()));
        refuses || text.lines().any(|line| line.starts_with(&policy))
    };
    ["INPUT", "FORWARD"].into_iter().filter(drops).collect()
}

/// Splits a line as iptables does: at blanks, but not within quotes.
fn split(line: &str) -> Words {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Puts words into a line, the other way around.
pub(super) fn join(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+@%=!^".contains(c);
    let quote = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            return word.clone();
        }
        let escaped: String =
            word.chars().flat_map(|c| if c == '"' || c == '\\' { vec!['\\', c] } else { vec![c] }).collect();
        format!("\"{escaped}\"")
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_drops_what_is_left_is_known_by_policy_or_last_rule() {
        let of = |lines: &str| {
            dropping(&format!("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n{lines}\nCOMMIT"))
        };
        assert_eq!(dropping(":INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]"), ["INPUT"]);
        assert_eq!(
            of("-A FORWARD -m comment --comment \"a b\" -j REJECT --reject-with tcp-reset"),
            ["FORWARD"]
        );
        assert_eq!(of("-A INPUT -j DROP"), ["INPUT"]);
        for passes in
            ["-A FORWARD -s 10.0.0.0/8 -j DROP", "-A INPUT -j DROP\n-A INPUT -j ACCEPT", "-A X -j DROP"]
        {
            assert_eq!(of(passes), [""; 0], "{passes}");
        }
    }

    #[test]
    fn a_line_is_split_and_joined_like_iptables_does() {
        let line = r#"-m comment --comment "a \"b\" \\c" -j X"#;
        let words = split(line);
        assert_eq!(words, ["-m", "comment", "--comment", r#"a "b" \c"#, "-j", "X"]);
        assert_eq!(join(&words), line);
        assert_eq!(split(r#"--comment "" x"#), ["--comment", "", "x"]);
    }
}
