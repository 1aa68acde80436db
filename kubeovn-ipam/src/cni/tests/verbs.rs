//! Each verb, and who holds what after it.

use serde_json::{Value, json};

use super::{Node, addresses, environment, error, network, run, subnet, with};

const POD: &str = "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_UID=6f1a";

/// The addresses of an ADD of a container of the pod.
fn add_pod(node: &Node, container: &str, conf: &Value) -> Vec<String> {
    addresses(&node.call_with("ADD", container, POD, conf).output.unwrap())
}

#[test]
fn an_answer_has_addresses_gateways_routes_and_resolvers_and_no_interface() {
    let mut conf = subnet("10.0.0.0/24,fd00::/64", "10.0.0.1,fd00::1");
    conf["ipam"]["routes"] =
        json!([{"dst": "0.0.0.0/0"}, {"gw": "fd00::1"}, {"dst": "10.9.0.0/16", "gw": "10.0.0.9"}]);
    conf["dns"] = json!({"nameservers": ["10.96.0.10"]});
    let wanted = json!({
        "cniVersion": "1.1.0",
        "ips": [
            {"address": "10.0.0.2/24", "gateway": "10.0.0.1"},
            {"address": "fd00::2/64", "gateway": "fd00::1"},
        ],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0", "gw": "fd00::1"}, {"dst": "10.9.0.0/16", "gw": "10.0.0.9"}],
        "dns": {"nameservers": ["10.96.0.10"]},
    });
    let node = Node::default();
    assert_eq!(node.add("a", &conf), wanted);
    assert_eq!(node.add("a", &conf), wanted, "twice is the same");

    conf["ipam"]["dns"] = json!({"search": ["lan"]});
    assert_eq!(node.add("a", &conf)["dns"], json!({"search": ["lan"]}), "ours is nearer");
    let old = node.add("b", &with(subnet("10.0.0.0/24", "10.0.0.1"), "/cniVersion", "0.3.1"));
    assert_eq!(
        old,
        json!({"cniVersion": "0.3.1", "ips": [{"address": "10.0.0.3/24", "gateway": "10.0.0.1", "version": "4"}], "dns": {}})
    );
}

#[test]
fn interfaces_and_containers_have_addresses_of_their_own_until_they_are_deleted() {
    let (node, conf) = (Node::default(), subnet("10.0.0.0/24", "10.0.0.1"));
    assert_eq!(
        (node.ips("a", &conf), node.ips("b", &conf)),
        (vec!["10.0.0.2/24".into()], vec!["10.0.0.3/24".into()])
    );
    let mut second = environment("ADD", "a", "");
    second.if_name = "net2".into();
    let call = |env: &_| run(env, conf.to_string().as_bytes(), 9, |_| Ok(node.store.clone()), |_| Ok(()));
    assert_eq!(addresses(&call(&second).output.unwrap()), ["10.0.0.4/24"]);

    node.do_nothing("DEL", "a", &conf);
    assert_eq!(
        addresses(&call(&second).output.unwrap()),
        ["10.0.0.4/24"],
        "the other interface keeps its own"
    );
    node.do_nothing("DEL", "a", &conf);
    assert_eq!(node.ips("c", &conf), ["10.0.0.5/24"], "a freed address is not given at once");
}

#[test]
fn what_is_deleted_need_not_be_there() {
    let (node, conf) = (Node::default(), subnet("10.0.0.0/24", ""));
    node.do_nothing("DEL", "never", &conf);
    node.add("a", &conf);
    let mut env = environment("DEL", "a", "");
    env.net_ns.clear();
    let call = |env: &_| run(env, conf.to_string().as_bytes(), 9, |_| Ok(node.store.clone()), |_| Ok(()));
    assert!(call(&env).success && call(&env).success);
    env.command = "ADD".into();
    assert_eq!(error(call(&env)), (4, "CNI_NETNS is not set".into()));
}

#[test]
fn a_subnet_that_is_spoiled_or_gone_keeps_nobody() {
    let (node, conf) = (Node::default(), subnet("10.0.0.0/30", "10.0.0.1"));
    node.add("a", &conf);
    let spoiled = with(conf.clone(), "/ipam/subnets/0/cidrBlock", "10.0.0");
    assert_eq!(node.refused("ADD", "b", &spoiled).0, 7);
    node.do_nothing("DEL", "a", &spoiled);
    assert_eq!(node.ips("b", &conf), ["10.0.0.2/30"]);
    node.do_nothing("DEL", "b", &with(conf.clone(), "/ipam/subnets", json!([])));
    assert_eq!(node.ips("c", &conf), ["10.0.0.2/30"]);
}

#[test]
fn the_end_of_a_container_frees_nothing_of_the_pods_next_one() {
    let (node, conf) = (Node::default(), subnet("10.0.0.0/24", "10.0.0.1"));
    let first = add_pod(&node, "old", &conf);
    node.do_nothing("STATUS", "", &conf);
    let second = add_pod(&node, "new", &conf);
    assert_eq!(first, second, "the pod keeps what it has");
    assert!(node.call_with("DEL", "old", POD, &conf).success);
    assert_eq!(add_pod(&node, "new", &conf), second);
    assert_ne!(node.ips("other", &conf), second);
    // Who cleans up need not know the pod any more.
    node.do_nothing("DEL", "new", &conf);
    let fixed = with(conf, "/runtimeConfig", json!({"ips": second}));
    assert_eq!(node.ips("third", &fixed), second);
}

#[test]
fn check_compares_what_is_held_with_what_was_told() {
    let (node, conf) = (Node::default(), subnet("10.0.0.0/24,fd00::/64", ""));
    let result = node.add("a", &conf);
    let told = |ips: Value| with(conf.clone(), "/prevResult", json!({"ips": ips}));
    node.do_nothing("CHECK", "a", &told(result["ips"].clone()));
    for (container, ips, text) in [
        (
            "a",
            json!([{"address": "10.0.0.1/24"}]),
            "interface net1 of container a holds 10.0.0.1,fd00::1, and prevResult says 10.0.0.1.",
        ),
        ("a", Value::Null, "holds 10.0.0.1,fd00::1, and prevResult says nothing"),
        (
            "b",
            result["ips"].clone(),
            "interface net1 of container b holds nothing, and prevResult says 10.0.0.1,fd00::1",
        ),
    ] {
        let (code, msg) = node.refused("CHECK", container, &told(ips));
        assert_eq!(code, 100);
        assert!(msg.starts_with("CNI-ADDR-DIFFERS: ") && msg.contains(text), "{msg}");
    }
    let (code, msg) = node.refused("CHECK", "a", &told(json!([{"address": "here"}])));
    assert_eq!((code, msg.starts_with("CNI-CONF-ADDRESS: prevResult.ips: \"here\"")), (7, true), "{msg}");
    let before = Node::default();
    before.add("a", &conf);
    node.do_nothing("DEL", "a", &conf);
    assert_eq!(node.refused("CHECK", "a", &told(result["ips"].clone())).0, 100);
}

#[test]
fn gc_takes_back_what_is_not_listed_of_this_network_only() {
    let both = network(json!({"subnet": "a", "subnets": [
        {"name": "a", "cidrBlock": "10.0.0.0/29"}, {"name": "b", "cidrBlock": "10.1.0.0/29"}]}));
    let of_b = with(with(both.clone(), "/ipam/subnet", "b"), "/name", "wan");
    let on_a = with(both.clone(), "/name", "dmz");
    let node = Node::default();
    for container in ["stays", "goes"] {
        node.add(container, &both);
    }
    assert!(node.call_with("ADD", "pod", POD, &both).success);
    node.add("elsewhere", &of_b);
    node.add("neighbour", &on_a);

    let listed = |conf: &Value, ids: &[(&str, &str)]| {
        let mut conf = conf.clone();
        let ids = ids.iter().map(|(id, nic)| json!({"containerID": id, "ifname": nic}));
        conf["cni.dev/valid-attachments"] = ids.collect();
        conf
    };
    node.do_nothing("GC", "", &listed(&both, &[("stays", "net1"), ("goes", "eth0"), ("pod", "net1")]));
    let held = |container: &str, conf: &Value, ip: &str| {
        let conf = with(conf.clone(), "/prevResult", json!({"ips": [{"address": ip}]}));
        node.call("CHECK", container, &conf).success
    };
    assert!(
        held("stays", &both, "10.0.0.1")
            && held("pod", &both, "10.0.0.3")
            && held("elsewhere", &of_b, "10.1.0.1")
    );
    assert!(!held("goes", &both, "10.0.0.2"));
    node.do_nothing("GC", "", &listed(&of_b, &[]));
    assert!(held("stays", &both, "10.0.0.1") && !held("elsewhere", &of_b, "10.1.0.1"));
    // Programs in Go write an empty list so.
    let mut empty = both.clone();
    empty["cni.dev/valid-attachments"] = Value::Null;
    node.do_nothing("GC", "", &empty);
    assert_eq!((held("stays", &both, "10.0.0.1"), held("pod", &both, "10.0.0.3")), (false, false));
    assert!(held("neighbour", &on_a, "10.0.0.4"), "another network on the same subnet");
}

#[test]
fn a_full_subnet_says_so_and_is_served_after_a_release() {
    let (node, conf) = (Node::default(), subnet("10.0.0.0/30,fd00::/64", "10.0.0.1"));
    node.do_nothing("STATUS", "", &conf);
    assert_eq!(node.ips("a", &conf), ["10.0.0.2/30", "fd00::1/64"]);
    let full =
        "IPAM-POOL-EXHAUSTED: (NoAvailableAddress) subnet net1 has no free IPv4 address: 1 of 2 are in use";
    for (command, code) in [("ADD", 11), ("STATUS", 50)] {
        let (number, msg) = node.refused(command, "b", &conf);
        assert_eq!(number, code, "{command}");
        assert!(msg.starts_with(full), "{msg}");
    }
    node.do_nothing("DEL", "a", &conf);
    node.do_nothing("STATUS", "", &conf);
    assert_eq!(node.ips("b", &conf)[0], "10.0.0.2/30");
}

#[test]
fn an_address_that_cannot_be_had_is_refused_with_its_holder() {
    let (node, conf) = (Node::default(), subnet("10.0.0.0/24", "10.0.0.1"));
    let fixed = |ip: &str| with(conf.clone(), "/args", json!({"cni": {"ips": [ip]}}));
    assert_eq!(node.ips("a", &fixed("10.0.0.5/24")), ["10.0.0.5/24"]);
    for (ip, code, text) in [
        ("10.0.0.5", 11, "IPAM-ADDR-TAKEN: (AddressConflict) 10.0.0.5 (subnet net1) is held by pod/a"),
        ("10.0.0.1", 7, "IPAM-ADDR-GATEWAY: (AddressConflict) 10.0.0.1"),
        ("10.0.1.5", 7, "IPAM-ADDR-OUT-OF-RANGE: (AddressOutOfRange) 10.0.1.5"),
    ] {
        let (number, msg) = node.refused("ADD", "b", &fixed(ip));
        assert_eq!(number, code, "{msg}");
        assert!(msg.starts_with(text), "{msg}");
    }
    assert_eq!(node.ips("a", &fixed("10.0.0.6")), ["10.0.0.6/24"], "who asks for another one gets it");
}

#[test]
fn subnets_that_overlap_share_their_addresses() {
    let conf = network(json!({"subnet": "a", "subnets": [
        {"name": "a", "cidrBlock": "10.0.0.0/29"}, {"name": "b", "cidrBlock": "10.0.0.0/24"}]}));
    let node = Node::default();
    assert_eq!(node.ips("x", &conf), ["10.0.0.1/29"]);
    assert_eq!(node.ips("y", &with(conf, "/ipam/subnet", "b")), ["10.0.0.2/24"]);
}

#[test]
fn a_renamed_subnet_gives_nothing_that_is_held_under_the_old_name() {
    let (node, conf) = (Node::default(), subnet("10.0.0.0/30", ""));
    let renamed = with(conf.clone(), "/ipam/subnets/0/name", "net2");
    let pod = |container: &str, conf: &Value| {
        addresses(&node.call_with("ADD", container, POD, conf).output.unwrap())
    };
    assert_eq!(node.ips("a", &conf), ["10.0.0.1/30"]);
    // Of one pod two containers, so that its only grant is replaced within one entry.
    assert_eq!(pod("old", &conf), ["10.0.0.2/30"]);
    assert_eq!(pod("new", &conf), ["10.0.0.2/30"]);
    assert_eq!(node.refused("ADD", "c", &renamed).0, 11);
    node.do_nothing("DEL", "a", &renamed);
    assert_eq!(node.ips("c", &renamed), ["10.0.0.1/30"]);
    assert_eq!(node.refused("ADD", "d", &renamed).0, 11);
}
