//! The daemon's metrics: how the node's parts stand, and how long the plugin's requests take, by Kube-OVN's names where it
//! has them.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use kubeovn_core::cni::AttachmentId;
use kubeovn_node::{
    cni::timing::{Observer, Stage, Stages},
    daemon::{Obstacles, Part},
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

/// All that is told of.
const PARTS: [Part; 7] =
    [Part::Objects, Part::Switch, Part::Tunnel, Part::NodePort, Part::JoinGateway, Part::Gateway, Part::Node];

/// What is shown.
#[derive(Debug)]
pub struct Metrics(Registry);

impl Metrics {
    /// Of a node's parts and its plugin's requests.
    pub fn new(parts: watch::Receiver<Obstacles>, times: &Times) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Parts(parts)));
        times.register(&mut registry);
        Metrics(registry)
    }

    /// As text.
    pub fn text(&self) -> String {
        metrics::text(&self.0)
    }
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
