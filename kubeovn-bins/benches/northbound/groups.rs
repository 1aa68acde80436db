//! Policies and their members: many selectors over many pods, each with a port group that its members join.
//!
//! Nothing of the network is rendered here but the groups: a pod's port on one switch, and its membership in the group
//! of every selector that selects it. What is timed is the index, rendering, planning, and the database in memory.

use std::time::{Duration, Instant};

use kubeovn_core::{
    engine::RowEngine,
    index::{
        objects::{Labels, Name, Selector},
        selectors::Selectors,
    },
    rows::{Atom, Elem, Give, OwnerKey, OwnerKind, Render, Rendered, RowKey, Value},
};
use kubeovn_ovn::{
    memory::Sync,
    nb::{LOGICAL_SWITCH, LOGICAL_SWITCH_PORT, NORTHBOUND, PORT_GROUP},
};

const PODS: usize = 10_000;
const POLICIES: usize = 500;
/// Of each policy.
const MEMBERS: usize = 1_000;
/// Labels, each of which as many policies select.
const TEAMS: usize = 50;
/// Labels that are taken from a pod and given back.
const CHANGES: usize = 200;

type Index = Selectors<Name, Name>;

/// Prints what loading in both orders costs, and what one label does.
pub(crate) fn report() {
    println!("\n{PODS} pods, {POLICIES} policies of {MEMBERS} members each, in memory");
    let line = |what: &str, took: Duration| println!("{what:<44}{:>10.2} ms", took.as_secs_f64() * 1e3);
    line("index, policies first", index(true).1);
    let (index, took) = index(false);
    line("index, pods first", took);
    let mut bench = Bench { index, engine: RowEngine::new(&NORTHBOUND), database: Sync::new(&NORTHBOUND) };
    let start = Instant::now();
    bench.load();
    line("groups and ports, planned and committed", start.elapsed());
    let mut took: Vec<Duration> = (0..CHANGES).map(|i| bench.change(i)).collect();
    took.sort_unstable();
    line("one pod's label changes, median", took[took.len() / 2]);
    line("one pod's label changes, the slowest", took[took.len() - 1]);
}

/// Of how many teams a pod is follows from how many members each has.
fn labels(pod: usize) -> Labels {
    let each = MEMBERS * TEAMS / PODS;
    (0..each).map(|i| (Name::from(format!("team-{}", (pod * each + i) % TEAMS)), Name::from("yes"))).collect()
}

fn selector(policy: usize) -> Selector {
    let team = Name::from(format!("team-{}", policy % TEAMS));
    Selector { match_labels: [(team, Name::from("yes"))].into(), ..Selector::default() }
}

fn pod(i: usize) -> Name {
    format!("team/web-{i:05}").into()
}

fn policy(i: usize) -> Name {
    format!("policy-{i:03}").into()
}

fn index(policies_first: bool) -> (Index, Duration) {
    let (mut index, start) = (Index::default(), Instant::now());
    let policies = |index: &mut Index| {
        (0..POLICIES).for_each(|i| _ = index.set_selector(&policy(i), &selector(i)));
    };
    if policies_first {
        policies(&mut index);
    }
    (0..PODS).for_each(|i| _ = index.set_member(&pod(i), &labels(i)));
    if !policies_first {
        policies(&mut index);
    }
    assert_eq!(index.members(&policy(0)).count(), MEMBERS);
    (index, start.elapsed())
}

struct Bench {
    index: Index,
    engine: RowEngine,
    database: Sync,
}

impl Bench {
    fn load(&mut self) {
        self.engine.mark(OwnerKey::new(OwnerKind::Vpc, "net"));
        (0..POLICIES).for_each(|i| self.engine.mark(OwnerKey::new(OwnerKind::Subnet, policy(i))));
        (0..PODS).for_each(|i| self.engine.mark(OwnerKey::new(OwnerKind::Pod, pod(i))));
        self.settle();
    }

    /// A pod loses a label or gets it back: until the database has it.
    fn change(&mut self, i: usize) -> Duration {
        let (name, all) = (pod(i / 2 * 37 % PODS), labels(i / 2 * 37 % PODS));
        let fewer: Labels = all.iter().skip(1).map(|(key, value)| (key.clone(), value.clone())).collect();
        let start = Instant::now();
        let moves = self.index.set_member(&name, if i.is_multiple_of(2) { &fewer } else { &all });
        assert_eq!(moves.joined.len() + moves.left.len(), 10);
        self.engine.mark(OwnerKey::new(OwnerKind::Pod, name));
        self.settle();
        start.elapsed()
    }

    fn settle(&mut self) {
        let Bench { index, engine, database } = self;
        let mut render = |owner: &OwnerKey| Render::Want(render(index, owner));
        while let Some(txn) = engine.plan(0, &mut render, &database.replica) {
            let (changes, outcome) = database.commit(&txn);
            changes.iter().for_each(|change| engine.changed(change, &database.replica));
            engine.committed(0, txn.id, outcome, &database.replica);
        }
    }
}

fn render(index: &Index, owner: &OwnerKey) -> Rendered {
    let mut out = Rendered::default();
    let name = owner.name.clone();
    match owner.kind {
        OwnerKind::Vpc => _ = out.row(RowKey::new(LOGICAL_SWITCH, "net")).set("name", Value::str("net")),
        OwnerKind::Subnet => {
            out.row(RowKey::new(PORT_GROUP, name.clone())).set("name", Value::str(name));
        }
        _ => {
            let port = RowKey::new(LOGICAL_SWITCH_PORT, name.clone());
            out.row(port.clone()).set("name", Value::str(name.clone()));
            out.attach(RowKey::new(LOGICAL_SWITCH, "net"), "ports", port.clone());
            let elem = Elem::Item(Atom::Row(port));
            let groups = index.selected_by(&*name).map(|policy| RowKey::new(PORT_GROUP, policy.clone()));
            out.gives.extend(groups.map(|row| Give {
                row,
                column: "ports",
                elem: elem.clone(),
                parent: false,
            }));
        }
    }
    out
}
