//! Two sandboxes whose links would have one name: the later one is told so, and nothing that it does touches the earlier.

use kubeovn_core::cni::Printed;
use kubeovn_node::netlink::Netlink;
use kubeovn_node::netns::NetNs;

use crate::guard::TestNs;
use crate::node::{GIVEN, Node, until, with};
use crate::vswitch::Rows;

const FIRST: &str = "abc1111111111111";
const SECOND: &str = "abc2222222222222";
/// So long a name leaves three characters of the container's id.
const NIC: &str = "ethernet9";
const LINK: &str = "abc_ethernet9_h";

fn two_pods(node: &Node) {
    node.pod("a", GIVEN);
    let other = [
        ("ovn.kubernetes.io/ip_address", "10.16.0.10,fd16::10"),
        ("ovn.kubernetes.io/mac_address", "0a:58:0a:10:00:0a"),
    ];
    node.pod("b", &with(&other));
}

async fn call(node: &Node, verb: &str, pod: &str, ns: &NetNs) -> Printed {
    let container = if pod == "a" { FIRST } else { SECOND };
    node.call_for(verb, pod, container, NIC, Some(ns)).await
}

fn text(printed: &Printed) -> String {
    let output = printed.output.clone().unwrap_or_default();
    output["details"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_second_is_refused_and_the_first_stays_as_it_is() {
    let (node, a, b) = (Node::start(), TestNs::new("a"), TestNs::new("b"));
    two_pods(&node);
    assert!(call(&node, "ADD", "a", &a.ns).await.success);
    let refused = call(&node, "ADD", "b", &b.ns).await;
    assert!(text(&refused).starts_with("CNI-LINK-TAKEN: "), "{refused:?}");
    assert!(text(&refused).contains(LINK), "{refused:?}");
    let fine = Printed { output: None, success: true };
    assert_eq!(call(&node, "CHECK", "a", &a.ns).await, fine);
    assert_eq!(call(&node, "DEL", "b", &b.ns).await, fine);
    assert_eq!(call(&node, "CHECK", "a", &a.ns).await, fine);
    assert_eq!(node.switch.rows().external_id(LINK, "iface-id").as_deref(), Some("a.default"));

    assert_eq!(call(&node, "DEL", "a", &a.ns).await, fine);
    assert!(node.switch.rows().ports().is_empty());
    assert!(call(&node, "ADD", "b", &b.ns).await.success);
}

#[tokio::test]
async fn of_two_at_once_one_is_refused() {
    let (node, a, b) = (Node::start(), TestNs::new("a"), TestNs::new("b"));
    two_pods(&node);
    let (first, second) = tokio::join!(call(&node, "ADD", "a", &a.ns), call(&node, "ADD", "b", &b.ns));
    assert_ne!(first.success, second.success, "{first:?} {second:?}");
    let (pod, ns, why) = if first.success { ("a", &a.ns, second) } else { ("b", &b.ns, first) };
    assert!(text(&why).starts_with("CNI-LINK-TAKEN: "), "{why:?}");
    assert_eq!(call(&node, "CHECK", pod, ns).await, Printed { output: None, success: true });
}

#[tokio::test]
async fn a_port_of_kube_ovn_is_told_apart_by_its_sandbox() {
    let (ns, a, b) = (TestNs::new("node"), TestNs::new("a"), TestNs::new("b"));
    let host = Netlink::new(&ns.ns).expect("netlink");
    ns.exec("ip", &["link", "add", LINK, "type", "veth", "peer", "name", "inside"]).expect("a veth");
    let mut rows = Rows::with_bridge();
    let netns = a.ns.path().display().to_string();
    let ids = [
        ("iface-id", "a.default"),
        ("vendor", "kube-ovn"),
        ("pod_name", "a"),
        ("pod_namespace", "default"),
        ("pod_netns", netns.as_str()),
    ];
    rows.plug(LINK, "", &ids);
    let node = Node::upgraded(ns, rows);
    two_pods(&node);
    until("our mark", || async { node.switch.rows().external_id(LINK, "owner").is_some() }).await;
    let refused = call(&node, "ADD", "b", &b.ns).await;
    assert!(text(&refused).starts_with("CNI-LINK-TAKEN: "), "{refused:?}");
    let fine = Printed { output: None, success: true };
    assert_eq!(call(&node, "DEL", "b", &b.ns).await, fine);
    assert_eq!(node.switch.rows().ports(), [LINK]);
    assert!(host.link(LINK).await.expect("look up").is_some());
    assert_eq!(call(&node, "DEL", "a", &a.ns).await, fine);
    assert!(node.switch.rows().ports().is_empty());
    assert_eq!(host.link(LINK).await.expect("look up"), None);
}
