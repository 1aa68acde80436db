//! `nb verify`: what should not be in a Northbound, or not be so.

mod alone;

use std::collections::BTreeMap;

use kubeovn_core::rows::{Act, EXTERNAL_IDS, KEY_OWNER};
use serde_json::{Value, json};

use super::listing::{Listing, Mark};
use super::manifests::Manifests;
use crate::ctl::paint::Paint;

/// A row of ours that nobody wants.
pub const UNWANTED: &str = "NB-ROW-UNWANTED";
/// A row that an object wants is not there.
pub const MISSING: &str = "NB-ROW-MISSING";
/// A row is not as its object wants it.
pub const DIFFERENT: &str = "NB-ROW-DIFFERENT";
/// A row has our mark, but it cannot be told whose it is.
pub const UNREADABLE: &str = "NB-MARK-UNREADABLE";
/// Two rows of a table have one id.
pub const TWIN: &str = "NB-ROW-TWIN";
/// A port is not on the switch that it says, on none, or on two.
pub const PORT: &str = "NB-PORT-SWITCH";
/// An address is in two ports of one space.
pub const ADDRESS: &str = "NB-ADDRESS-TWICE";
/// An address set has a name that northd makes of a port group.
pub const SHADOW: &str = "NB-SET-SHADOWS-GROUP";
/// Something is named that is not there.
pub const DANGLING: &str = "NB-NAME-DANGLING";

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// All of it.
    pub findings: Vec<Finding>,
    /// What of the manifests has no effect.
    pub problems: Vec<String>,
    rows: usize,
    compared: bool,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// One of the constants of this module.
    pub code: &'static str,
    /// The row, as table/id.
    pub row: String,
    /// Whose it is, empty for nobody's.
    pub owner: String,
    /// What is wrong with it, and what to do.
    pub message: String,
}

/// Looks for all that the database alone tells, and with manifests for drift.
pub fn verify(listing: &Listing, wanted: Option<&Manifests>) -> Report {
    let mut findings = alone::findings(listing);
    if let Some(wanted) = wanted {
        findings.extend(drift(listing, wanted));
    }
    findings.sort();
    let problems = wanted.map(Manifests::problems).unwrap_or_default();
    let ours = |mark: &Mark| !matches!(mark, Mark::Foreign);
    let rows = listing.entries.iter().filter(|entry| ours(&entry.mark)).count();
    Report { findings, problems, rows, compared: wanted.is_some() }
}

/// What the controller would do, as what is wrong.
fn drift(listing: &Listing, wanted: &Manifests) -> Vec<Finding> {
    let plan = &wanted.rehearsal.plan;
    let acts: BTreeMap<_, _> = plan.ops().iter().map(|op| (&op.row, &op.act)).collect();
    let finding = |line: &crate::run::plan::Line<'_>| {
        let there = listing.find(line.row).and_then(|entry| entry.owner()).map(ToString::to_string);
        let born = || match acts.get(line.row) {
            Some(Act::Insert(spec, _)) => {
                spec.pairs.get(EXTERNAL_IDS)?.get(KEY_OWNER).map(ToString::to_string)
            }
            _ => None,
        };
        let owner = there.or_else(born).unwrap_or_default();
        let whose = if owner.is_empty() { "nobody" } else { &owner };
        let (code, message) = match line.sign {
            '+' => (
                MISSING,
                format!("{whose} wants it, and it is not there. The controller adds it when it runs"),
            ),
            '-' => (
                UNWANTED,
                format!(
                    "it has the mark of {whose}, who does not want it. The controller removes it when it runs; if the \
                     manifests are not all there are, name all of them by --from"
                ),
            ),
            _ => (DIFFERENT, format!("{}. The controller sets it right when it runs", line.details)),
        };
        Finding { code, row: line.row.to_string(), owner, message }
    };
    plan.lines().iter().map(finding).collect()
}

impl Report {
    /// For programs.
    pub fn to_json(&self) -> Value {
        let findings = self.findings.iter().map(|f| {
            let owner = Some(&f.owner).filter(|owner| !owner.is_empty());
            json!({ "code": f.code, "row": f.row, "owner": owner, "message": f.message })
        });
        json!({
            "sound": self.findings.is_empty(), "rows": self.rows, "compared": self.compared,
            "problems": self.problems, "findings": findings.collect::<Vec<_>>(),
        })
    }

    /// For people.
    pub fn to_text(&self, paint: Paint) -> String {
        let problems = self.problems.iter().map(|problem| format!("! {problem}\n"));
        let findings = self.findings.iter().map(|f| {
            let sign = match f.code {
                MISSING => '+',
                DIFFERENT => '~',
                _ => '-',
            };
            format!("{}: {}: {}\n", paint.signed(sign, f.code), f.row, f.message)
        });
        let against = if self.compared { ", compared with the manifests" } else { "" };
        let count = match self.findings.len() {
            0 => "nothing found".to_owned(),
            1 => "1 finding".to_owned(),
            many => format!("{many} findings"),
        };
        problems
            .chain(findings)
            .chain([format!("{count} in {} rows of ours{against}\n", self.rows)])
            .collect()
    }
}
