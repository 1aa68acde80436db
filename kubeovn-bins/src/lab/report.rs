//! What a lab has to say: one document for programs, tables for people.
//!
//! Both are made from the same [`Report`], which is plain data; who fills it in decides what is true.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use serde::Serialize;

use self::table::{Paint, Table};
use super::manifest::{Expect, Family};
use super::probe::{Outcome, Seen};

mod table;

/// Everything a lab knows at one moment. Serialised it is the document of `-o json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// By name.
    pub nodes: Vec<NodeLine>,
    /// By name.
    pub subnets: Vec<SubnetLine>,
    /// By namespace and name.
    pub pods: Vec<PodLine>,
    /// In the order of the manifests.
    pub probes: Vec<ProbeLine>,
    /// In the order of the manifests; VPCs that are refused by the controller are last, without a place.
    pub rejected: Vec<RejectedLine>,
    /// What has no effect although the object that it is part of has; for people only.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable, for programs.
    pub code: String,
    /// For people: what happened and what to do next.
    pub message: String,
}

impl Problem {
    /// A problem from a text that may begin with the code.
    pub fn new(code: &str, text: &str) -> Self {
        let message = text.strip_prefix(code).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(text);
        Self { code: code.to_owned(), message: message.to_owned() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who passed a problem on may have said something before it.
        if self.message.contains(&self.code) {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.code, self.message)
        }
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeLine {
    /// Its name.
    pub name: String,
    /// Whether OVN knows it and its daemon answers.
    pub ready: bool,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubnetLine {
    /// Its name.
    pub name: String,
    /// The VPC it is in.
    pub vpc: String,
    /// Its block, or both with a comma between.
    pub cidr: String,
    /// Addresses that are in use.
    pub used: u128,
    /// Addresses that can still be given out.
    pub available: u128,
    /// What is wrong with it.
    pub error: Option<Problem>,
    /// What has no effect although all else has; for people only.
    #[serde(skip)]
    pub warning: Option<String>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PodLine {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The node it is on.
    pub node: String,
    /// The subnet it is in; empty if none is decided.
    pub subnet: String,
    /// Its addresses.
    pub ips: Vec<String>,
    /// Its hardware address; empty if it has none yet.
    pub mac: String,
    /// What is wrong with it.
    pub error: Option<Problem>,
}

/// A probe in one address family.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeLine {
    /// The probe's name.
    pub name: String,
    /// `v4` or `v6`; none if the two ends have no family in common.
    pub family: Option<String>,
    /// `allow` or `deny`.
    pub expected: &'static str,
    /// The same, or `unknown` if no packet could be sent.
    pub seen: Seen,
    /// How long the answer took, or how long it was waited for.
    pub ms: f64,
    /// Why no packet could be sent; for people only.
    #[serde(skip)]
    pub note: Option<String>,
}

/// A document of the manifests that was not taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RejectedLine {
    /// Where it stands.
    pub file: String,
    /// The line of its first key, from 1.
    pub line: u64,
    /// Its kind, if that could be read.
    pub kind: Option<String>,
    /// Its name, if that could be read.
    pub name: Option<String>,
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub message: String,
}

impl From<Outcome> for ProbeLine {
    fn from(outcome: Outcome) -> Self {
        Self {
            family: outcome.family.map(|family: Family| family.to_string()),
            expected: if outcome.expected == Expect::Allow { "allow" } else { "deny" },
            name: outcome.name,
            seen: outcome.seen,
            ms: outcome.ms,
            note: outcome.note,
        }
    }
}

impl ProbeLine {
    /// Whether it is as expected.
    pub fn is_good(&self) -> bool {
        matches!((self.expected, self.seen), ("allow", Seen::Allow) | ("deny", Seen::Deny))
    }
}

impl Report {
    /// Whether all probes are as expected.
    pub fn is_good(&self) -> bool {
        self.probes.iter().all(ProbeLine::is_good)
    }

    /// The last line: how many probes are as expected, and which are not.
    pub fn verdict(&self) -> String {
        let bad: Vec<&str> =
            self.probes.iter().filter(|probe| !probe.is_good()).map(|probe| probe.name.as_str()).collect();
        let (good, all) = (self.probes.len() - bad.len(), self.probes.len());
        let names = if bad.is_empty() { String::new() } else { format!(": {}", bad.join(", ")) };
        format!("{good}/{all} probes as expected{names}")
    }

    /// The document of `-o json`, with a newline at its end.
    pub fn to_json(&self) -> String {
        // Serialising plain data into memory cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The tables, and the verdict as the last line. `colours`: the reader is a terminal.
    pub fn to_text(&self, colours: bool) -> String {
        let paint = Paint::new(colours);
        let mut text = String::new();
        for table in
            [self.node_table(paint), self.subnet_table(paint), self.pod_table(paint), self.probe_table(paint)]
        {
            text.push_str(&table);
        }
        text.push_str(&self.rejected_list(paint));
        for warning in &self.warnings {
            let _ = writeln!(text, "{warning}");
        }
        let verdict = self.verdict();
        let _ =
            writeln!(text, "{}", if self.is_good() { paint.green(&verdict) } else { paint.red(&verdict) });
        text
    }

    /// What is not in effect, without what a table above has said already.
    fn rejected_list(&self, paint: Paint) -> String {
        let errors =
            self.subnets.iter().map(|subnet| &subnet.error).chain(self.pods.iter().map(|pod| &pod.error));
        let said: BTreeSet<_> = errors.flatten().map(|error| (&error.code, &error.message)).collect();
        let mut text = String::new();
        for line in self.rejected.iter().filter(|line| !said.contains(&(&line.code, &line.message))) {
            let what: Vec<&str> =
                [line.kind.as_deref(), line.name.as_deref()].into_iter().flatten().collect();
            let place =
                if line.file.is_empty() { String::new() } else { format!("{}:{}: ", line.file, line.line) };
            let problem = paint.red(&format!("{}: {}", line.code, line.message));
            let _ = writeln!(text, "{place}{}\n    {problem}", what.join(" "));
        }
        if text.is_empty() { text } else { format!("{}\n{text}\n", paint.bold("NOT IN EFFECT")) }
    }

    fn node_table(&self, paint: Paint) -> String {
        let mut table = Table::new(&["NODE", "STATE"]);
        for node in &self.nodes {
            table.row([
                node.name.clone(),
                if node.ready { "ready".to_owned() } else { paint.red("not ready") },
            ]);
        }
        table.render(paint)
    }

    fn subnet_table(&self, paint: Paint) -> String {
        let mut table = Table::new(&["SUBNET", "VPC", "CIDR", "USED", "AVAILABLE"]).right(&[3, 4]);
        for subnet in &self.subnets {
            table.row([
                subnet.name.clone(),
                subnet.vpc.clone(),
                subnet.cidr.clone(),
                subnet.used.to_string(),
                roughly(subnet.available),
            ]);
            let error = subnet.error.as_ref().map(|error| paint.red(&error.to_string()));
            table.note(error.or_else(|| subnet.warning.clone()));
        }
        table.render(paint)
    }

    fn pod_table(&self, paint: Paint) -> String {
        let mut table = Table::new(&["POD", "NODE", "SUBNET", "ADDRESSES", "MAC"]);
        for pod in &self.pods {
            table.row([
                format!("{}/{}", pod.namespace, pod.name),
                pod.node.clone(),
                pod.subnet.clone(),
                pod.ips.join(", "),
                pod.mac.clone(),
            ]);
            table.note(pod.error.as_ref().map(|error| paint.red(&error.to_string())));
        }
        table.render(paint)
    }

    fn probe_table(&self, paint: Paint) -> String {
        let mut table = Table::new(&["PROBE", "FAMILY", "EXPECTED", "SEEN", "MS", ""]).right(&[4]);
        for probe in &self.probes {
            let seen = match probe.seen {
                Seen::Allow => "allow",
                Seen::Deny => "deny",
                Seen::Unknown => "unknown",
            };
            table.row([
                probe.name.clone(),
                probe.family.clone().unwrap_or_default(),
                probe.expected.to_owned(),
                seen.to_owned(),
                format!("{:.1}", probe.ms),
                if probe.is_good() { paint.green("ok") } else { paint.red("NOT AS EXPECTED") },
            ]);
            table.note(probe.note.as_ref().map(|note| paint.red(note)));
        }
        table.render(paint)
    }
}

/// A count for a person: exact while one can read it, else the power of two it is about.
fn roughly(count: u128) -> String {
    if count < 10_000_000 { count.to_string() } else { format!("~2^{}", count.ilog2()) }
}

#[cfg(test)]
mod tests;
