//! Two states of one cluster, and what is different in the second.

use std::collections::BTreeMap;

use kubeovn_core::{
    error::Problem,
    index::objects::{Condition, Kind, Object, ObjectKey},
};
use serde_json::{Value, json};

use crate::{
    ctl::{
        cluster::{claims::held, scratch::Scratch, text::counted},
        nb::watch::shown::Change,
        paint::Paint,
    },
    run::controller::now,
};

/// What is compared: owners and objects by their names.
#[derive(Debug)]
pub(super) struct State {
    /// What owners hold.
    addresses: BTreeMap<String, String>,
    /// What stands against objects.
    problems: BTreeMap<ObjectKey, Vec<Problem>>,
    /// What objects say of themselves: status and reason, by object and condition.
    conditions: BTreeMap<(ObjectKey, String), Condition>,
}

impl State {
    pub(super) fn of(scratch: &Scratch) -> Self {
        let holders = scratch.holders().into_iter();
        let addresses =
            holders.map(|(owner, g)| (owner.to_string(), held(&g.subnet, &g.ips, g.mac))).collect();
        let objects = [Kind::Vpc, Kind::Subnet].map(|kind| scratch.cluster().objects(kind));
        let mut conditions = BTreeMap::new();
        for object in objects.into_iter().flatten() {
            let all = match &object {
                Object::Vpc(vpc) => &vpc.status.conditions,
                Object::Subnet(subnet) => &subnet.status.conditions,
                _ => continue,
            };
            for condition in all {
                conditions.insert((object.key(), condition.r#type.to_string()), condition.clone());
            }
        }
        State { addresses, problems: scratch.spine().problems().clone(), conditions }
    }
}

/// Something that would be otherwise.
#[derive(Debug)]
struct Difference {
    what: String,
    old: Option<String>,
    new: Option<String>,
}

impl Difference {
    fn sign(&self) -> char {
        match (&self.old, &self.new) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        }
    }

    fn to_text(&self, paint: Paint) -> String {
        let sides = [&self.old, &self.new].into_iter().flatten().map(String::as_str);
        let sides: Vec<&str> = sides.collect();
        format!(
            "{} {}\n",
            paint.signed(self.sign(), &format!("{} {}", self.sign(), self.what)),
            sides.join(" -> ")
        )
    }

    fn to_json(&self) -> Value {
        json!({ "what": self.what, "old": self.old, "new": self.new })
    }
}

/// What manifests would change.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    addresses: Vec<Difference>,
    conditions: Vec<Difference>,
    problems: Vec<(ObjectKey, Problem)>,
    rows: &'a [Change],
    notes: Vec<String>,
    drift: usize,
}

impl<'a> Comparison<'a> {
    /// Compares. `drift` is how many rows would change without any manifest.
    pub(super) fn new(
        before: &State,
        after: &State,
        rows: &'a [Change],
        notes: Vec<String>,
        drift: usize,
    ) -> Self {
        let problems = after.problems.iter().flat_map(|(key, these)| {
            let known = before.problems.get(key).map_or(&[][..], Vec::as_slice);
            let new = these.iter().filter(|problem| !known.contains(problem));
            new.map(|problem| (key.clone(), problem.clone()))
        });
        Comparison {
            addresses: differences(&before.addresses, &after.addresses, Clone::clone, Clone::clone),
            conditions: differences(&before.conditions, &after.conditions, title, stands),
            problems: problems.collect(),
            rows,
            notes,
            drift,
        }
    }

    /// Nothing would change.
    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty()
            && self.conditions.is_empty()
            && self.problems.is_empty()
            && self.rows.is_empty()
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let all = |these: &[Difference]| these.iter().map(Difference::to_json).collect::<Vec<_>>();
        let problems = self.problems.iter().map(|(key, problem)| {
            json!({ "object": key.to_string(), "code": problem.code, "message": problem.message })
        });
        let time = now();
        json!({
            "addresses": all(&self.addresses),
            "problems": problems.collect::<Vec<_>>(),
            "rows": self.rows.iter().map(|row| row.to_json(time)).collect::<Vec<_>>(),
            "conditions": all(&self.conditions),
            "notes": self.notes,
            "drift": self.drift,
        })
    }

    /// For people: a line for each.
    pub(super) fn to_text(&self, paint: Paint) -> String {
        let mut out = String::new();
        out.extend(self.notes.iter().map(|note| format!("! {note}\n")));
        out.extend((self.drift > 0).then(|| {
            let rows = if self.drift == 1 { "1 row is".to_owned() } else { format!("{} rows are", self.drift) };
            format!("! {rows} not as the objects want them already, and left out: kubeovn-ctl nb diff --from cluster\n")
        }));
        let mut part = |name: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                out.push_str(&paint.bold(name));
                out.push('\n');
                out.extend(lines);
            }
        };
        let told = |these: &[Difference]| these.iter().map(|one| one.to_text(paint)).collect::<Vec<_>>();
        part("addresses", told(&self.addresses));
        let problems = self
            .problems
            .iter()
            .map(|(key, problem)| format!("{} {problem}\n", paint.signed('-', &format!("! {key}"))));
        part("problems", problems.collect());
        // By owner, so that who caused what stands together.
        let mut rows: Vec<&Change> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.owner().cloned());
        part("rows", rows.into_iter().map(|row| row.to_brief(paint) + "\n").collect());
        part("conditions", told(&self.conditions));
        if self.is_empty() {
            return out + "nothing would change\n";
        }
        let counts = [
            counted(self.addresses.len(), "holder"),
            counted(self.problems.len(), "problem"),
            counted(self.rows.len(), "row"),
            counted(self.conditions.len(), "condition"),
        ];
        out + &counts.join(", ") + "; nothing was written\n"
    }
}

fn title((key, kind): &(ObjectKey, String)) -> String {
    format!("{key} {kind}")
}

fn stands(condition: &Condition) -> String {
    format!("{} ({})", condition.status, condition.reason)
}

/// What is said of one that was not said of the other, in the order of keys.
fn differences<K: Ord, V>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    title: impl Fn(&K) -> String,
    text: impl Fn(&V) -> String,
) -> Vec<Difference> {
    let keys: std::collections::BTreeSet<&K> = before.keys().chain(after.keys()).collect();
    let told = keys.into_iter().map(|key| Difference {
        what: title(key),
        old: before.get(key).map(&text),
        new: after.get(key).map(&text),
    });
    told.filter(|difference| difference.old != difference.new).collect()
}
