#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::index::NetworkType;
use kubeovn_node::netlink::Route;
use kubeovn_node::tunnel::Interface;

use super::judge;
use crate::ctl::check::facts::{
    Cluster, Conf, Facts, Holder, Member, Module, Protocol, Setting, Tried, Wish,
};
use crate::ctl::check::finding::Severity::{self, Fail, Ok as Fine, Warn};

pub(crate) fn wish() -> Wish {
    Wish {
        pods: vec!["10.16.0.0/16".parse().unwrap()],
        join: vec!["100.64.0.0/16".parse().unwrap()],
        services: vec!["10.96.0.0/12".parse().unwrap()],
        iface: String::new(),
        mtu: 0,
        network: NetworkType::Geneve,
        conf_name: "01-kube-ovn.conflist".to_owned(),
        node: "n1".to_owned(),
    }
}

fn route(dst: &str, dev: &str) -> Route {
    Route { dst: dst.parse().unwrap(), via: None, dev: dev.to_owned(), src: None, mtu: None }
}

fn interface(name: &str, mtu: u32, address: &str) -> Interface {
    Interface { name: name.to_owned(), mtu, addresses: vec![address.parse().unwrap()] }
}

fn set(value: &str, writable: bool) -> Setting {
    Setting { value: Some(value.to_owned()), writable }
}

fn member(machine: &str, address: &str) -> Member {
    let addresses = vec![address.parse().unwrap()];
    Member { machine: machine.to_owned(), system: format!("system of {machine}"), addresses }
}

fn refused() -> Tried {
    Tried::Refused("Operation not supported".to_owned())
}

/// A node at which nothing is to be found fault with.
pub(crate) fn fit() -> Facts {
    let settings = [
        ("net/ipv4/ip_forward", "1"),
        ("net/ipv6/conf/all/forwarding", "0"),
        ("net/ipv4/conf/all/rp_filter", "1"),
        ("net/ipv4/conf/default/rp_filter", "0"),
        ("net/ipv4/conf/eth0/rp_filter", "2"),
        ("net/bridge/bridge-nf-call-iptables", "1"),
    ];
    let programs = [
        ("ovs-vswitchd", "ovs-vswitchd (Open vSwitch) 3.1.0"),
        ("ovsdb-server", "ovsdb-server (Open vSwitch) 3.3.1"),
        ("ovn-controller", "ovn-controller 23.03.1"),
    ];
    Facts {
        kernel: "6.1.0".to_owned(),
        openvswitch: Module::Loaded,
        tun: true,
        veth: Tried::Works,
        tunnel: Tried::Works,
        nft: Tried::Works,
        ipset: Tried::Works,
        iptables: Tried::Works,
        settings: settings.map(|(key, value)| (key.to_owned(), set(value, true))).into(),
        programs: programs.map(|(name, said)| (name, Some(said.to_owned()))).into(),
        ports: BTreeMap::new(),
        links: BTreeSet::from(["lo", "eth0", "ovn0"].map(str::to_owned)),
        bridges: BTreeSet::new(),
        interfaces: vec![interface("eth0", 1500, "172.18.0.2/16"), interface("ovn0", 1400, "100.64.0.2/16")],
        routes: vec![route("0.0.0.0/0", "eth0")],
        confs: Ok(vec![Conf { file: "01-kube-ovn.conflist".to_owned(), plugin: "kube-ovn".to_owned() }]),
        drops: Vec::new(),
        unknown: Vec::new(),
        cluster: None,
    }
}

fn cluster() -> Cluster {
    let nodes = [("n1", member("a", "172.18.0.2")), ("n2", member("b", "172.18.0.3"))];
    Cluster { ahead: Some(700), nodes: nodes.map(|(name, member)| (name.to_owned(), member)).into() }
}

type Spoil = fn(&mut Facts, &mut Wish);

/// What is done to a fit node, and what is said of it: code, severity, words of the text, words of the next step.
const CASES: &[(Spoil, &str, Severity, &str, &str)] = &[
    (|f, _| f.openvswitch = Module::Absent, "CHECK-DATAPATH", Warn, "6.1.0 has no openvswitch", "netdev"),
    (
        |f, _| (f.openvswitch, f.tun) = (Module::Absent, false),
        "CHECK-DATAPATH",
        Fail,
        "/dev/net/tun",
        "Install",
    ),
    (
        |f, _| f.openvswitch = Module::Unknown("no list".to_owned()),
        "CHECK-DATAPATH",
        Warn,
        "no list",
        "modprobe",
    ),
    (|f, _| f.tunnel = refused(), "CHECK-TUNNEL", Fail, "no geneve link: Operation", "--network-type"),
    (|f, _| f.tunnel = Tried::Untried("denied".to_owned()), "CHECK-TUNNEL", Warn, "denied", "root"),
    (|f, _| f.veth = refused(), "CHECK-VETH", Fail, "Operation not supported", "module veth"),
    (
        |f, _| (f.nft, f.ipset) = (refused(), refused()),
        "CHECK-FIREWALL",
        Fail,
        "nft: Operation not supported; ipset: Operation",
        "nf_conntrack",
    ),
    (
        |f, _| {
            let absent = || Tried::Untried("not installed".to_owned());
            (f.nft, f.ipset, f.iptables) = (absent(), absent(), absent());
        },
        "CHECK-FIREWALL",
        Warn,
        "nft: not installed; iptables: not installed; ipset: not installed",
        "Install nftables",
    ),
    (
        |f, _| drop(f.settings.insert("net/ipv4/ip_forward".to_owned(), set("0", false))),
        "CHECK-FORWARDING",
        Fail,
        "it is 0, and /proc/sys can't be written",
        "net.ipv4.ip_forward=1",
    ),
    (
        |_, w| w.pods.push("fd00:10:16::/112".parse().unwrap()),
        "CHECK-FORWARDING",
        Fine,
        "0; the daemon sets it to 1",
        "",
    ),
    (
        |f, w| {
            w.pods.push("fd00:10:16::/112".parse().unwrap());
            f.settings.remove("net/ipv6/conf/all/forwarding");
        },
        "CHECK-FORWARDING",
        Fail,
        "no such setting",
        "Turn the family on",
    ),
    (
        |f, _| drop(f.settings.insert("net/ipv4/conf/eth0/rp_filter".to_owned(), set("1", true))),
        "CHECK-RP-FILTER",
        Warn,
        "strict (1) in net.ipv4.conf.eth0.rp_filter:",
        "0 or 2",
    ),
    (
        |f, _| drop(f.settings.insert("net/ipv4/conf/all/rp_filter".to_owned(), set("1", false))),
        "CHECK-RP-FILTER",
        Warn,
        "conf.all.rp_filter (which can't be set",
        "0 or 2",
    ),
    (
        |f, _| f.bridges.extend(["eth0".to_owned()]),
        "CHECK-BRIDGE-NF",
        Warn,
        "bridge eth0",
        "bridge-nf-call-iptables=0",
    ),
    (
        |f, _| drop(f.programs.insert("ovn-controller", None)),
        "CHECK-PROGRAM",
        Warn,
        "ovn-controller is not installed",
        "else install it",
    ),
    (
        |f, _| drop(f.programs.insert("ovs-vswitchd", Some("ovs-vswitchd (Open vSwitch) 2.9.5".to_owned()))),
        "CHECK-PROGRAM",
        Fail,
        "2.9.5; the oldest that is tested is 3.1",
        "newer",
    ),
    (
        |f, _| drop(f.programs.insert("ovsdb-server", Some("hello".to_owned()))),
        "CHECK-PROGRAM",
        Warn,
        "hello",
        "Compare",
    ),
    (
        |f, _| hold(f, Protocol::Tcp, 10665, Holder::Process("nginx".to_owned(), 42)),
        "CHECK-PORT",
        Fail,
        "daemon's probes is held by nginx (process 42)",
        "Stop it",
    ),
    (
        |f, _| hold(f, Protocol::Tcp, 6641, Holder::Process("nginx".to_owned(), 42)),
        "CHECK-PORT",
        Warn,
        "Northbound is held by nginx",
        "ovn-central",
    ),
    (
        |f, _| hold(f, Protocol::Udp, 6081, Holder::Unseen),
        "CHECK-PORT",
        Fail,
        "tunnels is held by no process",
        "another port",
    ),
    (
        |f, _| {
            f.links.insert("genev_sys_6081".to_owned());
            hold(f, Protocol::Udp, 6081, Holder::Unseen);
        },
        "CHECK-PORT",
        Fine,
        "held by Kube-OVN itself: UDP 6081",
        "",
    ),
    (
        |f, _| hold(f, Protocol::Tcp, 6642, Holder::Process("ovsdb-server".to_owned(), 7)),
        "CHECK-PORT",
        Fine,
        "held by Kube-OVN itself: TCP 6642",
        "",
    ),
    (
        |f, w| {
            w.network = NetworkType::Vxlan;
            hold(f, Protocol::Udp, 4789, Holder::Unseen);
        },
        "CHECK-PORT",
        Fail,
        "tunnels is held",
        "",
    ),
    (|f, _| f.routes.clear(), "CHECK-TUNNEL-INTERFACE", Fail, "", "--iface"),
    (|_, w| w.iface = "eth9".to_owned(), "CHECK-TUNNEL-INTERFACE", Fail, "eth9", "--iface"),
    (
        |_, w| w.mtu = 1500,
        "CHECK-MTU",
        Fail,
        "pods are to have 1500, but eth0 has 1500, of which tunnels take 58: packets of more than 1442",
        "to 1558 or more",
    ),
    (|_, w| w.mtu = 1442, "CHECK-MTU", Fine, "1500 of eth0, 1442 of pods", ""),
    (
        |f, _| f.interfaces.iter_mut().for_each(|i| i.mtu = 1300),
        "CHECK-MTU",
        Warn,
        "eth0 has 1300: pods would have 1200",
        "Raise the MTU of eth0",
    ),
    (
        |f, _| f.routes.push(route("10.16.5.0/24", "cni0")),
        "CHECK-PREFIX-OVERLAP",
        Fail,
        "--pod-cidr 10.16.0.0/16 overlaps what this node has: route 10.16.5.0/24 dev cni0",
        "another --pod-cidr",
    ),
    (
        |f, _| f.interfaces.push(interface("eth1", 1500, "100.64.7.1/24")),
        "CHECK-PREFIX-OVERLAP",
        Fail,
        "address 100.64.7.1/24 of eth1",
        "another --join-cidr",
    ),
    (
        |f, _| f.interfaces.push(interface("kube-ipvs0", 1500, "10.96.0.1/32")),
        "CHECK-PREFIX-OVERLAP",
        Fine,
        "are free here",
        "",
    ),
    (
        |_, w| w.join = vec!["10.16.128.0/17".parse().unwrap()],
        "CHECK-PREFIX-OVERLAP",
        Fail,
        "--pod-cidr 10.16.0.0/16 and --join-cidr 10.16.128.0/17 share",
        "another one",
    ),
    (
        |f, _| {
            f.confs
                .as_mut()
                .unwrap()
                .push(Conf { file: "00-a.conf".to_owned(), plugin: "bridge".to_owned() });
        },
        "CHECK-CNI-CONF",
        Fail,
        "00-a.conf (bridge) comes before 01-kube-ovn.conflist",
        "Remove",
    ),
    (
        |f, _| {
            f.confs
                .as_mut()
                .unwrap()
                .push(Conf { file: "10-flannel.conflist".to_owned(), plugin: "flannel".to_owned() });
        },
        "CHECK-CNI-CONF",
        Warn,
        "10-flannel.conflist (flannel) is another",
        "unless",
    ),
    (|f, _| f.confs = Err("denied".to_owned()), "CHECK-CNI-CONF", Warn, "denied", "--cni-conf-dir"),
    (
        |f, _| f.links.extend(["cali1", "cali2", "vxlan.calico"].map(str::to_owned)),
        "CHECK-OTHER-CNI",
        Warn,
        "3 links of Calico: cali1, cali2, vxlan.calico",
        "ip link delete",
    ),
    (
        |f, _| f.drops.push("chain FORWARD of table ip filter".to_owned()),
        "CHECK-FORWARD-DROPS",
        Warn,
        "dropped by chain FORWARD of table ip filter",
        "accept",
    ),
    (|f, _| f.unknown.push(("ports", "no /proc".to_owned())), "CHECK-UNKNOWN", Warn, "no /proc", "by hand"),
    (|f, _| f.cluster = Some(cluster()), "CHECK-CLOCK", Fine, "within 2 s", ""),
    (
        |f, _| f.cluster = Some(Cluster { ahead: Some(-3_400), ..cluster() }),
        "CHECK-CLOCK",
        Warn,
        "3.4 s behind",
        "one source of time",
    ),
    (
        |f, _| f.cluster = Some(Cluster { ahead: Some(60_000), ..cluster() }),
        "CHECK-CLOCK",
        Fail,
        "60.0 s before",
        "one source of time",
    ),
    (
        |f, w| (f.cluster, w.node) = (Some(cluster()), "n9".to_owned()),
        "CHECK-NODE-UNKNOWN",
        Warn,
        "no node n9; of 2 there are n1, n2",
        "--node-name",
    ),
    (
        |f, _| {
            let mut cluster = cluster();
            cluster.nodes.insert("n3".to_owned(), member("b", "172.18.0.4"));
            f.cluster = Some(cluster);
        },
        "CHECK-MACHINE-TWICE",
        Warn,
        "/etc/machine-id b is that of 2 nodes: n2, n3",
        "system-id.conf",
    ),
    (
        |f, _| {
            let mut cluster = cluster();
            cluster.nodes.insert("n3".to_owned(), member("c", "10.16.0.9"));
            f.cluster = Some(cluster);
        },
        "CHECK-NODE-ADDRESS",
        Fail,
        "node n3 has 10.16.0.9, which is in --pod-cidr 10.16.0.0/16",
        "another --pod-cidr",
    ),
];

fn hold(facts: &mut Facts, protocol: Protocol, port: u16, holder: Holder) {
    facts.ports.entry((protocol, port)).or_default().insert(holder);
}

#[test]
fn a_fit_node_is_fit() {
    let mut facts = fit();
    for with in [None, Some(cluster())] {
        facts.cluster = with;
        let bad: Vec<_> =
            judge(&facts, &wish()).into_iter().filter(|finding| finding.severity != Fine).collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

#[test]
fn each_fault_is_found_with_its_numbers_and_the_next_step() {
    for (spoil, code, severity, text, next) in CASES {
        let (mut facts, mut wish) = (fit(), wish());
        spoil(&mut facts, &mut wish);
        let found = judge(&facts, &wish);
        let hit = found.iter().any(|finding| {
            finding.code == *code
                && finding.severity == *severity
                && finding.text.contains(text)
                && finding.next.contains(next)
        });
        assert!(hit, "no {severity:?} {code} with {text:?} and {next:?}: {found:#?}");
    }
}

#[test]
fn one_fault_is_no_other() {
    for (spoil, code, ..) in CASES {
        let (mut facts, mut wish) = (fit(), wish());
        spoil(&mut facts, &mut wish);
        // Without an interface there is no MTU, and by its name alone the filter of paths can't be told.
        let others: Vec<_> = judge(&facts, &wish)
            .into_iter()
            .filter(|finding| finding.severity != Fine && finding.code != *code)
            .collect();
        assert!(others.is_empty(), "{code}: {others:#?}");
    }
}

#[test]
fn whatever_is_not_right_says_what_to_do() {
    for (spoil, ..) in CASES {
        let (mut facts, mut wish) = (fit(), wish());
        spoil(&mut facts, &mut wish);
        for finding in judge(&facts, &wish) {
            assert_eq!(finding.next.is_empty(), finding.severity == Fine, "{finding:?}");
            assert!(!finding.text.is_empty() && !finding.text.ends_with('.'), "{finding:?}");
        }
    }
}
