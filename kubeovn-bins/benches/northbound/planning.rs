//! What it costs to render a pod and to plan its rows, without a server and without waiting.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt};
use kubeovn_core::{
    cluster::memory::MemoryCluster,
    contract::{cluster::Cluster, model::Model},
    engine::RowEngine,
    index::{
        Settings, World,
        objects::{Kind, Object},
    },
    rows::{OwnerKey, OwnerKind},
    spine::{Effect, Input, Spine},
};
use kubeovn_ipam::Ledger;
use kubeovn_ovn::{memory::Sync, nb::NORTHBOUND, render::Fabric};

use crate::size::Size;

/// What is measured is quick, and the machine may be busy: the best of so many counts.
const TRIES: usize = 5;

/// Prints microseconds per pod.
pub(crate) fn report(size: &Size) {
    let (_, without_pods) = settled(size.places());
    let (spine, _) = settled(size.objects());
    let owners: Vec<OwnerKey> =
        spine.world().owners().into_iter().filter(|o| o.kind == OwnerKind::Pod).collect();
    let line = |what: &str, of: &mut dyn FnMut() -> Duration| {
        let best = (0..TRIES).map(|_| of()).min().unwrap_or_default();
        println!("{what:<44}{:>10.2} µs per pod", best.as_secs_f64() * 1e6 / owners.len() as f64);
    };
    line("render", &mut || {
        let start = Instant::now();
        for owner in &owners {
            std::hint::black_box(Fabric.render(spine.world(), owner));
        }
        start.elapsed()
    });
    let mut full = without_pods.clone();
    line("render and plan, new pods", &mut || {
        full = without_pods.clone();
        plan(spine.world(), &owners, &mut full)
    });
    line("render and plan, nothing changed", &mut || plan(spine.world(), &owners, &mut full));
}

/// Plans the owners, and commits what they want; counts the time of planning alone.
fn plan(world: &World, owners: &[OwnerKey], database: &mut Sync) -> Duration {
    let mut engine = RowEngine::new(&NORTHBOUND);
    // The switches' owners have to be known for their ports to be given to them.
    world.owners().into_iter().filter(|o| o.kind != OwnerKind::Pod).for_each(|owner| engine.mark(owner));
    let mut render = |owner: &OwnerKey| Fabric.render(world, owner);
    while let Some(txn) = engine.plan(0, &mut render, &database.replica) {
        let (_, outcome) = database.commit(&txn);
        engine.committed(0, txn.id, outcome, &database.replica);
    }
    owners.iter().cloned().for_each(|owner| engine.mark(owner));
    let mut took = Duration::ZERO;
    loop {
        let start = Instant::now();
        let planned = engine.plan(0, &mut render, &database.replica);
        took += start.elapsed();
        let Some(txn) = planned else { return took };
        let (_, outcome) = database.commit(&txn);
        engine.committed(0, txn.id, outcome, &database.replica);
    }
}

/// A spine that has done all there is to do, on a cluster and a database in memory.
fn settled(objects: Vec<Object>) -> (Spine, Sync) {
    let cluster = Arc::new(MemoryCluster::new());
    for object in objects {
        cluster.apply(object).unwrap();
    }
    let mut events = cluster.watch(Kind::ALL);
    let mut database = Sync::new(&NORTHBOUND);
    let mut spine = Spine::new(Settings::default(), Box::new(Ledger::new()), Box::new(Fabric), &NORTHBOUND);
    spine.feed(0, Input::Resynced, &database.replica);
    loop {
        while let Some(Some(event)) = events.next().now_or_never() {
            spine.feed(0, Input::Object(event), &database.replica);
        }
        let mut effects = Vec::new();
        spine.run(0, &database.replica, &mut effects);
        if effects.is_empty() && spine.idle() {
            return (spine, database);
        }
        for effect in effects {
            match effect {
                Effect::Commit(txn) => {
                    let (changes, outcome) = database.commit(&txn);
                    spine.feed(0, Input::Rows(changes), &database.replica);
                    spine.feed(0, Input::Committed { id: txn.id, outcome }, &database.replica);
                }
                Effect::Write { write, .. } => {
                    cluster.write(write).now_or_never().unwrap().unwrap();
                }
            }
        }
    }
}
