//! What has become of pods and records, as anybody sees it who watches them.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use kubeovn_bins::cluster::kube::{KubeCluster, Options, client};
use kubeovn_core::{
    annotations::nic,
    contract::cluster::{Cluster as _, Event},
    index::objects::{Kind, Name, Object},
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::kubernetes::{ADMIN, Kubernetes};

const PATIENCE: Duration = Duration::from_mins(10);

/// Follows pods and records until it is dropped.
pub(crate) struct Observer {
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

/// Names by group, and when the last of them changed.
#[derive(Debug)]
pub(crate) struct Seen {
    told: HashMap<String, HashSet<Name>>,
    records: HashMap<String, HashSet<Name>>,
    at: Instant,
}

impl Observer {
    pub(crate) fn new(kubernetes: &Kubernetes) -> Self {
        let cluster = KubeCluster::new(client(kubernetes.config(ADMIN)).unwrap(), Options::default());
        let mut events = cluster.watch(&[Kind::Pod, Kind::Ip]);
        let nothing = Seen { told: HashMap::new(), records: HashMap::new(), at: Instant::now() };
        let (tell, seen) = watch::channel(nothing);
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                tell.send_if_modified(|seen| seen.take(event));
            }
        });
        Observer { seen, task }
    }

    /// Waits until that is so, and answers since when.
    pub(crate) async fn until(&self, what: &str, mut so: impl FnMut(&Seen) -> bool) -> Instant {
        let mut seen = self.seen.clone();
        let waited = timeout(PATIENCE, seen.wait_for(|seen| so(seen))).await;
        waited.unwrap_or_else(|_| panic!("waited in vain for {what}")).unwrap().at
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    /// Answers whether something changed.
    fn take(&mut self, event: Event) -> bool {
        let changed = match event {
            Event::Applied(Object::Pod(pod)) => {
                pod.meta.annotation(nic::ROUTED.ovn()).is_some()
                    && self.told.entry(group(&pod.meta.name)).or_default().insert(pod.meta.name)
            }
            Event::Applied(Object::Ip(ip)) => {
                self.records.entry(group(&ip.meta.name)).or_default().insert(ip.meta.name)
            }
            Event::Deleted { key, .. } if key.kind == Kind::Ip => {
                self.records.entry(group(&key.name)).or_default().remove(&key.name)
            }
            _ => false,
        };
        if changed {
            self.at = Instant::now();
        }
        changed
    }

    /// Pods of a group that were told what they have.
    pub(crate) fn told(&self, group: &str) -> usize {
        self.told.get(group).map_or(0, HashSet::len)
    }

    pub(crate) fn is_told(&self, group: &str, number: usize) -> bool {
        self.told.get(group).is_some_and(|told| told.contains(&*format!("{group}-{number}")))
    }

    /// Records of a group.
    pub(crate) fn records(&self, group: &str) -> usize {
        self.records.get(group).map_or(0, HashSet::len)
    }
}

/// `web` of `web-17.team-0`.
fn group(name: &str) -> String {
    name.split('-').next().unwrap_or_default().to_owned()
}
