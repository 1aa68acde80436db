//! A start on a large cluster: all of it is compared, step by step, and the controller hears of other things between them.

use kubeovn_core::{index::objects::Kind, rows::OwnerKey};

use crate::{
    database::Late,
    oracle,
    sim::Sim,
    user::{namespace, pod},
};

/// More than a step compares of the simulation's batches.
const PODS: usize = 200;

fn settled() -> Sim {
    let mut sim = Sim::new();
    sim.apply(namespace("web"));
    for number in 0..PODS {
        sim.apply(pod("web", &format!("p{number}"), "n1", &[]));
    }
    sim.settle();
    sim
}

/// Starts again, and a pod of this name comes after the first step. Answers how many steps there were before it was its turn:
/// owners are compared in their order.
fn steps_before(newcomer: &str) -> usize {
    let mut sim = settled();
    sim.restart(Late::Never);
    sim.reconnect();
    sim.hear_all();
    let (mut steps, mut out) = (0, Vec::new());
    while sim.spine.plan(sim.now, &sim.db.replica, &mut out) {
        steps += 1;
        assert!(sim.spine.is_open() && !sim.spine.idle() && out.is_empty(), "{steps}: {out:?}");
        if steps == 1 {
            sim.apply(pod("web", newcomer, "n1", &[]));
            sim.hear_all();
        }
    }
    sim.carry_out(out);
    sim.settle();
    assert_eq!(sim.txns, 1, "nothing but the new pod was to be written");
    assert!(!sim.spine.world().grants(&OwnerKey::pod("web", newcomer)).is_empty());
    oracle::a_restart_writes_nothing(&sim);
    steps
}

#[test]
fn a_start_is_compared_step_by_step_and_who_comes_meanwhile_is_served() {
    let (first, last) = (steps_before("a"), steps_before("z"));
    assert!(first == 1 && last > first, "{first}, {last}");
}

#[test]
fn what_was_lost_meanwhile_is_found_in_whichever_step() {
    for lost in [0, PODS / 2, PODS - 1] {
        let mut sim = settled();
        let name = format!("p{lost}");
        sim.delete(Kind::Pod, "web", &name);
        sim.apply(pod("web", &name, "n1", &[]));
        sim.restart(Late::Never);
        sim.settle();
        assert!(!sim.spine.world().grants(&OwnerKey::pod("web", &name)).is_empty());
        oracle::a_restart_writes_nothing(&sim);
    }
}
