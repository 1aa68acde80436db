//! `kubeovn-ipam` under `macvlan`.

use serde_json::{Value, json};

use crate::{
    machine::{Machine, TestNs},
    packets,
    pods::{Pod, addresses, after, with},
};

/// Both families, with a gateway for each.
fn dual(machine: &Machine) -> Value {
    machine.macvlan(
        json!([{"name": "net1", "cidrBlock": "10.9.0.0/24,fd09::/64", "gateway": "10.9.0.1,fd09::1"}]),
    )
}

/// Room for two.
fn tiny(machine: &Machine) -> Value {
    machine.macvlan(json!([{"name": "tiny", "cidrBlock": "10.9.1.0/29", "gateway": "10.9.1.1",
        "excludeIps": ["10.9.1.2..10.9.1.4"]}]))
}

#[test]
fn packets_pass_between_two_pods_until_they_are_deleted() {
    let machine = Machine::new();
    let conf = with(
        dual(&machine),
        "/ipam/routes",
        json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "10.8.0.0/16", "gw": "10.9.0.9"}]),
    );
    // Their sandboxes look for others with the same addresses first, as sandboxes do.
    let [a, b] = ["a", "b"].map(|name| Pod { ns: TestNs::new(name), ..Pod::new(name) });
    let result = machine.add(&a, &conf);
    assert_eq!(addresses(&result), ["10.9.0.2/24", "fd09::2/64"]);
    assert_eq!(addresses(&machine.add(&b, &conf)), ["10.9.0.3/24", "fd09::3/64"]);
    packets::pass(&a, &b);
    packets::pass(&b, &a);
    let routes = a.ns.ip("route show");
    assert!(
        routes.contains("default via 10.9.0.1 dev net1") && routes.contains("10.8.0.0/16 via 10.9.0.9"),
        "{routes}"
    );
    assert!(a.ns.ip("-6 route show").contains("default via fd09::1 dev net1"));

    machine.call("CHECK", &a, &after(&conf, &result)).nothing();
    let (code, text) = machine.call("CHECK", &b, &after(&conf, &result)).error();
    assert_eq!(code, 100, "{text}");
    assert!(
        text.starts_with("CNI-ADDR-DIFFERS: ")
            && text.contains("holds 10.9.0.3,fd09::3, and prevResult says 10.9.0.2,fd09::2"),
        "{text}"
    );

    machine.del(&a, &conf);
    machine.del(&a, &conf);
    let (code, _) = machine.call("CHECK", &a, &after(&conf, &result)).error();
    assert_eq!(code, 100, "nothing is held");
    let asks = with(conf.clone(), "/args", json!({"cni": {"ips": ["10.9.0.2", "fd09::2"]}}));
    assert_eq!(
        addresses(&machine.add(&Pod::new("c"), &asks)),
        ["10.9.0.2/24", "fd09::2/64"],
        "they are free"
    );
}

#[test]
fn a_sandbox_that_is_gone_frees_its_addresses_too() {
    let machine = Machine::new();
    let conf = tiny(&machine);
    let (a, b, c) = (Pod::new("a"), Pod::new("b"), Pod::new("c"));
    assert_eq!(addresses(&machine.add(&a, &conf)), ["10.9.1.5/29"]);
    assert_eq!(addresses(&machine.add(&b, &conf)), ["10.9.1.6/29"]);
    assert_eq!(machine.refused(&c, &conf).0, 11);
    let Pod { ns, container, if_name, args } = a;
    drop(ns);
    let gone = Pod { ns: TestNs::new("unused"), container, if_name, args };
    for _ in 0..2 {
        let mut del = machine.start_in("", "macvlan", "DEL", &gone);
        del.feed(&conf);
        del.said().nothing();
    }
    assert_eq!(addresses(&machine.add(&c, &conf)), ["10.9.1.5/29"]);
    packets::pass(&c, &b);
}

#[test]
fn a_full_subnet_is_told_by_macvlan_and_nothing_is_left_behind() {
    let machine = Machine::new();
    let conf = tiny(&machine);
    let pods = ["a", "b", "c"].map(Pod::new);
    machine.add(&pods[0], &conf);
    machine.add(&pods[1], &conf);
    let (code, text) = machine.refused(&pods[2], &conf);
    assert_eq!(code, 11, "the runtime may try again");
    assert!(
        text.starts_with("IPAM-POOL-EXHAUSTED: (NoAvailableAddress) subnet tiny has no free IPv4 address"),
        "{text}"
    );
    machine.del(&pods[0], &conf);
    machine.add(&pods[2], &conf);
    packets::pass(&pods[1], &pods[2]);
}

#[test]
fn what_macvlan_cannot_use_it_gives_back() {
    let machine = Machine::new();
    let conf = tiny(&machine);
    let unreachable = with(conf.clone(), "/ipam/routes", json!([{"dst": "10.8.0.0/16", "gw": "10.7.0.1"}]));
    for name in ["x", "y", "z"] {
        // Without the DEL of a runtime: what it would free must be free already.
        let (_, text) = machine.call("ADD", &Pod::new(name), &unreachable).error();
        assert!(text.contains("10.7.0.1"), "{text}");
    }
    for name in ["b", "c"] {
        machine.add(&Pod::new(name), &conf);
    }
}

#[test]
fn the_end_of_a_container_leaves_the_address_of_the_pods_next_one() {
    let machine = Machine::new();
    let conf = dual(&machine);
    let (old, new, other) = (Pod::of("web", "old"), Pod::of("web", "new"), Pod::new("other"));
    let first = machine.add(&old, &conf);
    let second = machine.add(&new, &conf);
    assert_eq!(addresses(&first), addresses(&second), "the pod keeps its addresses");
    machine.add(&other, &conf);
    packets::pass(&new, &other);

    machine.del(&old, &conf);
    machine.call("CHECK", &new, &after(&conf, &second)).nothing();
    assert_eq!(new.shown(), addresses(&second));
    packets::pass(&other, &new);
    let taken = with(conf.clone(), "/args", json!({"cni": {"ips": [addresses(&second)[0]]}}));
    let (code, text) = machine.refused(&Pod::new("thief"), &taken);
    assert_eq!(code, 11, "{text}");
    machine.del(&new, &conf);
    machine.add(&Pod::new("heir"), &taken);
}

#[test]
fn a_second_interface_in_another_network_has_an_address_of_its_own() {
    let machine = Machine::new();
    let (lan, dmz) = (dual(&machine), with(dual(&machine), "/name", "dmz"));
    let (a, b) = (Pod::new("a"), Pod::new("b"));
    let first = machine.add(&a, &lan);
    let a = Pod { if_name: "net2".into(), ..a };
    let second = machine.add(&a, &dmz);
    assert_ne!(addresses(&first), addresses(&second));
    machine.add(&b, &lan);
    machine.call("DEL", &a, &dmz).nothing();
    let a = Pod { if_name: "net1".into(), ..a };
    assert_eq!(a.ns.links(), ["net1"]);
    machine.call("CHECK", &a, &after(&lan, &first)).nothing();
    packets::pass(&b, &a);
}

#[test]
fn addresses_are_given_by_number_wherever_it_stands() {
    let machine = Machine::new();
    let conf = dual(&machine);
    let ways: [(&str, Value, &str, [&str; 2]); 3] = [
        (
            "/args",
            json!({"cni": {"ips": ["10.9.0.20/24", "fd09::20/64"]}}),
            "",
            ["10.9.0.20/24", "fd09::20/64"],
        ),
        ("/runtimeConfig", json!({"ips": ["10.9.0.21", "fd09::21"]}), "", ["10.9.0.21/24", "fd09::21/64"]),
        ("/args", json!({}), "IP=10.9.0.22,fd09::22", ["10.9.0.22/24", "fd09::22/64"]),
    ];
    let mut pods = Vec::new();
    for (path, value, argument, wanted) in ways {
        let conf = with(with(conf.clone(), "/capabilities", json!({"ips": true})), path, value);
        let pod = Pod::new(wanted[0].split('/').next().unwrap()).asking(argument);
        assert_eq!(addresses(&machine.add(&pod, &conf)), wanted, "{path} {argument}");
        pods.push(pod);
    }
    packets::pass(&pods[0], &pods[1]);
    packets::pass(&pods[1], &pods[2]);
    let half = Pod::new("half").asking("IP=10.9.0.30");
    assert_eq!(
        addresses(&machine.add(&half, &conf)),
        ["10.9.0.30/24", "fd09::2/64"],
        "the other family is chosen"
    );

    for (ip, code, says) in [
        (
            "10.9.0.20",
            11,
            "IPAM-ADDR-TAKEN: (AddressConflict) 10.9.0.20 (subnet net1) is held by pod/uid-10.9.0.20",
        ),
        ("10.9.0.1", 7, "IPAM-ADDR-GATEWAY: "),
        ("10.9.3.9", 7, "IPAM-ADDR-OUT-OF-RANGE: "),
        ("10.9.0.300", 7, "CNI-CONF-ADDRESS: IP in CNI_ARGS: "),
    ] {
        let pod = Pod::new("late").asking(&format!("IP={ip}"));
        let (told, text) = machine.refused(&pod, &conf);
        assert!(told == code && text.starts_with(says), "{ip}: {told} {text}");
    }
}
