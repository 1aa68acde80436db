//! A host in a namespace, and the facts of a cluster with many subnets.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kubeovn_core::addr::DualStack;
use kubeovn_node::gateway::{Egress, Facts, Join, Pod, Subnet};
use kubeovn_node::netlink::{Netlink, Veth};

use crate::guard::TestNs;

/// A host with its port into the overlay and a link to outside.
pub(crate) struct Host {
    pub(crate) node: TestNs,
    _outside: TestNs,
}

const JOIN: [&str; 2] = ["100.64.0.2/16", "fd64::2/112"];
const ETH0: [&str; 2] = ["172.18.0.2/24", "fd18::2/64"];

impl Host {
    pub(crate) async fn new() -> Self {
        let (node, outside) = (TestNs::new("node"), TestNs::new("out"));
        let (near, far) = (Netlink::new(&node.ns).unwrap(), Netlink::new(&outside.ns).unwrap());
        near.set_up("lo").await.unwrap();
        for (name, addresses) in [("ovn0", JOIN), ("eth0", ETH0)] {
            near.add_veth(Veth { name, peer: name, peer_ns: &outside.ns, mtu: 1500 }).await.unwrap();
            let addresses = addresses.map(|net| net.parse().unwrap());
            near.replace_addresses(name, &addresses).await.unwrap();
            near.set_up(name).await.unwrap();
            far.set_up(name).await.unwrap();
        }
        Host { node, _outside: outside }
    }

    /// So many subnets. Every second one is masqueraded; the last one leaves by a gateway outside.
    pub(crate) fn facts(subnets: usize) -> Facts {
        Facts {
            node: "n1".to_owned(),
            node_ips: "172.18.0.2,fd18::2".parse().unwrap(),
            local: ["172.18.0.2", "fd18::2", "100.64.0.2", "fd64::2"].map(|ip| ip.parse().unwrap()).to_vec(),
            other_nodes: vec!["172.18.0.3".parse().unwrap()],
            join: Join {
                link: "ovn0".to_owned(),
                cidrs: "100.64.0.0/16,fd64::/112".parse().unwrap(),
                gateways: "100.64.0.1,fd64::1".parse().unwrap(),
            },
            services: vec!["10.96.0.0/12".parse().unwrap(), "fd96::/112".parse().unwrap()],
            subnets: (0..subnets).map(subnet).collect(),
            ..Facts::default()
        }
    }

    /// Like the others.
    pub(crate) fn one_more(subnets: usize) -> Subnet {
        subnet(subnets)
    }

    /// The last subnet has a gateway outside, and so many pods on this node.
    pub(crate) fn with_pods(mut facts: Facts, pods: usize) -> Facts {
        let last = facts.subnets.last_mut().unwrap();
        last.nat_outgoing = false;
        last.egress = Some(Egress { gateways: "172.18.0.100".parse().unwrap(), priority: 100, table: 1000 });
        facts.pods = Self::pods(&last.name, pods);
        facts
    }

    /// So many pods of a subnet.
    pub(crate) fn pods(subnet: &str, pods: usize) -> Vec<Pod> {
        let pod = |i| Pod { subnet: subnet.to_owned(), ips: DualStack { v4: Some(address(i)), v6: None } };
        (0..pods).map(pod).collect()
    }

    /// As many rules, in another table and of another priority, made and taken away again; how long the making took.
    pub(crate) fn rules_by_hand(&self, pods: usize) -> Duration {
        let lines = |verb: &str| {
            (0..pods).fold(String::new(), |mut text, i| {
                let _ = writeln!(text, "rule {verb} from {} lookup 2000 pref 90", address(i));
                text
            })
        };
        let took = self.fed("ip", &["-batch", "-"], &lines("add"));
        self.fed("ip", &["-batch", "-"], &lines("del"));
        took
    }

    /// What a program prints.
    pub(crate) fn said(&self, program: &str, arguments: &[&str]) -> String {
        self.node.exec(program, arguments).unwrap_or_else(|said| panic!("{program} {arguments:?}: {said}"))
    }

    /// How long a program takes for an input.
    pub(crate) fn fed(&self, program: &str, arguments: &[&str], input: &str) -> Duration {
        let run = || {
            let began = Instant::now();
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{program} {arguments:?}: {said}");
            began.elapsed()
        };
        self.node.ns.run(run).unwrap()
    }
}

fn subnet(number: usize) -> Subnet {
    let (second, third) = (20 + number / 250, number % 250);
    Subnet {
        name: format!("s{number}"),
        uid: format!("00000000-0000-0000-0000-{number:012}"),
        cidrs: format!("10.{second}.{third}.0/24,fd20:{number:x}::/112").parse().unwrap(),
        nat_outgoing: number.is_multiple_of(2),
        ..Subnet::default()
    }
}

fn address(number: usize) -> std::net::IpAddr {
    let [_, second, third, fourth] = u32::try_from(number).unwrap().to_be_bytes();
    [10, 60 + second, third, fourth].into()
}
