//! What the controller costs on a real `ovsdb-server`: from objects to committed rows, again with nothing to do, after
//! a restart; what one pod costs in planning; and beside it, in the same run, the way of one transaction per pod.
//!
//! `cargo bench -p kubeovn-bins --bench northbound -- [--pods 10000] [--nodes 200] [--subnets 50] [--quick]`; prints
//! a table, exits with 0. Needs `ovsdb-server`, `ovsdb-tool` and the schema of OVN. Wall-clock time on whatever else
//! the machine does: look at ratios, not at digits.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a bench prints, stops at the first surprise, and computes with rounded numbers"
)]

#[path = "northbound/cluster.rs"]
mod cluster;
#[path = "northbound/counted.rs"]
mod counted;
#[path = "northbound/groups.rs"]
mod groups;
#[path = "northbound/one_by_one.rs"]
mod one_by_one;
#[path = "northbound/planning.rs"]
mod planning;
#[path = "../../kubeovn-ovn/tests/support/server.rs"]
mod server;
#[path = "northbound/size.rs"]
mod size;

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use kubeovn_bins::run::controller;
use kubeovn_core::index::Settings;
use tokio::runtime::Builder;

use counted::{CountedCluster, CountedDatabase, Counts};
use server::{Directory, Server};
use size::Size;

/// Comes after every other pod, so that its port is written when all the others have been looked at.
const LAST: (&str, &str) = ("zzz", "zzz");

fn main() {
    let mut size = Size { pods: 10_000, nodes: 200, subnets: 50 };
    size.take(std::env::args().skip(1));
    println!("{} pods on {} nodes in {} subnets\n", size.pods, size.nodes, size.subnets);
    println!(
        "{:<44}{:>10}{:>10}{:>12}{:>10}{:>14}",
        "", "seconds", "on wire", "pods/s", "txns", "txns/100 pods"
    );
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);

    let cluster = Arc::new(CountedCluster::new(size.objects()));
    let first = run(&server.endpoint(), &cluster, |counts| counts.committed_ports() >= size.ports());
    row("objects to committed rows", size.pods, &first);
    cluster::resync(&server);
    let told = run(&server.endpoint(), &cluster, |_| cluster.told() >= size.pods);
    row("started again, to the last pod told", size.pods, &told);
    println!("{:<44}{:>10}", "  peak memory (VmHWM)", peak());

    cluster.apply(size::pod(LAST.0, LAST.1, 0));
    let again = run(&server.endpoint(), &cluster, |counts| counts.committed_ports() >= 1);
    // the one transaction is that of the pod which shows that everything has been looked at
    row("again, nothing changed but one pod", size.pods, &again);

    let manifests = Arc::new(CountedCluster::new(size.objects()));
    let recovered = run(&server.endpoint(), &manifests, |_| manifests.told() >= size.pods);
    row("again, from manifests alone, to all told", size.pods, &recovered);
    println!("{:<44}{:>10}\n", "  peak memory (VmHWM)", peak());

    cluster::report(&size);
    planning::report(&size);
    groups::report();
    let serial = one_by_one::run(size.sample());
    row("one transaction per pod, an echo per look", size.sample(), &serial);
    let ratio =
        (size.pods as f64 / first.took.as_secs_f64()) / (size.sample() as f64 / serial.took.as_secs_f64());
    println!("{:<44}{ratio:>9.1}x", "  the first row is faster by");
}

/// What a stage took.
struct Stage {
    took: Duration,
    /// How much of it a transaction was on its way.
    awaited: Duration,
    transactions: usize,
}

fn row(what: &str, pods: usize, Stage { took, awaited, transactions }: &Stage) {
    let seconds = took.as_secs_f64();
    println!(
        "{what:<44}{seconds:>10.3}{:>10.3}{:>12.0}{transactions:>10}{:>14.2}",
        awaited.as_secs_f64(),
        pods as f64 / seconds,
        *transactions as f64 * 100.0 / pods as f64
    );
}

/// Runs a controller until it is done.
fn run(endpoints: &str, cluster: &Arc<CountedCluster>, done: impl Fn(&Counts) -> bool) -> Stage {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let counts = Arc::new(Counts::default());
    let database = Box::new(CountedDatabase::connecting(endpoints, counts.clone()));
    let start = Instant::now();
    let controller = runtime.spawn(controller::run(
        Settings::default(),
        cluster.clone(),
        database,
        controller::Company::default(),
    ));
    while !done(&counts) {
        assert!(!controller.is_finished(), "the controller ended");
        assert!(start.elapsed() < Duration::from_mins(10), "not done in time");
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = start.elapsed();
    controller.abort();
    let _ = runtime.block_on(controller);
    Stage { took, awaited: counts.awaited(), transactions: counts.transactions() }
}

/// The most memory that this process had, the objects of the cluster included.
fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: f64 = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0.0);
    format!("{:.0} MB", kilobytes / 1024.0)
}
