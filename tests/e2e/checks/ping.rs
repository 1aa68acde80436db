//! Packets from a pod to another one, one every 10 ms, sent from the pod's network and not by way of kubelet.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;

use super::workloads::{SHARED, agents};
use crate::{cluster::Cluster, wait::until};

/// Between two packets.
const EVERY: Duration = Duration::from_millis(10);

/// So many answers say that packets flow.
const FLOWING: usize = 100;

/// The pod that sends them ends before this does.
pub(super) struct Ping {
    heard: PathBuf,
    sending: JoinHandle<()>,
}

impl Ping {
    /// From the agent on a node to that on another one, by the nodes' numbers from 0. Returns when answers come.
    pub(super) async fn start(cluster: &Arc<Cluster>, from: usize, to: usize) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let all = agents(cluster).await;
        let objects = cluster.kubectl.list(SHARED, "pods").await;
        let agent = |number: usize| {
            let node = cluster.nodes[number].name();
            let (name, _) = all.iter().find(|(_, on)| on == node).unwrap();
            objects.iter().find(|pod| pod["metadata"]["name"] == **name).unwrap()
        };
        let name = agent(from)["metadata"]["name"].as_str().unwrap().to_owned();
        let address = agent(to)["status"]["podIP"].as_str().unwrap().to_owned();
        let machine = cluster.nodes[from].machine();
        let find = format!("external_ids:iface-id={name}.{SHARED}");
        let find = ["--bare", "--columns=name", "find", "Interface", &find];
        let link = machine.run("ovs-vsctl", &find).await.unwrap();
        let netns = ["get", "Interface", &link, "external_ids:pod_netns"];
        let netns = machine.run("ovs-vsctl", &netns).await.unwrap().replace('"', "");
        let file = format!("/run/ping-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let (heard, cluster) = (machine.path(&file), Arc::clone(cluster));
        let sending = tokio::spawn(async move {
            let inside = format!("--net={netns}");
            let send = format!("exec busybox ping -i 0.01 {address} > {file}");
            // It ends by a signal, which is no success.
            let _ = cluster.nodes[from].machine().run("nsenter", &[&inside, "sh", "-c", &send]).await;
        });
        let ping = Self { heard, sending };
        ping.flows().await;
        ping
    }

    /// Numbers of the packets that were answered.
    fn answered(&self) -> Vec<usize> {
        let text = fs::read_to_string(&self.heard).unwrap_or_default();
        let number = |line: &str| line.split_once(" seq=")?.1.split(' ').next()?.parse().ok();
        text.lines().filter_map(number).collect()
    }

    /// Waits for many more answers.
    async fn flows(&self) {
        let before = self.answered().len();
        until("packets to flow", async || {
            assert!(!self.sending.is_finished(), "nobody sends packets");
            let more = self.answered().len() - before;
            if more >= FLOWING { Ok(()) } else { Err(format!("{more} answers")) }
        })
        .await;
    }

    /// The longest time without an answer until now, from when packets flow.
    pub(super) async fn longest_gap(self) -> Duration {
        self.flows().await;
        let answered = self.answered();
        let lost = answered.windows(2).map(|pair| pair[1].saturating_sub(pair[0] + 1)).max().unwrap();
        EVERY * u32::try_from(lost).unwrap()
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        self.sending.abort();
    }
}
