//! A pod whose address another had before is found at once, also by who knows the other one's hardware address.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use kubeovn_node::netlink::Netlink;

use crate::guard::TestNs;
use crate::node::{GIVEN, Node, until, with};
use crate::vswitch::Conduct;

const OLD_MAC: &str = "0a:58:0a:10:0f:ff";

/// A node with a pod `peer` on a kernel bridge `br0`, and the pod's namespace; it knows the predecessor of 10.16.0.9.
///
/// The switch of these tests has rows only: the bridge carries the packets.
async fn peer_of_a_predecessor() -> (Node, TestNs) {
    let (node, peer) = (Node::start(), TestNs::new("peer"));
    let given = [
        ("ovn.kubernetes.io/ip_address", "10.16.0.10,fd16::10"),
        ("ovn.kubernetes.io/mac_address", "0a:58:0a:10:00:0a"),
    ];
    node.pod("peer", &with(&given));
    node.add("peer", "bbbbbbbbbbbbbbbb", &peer.ns).await;
    let host = Netlink::new(&node.ns.ns).expect("netlink");
    host.add_bridge("br0").await.expect("bridge");
    host.set_up("br0").await.expect("up");
    host.set_master("bbbbbbbbbbbb_h", "br0").await.expect("plug");
    for ip in ["10.16.0.9", "fd16::9"] {
        let stale = ["neigh", "replace", ip, "lladdr", OLD_MAC, "nud", "reachable", "dev", "eth0"];
        peer.exec("ip", &stale).expect("a neighbour");
    }
    (node, peer)
}

/// Adds `new`, which is on the bridge when its flows are installed.
async fn add_new(node: &Node, peer: &TestNs, new: &TestNs) {
    let host = Netlink::new(&node.ns.ns).expect("netlink");
    node.switch.set(Conduct::InstallsNothing);
    let add = node.add("new", "aaaaaaaaaaaaaaaa", &new.ns);
    let meanwhile = async {
        until("the pod's port", || async { node.switch.rows().ports().len() == 2 }).await;
        host.set_master("aaaaaaaaaaaa_h", "br0").await.expect("plug");
        assert_eq!(known(peer).matches(OLD_MAC).count(), 2, "told before packets pass: {}", known(peer));
        node.switch.install_all();
    };
    tokio::join!(add, meanwhile);
}

/// The neighbours that a pod knows.
fn known(pod: &TestNs) -> String {
    pod.exec("ip", &["neigh", "show", "dev", "eth0"]).expect("list")
}

#[tokio::test]
async fn a_neighbour_who_knows_the_predecessor_reaches_the_successor_at_once() {
    let ((node, peer), new) = (peer_of_a_predecessor().await, TestNs::new("new"));
    node.pod("new", GIVEN);
    add_new(&node, &peer, &new).await;
    // Before the peer sends anything.
    until("the new address", async || !known(&peer).contains(OLD_MAC)).await;
    for server in ["10.16.0.9:0", "[fd16::9]:0"] {
        let listener = new.ns.run(|| TcpListener::bind(server)).expect("enter").expect("bind");
        let address: SocketAddr = listener.local_addr().expect("address");
        let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(5));
        let connected = peer.ns.run(connect).expect("enter");
        assert!(connected.is_ok(), "{server}: {connected:?}; the peer knows {}", known(&peer));
    }
}

#[tokio::test]
async fn a_pod_to_which_a_machine_moves_says_nothing() {
    let ((node, peer), new) = (peer_of_a_predecessor().await, TestNs::new("new"));
    node.pod("new", &with(&[("kubevirt.io/migrationJobName", "move-1")]));
    add_new(&node, &peer, &new).await;
    assert_eq!(known(&peer).matches(OLD_MAC).count(), 2, "the machine runs elsewhere: {}", known(&peer));
    // It would have been heard.
    node.pod("new", GIVEN);
    until("news", || async {
        node.add("new", "aaaaaaaaaaaaaaaa", &new.ns).await;
        !known(&peer).contains(OLD_MAC)
    })
    .await;
}
