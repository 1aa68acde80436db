//! What leads pods out, as OVN's own tool sees it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use kubeovn_bins::run::asking::{Asking, MemoryProber};
use kubeovn_core::index::objects::{Kind, Meta, Node, Object, ObjectKey};

use crate::{
    objects::{node, pod, subnet},
    rig::Rig,
    server::wait_for,
    settled::tool,
};

/// The policies of priority 29000: match and next hops.
fn ways(rig: &Rig) -> Vec<String> {
    let db = format!("--db={}", rig.server.endpoint());
    let list = tool("ovn-nbctl", &[&db, "lr-policy-list", "ovn-cluster"]);
    let ways = list.lines().filter_map(|line| line.trim().strip_prefix("29000 "));
    let mut ways: Vec<String> =
        ways.map(|way| way.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    ways.sort();
    ways
}

fn not_ready(name: &str, ip: &str) -> Object {
    Object::Node(Node {
        meta: Meta::named(name),
        internal: ip.parse().unwrap(),
        ready: false,
        ..Node::default()
    })
}

#[test]
fn policies_follow_types_nodes_and_pods() {
    let led = |nodes: &str| {
        let Object::Subnet(mut subnet) = subnet("led", "", "10.70.0.0/24", "led") else {
            panic!("no subnet")
        };
        subnet.spec.gateway_type = "centralized".into();
        subnet.spec.gateway_node = nodes.into();
        Object::Subnet(subnet)
    };
    let nodes = [node("n1", "172.18.0.2"), node("n-2", "172.18.0.3")];
    let rig = Rig::settled(nodes.into_iter().chain([
        led("n1,n-2"),
        pod("led", "a", "n-2", &[]),
        pod("default", "b", "n-2", &[]),
    ]));
    let told = rig.addresses();
    let told = |name: &str| told[&ObjectKey::cluster(Kind::Node, name).to_string()].clone();
    let address = |name: &str| told(name).split(' ').next().unwrap().to_owned();
    let (first, second) = (address("n1"), address("n-2"));
    let local = format!("ip4.src == $ovn.default.n.2_ip4 reroute {second}");
    assert_eq!(ways(&rig), [local.clone(), format!("ip4.src == 10.70.0.0/24 reroute {first}")]);
    let db = format!("--db={}", rig.server.endpoint());
    let ports =
        tool("ovn-nbctl", &[&db, "--bare", "--columns=ports", "find", "Port_Group", "name=ovn.default.n.2"]);
    let port = tool(
        "ovn-nbctl",
        &[&db, "--bare", "--columns=_uuid", "find", "Logical_Switch_Port", "name=b.default"],
    );
    assert_eq!(ports.trim(), port.trim());
    rig.apply(not_ready("n1", "172.18.0.2"));
    let moved = [local.clone(), format!("ip4.src == 10.70.0.0/24 reroute {second}")];
    wait_for("the other node to lead", || (ways(&rig) == moved).then_some(()));
    rig.apply(node("n1", "172.18.0.2"));
    rig.apply(subnet("led", "", "10.70.0.0/24", "led"));
    let by_node = [format!("ip4.src == $led.n.2_ip4 reroute {second}"), local];
    wait_for("every node to lead", || (ways(&rig) == by_node).then_some(()));
    rig.settle();
}

/// Rounds come fast, so that all of it takes little time.
#[test]
fn a_gateway_that_does_not_answer_leads_nobody_until_it_does() {
    let Object::Subnet(mut led) = subnet("led", "", "10.70.0.0/24", "led") else { panic!("no subnet") };
    led.spec.gateway_type = "centralized".into();
    led.spec.gateway_node = "n1,n2,n3".into();
    led.spec.enable_ecmp = true;
    let nodes = [node("n1", "172.18.0.2"), node("n2", "172.18.0.3"), node("n3", "172.18.0.4")];
    let mut rig = Rig::stopped(nodes.into_iter().chain([Object::Subnet(led), pod("led", "a", "n1", &[])]));
    let prober = Arc::new(MemoryProber::default());
    let quick = Duration::from_millis(20);
    rig.asking = Some(Asking { every: quick, times: 2, within: quick / 4, ..Asking::new(prober.clone()) });
    rig.start();
    rig.settle();
    let told = rig.addresses();
    let address = |name: &str| -> IpAddr {
        let told = &told[&ObjectKey::cluster(Kind::Node, name).to_string()];
        told.split(' ').next().unwrap().parse().unwrap()
    };
    // As the eye sees it, which then has seen all.
    let by = |rig: &Rig, wanted: &[&str]| {
        let leads = || {
            let rows = rig.rows();
            let hops =
                rows.get("Logical_Router_Policy/ovn-cluster/29000/led/ip4")?.columns.get("nexthops")?.clone();
            let is_hop =
                |name: &&str| hops.iter().any(|hop| hop.trim_matches('"') == address(name).to_string());
            Some(["n1", "n2", "n3"].into_iter().filter(is_hop).collect::<Vec<_>>())
        };
        wait_for(&format!("the way by {wanted:?}"), || (leads() == Some(wanted.to_vec())).then_some(()));
    };
    by(&rig, &["n1", "n2", "n3"]);
    prober.silence([address("n2")]);
    by(&rig, &["n1", "n3"]);
    rig.settle();
    let mark = rig.now();
    rig.stays_silent_since(mark);

    // The next controller finds n2 left out, and leaves it so.
    rig.stop();
    let (before, updates) = (rig.rows(), rig.seen.updates());
    rig.start();
    let mark = rig.now();
    rig.stays_silent_since(mark);
    assert_eq!((rig.rows(), rig.seen.updates()), (before, updates));

    // Whoever hears nobody knows nothing of them.
    prober.silence(["n1", "n2", "n3"].map(address));
    by(&rig, &["n1", "n2", "n3"]);
    rig.settle();
    let mark = rig.now();
    rig.stays_silent_since(mark);
    prober.silence(["n1", "n3"].map(address));
    by(&rig, &["n2"]);
    prober.silence([]);
    by(&rig, &["n1", "n2", "n3"]);
    assert_eq!(rig.refused(), [""; 0]);
}
