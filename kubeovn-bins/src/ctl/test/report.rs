//! What came of all, for people and for programs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::probe::{Outcome, To, Tried};
use crate::ctl::cluster::text::{counted, table, wrapped};
use crate::ctl::paint::Paint;

/// What a table is called.
fn heading(to: &To) -> &'static str {
    match to {
        To::Pod(_) => "TO POD ON",
        To::Node(_) => "TO NODE",
        To::Service | To::Dns | To::Outside(_) => "TO",
    }
}

fn column(to: &To) -> String {
    match to {
        To::Pod(name) | To::Node(name) | To::Outside(name) => name.clone(),
        To::Service | To::Dns => to.to_string(),
    }
}

/// A table for pods, one for nodes, one for the rest; then what failed, and why.
pub(super) fn to_text(tried: &[Tried], notes: &[String], paint: Paint) -> String {
    let mut out = String::new();
    for which in ["TO POD ON", "TO NODE", "TO"] {
        let these: Vec<&Tried> = tried.iter().filter(|tried| heading(&tried.probe.to) == which).collect();
        if !these.is_empty() {
            out += &one(which, &these);
            out.push('\n');
        }
    }
    // What befalls all of them for one reason is said once.
    let mut failed: BTreeMap<(&To, String, &str), Vec<&str>> = BTreeMap::new();
    for Tried { from, probe, outcome } in tried {
        if let Outcome::Failed(why) = outcome {
            failed.entry((&probe.to, probe.how.target(), why)).or_default().push(from);
        }
    }
    for ((to, target, why), from) in &failed {
        out += &paint.signed('-', "FAILED");
        out.push('\n');
        out += &wrapped(&format!("from {} to {to} ({target}): {why}", from.join(", ")), 2);
    }
    notes.iter().for_each(|note| out += &wrapped(note, 0));
    out + &format!("{} of {} reached\n", tried.len() - failures(tried), counted(tried.len(), "probe"))
}

/// Rows from, columns to. Where a target has several addresses the worst is shown.
fn one(which: &str, tried: &[&Tried]) -> String {
    let from: BTreeSet<&str> = tried.iter().map(|tried| tried.from.as_str()).collect();
    let to: BTreeSet<&To> = tried.iter().map(|tried| &tried.probe.to).collect();
    let head: Vec<String> =
        [format!("FROM POD ON  {which}")].into_iter().chain(to.iter().map(|to| column(to))).collect();
    let rows = from.iter().map(|from| {
        let cells = to.iter().map(|to| {
            let mine = tried.iter().filter(|tried| tried.from == *from && tried.probe.to == **to);
            cell(mine.map(|tried| &tried.outcome))
        });
        [(*from).to_owned()].into_iter().chain(cells).collect()
    });
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    table(&head, &[], &rows.collect::<Vec<Vec<String>>>())
}

fn cell<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> String {
    let mut worst: Option<(u64, u32)> = None;
    for outcome in outcomes {
        match outcome {
            Outcome::Failed(_) => return "FAILED".to_owned(),
            Outcome::Reached { millis, tries } => {
                let (most, attempts) = worst.unwrap_or_default();
                worst = Some((most.max(*millis), attempts.max(*tries)));
            }
        }
    }
    match worst {
        None => "-".to_owned(),
        Some((0, 1)) => "ok <10 ms".to_owned(),
        Some((millis, 1)) => format!("ok {millis} ms"),
        Some((millis, tries)) => format!("ok {millis} ms, attempt {tries}"),
    }
}

fn failures(tried: &[Tried]) -> usize {
    tried.iter().filter(|tried| tried.outcome.is_failure()).count()
}

/// For programs.
pub(super) fn to_json(tried: &[Tried], notes: &[String]) -> Value {
    let probes = tried.iter().map(|Tried { from, probe, outcome }| {
        let (took, attempt, reason) = match outcome {
            Outcome::Reached { millis, tries } => (Some(millis), Some(tries), None),
            Outcome::Failed(why) => (None, None, Some(why)),
        };
        json!({
            "from": from,
            "to": probe.to.to_string(),
            "target": probe.how.target(),
            "reached": !outcome.is_failure(),
            "millis": took,
            "tries": attempt,
            "reason": reason,
        })
    });
    json!({ "probes": probes.collect::<Vec<_>>(), "failed": failures(tried), "notes": notes })
}

#[cfg(test)]
mod tests;
