//! Nothing on standard input makes the plugin panic, and no two containers get one address.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Node, addresses, environment, run, subnet, with};

const COMMANDS: [&str; 7] = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION", ""];

/// Texts as they stand in a configuration.
const KNOWN: &[&str] = &[
    "",
    "10.0.0.0/24",
    "10.0.0.0/31,fd00::/126",
    "::/0",
    "0.0.0.0/0",
    "10.0.0.5",
    "10.0.0.2..10.0.0.9",
    "fe80::1",
    "net1",
    "/d",
];

/// Mostly these.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => prop::sample::select(KNOWN).prop_map(str::to_owned), 1 => ".{0,12}"]
}

prop_compose! {
    fn configuration()(
        version in prop::sample::select(vec!["1.1.0", "0.3.0", "2"]),
        data_dir in text(), chosen in text(), name in text(), cidr in text(), gateway in text(), exclude in text(),
        dst in text(), gw in text(), ip in text(), told in text(),
    ) -> Value {
        json!({
            "cniVersion": version,
            "ipam": {"dataDir": data_dir, "subnet": chosen, "routes": [{"dst": dst, "gw": gw}],
                "subnets": [{"name": name, "cidrBlock": cidr, "gateway": gateway, "excludeIps": [exclude]}]},
            "args": {"cni": {"ips": [ip]}},
            "prevResult": {"ips": [{"address": told}]},
            "cni.dev/valid-attachments": [{"containerID": gw, "ifname": dst}],
        })
    }
}

fn never_panics(input: &[u8], args: &str) {
    let node = Node::default();
    for command in COMMANDS {
        let env = environment(command, "a", args);
        let printed = run(&env, input, 1, |_| Ok(node.store.clone()), |_| Ok(()));
        assert!(printed.success || printed.output.is_some(), "{command}: a failure has a reason");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(input in prop::collection::vec(any::<u8>(), 0..200), args in ".{0,20}") {
        never_panics(&input, &args);
    }

    #[test]
    fn any_configuration_is_answered(conf in configuration(), ip in text()) {
        never_panics(conf.to_string().as_bytes(), &format!("IP={ip}"));
    }

    #[test]
    fn no_address_is_held_twice(calls in prop::collection::vec((0_u8..6, 0_u8..3, 0_u8..3), 1..60)) {
        let node = Node::default();
        let conf = subnet("10.0.0.0/29,fd00::/125", "10.0.0.1");
        let mut held: BTreeMap<u8, Vec<String>> = BTreeMap::new();
        for (container, command, fixed) in calls {
            let conf = match fixed {
                0 => conf.clone(),
                n => with(conf.clone(), "/runtimeConfig", json!({"ips": [format!("10.0.0.{}", n + 2)]})),
            };
            if command == 0 {
                node.do_nothing("DEL", &container.to_string(), &conf);
                held.remove(&container);
            } else if let Some(result) = Some(node.call("ADD", &container.to_string(), &conf)).filter(|p| p.success) {
                held.insert(container, addresses(&result.output.unwrap()));
            }
            let mut all: Vec<_> = held.values().flatten().collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), count, "{:?}", held);
        }
    }
}
