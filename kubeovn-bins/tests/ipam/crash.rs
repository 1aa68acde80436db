//! Processes that are killed in the middle of it.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use kubeovn_core::cni::Environment;
use kubeovn_ipam::{
    cni,
    store::{Journal, Options},
};
use serde_json::{Value, json};

use crate::{
    crowd::{all_have_their_own, held},
    machine::Machine,
    pods::{Pod, Said, Started, keeping, with},
};

const PLUGIN: &str = "kubeovn-ipam";
/// Addresses of the subnet beside the gateway.
const ROOM: usize = 61;
/// Rounds of killing, at least and at most.
const ROUNDS: (usize, usize) = (12, 100);
/// How many must have been killed between holding an address and saying so.
const ORPHANS: usize = 5;
/// How often somebody must have been killed while writing the ledger anew.
const HITS: usize = 5;
/// How many pods stay after a round.
const STAY: usize = 20;

/// Starts an ADD for each pod, and kills all that have not answered when it is `time`, which hears how many have. Who
/// answered, and who did not.
fn cut_short(
    machine: &Machine,
    conf: &Value,
    pods: Vec<Pod>,
    time: impl Fn(usize) -> bool,
) -> (Vec<(Pod, Value)>, Vec<Pod>) {
    let mut all: Vec<_> = pods.iter().map(|pod| machine.start(PLUGIN, "ADD", pod)).collect();
    all.iter_mut().for_each(|started| started.feed(conf));
    let deadline = Instant::now() + Duration::from_secs(20);
    // No pause: what it waits for is over at once.
    while !time(all.iter_mut().filter_map(|one| one.has_ended().then_some(())).count()) {
        assert!(Instant::now() < deadline, "they are not at it");
    }
    all.iter_mut().for_each(Started::kill);
    let (mut answered, mut cut) = (Vec::new(), Vec::new());
    for (pod, started) in pods.into_iter().zip(all) {
        match started.said() {
            Said { success: true, output } => answered.push((pod, output)),
            // Some had said it already, but a runtime believes nobody who was killed.
            Said { output, .. } if output.is_null() || output["ips"].is_array() => cut.push(pod),
            said => panic!("{said:?}"),
        }
    }
    (answered, cut)
}

/// Eight pods of a round.
fn eight(round: usize) -> Vec<Pod> {
    (0..8).map(|n| Pod::new(&format!("{round}-{n}"))).collect()
}

/// Takes back what all but these have, and looks that they have theirs.
fn collect(machine: &Machine, conf: &Value, alive: &[(Pod, Value)]) {
    let newest = with(conf.clone(), "/cniVersion", "1.1.0");
    let there = keeping(&newest, alive.iter().map(|(pod, _)| pod));
    machine.run(PLUGIN, "GC", &alive[0].0, &there).nothing();
    let told: Vec<_> = alive.iter().map(|(pod, result)| (pod, result.clone())).collect();
    all_have_their_own(machine, &told);
}

#[test]
fn who_is_killed_leaks_nothing_and_takes_nothing_along() {
    let machine = Machine::new();
    let subnets = json!([{"name": "net1", "cidrBlock": "10.9.10.0/26", "gateway": "10.9.10.1"}]);
    let conf = machine.macvlan(subnets);
    let first = Pod::new("first");
    let result = machine.run(PLUGIN, "ADD", &first, &conf).result();
    let mut alive = vec![(first, result)];
    let (mut orphans, mut rounds) = (0, 0);
    while rounds < ROUNDS.0 || orphans < ORPHANS {
        assert!(rounds < ROUNDS.1, "{orphans} were killed between holding an address and saying so");
        let (answered, mut cut) = cut_short(&machine, &conf, eight(rounds), |ended| ended >= rounds % 5);
        alive.extend(answered);
        let known = held(&machine);
        let holds = |pod: &Pod| known.contains_key(pod.container.as_str());
        assert!(alive.iter().all(|(pod, _)| holds(pod)), "an answer is a promise");
        orphans += cut.iter().filter(|pod| holds(pod)).count();
        // The runtime tries one of them again, deletes the next, and forgets the others.
        if let Some(pod) = cut.pop() {
            let result = machine.run(PLUGIN, "ADD", &pod, &conf).result();
            alive.push((pod, result));
        }
        if let Some(pod) = cut.pop() {
            machine.run(PLUGIN, "DEL", &pod, &conf).nothing();
        }
        collect(&machine, &conf, &alive);
        alive.truncate(STAY);
        collect(&machine, &conf, &alive);
        rounds += 1;
    }
    for n in alive.len()..ROOM {
        let pod = Pod::new(&format!("fill-{n}"));
        let result = machine.run(PLUGIN, "ADD", &pod, &conf).result();
        alive.push((pod, result));
    }
    collect(&machine, &conf, &alive);
    assert_eq!(machine.run(PLUGIN, "ADD", &Pod::new("late"), &conf).error().0, 11, "the subnet is full");
}

/// A ledger is written anew after a thousand changes. This one is just short of it.
fn make_long(machine: &Machine, conf: &Value) {
    let mut env = Environment { net_ns: "/run/netns/x".into(), if_name: "net1".into(), ..<_>::default() };
    for n in 0..1000 {
        env.command = ["ADD", "DEL"][n % 2].into();
        env.container_id = format!("c0ffee-before-{}", n / 2);
        let open = |dir: &Path| Journal::open(dir, Options::default());
        let printed = cni::run(&env, conf.to_string().as_bytes(), n as u64, open, Journal::unlock);
        assert!(printed.success, "{printed:?}");
    }
    assert!(held(machine).is_empty());
}

#[test]
fn who_is_killed_while_the_ledger_is_written_anew_takes_nothing_along() {
    let machine = Machine::new();
    let conf =
        machine.macvlan(json!([{"name": "net1", "cidrBlock": "10.9.11.0/24", "gateway": "10.9.11.1"}]));
    make_long(&machine, &conf);
    let (journal, fresh) =
        (machine.ledger().join("ledger.journal"), machine.ledger().join("ledger.journal.new"));
    let long = fs::read(&journal).unwrap();
    let (mut rounds, mut hits) = (0, 0);
    while hits < HITS {
        assert!(rounds < ROUNDS.1, "{hits} of {rounds} were killed at it");
        fs::remove_dir_all(machine.ledger()).unwrap();
        fs::create_dir(machine.ledger()).unwrap();
        fs::write(&journal, &long).unwrap();
        let (mut alive, cut) = cut_short(&machine, &conf, eight(rounds), |ended| ended > 0 || fresh.exists());
        hits += usize::from(fresh.exists());
        for pod in cut {
            let result = machine.run(PLUGIN, "ADD", &pod, &conf).result();
            alive.push((pod, result));
        }
        let told: Vec<_> = alive.iter().map(|(pod, result)| (pod, result.clone())).collect();
        all_have_their_own(&machine, &told);
        assert!(fs::metadata(&journal).unwrap().len() < long.len() as u64, "it was written anew");
        rounds += 1;
    }
}
