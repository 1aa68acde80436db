//! What the controller costs on a real API server: the program as a process of its own, a `kube-apiserver` with its etcd,
//! an `ovsdb-server`; 10 000 pods made, a restart on them, single pods in the idle cluster, all pods deleted.
//!
//! `cargo bench -p kubeovn-bins --bench cluster`. Sizes by environment: `CLUSTER_PODS`, `CLUSTER_NODES`,
//! `CLUSTER_SUBNETS`, `CLUSTER_CLIENTS` (that make and delete pods at once), `CLUSTER_SINGLES`, `CLUSTER_PLAIN` (pods that
//! the baselines handle). Needs what the tests need: see `tests/kubernetes/build`. Each baseline is plain requests to the
//! same server in the same run.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench prints, stops at the first surprise, and computes with rounded numbers"
)]

#[path = "cluster/controller.rs"]
mod controller;
#[path = "cluster/counts.rs"]
mod counts;
#[path = "../../tests/support/kubernetes.rs"]
mod kubernetes;
#[path = "cluster/load.rs"]
mod load;
#[path = "cluster/observer.rs"]
mod observer;
#[path = "../../kubeovn-ovn/tests/support/server.rs"]
mod server;
#[path = "cluster/size.rs"]
mod size;
#[path = "cluster/table.rs"]
mod table;

use std::time::{Duration, Instant};

use kube::Client;

use controller::{Controller, processor};
use counts::{Counts, Of};
use kubernetes::Kubernetes;
use load::Load;
use observer::Observer;
use server::{Directory, Server};
use size::Size;
use table::{heading, row};

/// After the last event, for writes that nothing waits for.
const AFTER: Duration = Duration::from_secs(3);

#[tokio::main(worker_threads = 2)]
async fn main() {
    let size = Size::read();
    println!("{size}\n");
    let directory = Directory::new();
    let northbound = Server::standalone(&directory, &[]);
    let kubernetes = Kubernetes::start().await;
    kubernetes.apply_crds().await;
    let load = Load::new(&kubernetes, &size);
    load.places().await;
    heading();
    let plain = plain(&load, &size).await;

    let bench = Bench {
        size: &size,
        load: &load,
        client: kubernetes.client(),
        observer: Observer::new(&kubernetes),
        kubernetes: &kubernetes,
        northbound: &northbound,
        directory: &directory,
        plain,
    };
    let controller = bench.start("first").await.0;
    bench.create(&controller).await;
    drop(controller);
    let controller = bench.restart().await;
    bench.singles().await;
    bench.delete(&controller).await;
}

/// What the API server does without a controller.
struct Plain {
    creates: f64,
    served: f64,
    deletes: f64,
}

/// Pods made, each with a record made and one patch; all gone again.
async fn plain(load: &Load, size: &Size) -> Plain {
    let count = size.plain;
    let rate = |began: Instant| count as f64 / began.elapsed().as_secs_f64();
    let mut began = Instant::now();
    load.create("plain", count).await;
    let creates = rate(began);
    began = Instant::now();
    load.serve("plain", count).await;
    let served = rate(began);
    began = Instant::now();
    load.delete("plain", count).await;
    let deletes = rate(began);
    load.delete_records("plain", count).await;
    Plain { creates, served, deletes }
}

struct Bench<'a> {
    size: &'a Size,
    load: &'a Load,
    client: Client,
    observer: Observer,
    kubernetes: &'a Kubernetes,
    northbound: &'a Server,
    directory: &'a Directory,
    plain: Plain,
}

impl Bench<'_> {
    /// A controller that is ready and idle, and how long it took.
    async fn start(&self, name: &str) -> (Controller, Duration) {
        let controller = Controller::start(name, self.kubernetes, self.northbound, self.directory);
        let took = controller.settles().await;
        (controller, took)
    }

    async fn create(&self, controller: &Controller) {
        let (pods, plain) = (self.size.pods, &self.plain);
        let before = Counts::of(&self.client).await;
        let used = self.processor(controller);
        let began = Instant::now();
        self.load.create("web", pods).await;
        let last = Instant::now();
        let told = self.observer.until("all pods to be told", |seen| seen.told("web") == pods).await;
        let ports = self.northbound_ports();
        assert_eq!(ports, pods, "ports of pods in the Northbound");
        let rate = |at: Instant| pods as f64 / (at - began).as_secs_f64();
        row("pods created, /s", rate(last), 0, "", Some((plain.creates, "no controller")));
        row("pods told, /s", rate(told), 0, "", Some((plain.served, "record and patch alone")));
        let late = told.saturating_duration_since(last).as_secs_f64();
        row("last create to last pod told and in OVN, s", late, 2, "<= 5", None);
        controller.settles().await;
        self.used(controller, used, pods);
        row("  peak memory, MB", controller.peak(), 0, "<= 150", None);
        self.writes(&before, pods, "2", &[("pods", "POST")]).await;
    }

    /// Processor time up to now: of the controller, and of the API server with its etcd.
    fn processor(&self, controller: &Controller) -> [Duration; 2] {
        [controller.processor(), self.kubernetes.processes().into_iter().map(processor).sum()]
    }

    fn used(&self, controller: &Controller, before: [Duration; 2], pods: usize) {
        let now = self.processor(controller);
        let per_pod = |at: usize| now[at].saturating_sub(before[at]).as_secs_f64() * 1e3 / pods as f64;
        let baseline = Some((per_pod(1), "API server and etcd meanwhile"));
        row("  processor time per pod, ms", per_pod(0), 2, "", baseline);
    }

    /// What was written since, per pod.
    async fn writes(&self, before: &Counts, pods: usize, aim: &str, ours: &[Of]) {
        tokio::time::sleep(AFTER).await;
        let counts = Counts::of(&self.client).await.since(before, ours);
        let of_pods = |of: &Of| matches!(of.0, "ips" | "pods");
        let per_pod = counts.sum(of_pods) as f64 / pods as f64;
        row("  API writes per pod: records, annotations", per_pod, 3, aim, None);
        println!("    {}", counts.list(of_pods));
        println!("    apart: {}", counts.list(|of| !of_pods(of)));
        let (refused, states) = counts.refused();
        if refused > 0 {
            println!("    of all requests refused: {states}");
        }
    }

    async fn restart(&self) -> Controller {
        let began = Instant::now();
        let bytes = self.load.read_all().await;
        let reading = began.elapsed();
        let before = Counts::of(&self.client).await;
        let file = self.database_bytes();
        let (controller, took) = self.start("second").await;
        let resident = controller.resident();
        let all = format!("{:.0} MB of lists read plainly", bytes as f64 / 1e6);
        println!();
        row(
            "started again: ready and idle, s",
            took.as_secs_f64(),
            2,
            "<= 5",
            Some((reading.as_secs_f64(), &all)),
        );
        row("  processor time, s", controller.processor().as_secs_f64(), 2, "", None);
        row("  memory, MB", resident, 0, "", None);
        row("  peak memory, MB", controller.peak(), 0, "<= 150", None);
        tokio::time::sleep(AFTER).await;
        let counts = Counts::of(&self.client).await.since(&before, &[]);
        row("  API writes", counts.sum(|_| true) as f64, 0, "0", None);
        let transactions = controller.transactions();
        row("  transactions with rows of ours", transactions, 0, "0", None);
        row("  bytes added to the Northbound's file", self.database_bytes() - file, 0, "", None);
        println!("    (the fence's token)");
        controller
    }

    /// One after the other, a pod for the controller and one that is served plainly in turn.
    async fn singles(&self) {
        let (mut served, mut plain) = (Vec::new(), Vec::new());
        for number in 0..self.size.singles {
            self.load.create_one("one", number).await;
            let began = Instant::now();
            let told = self.observer.until("the pod to be told", |seen| seen.is_told("one", number)).await;
            served.push(told.saturating_duration_since(began));
            self.load.create_one("host", number).await;
            let began = Instant::now();
            self.load.serve_one("host", number).await;
            plain.push(began.elapsed());
        }
        self.load.delete_records("host", self.size.singles).await;
        self.load.delete("host", self.size.singles).await;
        println!();
        for (name, percent) in [("p50", 50), ("p99", 99)] {
            let [served, plain] = [&mut served, &mut plain].map(|all| percentile(all, percent));
            let aim = format!("<= {:.1}", 3.0 * plain);
            row(
                &format!("one pod in the idle cluster, {name}, ms"),
                served,
                1,
                &aim,
                Some((plain, "record, then patch, alone")),
            );
        }
    }

    async fn delete(&self, controller: &Controller) {
        let (pods, singles) = (self.size.pods, self.size.singles);
        self.load.delete("one", singles).await;
        self.observer.until("the single pods to go", |seen| seen.records("one") == 0).await;
        controller.settles().await;
        let before = Counts::of(&self.client).await;
        let used = self.processor(controller);
        let began = Instant::now();
        self.load.delete("web", pods).await;
        let last = Instant::now();
        let gone = self.observer.until("all records to go", |seen| seen.records("web") == 0).await;
        while self.northbound_ports() > 0 {
            assert!(last.elapsed() < Duration::from_mins(2), "ports are left");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let late = last.elapsed().as_secs_f64();
        println!();
        let rate = |at: Instant| pods as f64 / (at - began).as_secs_f64();
        row("pods deleted, /s", rate(last), 0, "", Some((self.plain.deletes, "no controller")));
        row("records gone, /s", rate(gone), 0, "", None);
        row("last delete to no record and no port left, s", late, 2, "<= 5", None);
        controller.settles().await;
        self.used(controller, used, pods);
        row("  peak memory, MB", controller.peak(), 0, "<= 150", None);
        self.writes(&before, pods, "1", &[("pods", "DELETE")]).await;
    }

    /// How many ports of pods there are.
    fn northbound_ports(&self) -> usize {
        let query = r#"["OVN_Northbound",{"op":"select","table":"Logical_Switch_Port","where":[],"columns":["name"]}]"#;
        let rows: serde_json::Value = serde_json::from_str(&self.northbound.transact(query)).unwrap();
        let rows = rows[0]["rows"].as_array().unwrap().iter();
        rows.filter(|row| row["name"].as_str().unwrap().contains(".team-")).count()
    }

    fn database_bytes(&self) -> f64 {
        std::fs::metadata(self.directory.path("nb.db")).unwrap().len() as f64
    }
}

/// In milliseconds.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
