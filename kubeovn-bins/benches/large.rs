//! What the controller takes where there are many pods: memory, processor time, and the wire. Each stage is a process of
//! its own that holds the controller and nothing else (see [`drawn`]), so its peak is the controller's.
//!
//! `cargo bench -p kubeovn-bins --bench large -- [--pods 100000] [--nodes 1000] [--subnets 200] [--quick]`. Needs
//! `ovsdb-server`, `ovsdb-tool` and the schema of OVN. Where the machine is busy, look at processor time.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a bench prints, stops at the first surprise, and computes with rounded numbers"
)]

#[path = "northbound/counted.rs"]
mod counted;
#[path = "large/drawn.rs"]
mod drawn;
#[path = "../../kubeovn-ovn/tests/support/server.rs"]
mod server;
#[path = "northbound/size.rs"]
mod size;
#[path = "large/wire.rs"]
mod wire;

use std::{
    alloc::System,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kubeovn_bins::run::{controller, report};
use kubeovn_core::{
    addr::{DualStack, Mac},
    contract::model::{Model, Recovered},
    decide::SubnetPlan,
    index::{Settings, World},
    rows::{OwnerKey, OwnerKind, Render, Replica},
    spine::Spine,
};
use kubeovn_ipam::Ledger;
use kubeovn_ovn::{nb::NORTHBOUND, render::Fabric};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::runtime::Builder;

use counted::{CountedDatabase, Counts};
use drawn::Drawn;
use server::{Directory, Server};
use size::Size;
use wire::Passed;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// For so long an answer of the controller is awaited: it gives one between two steps.
const ANSWER: Duration = Duration::from_mins(1);

/// The server's socket, for a stage in a process of its own.
const SOCKET: &str = "LARGE_SOCKET";
/// Which stage.
const STAGE: &str = "LARGE_STAGE";

fn main() {
    let mut size = Size { pods: 100_000, nodes: 1_000, subnets: 200 };
    size.take(std::env::args().skip(1));
    if let Ok(stage) = std::env::var(STAGE) {
        return run(&stage, size, &PathBuf::from(std::env::var(SOCKET).unwrap()));
    }
    println!("{} pods on {} nodes in {} subnets", size.pods, size.nodes, size.subnets);
    println!("held beside the controller: 10 bytes of each pod; namespaces, nodes, subnets\n");
    println!(
        "{:<44}{:>9}{:>9}{:>9}{:>10}{:>10}{:>7}",
        "", "seconds", "user", "system", "peak MB", "B/pod", "txns"
    );
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    for stage in ["fresh", "again"] {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(std::env::args().skip(1))
            .env(STAGE, stage)
            // As the manifest of the controller has it.
            .env("MALLOC_ARENA_MAX", "1")
            .env(SOCKET, server.socket())
            .status()
            .unwrap();
        assert!(status.success(), "{stage}: {status}");
    }
}

/// A controller that is looked at.
struct Stage {
    begun: Instant,
    cluster: Arc<Drawn>,
    counts: Arc<Counts>,
    size: Size,
}

impl Stage {
    fn until(&self, what: &str, done: impl Fn() -> bool) {
        while !done() {
            assert!(self.begun.elapsed() < Duration::from_mins(20), "{what}: not done in time");
            std::thread::sleep(Duration::from_micros(200));
        }
        let took = self.cluster.settled().unwrap_or_else(Instant::now) - self.begun;
        let (user, system) = processor();
        let live = live() as f64 / self.size.pods as f64;
        println!(
            "{what:<44}{:>9.2}{user:>9.2}{system:>9.2}{:>10.0}{live:>10.0}{:>7}",
            took.as_secs_f64(),
            peak(),
            self.counts.transactions()
        );
    }
}

fn run(stage: &str, size: Size, socket: &Path) {
    let given = socket.with_extension("given");
    let near = socket.with_extension(stage);
    let passed = wire::between(&near, socket);
    let rendered = Arc::new(AtomicUsize::new(0));
    let cluster = Arc::new(Drawn::new(size.clone(), Some(&given), rendered.clone()));
    let counts = Arc::new(Counts::default());
    let database = Box::new(CountedDatabase::connecting(&format!("unix:{}", near.display()), counts.clone()));
    let looking = Box::new(Looking { rendered });
    let spine = Spine::new(Settings::default(), Box::new(Ledger::new()), looking, &NORTHBOUND);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let begun = Instant::now();
    let (asker, questions) = report::desk();
    let company = controller::Company { questions, ..controller::Company::default() };
    let controller = runtime.spawn(controller::drive(spine, cluster.clone(), database, company));
    let stage_of = Stage { begun, cluster: cluster.clone(), counts: counts.clone(), size: size.clone() };
    if stage == "fresh" {
        stage_of.until("objects to committed rows", || counts.committed_ports() >= size.ports());
        stage_of.until("  and every pod told", || cluster.told() >= size.pods);
        cluster.save(&given);
    } else {
        let is_ready = || {
            std::thread::sleep(Duration::from_millis(20));
            runtime.block_on(asker.ask(ANSWER)).is_some_and(|report| report.open)
        };
        stage_of.until("started again: ready", is_ready);
        stage_of.until("  and settled, nothing changed", || cluster.settled().is_some());
        assert_eq!((counts.transactions(), cluster.writes()), (0, 0), "transactions and writes");
        std::thread::sleep(Duration::from_millis(500));
        one_more(&cluster, &counts, &passed);
    }
    controller.abort();
    let _ = runtime.block_on(controller);
}

/// What one more pod costs.
fn one_more(cluster: &Drawn, counts: &Counts, passed: &Passed) {
    // the first transaction also takes the fence
    for what in ["one pod more", "and another one"] {
        let (before, ports) = (passed.bytes(), counts.committed_ports());
        let (begun, (user, _)) = (Instant::now(), processor());
        cluster.add_one();
        while counts.committed_ports() == ports {
            assert!(begun.elapsed() < Duration::from_mins(1), "the pod has no port");
            std::thread::sleep(Duration::from_micros(50));
        }
        let took = begun.elapsed();
        let (sent, received) = passed.bytes();
        println!(
            "{what:<44}{:>9.4}{:>9.2}   {} bytes sent, {} received",
            took.as_secs_f64(),
            processor().0 - user,
            sent - before.0,
            received - before.1
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The usual model; counts how often a pod was looked at.
struct Looking {
    rendered: Arc<AtomicUsize>,
}

impl Model for Looking {
    fn render(&self, world: &World, owner: &OwnerKey) -> Render {
        self.rendered.fetch_add(usize::from(owner.kind == OwnerKind::Pod), Ordering::SeqCst);
        Fabric.render(world, owner)
    }

    fn recover(&self, replica: &dyn Replica) -> Vec<Recovered> {
        Fabric.recover(replica)
    }

    fn gateway_mac(&self, plan: &SubnetPlan, replica: &dyn Replica) -> Option<Mac> {
        Fabric.gateway_mac(plan, replica)
    }

    fn next_hops(&self, plan: &SubnetPlan, replica: &dyn Replica) -> Vec<IpAddr> {
        Fabric.next_hops(plan, replica)
    }

    fn dhcp_answers(&self, subnet: &str, replica: &dyn Replica) -> DualStack<String> {
        Fabric.dhcp_answers(subnet, replica)
    }
}

/// Bytes that are in use.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// Processor time of this process, in seconds: its own and the kernel's.
fn processor() -> (f64, f64) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let seconds = |at: usize| fields[at].parse::<f64>().unwrap() / 100.0;
    (seconds(11), seconds(12))
}

/// The most memory that this process had, in MB.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}
