//! The plugin as the runtime sees it, with a store in memory.

mod configuration;
mod random;
mod steps;
mod verbs;

use std::cell::Cell;

use kubeovn_core::cni::{Environment, Printed};
use serde_json::{Value, json};

use super::run;
use crate::{Millis, store::Memory};

/// A node, on which calls are made one after the other.
#[derive(Default)]
struct Node {
    store: Memory,
    now: Cell<Millis>,
}

impl Node {
    /// A call about interface `net1` of a container, with these `CNI_ARGS`.
    fn call_with(&self, command: &str, container: &str, args: &str, conf: &Value) -> Printed {
        self.now.set(self.now.get() + 1);
        let env = environment(command, container, args);
        run(&env, conf.to_string().as_bytes(), self.now.get(), |_| Ok(self.store.clone()), |_| Ok(()))
    }

    /// The same of a container of its own pod.
    fn call(&self, command: &str, container: &str, conf: &Value) -> Printed {
        self.call_with(command, container, "", conf)
    }

    /// The result of an ADD that succeeds.
    fn add(&self, container: &str, conf: &Value) -> Value {
        let printed = self.call("ADD", container, conf);
        assert!(printed.success, "{printed:?}");
        printed.output.unwrap()
    }

    /// The addresses of an ADD that succeeds.
    fn ips(&self, container: &str, conf: &Value) -> Vec<String> {
        addresses(&self.add(container, conf))
    }

    fn do_nothing(&self, command: &str, container: &str, conf: &Value) {
        assert_eq!(self.call(command, container, conf), Printed { output: None, success: true }, "{command}");
    }

    /// Code and text of a call that fails.
    fn refused(&self, command: &str, container: &str, conf: &Value) -> (u64, String) {
        error(self.call(command, container, conf))
    }
}

fn environment(command: &str, container: &str, args: &str) -> Environment {
    Environment {
        command: command.into(),
        container_id: container.into(),
        net_ns: "/run/netns/x".into(),
        if_name: "net1".into(),
        args: args.into(),
    }
}

fn addresses(result: &Value) -> Vec<String> {
    let ips = result["ips"].as_array().unwrap();
    ips.iter().map(|ip| ip["address"].as_str().unwrap().to_owned()).collect()
}

fn error(printed: Printed) -> (u64, String) {
    assert!(!printed.success, "{printed:?}");
    let error = printed.output.unwrap();
    (error["code"].as_u64().unwrap(), error["msg"].as_str().unwrap().to_owned())
}

/// A macvlan network that takes its addresses from these settings.
fn network(ipam: Value) -> Value {
    json!({"cniVersion": "1.1.0", "name": "lan", "type": "macvlan", "master": "eth1", "ipam": ipam})
}

/// One subnet `net1` with this prefix, and gateway.
fn subnet(cidr: &str, gateway: &str) -> Value {
    network(json!({"subnets": [{"name": "net1", "cidrBlock": cidr, "gateway": gateway}]}))
}

/// The same value with another one at a JSON pointer, or with a field less.
fn with(mut value: Value, path: &str, put: impl Into<Value>) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    let put = put.into();
    match value.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = put,
        parent if put.is_null() => _ = parent.as_object_mut().unwrap().remove(key),
        parent => parent[key] = put,
    }
    value
}
