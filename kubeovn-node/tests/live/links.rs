//! Links, addresses, routes, sysctls and offloads across two namespaces.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ipnet::IpNet;
use kubeovn_node::netlink::{Netlink, Route, Veth};
use kubeovn_node::netns::NetNs;
use kubeovn_node::{offload, sysctl};

use crate::guard::TestNs;
use crate::node::until;

const MAC: [u8; 6] = [0x0a, 0, 0, 1, 2, 3];

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

/// Two namespaces with a veth `left`-`right` between them, both ends up.
async fn pair() -> (TestNs, Netlink, TestNs, Netlink) {
    let (a, b) = (TestNs::new("a"), TestNs::new("b"));
    let (left, right) = (Netlink::new(&a.ns).expect("a"), Netlink::new(&b.ns).expect("b"));
    left.add_veth(Veth { name: "left", peer: "right", peer_ns: &b.ns, mtu: 1400 }).await.expect("veth");
    left.set_up("left").await.expect("left up");
    right.set_up("right").await.expect("right up");
    (a, left, b, right)
}

#[tokio::test]
async fn tcp_flows_over_a_veth_between_namespaces() {
    let (a, left, b, right) = pair().await;
    for (wire, dev, v4, v6) in
        [(&left, "left", "10.9.0.1/24", "fd09::1/64"), (&right, "right", "10.9.0.2/24", "fd09::2/64")]
    {
        wire.replace_addresses(dev, &[net(v4), net(v6)]).await.expect("addresses");
    }
    for server in ["10.9.0.2:0", "[fd09::2]:0"] {
        let listener = b.ns.run(|| TcpListener::bind(server)).expect("enter").expect("bind");
        let address = listener.local_addr().expect("address");
        let echo = thread::spawn(move || -> std::io::Result<()> {
            let (mut stream, _) = listener.accept()?;
            let mut word = [0; 4];
            stream.read_exact(&mut word)?;
            stream.write_all(&word)
        });
        let reply = a.ns.run(|| talk(address)).expect("enter").expect("talk");
        assert_eq!(&reply, b"ping");
        echo.join().expect("join").expect("echo");
    }
}

fn talk(server: SocketAddr) -> std::io::Result<[u8; 4]> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(5))?;
    stream.write_all(b"ping")?;
    let mut word = [0; 4];
    stream.read_exact(&mut word)?;
    Ok(word)
}

#[tokio::test]
async fn a_link_shows_what_was_set_and_goes_with_its_peer() {
    let (_a, left, b, right) = pair().await;
    right.set_mac("right", MAC).await.expect("mac");
    right.set_mtu("right", 1300).await.expect("mtu");
    right.set_alias("right", "c0ffee_c").await.expect("alias");
    let link = right.link("right").await.expect("look up").expect("present");
    assert_eq!((link.mac, link.mtu, link.up, link.alias.as_deref()), (MAC, 1300, true, Some("c0ffee_c")));
    let seen = b.exec("ip", &["-o", "link", "show", "right"]).expect("ip");
    assert!(seen.contains("0a:00:00:01:02:03") && seen.contains("mtu 1300"), "{seen}");

    assert_eq!(right.link("absent").await.expect("look up"), None);
    let again = left.add_veth(Veth { name: "left", peer: "other", peer_ns: &b.ns, mtu: 1400 }).await;
    assert!(again.expect_err("twice").is_exists());
    let missing = left.set_up("absent").await.expect_err("no such link");
    assert!(missing.is_not_found(), "{missing}");
    assert_eq!(missing.to_string(), "cannot set up absent: No such device");

    left.delete_link("left").await.expect("delete");
    left.delete_link("left").await.expect("delete what is gone");
    assert_eq!(right.link("right").await.expect("look up"), None);
}

#[tokio::test]
async fn a_link_is_renamed_moved_and_put_into_a_bridge() {
    let (a, left, _b, right) = pair().await;
    left.add_bridge("br0").await.expect("bridge");
    left.set_master("left", "br0").await.expect("master");
    let bridge = left.link("br0").await.expect("look up").expect("present");
    assert_eq!(left.link("left").await.expect("look up").and_then(|l| l.master), Some(bridge.index));

    right.move_to_ns("right", &a.ns).await.expect("move");
    assert_eq!(right.link("right").await.expect("look up"), None);
    left.rename("right", "moved").await.expect("rename");
    assert!(left.link("moved").await.expect("look up").is_some());
    assert!(left.rename("moved", "a-name-of-16-char").await.is_err());
}

#[tokio::test]
async fn replacing_addresses_leaves_exactly_those_and_is_idempotent() {
    let (_a, left, b, _right) = pair().await;
    let first = [net("10.9.0.1/24"), net("10.9.0.7/24"), net("fd09::1/64")];
    let second = [net("10.9.0.7/24"), net("10.9.1.1/16"), net("fd09::2/64")];
    for wanted in [&first, &first, &second, &second] {
        left.replace_addresses("left", wanted).await.expect("replace");
        let mut sorted = wanted.to_vec();
        sorted.sort_unstable();
        assert_eq!(left.addresses("left").await.expect("list"), sorted);
    }
    left.replace_addresses("left", &[]).await.expect("none");
    assert_eq!(left.addresses("left").await.expect("list"), []);
    let v6 = || b.exec("ip", &["-6", "-o", "addr", "show", "dev", "right"]).expect("ip");
    until("the link-local address, which is the kernel's", async || v6().contains("fe80::")).await;
}

#[tokio::test]
async fn routes_are_replaced_listed_and_deleted() {
    let (a, left, _b, _right) = pair().await;
    left.replace_addresses("left", &[net("10.9.0.1/24"), net("fd09::1/64")]).await.expect("addresses");
    assert_eq!(left.routes("left").await.expect("list"), [], "connected routes are the kernel's");
    let route = |dst: &str, via: &str, mtu| Route {
        dst: net(dst),
        via: Some(via.parse().expect("an address")),
        dev: "left".to_owned(),
        src: None,
        mtu,
    };
    let on_link = Route { via: None, ..route("10.11.0.0/16", "10.9.0.2", None) };
    let mut wanted = vec![
        route("0.0.0.0/0", "10.9.0.2", None),
        route("10.10.0.0/16", "10.9.0.2", Some(1300)),
        on_link,
        route("::/0", "fd09::2", None),
        route("fd10::/64", "fd09::2", None),
    ];
    for _ in 0..2 {
        for route in &wanted {
            left.replace_route(route).await.expect("replace");
        }
        assert_eq!(left.routes("left").await.expect("list"), wanted);
    }
    wanted[0].via = Some("10.9.0.3".parse().expect("an address"));
    left.replace_route(&wanted[0]).await.expect("another gateway");
    assert_eq!(left.routes("left").await.expect("list"), wanted);
    let seen = a.exec("ip", &["route", "show", "default"]).expect("ip");
    assert!(seen.starts_with("default via 10.9.0.3 dev left"), "{seen}");
    for route in &wanted {
        left.delete_route(route).await.expect("delete");
        left.delete_route(route).await.expect("delete what is gone");
    }
    assert_eq!(left.routes("left").await.expect("list"), []);
}

#[tokio::test]
async fn settings_and_offloads_apply_inside_the_namespace_only() {
    let (a, _left, b, _right) = pair().await;
    let key = "net/ipv6/conf/all/accept_ra";
    let (outside, other) =
        (fs::read_to_string("/proc/sys/net/ipv6/conf/all/accept_ra"), sysctl::read(&b.ns, key));
    sysctl::write(&a.ns, &[(key, "2"), ("net/ipv6/conf/left/accept_ra", "0")]).expect("write");
    assert_eq!(sysctl::read(&a.ns, key).expect("read"), "2");
    assert_eq!(sysctl::read(&a.ns, "net/ipv6/conf/left/accept_ra").expect("read"), "0");
    assert_eq!(sysctl::read(&b.ns, key).ok(), other.ok());
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv6/conf/all/accept_ra").ok(), outside.ok());

    let before = a.exec("ethtool", &["-k", "left"]).expect("ethtool");
    assert!(before.contains("tx-checksumming: on"), "{before}");
    for _ in 0..2 {
        offload::disable_offloads(&a.ns, "left").expect("disable");
    }
    let after = a.exec("ethtool", &["-k", "left"]).expect("ethtool");
    for feature in
        ["tx-checksumming", "tx-tcp-segmentation", "generic-segmentation-offload", "generic-receive-offload"]
    {
        assert!(after.contains(&format!("{feature}: off")), "{feature}: {after}");
    }
    assert!(offload::disable_offloads(&a.ns, "absent").is_err());
}

#[test]
fn a_named_namespace_is_one_for_ip_netns_too() {
    let test = TestNs::new("named");
    let inside = std::process::Command::new("ip")
        .args(["netns", "exec", &test.name, "readlink", "/proc/self/ns/net"])
        .output()
        .expect("ip");
    let inside = String::from_utf8_lossy(&inside.stdout).trim().to_owned();
    let ours = test.exec("readlink", &["/proc/self/ns/net"]).expect("readlink");
    let outer = fs::read_link("/proc/self/ns/net").expect("readlink");
    assert_eq!(inside, ours.trim());
    assert_ne!(inside, outer.to_string_lossy());

    assert!(NetNs::create_named(&test.name).is_err(), "a name is made once");
    assert!(NetNs::named(&test.name).is_ok());
    NetNs::delete_named(&test.name).expect("delete");
    NetNs::delete_named(&test.name).expect("delete what is gone");
    assert!(NetNs::named(&test.name).expect_err("gone").is_not_found());
    assert!(test.exec("true", &[]).is_ok(), "the handle keeps it alive");
}
