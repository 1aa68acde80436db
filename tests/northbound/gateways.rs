//! What leads pods out, as OVN's own tool sees it.

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
