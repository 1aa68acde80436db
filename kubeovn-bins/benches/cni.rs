//! What a CNI ADD costs on a node: the real plugin as a process, the daemon, ovs-vswitchd with its userspace datapath and
//! ovn-controller in namespaces, and a cluster in memory; one ADD at a time, then many at once.
//!
//! `cargo bench -p kubeovn-bins --bench cni`, as root. Sizes by environment: `CNI_PODS` (one at a time), `CNI_CROWD` (at
//! once), `CNI_ROUNDS` (of a crowd). The daemon tells how long each stage took, so that what OVN takes to install a port's
//! flows stands apart from our part. In the same run stands what the kernel alone takes for the same link.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a bench prints, stops at the first surprise, and computes with rounded numbers"
)]

#[path = "support/aims.rs"]
mod aims;
#[path = "cni/bare.rs"]
mod bare;
#[path = "cni/machine.rs"]
mod machine;
#[path = "cni/plugin.rs"]
mod plugin;
#[path = "cni/record.rs"]
mod record;

use std::time::Duration;

use kubeovn_node::cni::timing::Stage;

use bare::Born;

use aims::{Times, heading, ratio, times, times_within};
use machine::{Machine, Pod};
use record::Added;

fn size(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::main]
async fn main() {
    let (pods, crowd, rounds) = (size("CNI_PODS", 100), size("CNI_CROWD", 50), size("CNI_ROUNDS", 3));
    println!("{pods} pods one at a time, then {rounds} times {crowd} at once\n");
    let machine = Machine::start(pods.max(crowd) + 1).await;
    // What only the first one pays for.
    let first = machine.pod(pods.max(crowd)).await;
    machine.give(&first);
    machine.add(&first).await;
    machine.del(&first).await;
    heading();
    idle(&machine, pods).await;
    println!();
    for round in 1..=rounds {
        at_once(&machine, crowd, round).await;
    }
    drop(first);
    machine.stop().await;
}

/// One ADD.
struct Wired {
    /// The plugin's process, from its start to its end.
    process: Duration,
    /// From the accepted connection to the written answer.
    answer: Duration,
    added: Added,
}

impl Wired {
    fn took(&self, stage: Stage) -> Duration {
        self.added.stages.took(stage).expect("every stage was gone through")
    }

    /// Socket in to answer out, without what OVN takes.
    fn ours(&self) -> Duration {
        self.answer.saturating_sub(self.took(Stage::Flows))
    }
}

async fn idle(machine: &Machine, pods: usize) {
    let (mut wired, mut nothing, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    let (mut moved, mut born) = (Vec::new(), Vec::new());
    for number in 0..pods {
        moved.push(bare::wire(machine, Born::Moved).await);
        born.push(bare::wire(machine, Born::There).await);
        nothing.push(plugin::nothing().await);
        let pod = machine.pod(number).await;
        machine.give(&pod);
        let process = machine.add(&pod).await;
        let (answer, added) = machine.record.last(&pod.container);
        wired.push(Wired { process, answer, added });
        gone.push(machine.del(&pod).await);
    }
    let of = |pick: &dyn Fn(&Wired) -> Duration| Times::new(wired.iter().map(pick));
    let (ours, moved, born) = (of(&Wired::ours), Times::new(moved), Times::new(born));
    times_within("ADD on an idle node, our part", &ours, &[(50, 30.0), (99, 100.0)]);
    times("  the kernel alone: veth, move, address, route", &moved);
    times("  the kernel alone, the end born where it belongs", &born);
    ratio("  our part to the kernel alone, moved", &ours, &moved);
    ratio("  our part to the kernel alone, born there", &ours, &born);
    times("  our part without ovs-vswitchd's", &of(&|one| one.ours().saturating_sub(one.took(Stage::Port))));
    for (stage, what) in STAGES {
        times(&format!("  {:<8}{what}", stage.name()), &of(&|one| one.took(stage)));
    }
    times("  socket in to answer out, with OVN's time", &of(&|one| one.answer));
    let own = of(&|one| one.process.saturating_sub(one.answer));
    times_within("the plugin's own, its process with it", &own, &[(50, 5.0)]);
    times("  a process that does nothing", &Times::new(nothing));
    times("DEL, the plugin's process", &Times::new(gone));
}

const STAGES: [(Stage, &str); 7] = [
    (Stage::Turn, "its turn"),
    (Stage::Address, "what the controller gives"),
    (Stage::Bridge, "the bridge is there"),
    (Stage::Link, "veth pair, addresses, routes"),
    (Stage::Rows, "rows in Open_vSwitch"),
    (Stage::Port, "ovs-vswitchd takes the port"),
    (Stage::Flows, "OVN installs its flows (not ours)"),
];

async fn at_once(machine: &Machine, crowd: usize, round: usize) {
    let mut pods: Vec<Pod> = Vec::new();
    for number in 0..crowd {
        pods.push(machine.pod(number).await);
    }
    pods.iter().for_each(|pod| machine.give(pod));
    let began = std::time::Instant::now();
    let processes = machine.add_all(&pods).await;
    let all = began.elapsed();
    let added: Vec<Added> = pods.iter().map(|pod| machine.record.added(&pod.container)).collect();
    let flows = |added: &Added| added.stages.took(Stage::Flows).expect("it was wired");
    let ours = processes.iter().zip(&added).map(|(process, added)| process.saturating_sub(flows(added)));
    println!("{crowd} at once, round {round}: all wired after {:.0} ms", all.as_secs_f64() * 1e3);
    times_within("  the plugin's process without OVN's time", &Times::new(ours), &[(99, 500.0)]);
    times("  the plugin's process", &Times::new(processes));
    for (stage, what) in STAGES {
        let took = added.iter().map(|one| one.stages.took(stage).expect("it was wired"));
        times(&format!("    {:<8}{what}", stage.name()), &Times::new(took));
    }
    for (born, what) in [(Born::Moved, "moved"), (Born::There, "born there")] {
        let bare = bare::wire_all(machine, crowd, born).await;
        times(&format!("  the kernel alone, as many at once, {what}"), &Times::new(bare));
    }
    for pod in &pods {
        machine.del(pod).await;
    }
}
