//! What would change: the same way through the house as the controller's, up to the transaction, which is shown and not
//! sent.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt};
use kubeovn_core::{
    cluster::memory::MemoryCluster,
    contract::{
        cluster::Cluster,
        database::{Database, DbEvent},
    },
    index::{Settings, objects::Kind},
    rows::{Act, Atom, Delta, EXTERNAL_IDS, Elem, Op, Replica, RowKey, RowSpec, Value},
    spine::{Effect, Input, Spine},
};
use kubeovn_ipam::Ledger;
use kubeovn_ovn::{nb::NORTHBOUND, render::Fabric};
use tokio::task::coop::unconstrained;

use super::controller::now;

/// How long to wait for the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// A change that was not made. `Display` is for people: a line per row, `+` new, `~` changed, `-` gone.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    ops: Vec<Op>,
    /// Values before the change, for rows that change: what `~` lines show on the left.
    before: Vec<(RowKey, &'static str, Value)>,
}

/// A plan, and the facts and decisions that it was made of.
pub struct Rehearsal {
    /// What would change.
    pub plan: Plan,
    /// The spine that planned it, with the world as it would be.
    pub spine: Spine,
}

/// What `northbound` would become if a cluster held these objects: nothing is written, neither there nor to the
/// cluster's sources (`cluster` itself takes the annotations that would be written, so give it a copy).
///
/// # Errors
/// When the database does not answer in time.
pub async fn plan(
    settings: Settings,
    cluster: &Arc<MemoryCluster>,
    northbound: Box<dyn Database>,
) -> Result<Plan, Unreachable> {
    Ok(rehearse(settings, cluster, northbound).await?.plan)
}

/// The same as [`plan`], for those who ask why.
///
/// # Errors
/// When the database does not answer in time.
pub async fn rehearse(
    settings: Settings,
    cluster: &Arc<MemoryCluster>,
    mut northbound: Box<dyn Database>,
) -> Result<Rehearsal, Unreachable> {
    let resynced = async { while northbound.next().await != DbEvent::Resynced {} };
    tokio::time::timeout(PATIENCE, resynced).await.map_err(|_| Unreachable)?;
    let have = northbound.replica();
    // One transaction, however large: it is not sent.
    let mut spine =
        Spine::new(settings, Box::new(Ledger::new()), Box::new(Fabric), &NORTHBOUND).with_batch(usize::MAX);
    let mut objects = cluster.watch(Kind::ALL);
    let mut effects = Vec::new();
    spine.feed(now(), Input::Resynced, have);
    loop {
        let mut heard = false;
        // Or the runtime would say after a hundred that there are no more.
        while let Some(event) = unconstrained(objects.next()).now_or_never().flatten() {
            spine.feed(now(), Input::Object(event), have);
            heard = true;
        }
        spine.run(now(), have, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Commit(txn) => return Ok(Rehearsal { plan: Plan::new(txn.ops, have), spine }),
                // The built-in objects are made by such writes.
                Effect::Write { write, .. } => {
                    let _ = cluster.write(write).await;
                    heard = true;
                }
            }
        }
        if !heard {
            return Ok(Rehearsal { plan: Plan { ops: Vec::new(), before: Vec::new() }, spine });
        }
    }
}

/// The database did not answer.
#[derive(Debug, thiserror::Error)]
#[error("PLAN-NO-DATABASE: Northbound did not answer within {} s. Is the network running?", PATIENCE.as_secs())]
pub struct Unreachable;

impl Plan {
    fn new(ops: Vec<Op>, have: &dyn Replica) -> Self {
        let mut before = Vec::new();
        for op in &ops {
            if let Act::Change(delta) = &op.act {
                let values = delta
                    .values
                    .keys()
                    .filter_map(|c| Some((op.row.clone(), *c, have.value(&op.row, c)?.clone())));
                before.extend(values);
            }
        }
        Plan { ops, before }
    }

    /// Nothing would change.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// The operations, in the order of their rows.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// What a plain column holds that would change.
    pub fn before(&self, row: &RowKey, column: &str) -> Option<&Value> {
        // in the order of the rows, as the operations are
        let start = self.before.partition_point(|(r, ..)| r < row);
        let of_row = self.before.get(start..)?.iter().take_while(|(r, ..)| r == row);
        of_row.into_iter().find(|(_, c, _)| *c == column).map(|(_, _, value)| value)
    }

    /// A line for each row that would come (`+`), change (`~`) or go (`-`), without those of which only references to
    /// rows with a line of their own would change.
    pub fn lines(&self) -> Vec<Line<'_>> {
        let moving: BTreeSet<&RowKey> =
            self.ops.iter().filter(|op| !matches!(op.act, Act::Change(_))).map(|op| &op.row).collect();
        self.ops.iter().filter_map(|op| self.line(op, &moving)).collect()
    }

    /// The last line, behind these.
    pub fn summary(&self, lines: &[Line<'_>]) -> String {
        if self.is_empty() {
            return "nothing would change".to_owned();
        }
        let count = |sign: char| lines.iter().filter(|line| line.sign == sign).count();
        format!("{} rows to add, {} to change, {} to remove", count('+'), count('~'), count('-'))
    }

    fn old(&self, row: &RowKey, column: &str) -> String {
        self.before(row, column).map(text).unwrap_or_default()
    }

    /// The line of one operation, unless all that changes are references to rows with a line of their own.
    fn line<'a>(&self, Op { row, act }: &'a Op, moving: &BTreeSet<&RowKey>) -> Option<Line<'a>> {
        let (sign, details) = match act {
            Act::Insert(spec, _) => ('+', born(row, spec)),
            Act::Delete => ('-', String::new()),
            Act::Change(delta) => ('~', self.changes(row, delta, moving).join(", ")),
        };
        (sign != '~' || !details.is_empty()).then_some(Line { sign, row, details })
    }

    fn changes(&self, row: &RowKey, delta: &Delta, moving: &BTreeSet<&RowKey>) -> Vec<String> {
        let values = delta.values.iter().map(|(c, v)| format!("{c}: {} -> {}", self.old(row, c), text(v)));
        let pairs = delta.pairs.iter().flat_map(|(column, pairs)| {
            pairs.iter().map(move |(key, value)| {
                format!("{column}:{key} -> {}", value.as_deref().unwrap_or("(none)"))
            })
        });
        let is_news = |e: &&Elem| !matches!(e, Elem::Item(Atom::Row(row)) if moving.contains(row));
        let elems = [("+", &delta.add), ("-", &delta.remove)].into_iter().flat_map(|(sign, columns)| {
            let named = move |column, e| format!("{column} {sign} {}", elem(e));
            columns
                .iter()
                .flat_map(move |(column, elems)| elems.iter().filter(is_news).map(move |e| named(column, e)))
        });
        values.chain(pairs).chain(elems).collect()
    }
}

/// What would become of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// `+`, `~` or `-`.
    pub sign: char,
    /// The row.
    pub row: &'a RowKey,
    /// What is new in it.
    pub details: String,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.sign, self.row.table, self.row.id)?;
        if self.details.is_empty() { Ok(()) } else { write!(f, "  {}", self.details) }
    }
}

/// What a new row holds: neither its name, which is the id most often, nor what is unset, nor ids for programs.
fn born(row: &RowKey, spec: &RowSpec) -> String {
    let values = spec.values.iter().map(|(column, value)| ((*column).to_owned(), text(value)));
    let pairs = spec.pairs.iter().filter(|(column, _)| **column != EXTERNAL_IDS);
    let pairs = pairs
        .flat_map(|(column, all)| all.iter().map(move |(k, v)| (format!("{column}:{k}"), v.to_string())));
    let told = values.filter(|(_, value)| !value.is_empty() && *value != *row.id).chain(pairs);
    told.map(|(column, value)| column + "=" + &value).collect::<Vec<_>>().join("  ")
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        for line in &lines {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "{}", self.summary(&lines))
    }
}

fn text(value: &Value) -> String {
    value.atoms().iter().map(atom).collect::<Vec<_>>().join(",")
}

/// An atom for people.
pub(crate) fn atom(atom: &Atom) -> String {
    match atom {
        Atom::Str(text) => text.to_string(),
        Atom::Int(number) => number.to_string(),
        Atom::Bool(truth) => truth.to_string(),
        Atom::Row(row) => row.id.to_string(),
    }
}

/// An element for people.
pub(crate) fn elem(elem: &Elem) -> String {
    match elem {
        Elem::Item(item) => atom(item),
        Elem::Pair(key, value) => format!("{key}={value}"),
    }
}
