//! What there is to look at.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::{
    contract::cluster::Write,
    error::{NOT_SUPPORTED, Problem},
    index::objects::ObjectKey,
};
use serde_json::{Value, json};

use crate::ctl::{
    cluster::{
        scratch::Scratch,
        text::{counted, wrapped},
    },
    paint::Paint,
};

/// Rows are not as the objects want them.
pub(super) const DRIFT: &str = "CTL-ROWS-BEHIND";
/// Objects don't say what they should.
pub(super) const BEHIND: &str = "CTL-OBJECTS-BEHIND";

/// How many objects of one kind of trouble are named.
const NAMED: usize = 3;

/// One kind of trouble, and whom it befalls.
#[derive(Debug)]
pub(super) struct Trouble {
    code: &'static str,
    objects: Vec<String>,
    /// What happened to the first of them, and the next step.
    message: String,
    /// Worth knowing, and nothing to be mended.
    pub(super) hint: bool,
}

impl Trouble {
    /// One that befalls all.
    pub(super) fn new(code: &'static str, message: String) -> Self {
        Trouble { code, objects: Vec::new(), message, hint: false }
    }

    pub(super) fn to_text(&self, paint: Paint) -> String {
        let code = paint.signed(if self.hint { '~' } else { '-' }, self.code);
        let head = if self.objects.is_empty() {
            format!("{code}\n")
        } else {
            let named: Vec<&str> = self.objects.iter().take(NAMED).map(String::as_str).collect();
            let more = self.objects.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named =
                wrapped(&format!("{}: {}{more}", counted(self.objects.len(), "object"), named.join(", ")), 2);
            format!("{code}\n{named}")
        };
        head + &wrapped(&self.message, 2)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "code": self.code, "objects": self.objects, "message": self.message, "hint": self.hint })
    }
}

/// What stands against objects, and what is behind.
pub(super) fn troubles(scratch: &Scratch) -> Vec<Trouble> {
    let mut by_code: BTreeMap<&'static str, Vec<(&ObjectKey, &Problem)>> = BTreeMap::new();
    for (key, problems) in scratch.spine().problems() {
        // Those are listed by field.
        for problem in problems.iter().filter(|problem| problem.code != NOT_SUPPORTED) {
            by_code.entry(problem.code).or_default().push((key, problem));
        }
    }
    let mut all: Vec<Trouble> = by_code
        .into_iter()
        .map(|(code, these)| Trouble {
            code,
            objects: these.iter().map(|(key, _)| key.to_string()).collect(),
            message: these.first().map(|(_, problem)| problem.message.clone()).unwrap_or_default(),
            hint: these.iter().all(|(_, problem)| !problem.is_refusal()),
        })
        .collect();
    let rows: Vec<String> = scratch.drift().iter().map(|row| row.to_text(Paint::none())).collect();
    if !rows.is_empty() {
        let text = "these rows are not as the objects want them. A controller that works is done with them in a moment: \
                    ask again. If they stay look at its log, and at kubeovn-ctl nb diff --from cluster";
        let objects = rows.iter().map(|row| row.split("  ").take(2).collect::<Vec<_>>().join(" "));
        all.push(Trouble { code: DRIFT, objects: objects.collect(), message: text.to_owned(), hint: false });
    }
    let behind: BTreeSet<String> =
        scratch.asked().iter().map(|write: &Write| write.key().to_string()).collect();
    if !behind.is_empty() {
        let text = "these do not say yet what they should (addresses, status, finalizers), or should not be there. A \
                    controller that works is done with them in a moment: ask again. If they stay look at its log";
        let objects = behind.into_iter().collect();
        all.push(Trouble { code: BEHIND, objects, message: text.to_owned(), hint: false });
    }
    all
}
