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
    rows::{
        Act, Atom, Delta, EXTERNAL_IDS, Elem, KEY_OWNER, KEY_ROW, KEY_VENDOR, Op, Replica, RowKey, Value,
    },
    spine::{Effect, Input, Spine},
};
use kubeovn_ipam::Ledger;
use kubeovn_ovn::{nb::NORTHBOUND, render::Fabric};

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

/// What `northbound` would become if a cluster held these objects: nothing is written, neither there nor to the
/// cluster's sources (`cluster` itself takes the annotations that would be written, so give it a copy).
///
/// # Errors
/// When the database does not answer in time.
pub async fn plan(
    settings: Settings,
    cluster: &Arc<MemoryCluster>,
    mut northbound: Box<dyn Database>,
) -> Result<Plan, Unreachable> {
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
        while let Some(event) = objects.next().now_or_never().flatten() {
            spine.feed(now(), Input::Object(event), have);
            heard = true;
        }
        spine.run(now(), have, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Commit(txn) => return Ok(Plan::new(txn.ops, have)),
                // The built-in objects are made by such writes.
                Effect::Write { write, .. } => {
                    let _ = cluster.write(write).await;
                    heard = true;
                }
            }
        }
        if !heard {
            return Ok(Plan { ops: Vec::new(), before: Vec::new() });
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

    fn old(&self, row: &RowKey, column: &str) -> String {
        let value = self.before.iter().find(|(r, c, _)| r == row && *c == column).map(|(_, _, v)| text(v));
        value.unwrap_or_default()
    }

    /// A reference to a row that comes or goes itself is no news.
    fn is_news(&self, elem: &Elem, moving: &BTreeSet<&RowKey>) -> bool {
        !matches!(elem, Elem::Item(Atom::Row(row)) if moving.contains(row))
    }

    fn changes(&self, row: &RowKey, delta: &Delta, moving: &BTreeSet<&RowKey>) -> Vec<String> {
        let values = delta.values.iter().map(|(c, v)| format!("{c}: {} -> {}", self.old(row, c), text(v)));
        let pairs = delta.pairs.iter().flat_map(|(column, pairs)| {
            pairs.iter().map(move |(key, value)| {
                format!("{column}:{key} -> {}", value.as_deref().unwrap_or("(none)"))
            })
        });
        let elems = [("+", &delta.add), ("-", &delta.remove)].into_iter().flat_map(|(sign, columns)| {
            columns.iter().flat_map(move |(column, elems)| {
                elems
                    .iter()
                    .filter(|e| self.is_news(e, moving))
                    .map(move |e| format!("{column} {sign} {}", elem(e)))
            })
        });
        values.chain(pairs).chain(elems).collect()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moving: BTreeSet<&RowKey> =
            self.ops.iter().filter(|op| !matches!(op.act, Act::Change(_))).map(|op| &op.row).collect();
        let (mut added, mut changed, mut removed) = (0, 0, 0);
        for Op { row, act } in &self.ops {
            match act {
                Act::Insert(spec, _) => {
                    added += 1;
                    write!(f, "+ {} {}", row.table, row.id)?;
                    // The name is the id, most often, and what is unset says nothing.
                    for (column, value) in spec.values.iter().filter(|(_, v)| !v.atoms().is_empty()) {
                        let value = text(value);
                        if !value.is_empty() && value != *row.id {
                            write!(f, "  {column}={value}")?;
                        }
                    }
                    let ours = [KEY_VENDOR, KEY_OWNER, KEY_ROW];
                    for (column, pairs) in &spec.pairs {
                        for (key, value) in
                            pairs.iter().filter(|(k, _)| *column != EXTERNAL_IDS || !ours.contains(&&***k))
                        {
                            if *column != EXTERNAL_IDS {
                                write!(f, "  {column}:{key}={value}")?;
                            }
                        }
                    }
                    writeln!(f)?;
                }
                Act::Delete => {
                    removed += 1;
                    writeln!(f, "- {} {}", row.table, row.id)?;
                }
                Act::Change(delta) => {
                    let changes = self.changes(row, delta, &moving);
                    if !changes.is_empty() {
                        changed += 1;
                        writeln!(f, "~ {} {}  {}", row.table, row.id, changes.join(", "))?;
                    }
                }
            }
        }
        if self.is_empty() {
            return writeln!(f, "nothing would change");
        }
        writeln!(f, "{added} rows to add, {changed} to change, {removed} to remove")
    }
}

fn text(value: &Value) -> String {
    value.atoms().iter().map(atom).collect::<Vec<_>>().join(",")
}

fn atom(atom: &Atom) -> String {
    match atom {
        Atom::Str(text) => text.to_string(),
        Atom::Int(number) => number.to_string(),
        Atom::Bool(truth) => truth.to_string(),
        Atom::Row(row) => row.id.to_string(),
    }
}

fn elem(elem: &Elem) -> String {
    match elem {
        Elem::Item(item) => atom(item),
        Elem::Pair(key, value) => format!("{key}={value}"),
    }
}
