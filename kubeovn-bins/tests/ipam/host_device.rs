//! `kubeovn-ipam` under `host-device`: links of the host that are moved into pods.

use serde_json::{Value, json};

use crate::{
    machine::{Machine, TestNs},
    packets,
    pods::{Pod, addresses, after, keeping, with},
};

/// A device on the host, connected with all others by a bridge, and the network that moves it into a pod.
fn device(machine: &Machine, name: &str) -> Value {
    if !machine.host.has_link("br0") {
        machine.host.ip("link add br0 type bridge");
        machine.host.ip("link set br0 up");
    }
    machine.host.ip(&format!("link add {name} type veth peer name {name}p"));
    machine.host.ip(&format!("link set {name}p master br0 up"));
    let subnet = json!({"name": "net1", "cidrBlock": "10.9.2.0/29,fd09:2::/64", "gateway": "10.9.2.1,fd09:2::1",
        "excludeIps": ["10.9.2.4..10.9.2.6"]});
    json!({"cniVersion": "1.0.0", "name": "devices", "type": "host-device", "device": name,
        "ipam": {"type": "kubeovn-ipam", "dataDir": machine.ledger(), "subnets": [subnet]}})
}

#[test]
fn packets_pass_between_moved_devices_and_they_come_back() {
    let machine = Machine::new();
    let (one, two, three) = (device(&machine, "d1"), device(&machine, "d2"), device(&machine, "d3"));
    let (a, b, c) = (Pod::new("a"), Pod::new("b"), Pod::new("c"));
    let first = machine.add(&a, &one);
    assert_eq!(addresses(&first), ["10.9.2.2/29", "fd09:2::2/64"]);
    assert_eq!(addresses(&machine.add(&b, &two)), ["10.9.2.3/29", "fd09:2::3/64"]);
    assert!(!machine.host.has_link("d1"));
    packets::pass(&a, &b);
    packets::pass(&b, &a);
    machine.call("CHECK", &a, &after(&one, &first)).nothing();

    let (code, text) = machine.refused(&c, &three);
    assert_eq!(code, 11, "{text}");
    assert!(text.starts_with("IPAM-POOL-EXHAUSTED: "), "{text}");
    machine.del(&a, &one);
    assert!(machine.host.has_link("d1"), "it is the host's again");
    let again = with(one, "/runtimeConfig", json!({"ips": ["10.9.2.2/29"]}));
    assert_eq!(addresses(&machine.add(&c, &again))[0], "10.9.2.2/29");
    packets::pass(&c, &b);
}

/// Debian's host-device asks for no DEL of addresses then. GC is what gets them back.
#[test]
fn what_host_device_forgets_is_collected() {
    let machine = Machine::new();
    let conf = device(&machine, "d1");
    let pod = Pod::new("a");
    let result = machine.add(&pod, &conf);
    let Pod { ns, container, if_name, args } = pod;
    drop(ns);
    let gone = Pod { ns: TestNs::new("unused"), container, if_name, args };
    let mut del = machine.start_in("", "host-device", "DEL", &gone);
    del.feed(&conf);
    del.said().nothing();
    let newest = with(conf, "/cniVersion", "1.1.0");
    let checked = |expected: bool| {
        let said = machine.run("kubeovn-ipam", "CHECK", &gone, &after(&newest, &result));
        assert_eq!(said.success, expected, "{said:?}");
    };
    checked(true);
    machine.run("kubeovn-ipam", "GC", &gone, &keeping(&newest, [])).nothing();
    checked(false);
}
