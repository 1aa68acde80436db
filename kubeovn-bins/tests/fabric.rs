//! The lab's fabric on the real machine: OVN and OVS daemons, packets, probes, healing, and leaving nothing behind.
//!
//! The logical network and the pods' links are made by hand here, so that what is tested is the fabric alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ipnet::IpNet;
use kubeovn_bins::lab::fabric::{self, Fabric, FabricEvent, NodeHandle};
use kubeovn_bins::lab::manifest::{Expect, Family, PodName, Probe, ProbeSpec, Source, Target, Traffic};
use kubeovn_bins::lab::probe::{self, Outcome, Place, Places, Seen};
use kubeovn_bins::lab::state::StateDir;
use kubeovn_bins::lab::state::process::Process;
use kubeovn_node::netlink::{Netlink, Route, Veth};
use kubeovn_node::netns::NetNs;
use kubeovn_node::offload::disable_offloads;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A lab of this test's own, removed whatever happens.
struct Lab(StateDir);

impl Lab {
    fn new(test: &str) -> Self {
        let name = format!("{test}{}", std::process::id() % 1_000_000);
        Self(StateDir::new(name.parse().unwrap()))
    }

    /// Everything on this machine that bears the lab's name.
    fn traces(&self) -> Vec<String> {
        let mine = |name: &String| name.starts_with(&format!("{}.", self.0.name()));
        let netns = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
        let mut traces: Vec<String> =
            netns.filter_map(|entry| entry.file_name().into_string().ok()).filter(mine).collect();
        traces.extend(self.0.exists().then(|| self.0.path().display().to_string()));
        let dir = self.0.path().display().to_string() + "/";
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            traces.extend(command.contains(&dir).then(|| command.replace('\0', " ")));
        }
        traces
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fabric::sweep(&self.0);
    }
}

/// Runs a tool against a database. Words are split at blanks; `~` stands for a blank within a word.
fn ctl(program: &str, socket: &Path, line: &str) -> String {
    let words = line.split_whitespace().map(|word| word.replace('~', " "));
    let output = Command::new(program)
        .args([format!("--db=unix:{}", socket.display()), "--timeout=30".to_owned()])
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{program} {line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A link into br-int for a port that exists in Northbound. The namespace is removed with the lab.
async fn plug(
    lab: &Lab,
    node: &NodeHandle,
    port: &str,
    mac: [u8; 6],
    addresses: &[String],
    gateways: &[String],
) -> Place {
    let name = lab.0.name().pod_netns("t", port);
    lab.0.record_netns(&name).unwrap();
    let netns = NetNs::create_named(&name).unwrap();
    let host = format!("lab{port}");
    let links = Netlink::new(&netns).unwrap();
    links.add_veth(Veth { name: "eth0", peer: &host, peer_ns: &node.netns, mtu: 1400 }).await.unwrap();
    links.set_mac("eth0", mac).await.unwrap();
    links.set_up("eth0").await.unwrap();
    disable_offloads(&netns, "eth0").unwrap();
    let own: Vec<IpNet> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    links.replace_addresses("eth0", &own).await.unwrap();
    for gateway in gateways {
        let gateway: std::net::IpAddr = gateway.parse().unwrap();
        let dst = if gateway.is_ipv4() { "0.0.0.0/0" } else { "::/0" }.parse().unwrap();
        let route = Route { dst, via: Some(gateway), dev: "eth0".to_owned(), src: None, mtu: None };
        links.replace_route(&route).await.unwrap();
    }
    Netlink::new(&node.netns).unwrap().set_up(&host).await.unwrap();
    let add = format!("add-port br-int {host} -- set Interface {host} external_ids:iface-id={port}");
    ctl("ovs-vsctl", &node.ovsdb, &add);
    Place { netns, ips: own.iter().map(IpNet::addr).collect() }
}

fn pod(name: &str) -> PodName {
    PodName { namespace: "t".to_owned(), name: name.to_owned() }
}

fn probe(name: &str, from: &str, to: &str, traffic: Traffic, expect: Expect) -> Probe {
    let spec =
        ProbeSpec { from: Source::Pod(pod(from)), to: Target::Pod(pod(to)), traffic, family: None, expect };
    Probe { name: name.to_owned(), file: "test".to_owned(), line: 1, spec }
}

async fn run(probes: &[Probe], places: &Places) -> Vec<Outcome> {
    probe::run(probes, || places.clone(), Duration::from_secs(15), |_, _| {}).await
}

/// Two switches behind a router, dual stack. Pods `a` on n1 and `b` on n2 in the first; `c` on n2 in the second,
/// where only TCP to port 81 is dropped.
async fn network(lab: &Lab, fabric: &Fabric) -> Places {
    let nb = fabric.northbound();
    ctl("ovn-nbctl", &nb, "ls-add s1 -- ls-add s2 -- lr-add r");
    for net in [1, 2] {
        let line = format!(
            "lrp-add r r{net} 02:00:00:00:00:0{net} 10.7.{net}.1/24 fd07:{net}::1/64 -- lsp-add s{net} s{net}r \
             -- lsp-set-type s{net}r router -- lsp-set-addresses s{net}r router -- lsp-set-options s{net}r router-port=r{net}"
        );
        ctl("ovn-nbctl", &nb, &line);
    }
    let mut places = Places::default();
    for (name, node, net, host) in [("a", "n1", 1, 2), ("b", "n2", 1, 3), ("c", "n2", 2, 2)] {
        let addresses = format!("02:00:00:01:0{net}:0{host}~10.7.{net}.{host}~fd07:{net}::{host}");
        ctl("ovn-nbctl", &nb, &format!("lsp-add s{net} {name} -- lsp-set-addresses {name} {addresses}"));
        let node = fabric.node(node).await.unwrap();
        let own = [format!("10.7.{net}.{host}/24"), format!("fd07:{net}::{host}/64")];
        let gateways = [format!("10.7.{net}.1"), format!("fd07:{net}::1")];
        places.pods.insert(pod(name), plug(lab, &node, name, [2, 0, 0, 1, net, host], &own, &gateways).await);
    }
    ctl(
        "ovn-nbctl",
        &nb,
        "acl-add s2 to-lport 1001 tcp.dst==81 drop -- acl-add s2 to-lport 1000 ip allow-related",
    );
    places
}

fn all_probes() -> Vec<Probe> {
    let port = |port: u16| port.try_into().unwrap();
    vec![
        probe("across nodes", "a", "b", Traffic::Icmp, Expect::Allow),
        probe("across subnets", "b", "c", Traffic::Icmp, Expect::Allow),
        probe("tcp", "a", "c", Traffic::Tcp(port(80)), Expect::Allow),
        probe("tcp dropped", "a", "c", Traffic::Tcp(port(81)), Expect::Deny),
        probe("udp", "a", "c", Traffic::Udp(port(53)), Expect::Allow),
    ]
}

#[track_caller]
fn assert_good(outcomes: &[Outcome], count: usize) {
    let bad: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.is_good()).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(outcomes.len(), count);
}

async fn kill(fabric: &Fabric, events: &mut mpsc::UnboundedReceiver<FabricEvent>, daemon: &str) {
    let process = fabric.process(daemon).await.unwrap_or_else(|| panic!("{daemon} does not run"));
    process.signal(Signal::SIGKILL).unwrap();
    let back = FabricEvent::Restarted { daemon: daemon.to_owned() };
    while timeout(Duration::from_secs(90), events.recv()).await.expect(daemon) != Some(back.clone()) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_flow_daemons_heal_and_nothing_is_left() {
    let lab = Lab::new("fab");
    let (tell, mut events) = mpsc::unbounded_channel();
    let fabric = Fabric::start(lab.0.clone(), tell).await.unwrap();
    fabric.keep_address("n1").unwrap();
    let (two, one) = tokio::join!(fabric.node_up("n2"), fabric.node_up("n1"));
    let [one, two] = [one, two].map(|node| node.unwrap().underlay);
    assert!(one < two, "{one} was kept for n1: {two}");
    fabric.warm().await;
    let places = network(&lab, &fabric).await;
    let probes = all_probes();
    assert_good(&run(&probes, &places).await, 10);

    // The probes themselves must be able to fail, in both directions.
    let wrong = [
        probe("is open", "a", "b", Traffic::Icmp, Expect::Deny),
        probe("is dropped", "a", "c", Traffic::Tcp(81.try_into().unwrap()), Expect::Allow),
    ];
    let wrong = probe::run(&wrong, || places.clone(), Duration::ZERO, |_, _| {}).await;
    let seen: Vec<Seen> = wrong.iter().map(|outcome| outcome.seen).collect();
    assert_eq!(seen, [Seen::Allow, Seen::Allow, Seen::Deny, Seen::Deny]);
    assert_eq!(wrong[1].family, Some(Family::V6));

    for daemon in ["northbound", "southbound", "ovn-northd"].map(|daemon| format!("central/{daemon}")) {
        kill(&fabric, &mut events, &daemon).await;
    }
    for daemon in ["ovsdb-server", "ovs-vswitchd", "ovn-controller"].map(|daemon| format!("n2/{daemon}")) {
        kill(&fabric, &mut events, &daemon).await;
    }
    assert_good(&run(&probes, &places).await, 10);
    let ovsdb = fabric.node("n2").await.unwrap().ovsdb;
    let offered = || ctl("ovs-vsctl", &ovsdb, "--bare --columns=capabilities list Datapath");
    assert!(offered().contains("ct_zero_snat=false"), "the new ovs-vswitchd offers it again: {}", offered());

    fabric.node_down("n1").await.unwrap();
    let chassis = || ctl("ovn-sbctl", &fabric.southbound(), "--bare --columns=name list Chassis");
    assert_eq!(chassis(), "n2", "a node that leaves takes its chassis with it");
    fabric.node_up("n1").await.unwrap();
    assert!(lab.traces().len() > 10);
    drop(places);
    fabric.stop().await.unwrap();
    assert_eq!(lab.traces(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_power_was_cut_boots_with_its_disk_and_nothing_else() {
    let lab = Lab::new("off");
    let (tell, _events) = mpsc::unbounded_channel();
    let fabric = Fabric::start(lab.0.clone(), tell).await.unwrap();
    let node = fabric.node_up("n1").await.unwrap();
    ctl(
        "ovs-vsctl",
        &node.ovsdb,
        "--no-wait add-port br-int stale -- set Open_vSwitch . external_ids:kept=yes",
    );
    node.netns.run(|| Command::new("nft").args(["add", "table", "ip", "lost"]).status()).unwrap().unwrap();
    let chassis = || {
        let names = ctl("ovn-sbctl", &fabric.southbound(), "--bare --columns=name list Chassis");
        let mut names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
        names.sort();
        names
    };
    fabric.node_off("n1").await.unwrap();
    assert!(fabric.process("n1/ovs-vswitchd").await.is_none() && fabric.node("n1").await.is_err());
    assert!(!node.netns.path().exists() && !node.ovsdb.exists());
    assert_eq!(chassis(), ["n1"], "others have not been told that it went");
    let other = fabric.node_up("n2").await.unwrap();
    assert_ne!(other.underlay, node.underlay, "the address is that of the node that is off");

    let again = fabric.node_up("n1").await.unwrap();
    assert_eq!(again.underlay, node.underlay);
    assert_eq!(ctl("ovs-vsctl", &again.ovsdb, "get Open_vSwitch . external_ids:kept"), "yes");
    assert!(ctl("ovs-vsctl", &again.ovsdb, "list-ports br-int").contains("stale"));
    let tables = again.netns.run(|| Command::new("nft").args(["list", "tables"]).output()).unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&tables.stdout).contains("lost"), "{tables:?}");
    assert_eq!(chassis(), ["n1", "n2"]);
    drop((node, other, again));
    fabric.stop().await.unwrap();
    assert_eq!(lab.traces(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_labs_side_by_side_and_one_of_a_name() {
    let (one, other) = (Lab::new("one"), Lab::new("two"));
    let (tell, _events) = mpsc::unbounded_channel();
    let first = Fabric::start(one.0.clone(), tell.clone()).await.unwrap();
    let second = Fabric::start(other.0.clone(), tell.clone()).await.unwrap();
    let again = Fabric::start(one.0.clone(), tell).await.err().map(|error| error.to_string()).unwrap();
    assert!(again.starts_with("LAB-RUNNING: "), "{again}");
    let (up, too) = tokio::join!(first.node_up("n1"), second.node_up("n1"));
    assert_eq!(up.unwrap().underlay, too.unwrap().underlay, "each has the underlay to itself");
    first.stop().await.unwrap();
    assert_eq!(one.traces(), Vec::<String>::new());
    assert!(second.process("n1/ovs-vswitchd").await.is_some_and(|process| process.is_alive()));
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_lab_left_is_found_by_its_records() {
    let lab = Lab::new("dead");
    let (tell, _events) = mpsc::unbounded_channel();
    let fabric = Fabric::start(lab.0.clone(), tell).await.unwrap();
    let netns = fabric.node_up("n1").await.unwrap().netns;
    // Dropped, not stopped: namespaces, files and records stay. So does what was started in a namespace, and a
    // daemon whose lab had no time to end it.
    let sleep = || Command::new("sleep").arg("30").spawn().unwrap();
    let mut strays = [netns.run(sleep).unwrap(), sleep()];
    let daemon = Process::of(strays[1].id().try_into().unwrap()).unwrap();
    daemon.record(&lab.0.process("n1", "stray")).unwrap();
    drop((fabric, netns));
    fabric::down(&lab.0).unwrap();
    for stray in &mut strays {
        assert!(stray.wait().unwrap().code().is_none(), "ended by a signal");
    }
    assert_eq!(lab.traces(), Vec::<String>::new());
    let unknown = fabric::down(&lab.0).err().map(|error| error.to_string()).unwrap();
    assert!(unknown.starts_with("LAB-UNKNOWN: "), "{unknown}");
}
