//! The daemon's metrics: how the node's parts stand, and how long the plugin's requests take, by Kube-OVN's names where it
//! has them.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kubeovn_core::{addr, cni::AttachmentId, error::Problem};
use kubeovn_node::{
    cni::timing::{Observer, Stage, Stages},
    daemon::{Obstacles, Part, Passed, SubnetTraffic},
    gateway::Side,
};
use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use tokio::sync::watch;

use crate::metrics::{self, flag, gauge};

/// However often it is asked for, counters of the host are not read more often.
const COUNTERS_EVERY: Duration = Duration::from_secs(10);

/// All that is told of.
const PARTS: [Part; 7] =
    [Part::Objects, Part::Switch, Part::Tunnel, Part::NodePort, Part::JoinGateway, Part::Gateway, Part::Node];

/// What is shown.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    counters: Option<Counters>,
}

impl Metrics {
    /// Of a node's parts and its plugin's requests.
    pub fn new(parts: watch::Receiver<Obstacles>, times: &Times) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Parts(parts)));
        times.register(&mut registry);
        Metrics { registry, counters: None }
    }

    /// Shows beside it what of the gateway on the host is not in effect.
    pub fn telling(mut self, problems: watch::Receiver<Vec<Problem>>) -> Self {
        self.registry.register_collector(Box::new(Problems(problems)));
        self
    }

    /// Shows beside it what has passed the node of this name.
    pub fn counting(mut self, node: &str, passed: Passed) -> Self {
        let shown = Arc::new(Mutex::new(Vec::new()));
        self.registry.register_collector(Box::new(Traffics { node: node.to_owned(), shown: shown.clone() }));
        self.counters = Some(Counters { passed, shown, read: tokio::sync::Mutex::default() });
        self
    }

    /// Reads what must be asked for; what can't be read is shown as it was.
    pub async fn refresh(&self) {
        if let Some(counters) = &self.counters {
            counters.refresh().await;
        }
    }

    /// As text.
    pub fn text(&self) -> String {
        metrics::text(&self.registry)
    }
}

#[derive(Debug)]
struct Problems(watch::Receiver<Vec<Problem>>);

impl Collector for Problems {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let mut counts = BTreeMap::new();
        for problem in self.0.borrow().iter() {
            *counts.entry(problem.code).or_insert(0.0) += 1.0;
        }
        let text = "What of the gateway on the host is not in effect although it was asked for, by code; the log says what.";
        let samples = counts.into_iter().map(|(code, count)| ([("code", code)], count));
        gauge(&mut encoder, ("kubeovn_node_gateway_problems", text), samples)
    }
}

type Shown = Arc<Mutex<Vec<SubnetTraffic>>>;

/// What the host counts per subnet, and how it was when it was last read.
#[derive(Debug)]
struct Counters {
    passed: Passed,
    shown: Shown,
    read: tokio::sync::Mutex<Option<Instant>>,
}

impl Counters {
    async fn refresh(&self) {
        // Who comes while another reads sees what that one has read.
        let mut read = self.read.lock().await;
        if read.is_some_and(|at| at.elapsed() < COUNTERS_EVERY) {
            return;
        }
        match self.passed.read().await {
            Ok(passed) => *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = passed,
            Err(error) => tracing::warn!(%error, "what has passed the host can't be read"),
        }
        *read = Some(Instant::now());
    }
}

/// Per subnet, by Kube-OVN's names and with its labels.
#[derive(Debug)]
struct Traffics {
    node: String,
    shown: Shown,
}

impl Collector for Traffics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = |of: &SubnetTraffic| {
            let direction = match of.traffic.side {
                Side::From => "egress",
                Side::To => "ingress",
            };
            let protocol = match of.traffic.prefix.family() {
                addr::Family::V4 => "IPv4",
                addr::Family::V6 => "IPv6",
            };
            [
                ("hostname", self.node.clone()),
                // All three in one label: so Kube-OVN has it, and so its dashboards look for it.
                ("subnet_name", format!("{}/{direction}/{protocol}", of.subnet)),
                ("cidr", of.traffic.prefix.to_string()),
                ("direction", direction.to_owned()),
                ("protocol", protocol.to_owned()),
            ]
        };
        // As counters they would have other names: `_total` would stand behind them.
        let packets =
            ("ovn_subnet_gateway_packets", "Packets of a subnet that have passed the node as its gateway.");
        gauge(&mut encoder, packets, shown.iter().map(|of| (labels(of), number(of.traffic.packets))))?;
        let bytes = ("ovn_subnet_gateway_packet_bytes", "Bytes in these packets.");
        gauge(&mut encoder, bytes, shown.iter().map(|of| (labels(of), number(of.traffic.bytes))))
    }
}

#[allow(clippy::cast_precision_loss, reason = "a metric is a double; up to 2^53 it is exact")]
fn number(count: u64) -> f64 {
    count as f64
}

#[derive(Debug)]
struct Parts(watch::Receiver<Obstacles>);

impl Collector for Parts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let obstacles = self.0.borrow();
        let sample = |part: Part| ([("part", format!("{part:?}"))], flag(!obstacles.contains_key(&part)));
        let up = ("kubeovn_node_part_up", "Whether a part of the node's network is as it should be.");
        gauge(&mut encoder, up, PARTS.map(sample))
    }
}

type Labels<const N: usize> = [(&'static str, String); N];
/// What differs between requests, behind the node's name.
type Requests = Family<Labels<3>, Histogram, fn() -> Histogram>;
type AddStages = Family<Labels<2>, Histogram, fn() -> Histogram>;

/// How long the plugin's requests take, and what they wait for.
#[derive(Debug)]
pub struct Times {
    node: String,
    requests: Requests,
    stages: AddStages,
    address: Seconds,
    route: Seconds,
    connectivity: Seconds,
}

/// Seconds, summed up.
type Seconds = Family<Labels<1>, Counter<f64, std::sync::atomic::AtomicU64>>;

impl Times {
    /// Nothing yet, on the node of this name.
    pub fn new(node: &str) -> Arc<Self> {
        let times = Times {
            node: node.to_owned(),
            // Kube-OVN's buckets.
            requests: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 10))),
            // What waits, waits for up to the 45 s that an ADD has.
            stages: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 16))),
            address: Seconds::default(),
            route: Seconds::default(),
            connectivity: Seconds::default(),
        };
        for waited in [&times.address, &times.route, &times.connectivity] {
            times.wait(waited, Duration::ZERO);
        }
        Arc::new(times)
    }

    fn register(&self, registry: &mut Registry) {
        let text = "How long a request of the CNI plugin took, by path and HTTP status.";
        registry.register("cni_op_latency_seconds", text, self.requests.clone());
        let text = "Seconds that pods waited for their addresses.";
        registry.register("cni_wait_address_seconds", text, self.address.clone());
        let text = "Seconds that pods waited for a word that they are routed: none is waited for.";
        registry.register("cni_wait_route_seconds", text, self.route.clone());
        let text = "Seconds that pods waited until their port was connected in Open_vSwitch and OVN.";
        registry.register("cni_wait_connectivity_seconds", text, self.connectivity.clone());
        let text = "How long each stage of an ADD took.";
        registry.register("kubeovn_cni_add_stage_seconds", text, self.stages.clone());
    }

    fn node(&self) -> (&'static str, String) {
        ("node_name", self.node.clone())
    }

    fn wait(&self, waited: &Seconds, took: Duration) {
        waited.get_or_create(&[self.node()]).inc_by(took.as_secs_f64());
    }
}

impl Observer for Times {
    fn answered(&self, path: &'static str, status: u16, took: Duration) {
        let labels = [self.node(), ("method", path.to_owned()), ("status_code", status.to_string())];
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    fn added(&self, _id: &AttachmentId, stages: &Stages) {
        for stage in Stage::ALL {
            let Some(took) = stages.took(stage) else { continue };
            let labels = [self.node(), ("stage", stage.name().to_owned())];
            self.stages.get_or_create(&labels).observe(took.as_secs_f64());
            match stage {
                Stage::Address => self.wait(&self.address, took),
                Stage::Rows | Stage::Port | Stage::Flows => self.wait(&self.connectivity, took),
                Stage::Turn | Stage::Bridge | Stage::Link => {}
            }
        }
    }
}
