//! A cluster that is well, and one that can't be asked.

use kubeovn_core::index::objects::Kind;
use serde_json::json;

use crate::{asked::Ctl, rig::Rig};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_well_is_called_so_and_nothing_is_written() {
    let mut rig = Rig::start().await;
    let mut controller = rig.controller("only", &["--default-cidr=10.16.0.0/24"]);
    controller.works().await;
    let spec = json!({ "cidrBlock": "10.30.0.0/24", "excludeIps": ["10.30.0.200..10.30.0.210"] });
    rig.create(Kind::Subnet, json!({ "metadata": { "name": "db" }, "spec": spec })).await;
    for n in 0..5 {
        rig.pod(&format!("web-{n}"), json!({})).await;
    }
    rig.pod("db-0", json!({ "ovn.kubernetes.io/logical_switch": "db" })).await;
    rig.pod("fixed", json!({ "ovn.kubernetes.io/ip_address": "10.16.0.77" })).await;
    assert_eq!(rig.address("fixed").await, "10.16.0.77");
    let address = rig.address("db-0").await;
    for n in 0..5 {
        rig.address(&format!("web-{n}")).await;
    }
    rig.heard_by(&controller).await;
    let before = (rig.revisions().await, rig.rows());
    let ctl = Ctl::of(&rig);

    ctl.ask(&["nb", "diff", "--from", "cluster"]).says(0, &["nothing would change"]);
    ctl.ask(&["nb", "verify", "--from", "cluster"]).says(0, &["nothing found in"]);
    let status = ctl.ask(&["status"]);
    status.says(
        0,
        &["holds the lease since 20", "all 8 kinds read", "7 pods, 8 address records", "\nhealthy\n"],
    );
    assert!(status.out.lines().all(|line| line.chars().count() <= 100), "{}", status.out);
    let (code, json) = ctl.json(&["status"]);
    assert_eq!((code, &json["healthy"]), (0, &json!(true)), "{json}");
    assert_eq!(json["apiServer"]["objects"]["Pod"], 7);
    let default = json["subnets"].as_array().unwrap().iter().find(|s| s["name"] == "ovn-default").unwrap();
    assert_eq!((&default["used"], &default["available"]), (&json!("6"), &json!("247")), "{json}");

    ctl.ask(&["ipam", "show"]).says(0, &["ovn-default", "10.30.0.0/24", "RESERVED"]);
    let shown = ctl.ask(&["ipam", "show", "db"]);
    shown.says(0, &["pod/default/db-0", &address, "port, annotations, record"]);
    let (_, json) = ctl.json(&["ipam", "show", "ovn-default"]);
    assert_eq!(json["holders"].as_array().unwrap().len(), 6, "{json}");
    ctl.ask(&["ipam", "show", "nil"]).says(1, &["CTL-SUBNET-UNKNOWN", "db, join, ovn-default"]);
    ctl.ask(&["ipam", "check"]).says(0, &["all agree: 8 holders looked at"]);
    ctl.ask(&["ipam", "explain", "10.16.0.77"]).says(
        0,
        &[
            "10.16.0.77 is held by pod/default/fixed",
            "port fixed.default",
            "IP fixed.default",
            "when its record was made",
        ],
    );
    ctl.ask(&["ipam", "explain", "default/fixed"]).says(0, &["pod/default/fixed holds 10.16.0.77"]);
    ctl.ask(&["ipam", "explain", "node/n1"]).says(0, &["node/n1 holds 100.64.0."]);
    ctl.ask(&["ipam", "explain", "10.30.0.1"]).says(0, &["is the gateway of subnet db"]);
    ctl.ask(&["ipam", "explain", "10.30.0.205"]).says(0, &["is excluded in subnet db"]);
    ctl.ask(&["ipam", "explain", "10.30.0.255"]).says(0, &["network or broadcast address of subnet db"]);
    ctl.ask(&["ipam", "explain", "10.30.0.99"]).says(0, &["is free in subnet db of VPC ovn-cluster"]);
    ctl.ask(&["ipam", "explain", "192.0.2.1"]).says(0, &["in the prefix of none of 3 subnets"]);
    ctl.ask(&["ipam", "explain", "default/nobody"]).says(1, &["CTL-POD-UNKNOWN"]);
    ctl.ask(&["ipam", "explain", "nonsense"]).says(1, &["CTL-EXPLAIN-INVALID"]);
    assert_eq!((rig.revisions().await, rig.rows()), before, "something was written");

    let nowhere = Ctl::of(&rig).without_database();
    for words in [&["status"][..], &["ipam", "check"], &["nb", "diff", "--from", "cluster"]] {
        nowhere.ask(words).says(1, &["CTL-DATABASE-UNREACHABLE"]);
    }
    ctl.ask(&["status", "--context", "nil"]).says(1, &["CTL-CLUSTER-ACCESS"]);
    ctl.ask(&["status", "--context", "stranger"])
        .says(1, &["CTL-CLUSTER-UNREADABLE", "Node, Vpc, Subnet", "403"]);
    assert!(controller.runs());
    drop(controller);
    rig.kubernetes.stop_server();
    for words in [&["status"][..], &["ipam", "show"], &["nb", "diff", "--from", "cluster"]] {
        ctl.ask(words).says(1, &["CTL-CLUSTER-UNREADABLE", "Namespace, Node, Vpc"]);
    }
}
