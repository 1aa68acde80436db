//! A pod whose address another had before is found at once, also by who knows the other one's hardware address.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use kubeovn_node::netlink::Netlink;

use crate::guard::TestNs;
use crate::node::{GIVEN, Node, until, with};
use crate::vswitch::Conduct;

const OLD_MAC: &str = "0a:58:0a:10:0f:ff";

#[tokio::test]
async fn a_neighbour_who_knows_the_predecessor_reaches_the_successor_at_once() {
    let (node, new, peer) = (Node::start(), TestNs::new("new"), TestNs::new("peer"));
    let given = [
        ("ovn.kubernetes.io/ip_address", "10.16.0.10,fd16::10"),
        ("ovn.kubernetes.io/mac_address", "0a:58:0a:10:00:0a"),
    ];
    node.pod("peer", &with(&given));
    node.pod("new", GIVEN);
    node.add("peer", "bbbbbbbbbbbbbbbb", &peer.ns).await;
    // The switch of this test has rows only: a kernel bridge carries the packets.
    let host = Netlink::new(&node.ns.ns).expect("netlink");
    host.add_bridge("br0").await.expect("bridge");
    host.set_up("br0").await.expect("up");
    host.set_master("bbbbbbbbbbbb_h", "br0").await.expect("plug");
    for ip in ["10.16.0.9", "fd16::9"] {
        let stale = ["neigh", "replace", ip, "lladdr", OLD_MAC, "nud", "reachable", "dev", "eth0"];
        peer.exec("ip", &stale).expect("a neighbour");
    }
    let known = || peer.exec("ip", &["neigh", "show", "dev", "eth0"]).expect("list");

    node.switch.set(Conduct::InstallsNothing);
    let add = node.add("new", "aaaaaaaaaaaaaaaa", &new.ns);
    let meanwhile = async {
        until("the pod's port", || async { node.switch.rows().ports().len() == 2 }).await;
        host.set_master("aaaaaaaaaaaa_h", "br0").await.expect("plug");
        assert_eq!(known().matches(OLD_MAC).count(), 2, "nothing is told before packets pass: {}", known());
        node.switch.install_all();
    };
    tokio::join!(add, meanwhile);
    for server in ["10.16.0.9:0", "[fd16::9]:0"] {
        let listener = new.ns.run(|| TcpListener::bind(server)).expect("enter").expect("bind");
        let address: SocketAddr = listener.local_addr().expect("address");
        let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(1));
        let connected = peer.ns.run(connect).expect("enter");
        assert!(connected.is_ok(), "{server}: {connected:?}; the peer knows {}", known());
    }
}
