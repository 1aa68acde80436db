//! The node itself: its port, the routes over it, and its way into the overlay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kubeovn_core::contract::cluster::Event;
use kubeovn_core::index::objects::{Condition, Meta, Object, Subnet, SubnetSpec};
use kubeovn_node::daemon::{Firewall, Part};
use kubeovn_node::netlink::{Netlink, Veth};
use tokio::time::{sleep, timeout};

use crate::guard::TestNs;
use crate::node::{NODE_GIVEN, Node, until};
use crate::vswitch::Conduct;

/// Long after what is due at once, and long before the host is looked at anyway.
const SOON: Duration = Duration::from_secs(1);
/// Within this comes what news of the kernel brings, on a slow machine too. Without news it would come when the host is
/// looked at anyway, every 10 s.
const BY_NEWS: Duration = Duration::from_secs(4);

async fn routes(host: &Netlink) -> Vec<String> {
    host.routes("ovn0").await.map(|all| all.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

#[tokio::test]
async fn routes_come_back_with_the_link_that_they_go_over() {
    for firewall in [Firewall::Nftables, Firewall::Iptables] {
        let node = Node::with_gateway(TestNs::new("node"), firewall);
        let host = Netlink::new(&node.ns.ns).expect("netlink");
        // Everything but the link is there before it, so that only the link can be the reason.
        node.node(NODE_GIVEN, "172.31.0.1");
        let well = |part| !node.obstacles.borrow().contains_key(&part);
        until("a gateway without a link", async || well(Part::Gateway) && !well(Part::NodePort)).await;
        sleep(SOON).await;
        for round in ["made", "made anew"] {
            let began = Instant::now();
            host.add_bridge("ovn0").await.expect("a stand-in");
            let expected = ["10.16.0.0/16 via 100.64.0.1 dev ovn0"];
            until("the route", async || routes(&host).await == expected).await;
            assert!(began.elapsed() < BY_NEWS, "{round}: {:?}", began.elapsed());
            // What the daemon itself has changed is no news any more.
            sleep(SOON / 2).await;
            host.delete_link("ovn0").await.expect("delete");
        }
    }
}

/// A subnet of this generation, of which the controller has said that of that one.
fn subnet(cidr: &str, generation: i64, (status, of): (&str, i64)) -> Subnet {
    let meta = Meta { uid: "shop".into(), generation, ..Meta::named("shop") };
    let spec = SubnetSpec { cidr_block: cidr.into(), ..SubnetSpec::default() };
    let mut subnet = Subnet { meta, spec, ..Subnet::default() };
    subnet.status.conditions.push(Condition {
        r#type: "Validated".into(),
        status: status.into(),
        reason: "".into(),
        message: "".into(),
        observed_generation: of,
    });
    subnet
}

#[tokio::test]
async fn what_a_refused_edit_hides_from_a_new_daemon_stays_on_the_host() {
    for firewall in [None, Some(Firewall::Nftables), Some(Firewall::Iptables)] {
        let ns = Arc::new(TestNs::new("node"));
        let host = Netlink::new(&ns.ns).expect("netlink");
        host.add_bridge("ovn0").await.expect("a stand-in");
        let show = || match firewall {
            None => String::new(),
            Some(Firewall::Nftables) => {
                ns.exec("nft", &["list", "set", "ip", "kube-ovn", "subnets"]).unwrap_or_default()
            }
            Some(Firewall::Iptables) => ns.exec("ipset", &["list", "ovn40subnets"]).unwrap_or_default(),
        };
        // The prefixes that the host knows of these, by their routes and by its firewall.
        let known = async || {
            let (routes, sets) = (routes(&host).await.join(","), show());
            let has = |cidr: &str| routes.contains(cidr) && (firewall.is_none() || sets.contains(cidr));
            ["10.20.0.0/16", "10.21.0.0/16", "10.22.0.0/16"].map(has)
        };
        let node = Node::with_subnets(ns.clone(), firewall, vec![subnet("10.20.0.0/16", 1, ("True", 1))]);
        node.node(NODE_GIVEN, "172.31.0.1");
        until("the subnet", async || known().await == [true, false, false]).await;
        node.stop().await;

        let node = Node::with_subnets(ns.clone(), firewall, vec![subnet("10.21.0.0/16", 2, ("False", 2))]);
        node.node(NODE_GIVEN, "172.31.0.1");
        node.subnet("late", "10.22.0.0/16", 1400);
        until("another subnet", async || known().await[2]).await;
        assert_eq!(known().await, [true, false, true], "{firewall:?}");
        node.tell(Event::Applied(Object::Subnet(subnet("10.21.0.0/16", 2, ("True", 2)))));
        until("what is taken", async || known().await == [false, true, true]).await;
        node.stop().await;
    }
}

#[tokio::test]
async fn a_silent_gateway_is_told_of_although_pods_come_and_go() {
    let node = Node::start();
    let (host, router) = (Netlink::new(&node.ns.ns).expect("netlink"), TestNs::new("router"));
    let veth = Veth { name: "ovn0", peer: "join", peer_ns: &router.ns, mtu: 1400 };
    host.add_veth(veth).await.expect("a stand-in");
    node.node(NODE_GIVEN, "172.31.0.1");
    let silent = || node.obstacles.borrow().get(&Part::JoinGateway).is_some_and(|why| why.contains("SILENT"));
    let began = Instant::now();
    while !silent() {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody was told: {:?}", node.obstacles.borrow());
        node.pod("web-0", &[("seen", &began.elapsed().as_millis().to_string())]);
        sleep(Duration::from_millis(500)).await;
    }
    // And that it answers at last.
    let other = Netlink::new(&router.ns).expect("netlink");
    other.replace_addresses("join", &["100.64.0.1/16".parse().expect("a prefix")]).await.expect("an address");
    other.set_up("join").await.expect("up");
    until("the gateway", async || !node.obstacles.borrow().contains_key(&Part::JoinGateway)).await;
}

#[tokio::test]
async fn what_passes_the_host_is_counted_by_subnet() {
    for firewall in [Firewall::Nftables, Firewall::Iptables] {
        let ns = TestNs::new("node");
        Netlink::new(&ns.ns).expect("netlink").add_bridge("ovn0").await.expect("a stand-in");
        let node = Node::with_gateway(ns, firewall);
        assert_eq!(node.passed.read().await.expect("counters"), []);
        node.node(
            &[NODE_GIVEN, &[("ovn.kubernetes.io/gateway", "100.64.0.1,fd64::1")]].concat(),
            "172.31.0.1",
        );
        let expected = ["10.16.0.0/16 From", "10.16.0.0/16 To", "fd16::/112 From", "fd16::/112 To"];
        let seen = async || {
            let all = node.passed.read().await.expect("counters");
            assert!(all.iter().all(|of| &*of.subnet == "ovn-default"), "{all:?}");
            all.iter().map(|of| format!("{} {:?}", of.traffic.prefix, of.traffic.side)).collect::<Vec<_>>()
        };
        until("the counters", async || seen().await == expected).await;
    }
}

#[tokio::test]
async fn checksums_within_geneve_are_computed_in_software() {
    let ns = TestNs::new("node");
    let host = Netlink::new(&ns.ns).expect("netlink");
    host.add_bridge("eth0").await.expect("a stand-in");
    host.replace_addresses("eth0", &["172.31.0.1/24".parse().expect("a prefix")]).await.expect("an address");
    let node = Node::with_tunnels(ns);
    for _ in ["made", "made anew"] {
        host.add_bridge("genev_sys_6081").await.expect("a stand-in");
        let shown = || node.ns.exec("ethtool", &["-k", "genev_sys_6081"]).expect("ethtool");
        assert!(shown().contains("tx-checksumming: on"), "{}", shown());
        // Any event: OVS tells that it has made the link.
        node.node(NODE_GIVEN, "172.31.0.1");
        node.subnet(&shown().len().to_string(), "10.30.0.0/16", 1400);
        until("software", async || shown().contains("tx-checksumming: off")).await;
        host.delete_link("genev_sys_6081").await.expect("delete");
        node.subnet("other", "10.31.0.0/16", 1400);
        sleep(SOON / 2).await;
    }
}

#[tokio::test]
async fn a_part_that_panics_ends_the_daemon() {
    let mut node = Node::start();
    until("the database", async || node.call("STATUS", "", "", None).await.success).await;
    node.switch.set(Conduct::Panics);
    let error = timeout(Duration::from_secs(5), node.ended()).await.expect("it goes on").expect_err("an end");
    assert!(error.to_string().contains("the switch had enough"), "{error}");
}
