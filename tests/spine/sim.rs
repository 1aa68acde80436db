//! A cluster, a controller and a database in one thread, with faults on demand.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use kubeovn_core::cluster::memory::MemoryCluster;
use kubeovn_core::{
    contract::cluster::{Cluster, Event, Write},
    index::{
        Settings,
        objects::{
            Kind, Meta, Namespace, Node, Object, ObjectKey, Pod, PolicyRoute, Subnet, SubnetSpec, Vpc,
            VpcSpec,
        },
    },
    rows::{Outcome, RowChange, Txn},
    spine::{Effect, Input, Spine},
};
use kubeovn_ipam::Ledger;
use kubeovn_ovn::{memory::Sync, nb::NORTHBOUND, render::Fabric};

/// A small generator: the same seed gives the same run, on every machine.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % n as u64).unwrap()
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// What becomes of the next transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    Rejected,
    UnknownApplied,
    UnknownNotApplied,
}

pub(crate) struct Sim {
    pub(crate) cluster: Arc<MemoryCluster>,
    events: BoxStream<'static, Event>,
    pub(crate) db: Sync,
    pub(crate) spine: Spine,
    pub(crate) now: u64,
    writes: VecDeque<(ObjectKey, Write)>,
    pub(crate) flight: Option<Txn>,
    /// The outcome of a transaction was lost; the database must be read again.
    pub(crate) lost: bool,
    /// Transactions sent to the database.
    pub(crate) txns: usize,
    /// The last of them.
    pub(crate) last: Option<Txn>,
    /// Writes to the cluster, events left out.
    pub(crate) written: Vec<Write>,
}

fn new_spine() -> Spine {
    Spine::new(Settings::default(), Box::new(Ledger::new()), Box::new(Fabric), &NORTHBOUND).with_batch(7)
}

impl Sim {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryCluster::new()), Sync::new(&NORTHBOUND), 1_000)
    }

    /// A controller that starts on a cluster and a database that are there already.
    pub(crate) fn on(cluster: Arc<MemoryCluster>, db: Sync, now: u64) -> Self {
        let events = cluster.watch(Kind::ALL);
        let mut sim = Sim {
            cluster,
            events,
            db,
            spine: new_spine(),
            now,
            writes: VecDeque::new(),
            flight: None,
            lost: false,
            txns: 0,
            last: None,
            written: Vec::new(),
        };
        sim.spine.feed(now, Input::Resynced, &sim.db.replica);
        sim
    }

    /// The controller dies and another starts; what was on its way to the database arrives or not.
    pub(crate) fn restart(&mut self, arrives: bool) {
        if let Some(txn) = self.flight.take().filter(|_| arrives) {
            self.db.commit(&txn);
        }
        let fresh = Sim::on(self.cluster.clone(), self.db.clone(), self.now);
        let txns = self.txns;
        *self = Sim { txns, ..fresh };
    }

    /// Takes in up to `n` events of the cluster.
    pub(crate) fn hear(&mut self, n: usize) -> usize {
        let mut heard = 0;
        while heard < n {
            let Some(Some(event)) = self.events.next().now_or_never() else { break };
            self.spine.feed(self.now, Input::Object(event), &self.db.replica);
            heard += 1;
        }
        heard
    }

    pub(crate) fn run(&mut self) {
        let mut out = Vec::new();
        self.spine.run(self.now, &self.db.replica, &mut out);
        for effect in out {
            match effect {
                Effect::Commit(txn) => {
                    assert!(self.flight.is_none(), "one transaction at a time");
                    self.txns += 1;
                    self.last = Some(txn.clone());
                    self.flight = Some(txn);
                }
                Effect::Write { about, write } => self.writes.push_back((about, write)),
            }
        }
    }

    /// The database answers the transaction on its way.
    pub(crate) fn answer(&mut self, fate: Fate) {
        let Some(txn) = self.flight.take() else { return };
        let (changes, outcome) = match fate {
            Fate::Done => self.db.commit(&txn),
            Fate::Rejected => (Vec::new(), Outcome::Rejected { text: "injected".into(), row: None }),
            Fate::UnknownApplied => {
                self.db.commit(&txn);
                (Vec::new(), Outcome::Unknown)
            }
            Fate::UnknownNotApplied => (Vec::new(), Outcome::Unknown),
        };
        self.lost |= outcome == Outcome::Unknown;
        if !changes.is_empty() {
            self.spine.feed(self.now, Input::Rows(changes), &self.db.replica);
        }
        self.spine.feed(self.now, Input::Committed { id: txn.id, outcome }, &self.db.replica);
    }

    /// The database has been read again.
    pub(crate) fn resync(&mut self) {
        self.lost = false;
        self.spine.feed(self.now, Input::Resynced, &self.db.replica);
    }

    /// Somebody else changed rows.
    pub(crate) fn tell_rows(&mut self, changes: Vec<RowChange>) {
        self.spine.feed(self.now, Input::Rows(changes), &self.db.replica);
    }

    /// The cluster carries out the next write, or fails to.
    pub(crate) fn write_next(&mut self, fails: bool) -> bool {
        let Some((key, write)) = self.writes.pop_front() else { return false };
        if matches!(write, Write::Note(_)) {
            return true; // nobody is asked again to tell people
        }
        if fails {
            self.spine.feed(self.now, Input::WriteFailed(key), &self.db.replica);
            return true;
        }
        self.written.push(write.clone());
        let answer = self.cluster.write(write).now_or_never().expect("memory never waits");
        if answer.is_err() {
            self.spine.feed(self.now, Input::WriteFailed(key), &self.db.replica);
        }
        true
    }

    /// Lets everything go well until nothing is left to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..2_000 {
            if self.lost {
                self.resync();
            }
            self.run();
            let busy = self.flight.is_some();
            self.answer(Fate::Done);
            let mut wrote = false;
            while self.write_next(false) {
                wrote = true;
            }
            let heard = self.hear(usize::MAX);
            if !busy && !wrote && heard == 0 {
                // Retries are only waiting for their time; the next audit is no reason to wait.
                match self.spine.next_wake().filter(|at| *at < self.now + 200_000) {
                    Some(at) if at > self.now => self.now = at,
                    _ if self.spine.idle() => return,
                    _ => self.now += 1,
                }
            }
        }
        panic!("does not come to rest: {}", self.spine.unfinished());
    }

    pub(crate) fn apply(&self, object: Object) {
        // An object of that name may still be going; the user tries again, or doesn't.
        let _ = self.cluster.apply(object);
    }

    pub(crate) fn delete(&self, kind: Kind, namespace: &str, name: &str) {
        let key = ObjectKey { kind, namespace: namespace.into(), name: name.into() };
        let _ = self.cluster.delete(&key);
    }

    /// What the database holds, as text: rows of ours and of others, references by name.
    pub(crate) fn dump(&self) -> Vec<String> {
        dump(&self.db)
    }
}

/// Every row as text, sorted, references resolved to the names of rows.
pub(crate) fn dump(db: &Sync) -> Vec<String> {
    use kubeovn_core::rows::{ColumnKind, Replica as _};
    let mut rows = Vec::new();
    db.replica.ours(&mut |row, owner| {
        let mut text = format!("{row} of {}", owner.map_or_else(|| "?".into(), ToString::to_string));
        for column in NORTHBOUND.table(row.table).unwrap().columns {
            match column.kind {
                ColumnKind::Value | ColumnKind::Born => {
                    text += &format!(
                        "\n  {}={:?}",
                        column.name,
                        db.replica.value(row, column.name).map(|v| v.atoms().to_vec())
                    );
                }
                ColumnKind::Keys(keys) => {
                    for key in keys {
                        if let Some(value) = db.replica.pair(row, column.name, key) {
                            text += &format!("\n  {}:{key}={value}", column.name);
                        }
                    }
                }
                ColumnKind::Refs { .. } | ColumnKind::Elements => {
                    let mut elems = Vec::new();
                    db.replica.elements(row, column.name, &mut |elem| elems.push(format!("{elem:?}")));
                    elems.sort();
                    text += &format!("\n  {}=[{}]", column.name, elems.join(", "));
                }
                ColumnKind::Seen => {}
            }
        }
        rows.push(text);
    });
    rows.sort();
    rows
}

pub(crate) fn namespace(name: &str) -> Object {
    Object::Namespace(Namespace { meta: Meta::named(name) })
}

pub(crate) fn node(name: &str, ip: &str) -> Object {
    Object::Node(Node { meta: Meta::named(name), internal: ip.parse().unwrap() })
}

pub(crate) fn vpc(name: &str, drops: &[&str]) -> Object {
    let policy = |text: &&str| PolicyRoute {
        priority: 31_500,
        r#match: (*text).into(),
        action: "drop".into(),
        ..PolicyRoute::default()
    };
    let spec = VpcSpec { policy_routes: drops.iter().map(policy).collect(), ..VpcSpec::default() };
    Object::Vpc(Vpc { meta: Meta::named(name), spec, ..Vpc::default() })
}

pub(crate) fn subnet(name: &str, vpc: &str, cidr: &str, change: impl FnOnce(&mut SubnetSpec)) -> Object {
    let mut spec = SubnetSpec { vpc: vpc.into(), cidr_block: cidr.into(), ..SubnetSpec::default() };
    change(&mut spec);
    Object::Subnet(Subnet { meta: Meta::named(name), spec, ..Subnet::default() })
}

pub(crate) fn pod(namespace: &str, name: &str, node: &str, annotations: &[(&str, &str)]) -> Object {
    let annotations = annotations.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let meta = Meta { namespace: namespace.into(), annotations, ..Meta::named(name) };
    Object::Pod(Pod { meta, node: (!node.is_empty()).then(|| node.into()), ..Pod::default() })
}
