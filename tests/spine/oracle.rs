//! Whatever happens on the way, in the end the database holds exactly what a fresh start on an empty one would write,
//! and a restart writes nothing.

use std::collections::BTreeMap;

use kubeovn_core::{
    annotations::nic,
    contract::ipam::Grant,
    index::objects::{Kind, Object},
    rows::{OwnerKey, OwnerKind, Replica as _, RowKey},
};
use kubeovn_ovn::{
    memory::Sync,
    nb::{self, NORTHBOUND},
    ovsdb::wire::{Atom, Condition, Datum, Function, Mutation, Mutator, Operation},
};

use crate::sim::{Fate, Rng, Sim, dump, namespace, node, pod, subnet, vpc};

const NAMESPACES: [&str; 4] = ["red", "blue", "green", "ul"];
const NODES: [&str; 3] = ["n1", "n2", "n3"];
const VPCS: [&str; 2] = ["va", "vb"];
const SUBNETS: [&str; 5] = ["s1", "s2", "s3", "ul", "a-b"];
const PODS: [&str; 5] = ["p0", "p1", "p2", "p3", "localnet"];
const CIDRS: [&str; 8] = [
    "10.1.0.0/28",
    "10.1.0.0/27,fd01::/124",
    "10.2.0.0/29",
    "fd03::/125",
    "10.1.0.8/29",
    "10.4.0.0/24,fd04::/64",
    "10.4.0.0/33",
    "224.0.0.0/8",
];

/// One thing that a user does.
fn user(sim: &Sim, rng: &mut Rng) {
    match rng.below(20) {
        0 => sim.apply(namespace(rng.pick(&NAMESPACES))),
        1 => sim.delete(Kind::Namespace, "", rng.pick(&NAMESPACES)),
        2 => {
            let i = rng.below(NODES.len());
            sim.apply(node(NODES[i], &format!("172.18.0.{}", i + 2)));
        }
        3 if rng.chance(30) => sim.delete(Kind::Node, "", rng.pick(&NODES)),
        4 => {
            let matches = rng.pick(&[
                &[][..],
                &["ip4.dst == 10.9.0.0/16"],
                &["ip4.dst == 10.8.0.0/16", "outport != x"],
            ]);
            sim.apply(vpc(rng.pick(&VPCS), matches));
        }
        5 if rng.chance(40) => sim.delete(Kind::Vpc, "", rng.pick(&VPCS)),
        6..=9 => {
            let place = ["", "va", "vb", "nowhere"][rng.below(4)];
            let (namespace, private) = (rng.pick(&NAMESPACES), rng.chance(30));
            let exclude = rng.pick(&["", "10.1.0.2..10.1.0.5", "10.1.0.9", "nonsense"]);
            sim.apply(subnet(rng.pick(&SUBNETS), place, rng.pick(&CIDRS), |spec| {
                spec.namespaces = vec![namespace.into()];
                spec.private = private;
                spec.allow_subnets = if private { vec!["10.2.0.0/29".into()] } else { Vec::new() };
                spec.exclude_ips = if exclude.is_empty() { Vec::new() } else { vec![exclude.into()] };
                spec.route_table = if private { "t1".into() } else { String::new() };
            }));
        }
        10 => sim.delete(Kind::Subnet, "", rng.pick(&SUBNETS)),
        11..=15 => {
            let ip =
                rng.pick(&["10.1.0.3", "10.1.0.4,fd01::9", "10.2.0.2", "10.99.0.1", "10.1.0.1", "10.4.0.7"]);
            let mut wishes = Vec::new();
            if rng.chance(25) {
                wishes.push((nic::IP_ADDRESS.ovn(), ip));
            }
            if rng.chance(15) {
                wishes.push((
                    nic::MAC_ADDRESS.ovn(),
                    rng.pick(&["0a:00:00:00:00:01", "02:00:00:00:00:02", "bad"]),
                ));
            }
            if rng.chance(20) {
                wishes.push((nic::LOGICAL_SWITCH.ovn(), rng.pick(&SUBNETS)));
            }
            sim.apply(pod(rng.pick(&NAMESPACES), rng.pick(&PODS), rng.pick(&NODES), &wishes));
        }
        _ => sim.delete(Kind::Pod, rng.pick(&NAMESPACES), rng.pick(&PODS)),
    }
}

/// One thing that somebody does to the database behind our back.
fn meddle(sim: &mut Sim, rng: &mut Rng) {
    let mut ours = Vec::new();
    sim.db.replica.ours(&mut |row, _| ours.push(row.clone()));
    if ours.is_empty() {
        return;
    }
    let row = ours[rng.below(ours.len())].clone();
    let uuid = sim.db.replica.uuid(&row).unwrap();
    let here =
        vec![Condition { column: "_uuid".into(), function: Function::Equal, value: one(Atom::Uuid(uuid)) }];
    let table = row.table.into();
    let op = match (row.table, rng.below(3)) {
        (nb::LOGICAL_SWITCH, 0) => Operation::Update {
            table,
            r#where: here,
            row: [("ports".into(), Datum::set([]))].into_iter().collect(),
        },
        (nb::LOGICAL_SWITCH_PORT, 0) => {
            let row = [("addresses".into(), one(Atom::String("unknown".into())))].into_iter().collect();
            Operation::Update { table, r#where: here, row }
        }
        (nb::LOGICAL_ROUTER | nb::LOGICAL_SWITCH, 1) => Operation::Delete { table, r#where: here },
        _ => {
            let mark = (Atom::String("mine".into()), Atom::String("yes".into()));
            let mutation = Mutation {
                column: "external_ids".into(),
                mutator: Mutator::Insert,
                value: Datum::map([mark]),
            };
            Operation::Mutate { table, r#where: here, mutations: vec![mutation] }
        }
    };
    let (changes, _) = sim.db.transact(&[op]);
    sim.tell_rows(changes);
}

fn one(atom: Atom) -> Datum {
    Datum::set([atom])
}

/// A switch of somebody else's.
fn foreign_switch(db: &mut Sync) {
    let row = [("name".into(), one(Atom::String("not-ours".into())))].into_iter().collect();
    db.transact(&[Operation::Insert { table: nb::LOGICAL_SWITCH.into(), row, uuid: None, name: None }]);
}

fn addresses_are_live_once(sim: &Sim, seed: u64) {
    let mut live: BTreeMap<(String, String), RowKey> = BTreeMap::new();
    sim.db.replica.ours(&mut |row, _| {
        let Some(space) = sim.db.replica.pair(row, "external_ids", "space") else { return };
        let addresses = sim.db.replica.value(row, "addresses").unwrap();
        for text in addresses.texts().flat_map(|t| t.split_whitespace().skip(1)) {
            let before = live.insert((space.to_string(), text.to_owned()), row.clone());
            assert_eq!(before, None, "seed {seed}: {text} in {space} is live twice, second at {row}");
        }
    });
}

/// Removes what cannot be decided, so that nothing is merely held.
fn heal(sim: &mut Sim) {
    sim.settle();
    for _ in 0..4 {
        let refused: Vec<String> = (sim.spine.world().subnets())
            .filter(|s| sim.spine.world().plan(&s.meta.name).is_none())
            .map(|s| s.meta.name.to_string())
            .collect();
        let broken: Vec<(String, String)> = sim
            .spine
            .world()
            .pods()
            .filter(|p| {
                let owner = OwnerKey::pod(&p.meta.namespace, &p.meta.name);
                let held_in = sim
                    .spine
                    .world()
                    .grants(&owner)
                    .iter()
                    .any(|g| sim.spine.world().plan(&g.subnet).is_none());
                held_in || sim.spine.world().refusal(&owner).is_some() || sim.spine.verdict(&owner).is_some()
            })
            .map(|p| (p.meta.namespace.to_string(), p.meta.name.to_string()))
            .collect();
        let vpcs: Vec<_> = (sim.spine.world().vpcs())
            .filter(|v| sim.spine.verdict(&OwnerKey::new(OwnerKind::Vpc, v.meta.name.clone())).is_some())
            .map(|v| v.meta.name.to_string())
            .collect();
        for name in vpcs {
            sim.apply(vpc(&name, &[]));
            // One that is being deleted takes no correction: it goes when nothing is in it any more.
            let world = sim.spine.world();
            if world.vpc(&name).is_some_and(|v| v.meta.deleting) {
                let inside = |g: &Grant| *g.space == *name;
                let pods = world.pods().map(|p| OwnerKey::pod(&p.meta.namespace, &p.meta.name));
                for pod in pods.filter(|pod| world.grants(pod).iter().any(inside)) {
                    let (ns, pod) = pod.name.split_once('/').unwrap();
                    sim.delete(Kind::Pod, ns, pod);
                }
                world.subnets_of(&name).for_each(|s| sim.delete(Kind::Subnet, "", &s.meta.name));
            }
        }
        for (ns, name) in broken {
            sim.delete(Kind::Pod, &ns, &name);
        }
        for name in refused {
            sim.delete(Kind::Subnet, "", &name);
        }
        sim.settle();
    }
}

/// Says which seed it was when a run panics anywhere.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was seed {}: again with SEED={} SEEDS=1", self.0, self.0);
        }
    }
}

fn play(seed: u64, steps: usize) {
    let _seed = Seed(seed);
    let mut rng = Rng::new(seed);
    let mut sim = Sim::new();
    foreign_switch(&mut sim.db);
    for _ in 0..steps {
        match rng.below(100) {
            0..=39 => user(&sim, &mut rng),
            40..=54 => {
                let n = 1 + rng.below(4);
                sim.hear(n);
            }
            55..=69 => sim.run(),
            70..=84 => {
                let fate = rng.pick(&[
                    Fate::Done,
                    Fate::Done,
                    Fate::Done,
                    Fate::Rejected,
                    Fate::UnknownApplied,
                    Fate::UnknownNotApplied,
                ]);
                sim.answer(fate);
            }
            85..=93 => {
                let fails = rng.chance(10);
                sim.write_next(fails);
            }
            94 => meddle(&mut sim, &mut rng),
            95 if sim.lost => sim.resync(),
            96 => {
                let arrives = rng.chance(50);
                sim.restart(arrives);
            }
            97 if rng.chance(30) => sim.settle(),
            _ => sim.now += 700,
        }
        addresses_are_live_once(&sim, seed);
    }
    heal(&mut sim);
    addresses_are_live_once(&sim, seed);

    // A restart on what is there writes nothing, neither here nor there.
    let mut again = Sim::on(sim.cluster.clone(), sim.db.clone(), sim.now);
    again.hear(usize::MAX);
    again.settle();
    assert_eq!(
        (again.txns, &again.written),
        (0, &Vec::new()),
        "seed {seed}: a restart wrote {:#?}",
        again.last
    );

    // A start on an empty database comes to the same rows.
    let mut scratch = Sim::on(sim.cluster.clone(), Sync::new(&NORTHBOUND), sim.now);
    scratch.hear(usize::MAX);
    scratch.settle();
    let (left, right) = (sim.dump(), dump(&scratch.db));
    let differing: Vec<_> = left
        .iter()
        .filter(|r| !right.contains(r))
        .chain(right.iter().filter(|r| !left.contains(r)))
        .collect();
    assert!(differing.is_empty(), "seed {seed}: differs from a fresh start:\n{differing:#?}");
    let foreign = sim.db.replica.has(&RowKey::named(nb::LOGICAL_SWITCH, "not-ours"));
    assert!(foreign, "seed {seed}: somebody else's row is gone");
}

#[test]
fn incremental_equals_from_scratch() {
    let seeds = std::env::var("SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2_000u64);
    let first = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0u64);
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            scope.spawn(move || {
                (first..first + seeds).filter(|s| s % workers == worker).for_each(|s| play(s, 120));
            });
        }
    });
}

#[test]
fn a_pod_is_never_renumbered() {
    let mut sim = Sim::new();
    sim.apply(subnet("s1", "", "10.1.0.0/24", |s| s.namespaces = vec!["red".into()]));
    sim.apply(pod("red", "p0", "n1", &[]));
    sim.settle();
    let owner = OwnerKey::new(OwnerKind::Pod, "red/p0");
    let before = sim.spine.world().grants(&owner).to_vec();
    assert_eq!(before[0].ips.to_string(), "10.1.0.2");
    // The namespace moves to another subnet, the controller restarts, and the database is lost.
    sim.apply(subnet("s1", "", "10.1.0.0/24", |_| {}));
    sim.apply(subnet("s2", "", "10.2.0.0/24", |s| s.namespaces = vec!["red".into()]));
    sim.settle();
    sim.db = Sync::new(&NORTHBOUND);
    sim.restart(false);
    sim.apply(pod("red", "p1", "n1", &[]));
    sim.hear(usize::MAX);
    sim.settle();
    assert_eq!(sim.spine.world().grants(&owner)[0].ips, before[0].ips);
    assert_eq!(sim.spine.world().grants(&OwnerKey::pod("red", "p1"))[0].ips.to_string(), "10.2.0.2");
    let Some(Object::Pod(pod)) = sim.cluster.get(&kubeovn_core::index::objects::ObjectKey {
        kind: Kind::Pod,
        namespace: "red".into(),
        name: "p0".into(),
    }) else {
        panic!("no pod")
    };
    assert_eq!(pod.meta.annotation(nic::IP_ADDRESS.ovn()), Some("10.1.0.2"));
}
