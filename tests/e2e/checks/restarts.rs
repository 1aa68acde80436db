//! Our programs end and begin again under pods that talk: no packet notices.

use std::sync::Arc;

use super::{
    flows::Flows,
    workloads::{SHARED, agents},
};
use crate::{cluster::Cluster, wait::until};

/// Packets, one every 10 ms.
pub(super) const PINGS: usize = 400;
/// So many may be lost in a row of them: 50 ms.
pub(super) const MAY_BE_LOST: usize = 5;
/// The best of so many runs counts: the machine does other things, too.
pub(super) const RUNS: usize = 3;

/// How many of a row of packets between two pods on different nodes get no answer, while something happens.
pub(super) async fn lost_while(cluster: &Cluster, happens: impl AsyncFn()) -> usize {
    let agents = agents(cluster).await;
    let objects = cluster.kubectl.list(SHARED, "pods").await;
    let address = |name: &str| {
        let pod = objects.iter().find(|pod| pod["metadata"]["name"] == name).unwrap();
        pod["status"]["podIP"].as_str().unwrap().to_owned()
    };
    let [(from, _), (to, _), ..] = &agents[..] else { panic!("{agents:?}") };
    let ping = format!("ping -q -i 0.01 -c {PINGS} -W 1 {} || true", address(to));
    let pinging = cluster.kubectl.exec(SHARED, from, &ping);
    let (said, ()) = tokio::join!(pinging, async {
        until("the packets to begin", async || {
            cluster.kubectl.exec(SHARED, from, "pidof ping").await.map(drop)
        })
        .await;
        happens().await;
    });
    let said = said.unwrap();
    let received = said.split(", ").find_map(|part| part.strip_suffix(" packets received"));
    PINGS - received.and_then(|number| number.parse::<usize>().ok()).unwrap_or_else(|| panic!("{said}"))
}

/// Daemons and controller are killed and begin again: what switches packets is as it was, and pods that talk notice
/// nothing.
pub(super) async fn restarts_of_ours_touch_no_packet(cluster: Arc<Cluster>) {
    agents(&cluster).await;
    let before = Flows::at_rest(&cluster).await;
    let mut least = usize::MAX;
    for _ in 0..RUNS {
        let lost = lost_while(&cluster, async || {
            cluster.controller.kill();
            cluster.nodes.iter().for_each(|node| node.daemon().kill());
            cluster.controller.revive();
            cluster.nodes.iter().for_each(|node| node.daemon().revive());
        });
        least = least.min(lost.await);
        if least <= MAY_BE_LOST {
            break;
        }
    }
    assert!(least <= MAY_BE_LOST, "{least} of {PINGS} packets were lost");
    // All of them have done what they do when they begin.
    for node in &cluster.nodes {
        until(&format!("the daemon of {} to be ready", node.name()), async || {
            let ready = ["wget", "-q", "-O", "-", "http://127.0.0.1:10665/readyz"];
            node.machine().run("busybox", &ready).await.map(drop)
        })
        .await;
    }
    before.are_still(&cluster).await;
}
