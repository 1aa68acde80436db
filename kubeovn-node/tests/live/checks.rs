//! CHECK sees what of an interface is not as ADD left it, and ADD answers what there is.

use kubeovn_node::netlink::Netlink;
use serde_json::json;

use crate::guard::TestNs;
use crate::node::{GIVEN, Node, until, with};
use crate::vswitch::{Conduct, Rows};

const CONTAINER: &str = "0123456789abcdef";

#[tokio::test]
async fn a_route_that_is_missing_is_told() {
    let (node, pod) = (Node::start(), TestNs::new("pod"));
    node.pod("web-0", GIVEN);
    node.add("web-0", CONTAINER, &pod.ns).await;
    for (family, route) in [("-4", "0.0.0.0/0 via 10.16.0.1 dev eth0"), ("-6", "::/0 via fd16::1 dev eth0")] {
        pod.exec("ip", &[family, "route", "delete", "default"]).expect("delete the default route");
        let why = node.refused("CHECK", "web-0", CONTAINER, &pod.ns).await;
        assert!(why.starts_with("CNI-NOT-WIRED: a route of eth0 is ") && why.contains(route), "{why}");
        node.add("web-0", CONTAINER, &pod.ns).await;
        node.fine("CHECK", "web-0", CONTAINER, Some(&pod.ns)).await;
    }
    // Of others' making, or of ours with more to it.
    pod.exec("ip", &["route", "add", "192.168.9.0/24", "via", "10.16.0.1"]).expect("one more");
    pod.exec("ip", &["route", "replace", "default", "via", "10.16.0.1", "mtu", "1300"]).expect("smaller");
    node.fine("CHECK", "web-0", CONTAINER, Some(&pod.ns)).await;
}

#[tokio::test]
async fn a_link_that_is_down_is_told() {
    let (node, pod) = (Node::start(), TestNs::new("pod"));
    node.pod("web-0", GIVEN);
    node.add("web-0", CONTAINER, &pod.ns).await;
    pod.exec("ip", &["link", "set", "eth0", "down"]).expect("down");
    let why = node.refused("CHECK", "web-0", CONTAINER, &pod.ns).await;
    assert!(why.starts_with("CNI-NOT-WIRED: the state of eth0 is down, not up"), "{why}");
    node.add("web-0", CONTAINER, &pod.ns).await;
    node.fine("CHECK", "web-0", CONTAINER, Some(&pod.ns)).await;
    node.ns.exec("ip", &["link", "set", "0123456789ab_h", "down"]).expect("down");
    let why = node.refused("CHECK", "web-0", CONTAINER, &pod.ns).await;
    assert!(why.starts_with("CNI-NOT-WIRED: the state of the node's end of eth0 is down, not up"), "{why}");
}

#[tokio::test]
async fn a_port_that_was_never_there_did_not_go() {
    let (node, pod) = (Node::start(), TestNs::new("pod"));
    node.pod("web-0", GIVEN);
    node.add("web-0", CONTAINER, &pod.ns).await;
    let node = node.restart_with(Conduct::Works, Rows::with_bridge()).await;
    node.pod("web-0", GIVEN);
    until("the database", || async { node.call("STATUS", "", "", None).await.success }).await;
    let why = node.refused("CHECK", "web-0", CONTAINER, &pod.ns).await;
    assert!(why.starts_with("CNI-NOT-WIRED: ") && why.contains("br-int has no port of"), "{why}");
    node.add("web-0", CONTAINER, &pod.ns).await;
    node.fine("CHECK", "web-0", CONTAINER, Some(&pod.ns)).await;
}

#[tokio::test]
async fn a_route_that_the_kernel_refuses_is_not_in_the_answer() {
    let (node, pod) = (Node::start(), TestNs::new("pod"));
    let asked =
        r#"[{"dst": "192.168.1.0/24", "gw": "10.16.0.7"}, {"dst": "192.168.2.0/24", "gw": "172.31.0.1"}]"#;
    node.pod("web-0", &with(&[("ovn.kubernetes.io/routes", asked)]));
    let result = node.add("web-0", CONTAINER, &pod.ns).await;
    let there = json!([
        {"dst": "0.0.0.0/0", "gw": "10.16.0.1"},
        {"dst": "::/0", "gw": "fd16::1"},
        {"dst": "192.168.1.0/24", "gw": "10.16.0.7"}
    ]);
    assert_eq!(result["routes"], there, "nobody is in reach of the link who could be 172.31.0.1");
    let inside = Netlink::new(&pod.ns).expect("netlink");
    assert_eq!(inside.routes("eth0").await.expect("list").len(), 3);
    assert_eq!(node.add("web-0", CONTAINER, &pod.ns).await, result, "twice is the same");
    node.fine("CHECK", "web-0", CONTAINER, Some(&pod.ns)).await;
}
