//! Machines and containers as the objects want them: what a cloud and the kubelets do in a real cluster.
//!
//! Each node object becomes a machine with a node daemon on it, each pod with a node a container with a network.
//! Whatever takes time is a job; when one ends, the next step is taken. So an object may come, change and go while
//! its machine is still on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use kubeovn_core::cluster::memory::MemoryCluster;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::host::{self, Host};
use crate::lab::error::LabError;
use crate::lab::fabric::Fabric;
use crate::lab::manifest::PodName;
use crate::lab::pods::{PlugError, Plugged, Runtime};
use crate::lab::report::Problem;

/// How long jobs may take to end when the lab does.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where a pod is wanted. Another seat is another pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) uid: String,
    pub(super) node: String,
}

/// What should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) nodes: BTreeSet<String>,
    pub(super) pods: BTreeMap<PodName, Seat>,
}

mod look;

pub(super) struct Stage {
    fabric: Arc<Fabric>,
    runtime: Arc<Runtime>,
    cluster: Arc<MemoryCluster>,
    wanted: Wanted,
    nodes: BTreeMap<String, NodeState>,
    pods: BTreeMap<PodName, PodState>,
    jobs: JoinSet<Done>,
}

enum NodeState {
    Rising,
    Up(Host),
    Sinking,
    Failed { problem: Problem, again: Instant },
}

enum PodState {
    /// Dropping the sender gives it up.
    Plugging {
        seat: Seat,
        tries: usize,
        stop: Option<oneshot::Sender<Abandon>>,
    },
    Plugged {
        seat: Seat,
        plugged: Plugged,
    },
    Unplugging {
        tries: usize,
    },
    Failed {
        seat: Option<Seat>,
        problem: Problem,
        tries: usize,
        again: Instant,
    },
}

/// Give a pod up and leave what there is of it: all of the lab goes.
struct Abandon;

/// A job that has ended.
enum Done {
    NodeUp(String, Result<Host, LabError>),
    NodeDown(String, Result<(), LabError>),
    Plugged(PodName, Result<Option<Plugged>, PlugError>),
    Unplugged(PodName, Result<(), PlugError>),
}

impl Stage {
    pub(super) fn new(fabric: Arc<Fabric>, runtime: Arc<Runtime>, cluster: Arc<MemoryCluster>) -> Self {
        let wanted = Wanted::default();
        Self {
            fabric,
            runtime,
            cluster,
            wanted,
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            jobs: JoinSet::new(),
        }
    }

    /// Begins to make it so.
    pub(super) fn want(&mut self, wanted: Wanted) {
        self.wanted = wanted;
        self.step();
    }

    /// Goes on; answers what was done, for people. Waits while there is nothing to do.
    ///
    /// # Cancellation
    /// Safe: nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<String> {
        let retry = self.retry_at();
        let later = async {
            match retry {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        let said = tokio::select! {
            Some(done) = self.jobs.join_next() => match done {
                Ok(done) => self.take(done),
                Err(error) => Some(format!("a job of the lab failed: {error}")),
            },
            () = later => None,
        };
        self.step();
        said
    }

    /// Lets what is on its way come to its end, and gives the fabric back.
    pub(super) async fn finish(mut self) -> Arc<Fabric> {
        for state in self.pods.values_mut() {
            if let PodState::Plugging { stop, .. } = state {
                // Its job may have ended meanwhile.
                let _ = stop.take().map(|stop| stop.send(Abandon));
            }
        }
        let all = async { while self.jobs.join_next().await.is_some() {} };
        // What takes longer is ended together with all that is in the lab's namespaces.
        let _ = timeout(PATIENCE, all).await;
        self.jobs.shutdown().await;
        for (_, state) in std::mem::take(&mut self.nodes) {
            if let NodeState::Up(host) = state {
                host.abandon().await;
            }
        }
        self.fabric
    }

    fn retry_at(&self) -> Option<Instant> {
        let nodes = self.nodes.values().filter_map(|state| match state {
            NodeState::Failed { again, .. } => Some(*again),
            _ => None,
        });
        let pods = self.pods.values().filter_map(|state| match state {
            PodState::Failed { again, .. } => Some(*again),
            _ => None,
        });
        nodes.chain(pods).min()
    }

    /// Starts every job that is due.
    fn step(&mut self) {
        let now = Instant::now();
        let names: BTreeSet<PodName> = self.pods.keys().chain(self.wanted.pods.keys()).cloned().collect();
        for name in names {
            self.step_pod(&name, now);
        }
        for name in self.wanted.nodes.clone() {
            match self.nodes.get(&name) {
                Some(NodeState::Failed { again, .. }) if *again > now => {}
                Some(NodeState::Failed { .. }) | None => self.raise(name),
                Some(_) => {}
            }
        }
        let gone: Vec<String> =
            self.nodes.keys().filter(|name| !self.wanted.nodes.contains(*name)).cloned().collect();
        for name in gone {
            if !self.is_used(&name) {
                self.sink(name);
            }
        }
    }

    /// Whether anything of a pod is on the node.
    fn is_used(&self, node: &str) -> bool {
        self.pods.values().any(|state| match state {
            PodState::Plugging { seat, .. } | PodState::Plugged { seat, .. } => seat.node == node,
            PodState::Failed { .. } => false,
            PodState::Unplugging { .. } => true,
        })
    }

    fn raise(&mut self, name: String) {
        self.nodes.insert(name.clone(), NodeState::Rising);
        let (fabric, cluster) = (Arc::clone(&self.fabric), Arc::clone(&self.cluster));
        // Here, since jobs run in any order: whoever comes first by name has the lower address.
        let kept = fabric.keep_address(&name);
        self.jobs.spawn(async move {
            if let Err(error) = kept {
                return Done::NodeUp(name, Err(error));
            }
            let host = Host::raise(&fabric, &cluster, &name).await;
            Done::NodeUp(name, host)
        });
    }

    fn sink(&mut self, name: String) {
        match self.nodes.get(&name) {
            Some(NodeState::Up(_)) => {}
            Some(NodeState::Failed { .. }) => return drop(self.nodes.remove(&name)),
            _ => return,
        }
        let host = self.nodes.insert(name.clone(), NodeState::Sinking);
        let fabric = Arc::clone(&self.fabric);
        self.jobs.spawn(async move {
            if let Some(NodeState::Up(host)) = host {
                host.end().await;
            }
            let result = fabric.node_down(&name).await;
            Done::NodeDown(name, result)
        });
    }

    fn step_pod(&mut self, name: &PodName, now: Instant) {
        let wanted =
            self.wanted.pods.get(name).filter(|seat| self.wanted.nodes.contains(&seat.node)).cloned();
        match (self.pods.get_mut(name), wanted) {
            (Some(PodState::Plugging { seat, stop, .. }), wanted) => {
                if wanted.as_ref() != Some(seat) {
                    stop.take();
                }
            }
            (Some(PodState::Plugged { seat, .. }), wanted) => {
                if wanted.as_ref() != Some(seat) {
                    self.unplug(name.clone(), 0);
                }
            }
            (Some(PodState::Unplugging { .. }), _) | (None, None) => {}
            (Some(PodState::Failed { seat: None, tries, again, .. }), _) => {
                if *again <= now {
                    let tries = *tries;
                    self.unplug(name.clone(), tries);
                }
            }
            (Some(PodState::Failed { .. }), None) => drop(self.pods.remove(name)),
            (Some(PodState::Failed { seat, tries, again, .. }), Some(wanted)) => {
                let tries = if seat.as_ref() == Some(&wanted) { *tries } else { 0 };
                if tries == 0 || *again <= now {
                    self.plug(name.clone(), wanted, tries);
                }
            }
            (None, Some(wanted)) => self.plug(name.clone(), wanted, 0),
        }
    }

    fn plug(&mut self, name: PodName, seat: Seat, tries: usize) {
        let Some(NodeState::Up(host)) = self.nodes.get(&seat.node) else { return };
        let (stop, stopped) = oneshot::channel();
        let (runtime, handle, uid) = (Arc::clone(&self.runtime), host.handle.clone(), seat.uid.clone());
        self.pods.insert(name.clone(), PodState::Plugging { seat, tries, stop: Some(stop) });
        self.jobs.spawn(async move {
            let socket = host::cni_socket(&handle);
            let result = tokio::select! {
                result = runtime.plug(&name, &uid, &handle, &socket) => result.map(Some),
                stopped = stopped => match stopped {
                    Ok(Abandon) => Ok(None),
                    Err(_) => runtime.unplug(&name).await.map(|()| None),
                },
            };
            Done::Plugged(name, result)
        });
    }

    fn unplug(&mut self, name: PodName, tries: usize) {
        self.pods.insert(name.clone(), PodState::Unplugging { tries });
        let runtime = Arc::clone(&self.runtime);
        self.jobs.spawn(async move {
            let result = runtime.unplug(&name).await;
            Done::Unplugged(name, result)
        });
    }

    fn take(&mut self, done: Done) -> Option<String> {
        match done {
            Done::NodeUp(name, Ok(host)) => {
                let said = format!("node {name} is up at {}", host.handle.underlay);
                self.nodes.insert(name, NodeState::Up(host));
                Some(said)
            }
            Done::NodeUp(name, Err(error)) | Done::NodeDown(name, Err(error)) => {
                let again = Instant::now() + pause(usize::MAX);
                self.nodes.insert(name.clone(), NodeState::Failed { problem: problem(&error), again });
                Some(format!("node {name}: {error}"))
            }
            Done::NodeDown(name, Ok(())) => {
                self.nodes.remove(&name);
                Some(format!("node {name} is gone"))
            }
            Done::Plugged(name, result) => self.take_plugged(name, result),
            Done::Unplugged(name, Ok(())) => {
                let said = format!("pod {name} is unplugged");
                self.pods.remove(&name);
                Some(said)
            }
            Done::Unplugged(name, Err(error)) => {
                let Some(PodState::Unplugging { tries }) = self.pods.get(&name) else { return None };
                let tries = *tries;
                Some(self.fail(&name, None, tries, &error))
            }
        }
    }

    fn take_plugged(&mut self, name: PodName, result: Result<Option<Plugged>, PlugError>) -> Option<String> {
        let Some(PodState::Plugging { seat, tries, .. }) = self.pods.remove(&name) else { return None };
        match result {
            Ok(None) => None,
            Ok(Some(plugged)) => {
                let ips: Vec<String> = plugged.ips.iter().map(ToString::to_string).collect();
                let said = format!("pod {name} is plugged on {} with {}", plugged.node, ips.join(" and "));
                self.pods.insert(name, PodState::Plugged { seat, plugged });
                Some(said)
            }
            Err(error) => Some(self.fail(&name, Some(seat), tries, &error)),
        }
    }

    fn fail(&mut self, name: &PodName, seat: Option<Seat>, tries: usize, error: &PlugError) -> String {
        let pause = pause(tries);
        let problem = Problem::new(&error.code(), &error.to_string());
        let failed = PodState::Failed { seat, problem, tries: tries + 1, again: Instant::now() + pause };
        self.pods.insert(name.clone(), failed);
        format!("pod {name}: {error}; tried again in {} s", pause.as_secs())
    }
}

/// How long to wait before something that failed so often is tried again: from 1 s to 8 s, as a kubelet does.
fn pause(tries: usize) -> Duration {
    Duration::from_secs(1 << tries.min(3))
}

fn problem(error: &LabError) -> Problem {
    let text = error.to_string();
    Problem::new(text.split(':').next().unwrap_or_default(), &text)
}
