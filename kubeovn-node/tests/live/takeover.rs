//! What Kube-OVN left on a node, beside pods with a veth pair: links that are not ours to delete, ports that nobody here can
//! make, and rows that lead nowhere.

use kubeovn_node::netlink::Netlink;

use crate::guard::TestNs;
use crate::node::{Node, until};
use crate::vswitch::{Conduct, Rows};

/// The link of a sandbox, as far as its name goes.
const LINK: &str = "0123456789ab_h";
const CONTAINER: &str = "0123456789abcdef";

/// What Kube-OVN writes about a pod.
const POD: &[(&str, &str)] = &[
    ("iface-id", "web-0.default"),
    ("vendor", "kube-ovn"),
    ("pod_name", "web-0"),
    ("pod_namespace", "default"),
];

/// A link of another kind than a veth; of one that a card makes the kernel says no kind at all.
fn add_macvlan(ns: &TestNs, name: &str) {
    ns.exec("ip", &["link", "add", "card", "type", "veth", "peer", "name", "cable"]).expect("a card");
    ns.exec("ip", &["link", "add", "link", "card", "name", name, "type", "macvlan"]).expect("a macvlan");
}

fn add_veth(ns: &TestNs, name: &str) {
    ns.exec("ip", &["link", "add", name, "type", "veth", "peer", "name", "inside"]).expect("a veth");
}

#[tokio::test]
async fn a_link_that_is_no_veth_is_left_where_it_is() {
    let (ns, mut rows) = (TestNs::new("node"), Rows::with_bridge());
    let host = Netlink::new(&ns.ns).expect("netlink");
    add_macvlan(&ns, LINK);
    rows.plug(LINK, "", POD);
    let node = Node::upgraded(ns, rows);
    until("our mark", || async { node.switch.rows().external_id(LINK, "owner").is_some() }).await;
    for _ in 0..2 {
        node.fine("DEL", "web-0", CONTAINER, None).await;
        assert!(node.switch.rows().ports().is_empty());
        assert!(host.link(LINK).await.expect("look up").is_some(), "it is the card's");
    }
}

#[tokio::test]
async fn a_port_that_is_no_link_is_left_alone() {
    let (ns, mut rows) = (TestNs::new("node"), Rows::with_bridge());
    for link in ["ffffffffffff_h", LINK] {
        add_veth_named(&ns, link);
    }
    rows.plug(LINK, "dpdk", POD);
    rows.plug("eeeeeeeeeeee_h", "dpdk", POD);
    rows.plug(
        "ffffffffffff_h",
        "",
        &[("iface-id", "web-1.default"), ("vendor", "kube-ovn"), ("pod_name", "web-1")],
    );
    let node = Node::upgraded(ns, rows);
    until("our mark", || async { node.switch.rows().external_id("ffffffffffff_h", "owner").is_some() }).await;
    // Whatever comes of the rest comes before this.
    node.fine("DEL", "web-1", "ffffffffffffffff", None).await;
    for link in [LINK, "eeeeeeeeeeee_h"] {
        assert_eq!(node.switch.rows().kind(link).as_deref(), Some("dpdk"));
        assert_eq!(node.switch.rows().external_id(link, "owner"), None);
    }
}

fn add_veth_named(ns: &TestNs, name: &str) {
    let peer = format!("{}_x", &name[..4]);
    ns.exec("ip", &["link", "add", name, "type", "veth", "peer", "name", &peer]).expect("a veth");
}

#[tokio::test]
async fn rows_whose_link_is_gone_go_and_those_of_others_stay() {
    let (ns, mut rows) = (TestNs::new("node"), Rows::with_bridge());
    rows.plug(LINK, "", POD);
    rows.plug("foreign", "", &[("iface-id", "vm-1"), ("pod_name", "vm-1")]);
    rows.plug("another", "", &[("iface-id", "vm-2"), ("vendor", "another"), ("pod_name", "vm-2")]);
    let node = Node::upgraded(ns, rows);
    until("the end of the row", || async { node.switch.rows().ports() == ["another", "foreign"] }).await;
    node.fine("STATUS", "", "", None).await;
    let node = node.restart().await;
    until("the database", || async { node.call("STATUS", "", "", None).await.success }).await;
    assert_eq!(node.switch.transactions(), 0);
}

#[tokio::test]
async fn what_is_deleted_before_the_rows_are_read_is_not_taken_over() {
    for add in [add_veth, add_macvlan] {
        let (ns, mut rows) = (TestNs::new("node"), Rows::with_bridge());
        add(&ns, LINK);
        rows.plug(LINK, "", POD);
        let node = Node::upgraded_on(Conduct::Silent, ns, rows);
        node.fine("DEL", "web-0", CONTAINER, None).await;
        assert_eq!(node.switch.rows().ports(), [LINK]);
        node.switch.set(Conduct::Works);
        until("the end of the row", || async { node.switch.rows().ports().is_empty() }).await;
    }
}
