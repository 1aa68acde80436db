//! `ipam check`: whatever does not agree.

use std::collections::BTreeSet;

use kubeovn_core::{
    contract::ipam::Grant,
    rows::{OwnerKey, OwnerKind},
};
use serde_json::{Value, json};

use super::Addresses;
use crate::ctl::{
    cluster::{
        claims::{Claim, Source, held},
        scratch::Scratch,
        text::counted,
    },
    paint::Paint,
};

/// The port does not have what the ledger has.
const PORT: &str = "IPAM-CHECK-PORT";
/// Pod or node was told something else.
const TOLD: &str = "IPAM-CHECK-ANNOTATIONS";
/// The record says something else.
const RECORD: &str = "IPAM-CHECK-RECORD";
/// Nothing of it is written yet.
const UNSERVED: &str = "IPAM-CHECK-UNSERVED";

/// What was found.
pub(super) struct Report {
    findings: Vec<Finding>,
    owners: usize,
}

/// Two sides that do not agree.
struct Finding {
    code: &'static str,
    owner: OwnerKey,
    place: String,
    /// What is said there; `None` for nothing.
    said: Option<String>,
    /// What the ledger has; `None` for nothing.
    ledger: Option<String>,
    next: String,
}

/// Compares all of it.
pub(super) fn check(addresses: &Addresses) -> Report {
    let Addresses { scratch, claims } = addresses;
    let holders = scratch.holders();
    let owners: BTreeSet<&OwnerKey> = holders.iter().map(|(owner, _)| owner).chain(claims.owners()).collect();
    let mut findings = Vec::new();
    for owner in &owners {
        let grant = scratch.world().grants(owner).iter().find(|grant| grant.nic.is_empty());
        let said = claims.of_owner(owner);
        let ledger = grant.map(|grant| held(&grant.subnet, &grant.ips, grant.mac));
        if let (Some(_), []) = (grant, said) {
            let next = "The controller writes it when it runs; if it stays, look at its log".to_owned();
            let owner = (*owner).clone();
            let place = "port, annotations and record".to_owned();
            findings.push(Finding { code: UNSERVED, owner, place, said: None, ledger, next });
            continue;
        }
        for source in Source::ALL {
            let claim = claims.at(owner, source);
            let fine = match (claim, grant) {
                (Some(claim), Some(grant)) => claim.says(grant),
                (None, Some(_)) => !expected(scratch, owner, source),
                (Some(_), None) => false,
                (None, None) => true,
            };
            if !fine {
                findings.push(Finding {
                    code: code(source),
                    owner: (*owner).clone(),
                    place: claim.map_or_else(|| source.word().to_owned(), |claim| claim.place.clone()),
                    said: claim.map(ToString::to_string),
                    ledger: ledger.clone(),
                    next: next(scratch, owner, claim, grant, &holders),
                });
            }
        }
    }
    findings.sort_by(|a, b| (a.code, &a.owner).cmp(&(b.code, &b.owner)));
    Report { findings, owners: owners.len() }
}

fn code(source: Source) -> &'static str {
    match source {
        Source::Port => PORT,
        Source::Annotations => TOLD,
        Source::Record => RECORD,
    }
}

/// Must it be said there? Of a pod that is gone and comes back there is a record alone.
fn expected(scratch: &Scratch, owner: &OwnerKey, source: Source) -> bool {
    let there =
        owner.kind != OwnerKind::Pod || scratch.world().pod_of(owner).is_some_and(|pod| pod.needs_network());
    there || source == Source::Record
}

/// The next step.
fn next(
    scratch: &Scratch,
    owner: &OwnerKey,
    claim: Option<&Claim>,
    grant: Option<&Grant>,
    holders: &[(OwnerKey, &Grant)],
) -> String {
    // What it says may be another's by now.
    let ips = || claim.into_iter().flat_map(|claim| claim.ips.iter());
    let other = holders
        .iter()
        .find(|(holder, grant)| holder != owner && ips().any(|ip| grant.ips.iter().any(|held| held == ip)));
    let other = other.map(|(holder, _)| format!("{holder} holds that address. ")).unwrap_or_default();
    let refusal = scratch.world().refusal(owner).map(ToString::to_string);
    let gone = scratch.world().uid(owner).is_none();
    let step = match (grant, refusal) {
        // What annotations ask for is given where it can be; where it can't, what is held stays.
        (_, Some(refusal)) => refusal,
        (None, None) if gone => format!(
            "{owner} is not there: the controller removes it when it runs; if it stays, look at its log"
        ),
        (None, None) => format!("{owner} needs no address: the controller takes it back when it runs"),
        _ => "The controller sets it right when it runs; if it stays, look at its log".to_owned(),
    };
    other + &step
}

impl Report {
    pub(super) fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    pub(super) fn to_json(&self) -> Value {
        let findings = self.findings.iter().map(|f| {
            json!({
                "code": f.code, "owner": f.owner.to_string(), "place": f.place, "said": f.said,
                "ledger": f.ledger, "next": f.next,
            })
        });
        json!({ "owners": self.owners, "findings": findings.collect::<Vec<_>>() })
    }

    pub(super) fn to_text(&self, paint: Paint) -> String {
        let findings = self.findings.iter().map(|f| {
            let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
            format!(
                "{}: {}\n  {}: {}\n  ledger: {}\n  {}\n",
                paint.signed('-', f.code),
                f.owner,
                f.place,
                side(&f.said),
                side(&f.ledger),
                f.next
            )
        });
        let count = match self.findings.len() {
            0 => "all agree".to_owned(),
            many => counted(many, "finding"),
        };
        findings.chain([format!("{count}: {} looked at\n", counted(self.owners, "holder"))]).collect()
    }
}
