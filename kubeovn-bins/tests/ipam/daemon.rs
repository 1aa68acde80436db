//! `kube-ovn` as address plugin of `macvlan` and `host-device`: the daemon tells what the controller wrote on the pod.

use std::time::Duration;

use kubeovn_core::annotations::{NicKey, nic};
use serde_json::json;

use crate::{
    machine::until,
    node::{Node, PROVIDER, given},
    packets,
    pods::{Pod, addresses, after, with},
};

/// No ADD of a test that succeeds takes that long.
const LONG: Duration = Duration::from_secs(20);

#[test]
fn packets_pass_between_pods_with_the_addresses_of_their_annotations() {
    let node = Node::start(LONG);
    let (machine, conf) = (&node.machine, node.macvlan());
    let (a, b) = (Pod::new("a"), Pod::new("b"));
    node.pod("a", &given(PROVIDER, "10.9.16.7,fd09:16::7"));
    node.pod("b", &given(PROVIDER, "10.9.16.8,fd09:16::8"));
    let result = machine.add(&a, &conf);
    assert_eq!(addresses(&result), ["10.9.16.7/24", "fd09:16::7/64"]);
    assert_eq!(addresses(&machine.add(&b, &conf)), ["10.9.16.8/24", "fd09:16::8/64"]);
    packets::pass(&a, &b);
    packets::pass(&b, &a);
    assert_eq!(a.ns.ip("route show default"), "", "the pod's first network has the default route");

    machine.call("CHECK", &a, &after(&conf, &result)).nothing();
    machine.del(&a, &conf);
    machine.del(&a, &conf);
    // The pod may be gone before its sandbox, and the sandbox before its DEL.
    node.no_pod("b");
    let mut del = machine.start_in("", "macvlan", "DEL", &b);
    del.feed(&conf);
    del.said().nothing();
}

#[test]
fn a_moved_device_has_the_addresses_and_routes_of_its_annotations() {
    let node = Node::start(LONG);
    let machine = &node.machine;
    machine.host.ip("link add d1 type veth peer name d2");
    let wired = |name: &str, device: &str, ips: &str, note: (NicKey, &str)| {
        let mut annotations = given(PROVIDER, ips);
        annotations.push((note.0.of(PROVIDER).into_owned(), note.1.to_owned()));
        node.pod(name, &annotations);
        let conf = json!({"cniVersion": "1.0.0", "name": "devices", "type": "host-device", "device": device,
            "ipam": node.ipam()});
        let pod = Pod::new(name);
        machine.add(&pod, &conf);
        (pod, conf)
    };
    let (a, of_a) = wired("a", "d1", "10.9.16.7,fd09:16::7", (nic::DEFAULT_ROUTE, "true"));
    let extra = r#"[{"dst": "10.8.0.0/16", "gw": "10.9.16.9"}]"#;
    let (b, of_b) = wired("b", "d2", "10.9.16.8,fd09:16::8", (nic::ROUTES, extra));
    for (pod, family, route) in [
        (&a, "-4", "default via 10.9.16.1 dev net1"),
        (&a, "-6", "default via fd09:16::1 dev net1"),
        (&b, "-4", "10.8.0.0/16 via 10.9.16.9 dev net1"),
    ] {
        let routes = pod.ns.ip(&format!("{family} route show"));
        assert!(routes.contains(route), "{route}: {routes}");
    }
    packets::pass(&a, &b);
    machine.del(&a, &of_a);
    machine.del(&b, &of_b);
    assert!(machine.host.has_link("d1") && machine.host.has_link("d2"));
}

#[test]
fn the_default_route_stays_beside_others_and_a_device_is_no_hindrance() {
    let node = Node::start(LONG);
    let mut annotations = given(PROVIDER, "10.9.16.7");
    annotations.push((nic::DEFAULT_ROUTE.of(PROVIDER).into_owned(), "true".to_owned()));
    annotations.push((
        nic::ROUTES.of(PROVIDER).into_owned(),
        r#"[{"dst": "10.8.0.0/16", "gw": "10.9.16.9"}]"#.to_owned(),
    ));
    node.pod("a", &annotations);
    // Multus tells the device of every network that has one, whoever makes the interface.
    let conf = with(node.macvlan(), "/deviceID", "0000:3b:00.1");
    let pod = Pod::new("a");
    node.machine.add(&pod, &conf);
    let routes = pod.ns.ip("-4 route show");
    for route in ["default via 10.9.16.1 dev net1", "10.8.0.0/16 via 10.9.16.9 dev net1"] {
        assert!(routes.contains(route), "{route}: {routes}");
    }
}

#[test]
fn two_interfaces_in_one_network_have_each_its_own() {
    let node = Node::start(LONG);
    let (machine, conf) = (&node.machine, node.macvlan());
    let second = format!("{PROVIDER}.net2");
    node.pod("a", &[given(PROVIDER, "10.9.16.7"), given(&second, "10.9.16.9")].concat());
    node.pod("b", &given(PROVIDER, "10.9.16.8"));
    let (a, b) = (Pod::new("a"), Pod::new("b"));
    assert_eq!(addresses(&machine.add(&a, &conf)), ["10.9.16.7/24"]);
    let a = Pod { if_name: "net2".into(), ..a };
    assert_eq!(addresses(&machine.add(&a, &conf)), ["10.9.16.9/24"]);
    machine.add(&b, &conf);
    packets::pass(&b, &a);
    machine.call("DEL", &a, &conf).nothing();
    assert_eq!(a.ns.links(), ["net1"]);
    packets::pass(&b, &Pod { if_name: "net1".into(), ..a });
}

#[test]
fn macvlan_waits_with_the_daemon_for_the_controller() {
    let node = Node::start(LONG);
    let (machine, conf) = (&node.machine, node.macvlan());
    let pod = Pod::new("a");
    node.pod("a", &[]);
    let mut add = machine.start("macvlan", "ADD", &pod);
    add.feed(&conf);
    // It makes its interface before it asks for addresses.
    until("the interface", || pod.ns.has_link("net1"));
    assert!(!add.has_ended());
    node.pod("a", &given(PROVIDER, "10.9.16.7"));
    assert_eq!(addresses(&add.said().result()), ["10.9.16.7/24"]);
    assert_eq!(pod.shown(), ["10.9.16.7/24"]);
}

#[test]
fn the_reason_reaches_the_runtime_through_macvlan() {
    let node = Node::start(Duration::from_millis(200));
    let conf = node.macvlan();
    let told =
        "IPAM-POOL-EXHAUSTED: (NoAvailableAddress) subnet macnet has no free IPv4 address: 5 of 5 are in use";
    node.pod("a", &[(nic::ERROR.of(PROVIDER).into_owned(), told.to_owned())]);
    node.pod("b", &[]);
    let unbound = with(conf.clone(), "/ipam/provider", "other.default");
    for (pod, conf, says) in [
        ("a", &conf, told),
        ("b", &conf, "CNI-NO-ADDRESS: pod default/b has no address in network macnet.default yet"),
        ("c", &conf, "CNI-POD-UNKNOWN: pod default/c is not known on node n1"),
        ("a", &unbound, "CNI-PROVIDER-UNKNOWN: network other.default is not bound to any subnet"),
    ] {
        let pod = Pod::new(pod);
        let (code, text) = node.machine.refused(&pod, conf);
        assert!(code == 11 && text.contains(says), "{code} {text}");
    }
}
