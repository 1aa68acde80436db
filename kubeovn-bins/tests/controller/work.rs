//! One controller at work.

use std::time::Duration;

use kube::api::ListParams;
use kubeovn_core::index::objects::Kind;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::rig::{Rig, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_are_served_and_a_restart_writes_nothing() {
    let rig = Rig::start().await;
    let mut first = rig.controller("first", &["--default-cidr=10.16.0.0/24"]);
    first.works().await;
    for n in 0..5 {
        rig.pod(&format!("web-{n}"), json!({})).await;
    }
    rig.pod("fixed", json!({ "ovn.kubernetes.io/ip_address": "10.16.0.77" })).await;
    assert_eq!(rig.address("fixed").await, "10.16.0.77");
    for n in 0..5 {
        assert!(rig.address(&format!("web-{n}")).await.starts_with("10.16.0."));
    }
    let record = rig.api(Kind::Ip).get("fixed.default").await.unwrap();
    assert_eq!(record.data["spec"]["v4IpAddress"], "10.16.0.77");
    let used =
        "subnet_used_ip_count{subnet_name=\"ovn-default\",protocol=\"IPv4\",subnet_cidr=\"10.16.0.0/24\"}";
    until("the metric", async || (first.metric(used)? == "6.0").then_some(())).await;
    until("the status", async || {
        let subnet = rig.api(Kind::Subnet).get("ovn-default").await.unwrap();
        (subnet.data["status"]["v4usingIPs"] == 6).then_some(())
    })
    .await;

    rig.delete(Kind::Pod, "web-0").await;
    until("the record to go", async || {
        rig.api(Kind::Ip).get_opt("web-0.default").await.unwrap().is_none().then_some(())
    })
    .await;
    until("the status", async || {
        let subnet = rig.api(Kind::Subnet).get("ovn-default").await.unwrap();
        (subnet.data["status"]["v4usingIPs"] == 5).then_some(())
    })
    .await;
    first.works().await;
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ends().await.code(), Some(0));

    let (revisions, rows) = (rig.revisions().await, rig.rows());
    let second = rig.controller("second", &["--default-cidr=10.16.0.0/24"]);
    second.works().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((rig.revisions().await, rig.rows()), (revisions, rows), "a restart wrote");
    assert_eq!(second.metric("kubeovn_transactions_total{outcome=\"done\"}").as_deref(), Some("0"));
    rig.pod("late", json!({})).await;
    rig.address("late").await;
    assert_eq!(
        rig.ports(),
        ["fixed", "late", "web-1", "web-2", "web-3", "web-4"].map(|pod| format!("{pod}.default"))
    );
}

/// Killed at any moment, it leaves nothing that the next one can't go on from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_it_loses_nothing() {
    let rig = Rig::start().await;
    let mut pods = Vec::new();
    for round in 0..6_u64 {
        // The next one has it soon.
        let flags = ["--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s"];
        let mut controller = rig.controller(&format!("round-{round}"), &flags);
        let leads = "kubeovn_leading{component=\"controller\"}";
        until("it to lead", async || {
            (!controller.runs() || controller.metric(leads).as_deref() == Some("1.0")).then_some(())
        })
        .await;
        for n in 0..10 {
            let name = format!("p{round}-{n}");
            rig.pod(&name, json!({})).await;
            pods.push(name);
        }
        // It is killed somewhere on the way of these.
        tokio::time::sleep(Duration::from_millis(40 * round)).await;
        controller.signal(Signal::SIGKILL);
    }
    let mut last = rig.controller("last", &[]);
    let mut addresses = std::collections::BTreeSet::new();
    for pod in &pods {
        let address = rig.address(pod).await;
        assert!(addresses.insert(address.clone()), "{address} is in two pods");
        let record = rig.api(Kind::Ip).get(&format!("{pod}.default")).await.unwrap();
        assert_eq!(record.data["spec"]["ipAddress"], Value::from(address), "{pod}");
    }
    last.works().await;
    assert!(last.runs());
    let mut wanted: Vec<String> = pods.iter().map(|pod| format!("{pod}.default")).collect();
    wanted.sort();
    assert_eq!(rig.ports(), wanted);
    let records = rig.api(Kind::Ip).list(&ListParams::default()).await.unwrap();
    assert_eq!(records.items.len(), pods.len() + 1, "one for each pod and for the node");
}
