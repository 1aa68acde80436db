//! How much there is, and the objects that it means.
#![allow(dead_code, reason = "no bench needs all of it")]

use kubeovn_core::index::objects::{Meta, Namespace, Node, Object, Pod, Subnet, SubnetSpec};

/// How many of what.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    pub(crate) pods: usize,
    pub(crate) nodes: usize,
    pub(crate) subnets: usize,
}

impl Size {
    /// Reads `--pods`, `--nodes`, `--subnets` and `--quick`; passes over what `cargo bench` adds.
    pub(crate) fn take(&mut self, mut args: impl Iterator<Item = String>) {
        while let Some(arg) = args.next() {
            let mut number = || {
                let value = args.next().unwrap_or_default();
                value.parse().unwrap_or_else(|_| panic!("{arg} needs a number, not {value:?}"))
            };
            match arg.as_str() {
                "--pods" => self.pods = number(),
                "--nodes" => self.nodes = number(),
                "--subnets" => self.subnets = number(),
                "--quick" => *self = Size { pods: 500, nodes: 10, subnets: 5 },
                "--bench" => {}
                _ => panic!("{arg}? --pods N, --nodes N, --subnets N or --quick"),
            }
        }
    }

    /// The prefix of a subnet.
    pub(crate) fn cidr(subnet: usize) -> String {
        format!("10.{}.{}.0/21", 100 + subnet / 32, subnet % 32 * 8)
    }

    /// Its gateway.
    pub(crate) fn gateway(subnet: usize) -> String {
        format!("10.{}.{}.1", 100 + subnet / 32, subnet % 32 * 8)
    }

    /// How many pods are wired one by one.
    pub(crate) fn sample(&self) -> usize {
        self.pods.min(500)
    }

    /// Ports of pods, of nodes, and of subnets to their router (the default and the join subnet, too).
    pub(crate) fn ports(&self) -> usize {
        self.pods + self.nodes + self.subnets + 2
    }

    /// Namespaces, nodes and subnets.
    pub(crate) fn places(&self) -> Vec<Object> {
        let mut objects = Vec::new();
        for i in 0..self.subnets {
            objects.push(Object::Namespace(Namespace { meta: Meta::named(&namespace(i)) }));
            let spec = SubnetSpec {
                cidr_block: Self::cidr(i),
                namespaces: vec![namespace(i).into()],
                ..SubnetSpec::default()
            };
            objects.push(Object::Subnet(Subnet {
                meta: Meta::named(&format!("net-{i}")),
                spec,
                ..Subnet::default()
            }));
        }
        for i in 0..self.nodes {
            let internal = format!("172.18.{}.{}", i / 250, i % 250 + 1).parse().unwrap();
            objects.push(Object::Node(Node {
                meta: Meta::named(&format!("node-{i}")),
                internal,
                ..Node::default()
            }));
        }
        objects
    }

    /// All objects.
    pub(crate) fn objects(&self) -> Vec<Object> {
        let mut objects = self.places();
        let pods = (0..self.pods)
            .map(|i| pod(&namespace(i % self.subnets), &format!("web-7d4b9c-{i:05}"), i % self.nodes));
        objects.extend(pods);
        objects
    }
}

pub(crate) fn namespace(i: usize) -> String {
    format!("team-{i}")
}

pub(crate) fn pod(namespace: &str, name: &str, node: usize) -> Object {
    let labels = [("app".into(), "web".into()), ("pod-template-hash".into(), "7d4b9c".into())].into();
    let meta = Meta { namespace: namespace.into(), labels, ..Meta::named(name) };
    Object::Pod(Pod { meta, node: Some(format!("node-{node}").into()), ..Pod::default() })
}
