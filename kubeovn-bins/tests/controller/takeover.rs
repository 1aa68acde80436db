//! Two controllers of one cluster.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::rig::{Rig, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_frozen_past_its_lease_writes_nothing_when_it_wakes() {
    let rig = Rig::start().await;
    let flags = ["--leader-elect-lease-duration=8s", "--leader-elect-renew-deadline=6s"];
    let mut old = rig.controller("old", &flags);
    old.works().await;
    let new = rig.controller("new", &flags);
    new.is_ready().await;
    assert_eq!(new.get("/readyz").unwrap().1, "ok: another one works\n");
    rig.pod("before", json!({})).await;
    rig.address("before").await;

    old.signal(Signal::SIGSTOP);
    // Both know of these: the old one finds them when it wakes.
    for n in 0..20 {
        rig.pod(&format!("p{n}"), json!({})).await;
    }
    new.works().await;
    for n in 0..20 {
        rig.address(&format!("p{n}")).await;
    }
    new.works().await;
    let (revisions, rows) = (rig.revisions().await, rig.rows());
    old.signal(Signal::SIGCONT);
    assert_eq!(old.ends().await.code(), Some(1));
    assert!(old.log().contains("CONTROLLER-LEASE-LOST"), "{}", old.log());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((rig.revisions().await, rig.rows()), (revisions, rows), "the old one wrote");
    rig.pod("after", json!({})).await;
    rig.address("after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_asked_to_end_hands_over_at_once() {
    let rig = Rig::start().await;
    // Left to a holder of whom nothing is seen for longer than this test waits.
    let flags = ["--leader-elect-lease-duration=10m", "--leader-elect-renew-deadline=9m"];
    let mut old = rig.controller("old", &flags);
    old.works().await;
    let new = rig.controller("new", &flags);
    new.is_ready().await;
    old.signal(Signal::SIGTERM);
    assert_eq!(old.ends().await.code(), Some(0));
    new.works().await;
    rig.pod("web", json!({})).await;
    rig.address("web").await;
    until("its metrics", async || new.metric("kubeovn_watch_up{kind=\"Pod\"}").filter(|up| up == "1.0"))
        .await;
}
