//! The whole daemon: pods are wired by the plugin, and the node has its own port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use kubeovn_core::annotations::nic;
use kubeovn_node::cni::timing::{Stage, Stages};
use kubeovn_node::netlink::Netlink;
use serde_json::json;
use tokio::time::timeout;

use crate::guard::TestNs;
use crate::node::{GIVEN, NODE_GIVEN, Node, until, with};
use crate::vswitch::{Conduct, Rows};

/// What an ADD waits that is to be refused; whatever else it does must be done by then, on a slow machine too.
const BRIEF: Duration = Duration::from_secs(3);

/// How long all stages of an ADD took.
fn in_all(stages: &Stages) -> Duration {
    Stage::ALL.into_iter().filter_map(|stage| stages.took(stage)).sum()
}

#[tokio::test]
async fn how_long_the_stages_of_an_add_took_is_told() {
    let (node, pod) = (Node::start(), TestNs::new("pod"));
    node.pod("web-0", GIVEN);
    node.add("web-0", "0123456789abcdef", &pod.ns).await;
    let (id, stages) = node.told.last();
    assert_eq!((&*id.container_id, &*id.if_name), ("0123456789abcdef", "eth0"));
    assert!(Stage::ALL.into_iter().all(|stage| stages.took(stage).is_some()), "{stages:?}");
    assert!(stages.took(Stage::Link) > Some(Duration::ZERO), "{stages:?}");

    // It waited for its addresses, and got to nothing else.
    let node = Node::patient(BRIEF);
    node.pod("late", &[]);
    node.refused("ADD", "late", "fedcba9876543210", &pod.ns).await;
    let (id, stages) = node.told.last();
    assert_eq!(&*id.container_id, "fedcba9876543210");
    assert!(stages.took(Stage::Address) > stages.took(Stage::Turn), "{stages:?}");
    assert!(in_all(&stages) >= BRIEF, "{stages:?}");
    assert_eq!(stages.took(Stage::Bridge), None);

    node.switch.set(Conduct::InstallsNothing);
    node.pod("deaf", &with(&[("ovn.kubernetes.io/ip_address", "10.16.0.10,fd16::10")]));
    let other = TestNs::new("other");
    node.refused("ADD", "deaf", "0f0f0f0f0f0f0f0f", &other.ns).await;
    let (_, stages) = node.told.last();
    assert!(stages.took(Stage::Port).is_some(), "{stages:?}");
    assert!(stages.took(Stage::Flows) > Some(Duration::ZERO), "{stages:?}");
    assert!(in_all(&stages) >= BRIEF, "{stages:?}");
}

#[tokio::test]
async fn a_pod_is_wired_and_removed() {
    let (node, pod) = (Node::start(), TestNs::new("pod"));
    node.pod("web-0", GIVEN);
    let result = node.add("web-0", "0123456789abcdef", &pod.ns).await;
    assert_eq!(
        result["ips"],
        json!([
            {"address": "10.16.0.9/16", "gateway": "10.16.0.1", "interface": 0},
            {"address": "fd16::9/112", "gateway": "fd16::1", "interface": 0}
        ])
    );
    assert_eq!(
        result["routes"],
        json!([{"dst": "0.0.0.0/0", "gw": "10.16.0.1"}, {"dst": "::/0", "gw": "fd16::1"}])
    );
    assert_eq!(result["interfaces"][0]["mac"], "0a:58:0a:10:00:09");

    let inside = Netlink::new(&pod.ns).expect("netlink");
    let link = inside.link("eth0").await.expect("look up").expect("present");
    assert_eq!((link.mac, link.mtu, link.up), ([0x0a, 0x58, 0x0a, 0x10, 0, 9], 1400, true));
    assert_eq!(link.alias.as_deref(), Some("0123456789ab_c"));
    let addresses: Vec<_> =
        inside.addresses("eth0").await.expect("list").iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.16.0.9/16", "fd16::9/112"]);
    let routes: Vec<_> = inside.routes("eth0").await.expect("list").iter().map(ToString::to_string).collect();
    assert_eq!(routes, ["0.0.0.0/0 via 10.16.0.1 dev eth0", "::/0 via fd16::1 dev eth0"]);
    let offloads = pod.exec("ethtool", &["-k", "eth0"]).expect("ethtool");
    assert!(offloads.contains("tx-checksumming: off"), "the bridge is a userspace one: {offloads}");

    let rows = node.switch.rows();
    assert_eq!(rows.ports(), ["0123456789ab_h"]);
    let netns = pod.ns.path().display().to_string();
    for (key, value) in [
        ("iface-id", "web-0.default"),
        ("vendor", "kube-ovn"),
        ("pod_name", "web-0"),
        ("pod_namespace", "default"),
        ("pod_netns", netns.as_str()),
        ("ip", "10.16.0.9,fd16::9"),
    ] {
        assert_eq!(rows.external_id("0123456789ab_h", key).as_deref(), Some(value), "{key}");
    }

    let sent = node.switch.transactions();
    assert_eq!(node.add("web-0", "0123456789abcdef", &pod.ns).await, result, "twice is the same");
    assert_eq!(node.switch.transactions(), sent, "and writes nothing");
    assert_eq!(inside.link("eth0").await.expect("look up").map(|again| again.index), Some(link.index));
    node.fine("CHECK", "web-0", "0123456789abcdef", Some(&pod.ns)).await;
    inside.replace_addresses("eth0", &[]).await.expect("remove the addresses");
    let why = node.refused("CHECK", "web-0", "0123456789abcdef", &pod.ns).await;
    assert!(why.starts_with("CNI-NOT-WIRED: the address of eth0"), "{why}");

    for _ in 0..2 {
        node.fine("DEL", "web-0", "0123456789abcdef", Some(&pod.ns)).await;
        assert!(node.switch.rows().ports().is_empty());
        assert_eq!(inside.link("eth0").await.expect("look up"), None);
    }
    node.fine("DEL", "nobody", "fedcba9876543210", None).await;
}

#[tokio::test]
async fn packets_pass_between_two_pods() {
    let (node, a, b) = (Node::start(), TestNs::new("a"), TestNs::new("b"));
    node.pod("a", GIVEN);
    node.pod(
        "b",
        &with(&[
            ("ovn.kubernetes.io/ip_address", "10.16.0.10,fd16::10"),
            ("ovn.kubernetes.io/mac_address", "0a:58:0a:10:00:0a"),
        ]),
    );
    node.add("a", "aaaaaaaaaaaaaaaa", &a.ns).await;
    node.add("b", "bbbbbbbbbbbbbbbb", &b.ns).await;
    // The switch of this test has rows only: a kernel bridge carries the packets.
    let host = Netlink::new(&node.ns.ns).expect("netlink");
    host.add_bridge("br0").await.expect("bridge");
    host.set_up("br0").await.expect("up");
    for link in ["aaaaaaaaaaaa_h", "bbbbbbbbbbbb_h"] {
        host.set_master(link, "br0").await.expect("plug");
    }
    for server in ["10.16.0.10:0", "[fd16::10]:0"] {
        let listener = b.ns.run(|| TcpListener::bind(server)).expect("enter").expect("bind");
        let address: SocketAddr = listener.local_addr().expect("address");
        let echo = thread::spawn(move || listener.accept()?.0.write_all(b"here"));
        let talk = || -> std::io::Result<String> {
            let mut text = String::new();
            TcpStream::connect_timeout(&address, Duration::from_secs(5))?.read_to_string(&mut text)?;
            Ok(text)
        };
        assert_eq!(a.ns.run(talk).expect("enter").expect("talk"), "here");
        echo.join().expect("join").expect("echo");
    }
}

#[tokio::test]
async fn add_waits_for_the_addresses_and_no_longer() {
    let (node, pod) = (Node::start(), TestNs::new("pod"));
    node.pod("web-0", &[]);
    let mut add = Box::pin(node.add("web-0", "0123456789abcdef", &pod.ns));
    assert!(timeout(Duration::from_millis(100), &mut add).await.is_err(), "there is nothing to wire yet");
    node.pod("web-0", GIVEN);
    let result = add.await;
    assert_eq!(result["ips"][0]["address"], "10.16.0.9/16");
}

#[tokio::test]
async fn a_pod_without_addresses_is_told_the_controllers_reason() {
    let told =
        "IPAM-POOL-EXHAUSTED: (NoAvailableAddress) subnet tiny has no free IPv4 address: 5 of 5 are in use";
    let (node, pod) = (Node::patient(BRIEF), TestNs::new("pod"));
    node.pod("web-0", &[(nic::ERROR.ovn(), told)]);
    let (why, other) = tokio::join!(
        node.refused("ADD", "web-0", "0123456789abcdef", &pod.ns),
        node.refused("ADD", "web-1", "fedcba9876543210", &pod.ns),
    );
    assert_eq!(why, told);
    assert!(other.starts_with("CNI-POD-UNKNOWN: pod default/web-1 is not known on node n1"), "{other}");
}

#[tokio::test]
async fn a_port_that_ovn_does_not_install_leaves_nothing_behind() {
    let (node, pod) = (Node::patient(BRIEF), TestNs::new("pod"));
    node.switch.set(Conduct::InstallsNothing);
    node.pod("web-0", GIVEN);
    let why = node.refused("ADD", "web-0", "0123456789abcdef", &pod.ns).await;
    assert!(why.starts_with("NODE-PORT-NOT-INSTALLED: ") && why.contains("web-0.default"), "{why}");
    let inside = Netlink::new(&pod.ns).expect("netlink");
    assert_eq!(inside.link("eth0").await.expect("look up"), None);
    until("an empty bridge", || async { node.switch.rows().ports().is_empty() }).await;
    node.switch.set(Conduct::Works);
    // As a runtime does it: again and again.
    let add = async || node.call("ADD", "web-0", "0123456789abcdef", Some(&pod.ns)).await.success;
    until("an ADD that succeeds", add).await;
}

#[tokio::test]
async fn a_port_that_the_database_refuses_fails_at_once() {
    let (node, pod) = (Node::start(), TestNs::new("pod"));
    node.pod("web-0", GIVEN);
    until("the database", || async { node.call("STATUS", "", "", None).await.success }).await;
    node.switch.set(Conduct::Refuses);
    let refused = node.refused("ADD", "web-0", "0123456789abcdef", &pod.ns);
    let why = timeout(Duration::from_secs(5), refused).await.expect("waiting would not help");
    assert!(why.starts_with("ROWS-REFUSED: ") && why.contains("constraint violation"), "{why}");
    let inside = Netlink::new(&pod.ns).expect("netlink");
    assert_eq!(inside.link("eth0").await.expect("look up"), None);
    node.switch.set(Conduct::Works);
    node.add("web-0", "0123456789abcdef", &pod.ns).await;
}

#[tokio::test]
async fn without_a_database_or_with_a_foreign_interface_add_says_so() {
    let node = Node::patient(BRIEF);
    let (pod, taken) = (TestNs::new("pod"), TestNs::new("taken"));
    node.pod("web-0", GIVEN);
    Netlink::new(&taken.ns).expect("netlink").add_bridge("eth0").await.expect("a foreign eth0");
    let why = node.refused("ADD", "web-0", "0123456789abcdef", &taken.ns).await;
    assert!(why.starts_with("CNI-IFNAME-TAKEN: "), "{why}");
    assert!(taken.exec("ip", &["link", "show", "eth0"]).is_ok(), "it is not ours to remove");

    node.fine("STATUS", "", "", None).await;
    node.switch.lose();
    until("the loss", || async { !node.call("STATUS", "", "", None).await.success }).await;
    let why = node.refused("ADD", "web-0", "0123456789abcdef", &pod.ns).await;
    assert!(why.starts_with("NODE-OVS-UNREACHABLE: "), "{why}");
}

#[tokio::test]
async fn a_restart_writes_nothing_and_forgets_nothing_but_dead_links() {
    let (node, pod, dead) = (Node::start(), TestNs::new("pod"), TestNs::new("dead"));
    node.pod("web-0", GIVEN);
    node.add("web-0", "0123456789abcdef", &pod.ns).await;
    let node = node.restart().await;
    node.pod("web-0", GIVEN);
    until("the database", || async { node.call("STATUS", "", "", None).await.success }).await;
    node.fine("CHECK", "web-0", "0123456789abcdef", Some(&pod.ns)).await;
    assert_eq!(node.switch.transactions(), 0);

    node.pod("web-1", GIVEN);
    node.add("web-1", "fedcba9876543210", &dead.ns).await;
    let host = Netlink::new(&node.ns.ns).expect("netlink");
    host.delete_link("fedcba987654_h").await.expect("as if the machine had been started anew");
    let node = node.restart().await;
    until("the dead port's end", || async { node.switch.rows().ports() == ["0123456789ab_h"] }).await;
    node.fine("DEL", "web-0", "0123456789abcdef", None).await;
    assert!(node.switch.rows().ports().is_empty());
}

#[tokio::test]
async fn what_is_deleted_before_the_rows_are_read_is_not_taken_back() {
    let (node, pod) = (Node::start(), TestNs::new("pod"));
    node.pod("web-0", GIVEN);
    node.add("web-0", "0123456789abcdef", &pod.ns).await;
    let node = node.restart_on(Conduct::Silent).await;
    node.fine("DEL", "web-0", "0123456789abcdef", Some(&pod.ns)).await;
    // So that only what the daemon was told, not the missing link, can be the reason.
    Netlink::new(&node.ns.ns)
        .expect("netlink")
        .add_bridge("0123456789ab_h")
        .await
        .expect("a link of that name");
    assert_eq!(node.switch.rows().ports(), ["0123456789ab_h"]);
    node.switch.set(Conduct::Works);
    until("the port's end", || async { node.switch.rows().ports().is_empty() }).await;
}

#[tokio::test]
async fn ports_that_kube_ovn_plugged_are_taken_over() {
    let (ns, mut rows) = (TestNs::new("node"), Rows::with_bridge());
    let host = Netlink::new(&ns.ns).expect("netlink");
    for link in ["ovn0", "0123456789ab_h", "foreign"] {
        host.add_bridge(link).await.expect("a link");
    }
    rows.plug("ovn0", "internal", &[("iface-id", "node-n1"), ("ip", "100.64.0.2")]);
    let pod = [
        ("iface-id", "web-0.default"),
        ("vendor", "kube-ovn"),
        ("pod_name", "web-0"),
        ("pod_namespace", "default"),
    ];
    rows.plug("0123456789ab_h", "", &pod);
    rows.plug("foreign", "", &[("iface-id", "vm-1")]);
    let node = Node::upgraded(ns, rows);
    node.node(NODE_GIVEN, "172.31.0.1");
    until("our mark", || async {
        node.switch.rows().external_id("ovn0", "owner").as_deref() == Some("node/n1")
    })
    .await;
    until("the address", || async { !host.addresses("ovn0").await.expect("list").is_empty() }).await;
    assert_eq!(
        node.switch.rows().external_id("0123456789ab_h", "iface-id").as_deref(),
        Some("web-0.default")
    );
    node.fine("DEL", "web-0", "0123456789abcdef", None).await;
    assert_eq!(node.switch.rows().ports(), ["foreign", "ovn0"]);
    assert_eq!(node.switch.rows().external_id("foreign", "owner"), None);
}

#[tokio::test]
async fn a_new_sandbox_takes_the_logical_port_over_and_gc_removes_the_old() {
    let (node, old, new) = (Node::start(), TestNs::new("old"), TestNs::new("new"));
    node.pod("web-0", GIVEN);
    node.add("web-0", "0000000000000000", &old.ns).await;
    node.add("web-0", "1111111111111111", &new.ns).await;
    let rows = node.switch.rows();
    assert_eq!(rows.external_id("000000000000_h", "iface-id"), None);
    assert_eq!(rows.external_id("111111111111_h", "iface-id").as_deref(), Some("web-0.default"));
    // No attachment is valid: all of this network go, but not one of which the network is not known any more.
    node.fine("GC", "", "", None).await;
    assert_eq!(node.switch.rows().ports(), ["000000000000_h"]);
    node.fine("DEL", "web-0", "0000000000000000", Some(&old.ns)).await;
    assert!(node.switch.rows().ports().is_empty());
}

#[tokio::test]
async fn the_node_has_a_port_with_routes_to_the_subnets() {
    let node = Node::start();
    node.node(NODE_GIVEN, "172.31.0.1");
    node.subnet("other", "10.17.0.0/16", 0);
    // The switch of this test has rows only: something else must be the link that OVS makes.
    let host = Netlink::new(&node.ns.ns).expect("netlink");
    host.add_bridge("ovn0").await.expect("a stand-in");
    let routes = async || -> Vec<String> {
        host.routes("ovn0").await.expect("list").iter().map(ToString::to_string).collect()
    };
    let both = ["10.16.0.0/16 via 100.64.0.1 dev ovn0", "10.17.0.0/16 via 100.64.0.1 dev ovn0"];
    until("both routes", async || routes().await == both).await;
    assert_eq!(node.switch.rows().external_id("ovn0", "iface-id").as_deref(), Some("node-n1"));
    let link = host.link("ovn0").await.expect("look up").expect("present");
    assert_eq!((link.mac, link.mtu, link.up), ([0x0a, 0x58, 0x64, 0x40, 0, 2], 1400, true));
    assert_eq!(host.addresses("ovn0").await.expect("list")[0].to_string(), "100.64.0.2/16");
    node.no_subnet("other");
    until("the stale route's end", async || routes().await == both[..1]).await;
    let node = node.restart().await;
    until("the database", || async { node.call("STATUS", "", "", None).await.success }).await;
    assert_eq!(node.switch.transactions(), 0, "the node's port outlives a restart");
    assert_eq!(node.switch.rows().ports(), ["ovn0"]);
}
