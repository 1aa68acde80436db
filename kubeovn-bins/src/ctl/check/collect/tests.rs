#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use kubeovn_core::index::NetworkType;
use kubeovn_node::netlink::Route;
use kubeovn_node::tunnel::Interface;

use super::collect;
use crate::ctl::check::facts::{Facts, Holder, Module, Protocol, Tried, Wish};
use crate::ctl::check::host::{Host, Made, Place, Refusal};

/// A node of files and answers.
#[derive(Default)]
struct Fake {
    files: BTreeMap<&'static str, &'static str>,
    links: BTreeMap<&'static str, &'static str>,
    answers: BTreeMap<&'static str, Result<&'static str, Refusal>>,
}

#[async_trait]
impl Host for Fake {
    async fn run(&self, place: Place, program: &str, _: &[&str], _: &str) -> Result<String, Refusal> {
        let tries = ["ipset", "iptables-restore"].contains(&program);
        assert!(!tries || place == Place::Scratch, "{program} changes something of the node");
        let absent = || Err(Refusal::Absent("not installed".to_owned()));
        self.answers.get(program).cloned().unwrap_or_else(absent).map(str::to_owned)
    }

    async fn make(&self, link: Made) -> Result<Result<(), String>, String> {
        Ok(if link == Made::Veth { Ok(()) } else { Err("no geneve".to_owned()) })
    }

    async fn network(&self) -> Result<(Vec<Interface>, Vec<String>, Vec<Route>), String> {
        let addresses = vec!["172.18.0.2/16".parse().unwrap()];
        let interface = Interface { name: "br0".to_owned(), mtu: 1500, addresses };
        Ok((vec![interface], vec!["br0".to_owned(), "lo".to_owned()], Vec::new()))
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        let text = self.files.get(path.to_str().unwrap());
        text.map(|text| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let all = self.files.keys().chain(self.links.keys());
        let below = all.filter_map(|path| Path::new(path).strip_prefix(folder).ok()?.components().next());
        let names: BTreeSet<String> =
            below.map(|name| name.as_os_str().to_str().unwrap().to_owned()).collect();
        if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names.into_iter().collect()) }
    }

    fn leads_to(&self, path: &Path) -> io::Result<PathBuf> {
        self.links
            .get(path.to_str().unwrap())
            .map(PathBuf::from)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn writable(&self, path: &Path) -> bool {
        !path.ends_with("ip_forward")
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.keys().any(|file| Path::new(file).starts_with(path))
    }
}

fn wish() -> Wish {
    Wish {
        pods: Vec::new(),
        join: Vec::new(),
        services: Vec::new(),
        iface: String::new(),
        mtu: 0,
        network: NetworkType::Geneve,
        conf_name: String::new(),
        node: String::new(),
    }
}

async fn look(fake: &Fake) -> Facts {
    collect(fake, &wish(), Path::new("/conf")).await
}

const TCP: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:29A4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 501 1 0
   1: 0100007F:1A01 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 502 1 0
   2: 0100007F:1A02 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 503 1 0
   3: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 504 1 0
";
const UDP: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref
   9: 00000000:17C1 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 505 2 0 0
";

#[tokio::test]
async fn ports_are_those_that_somebody_listens_on_and_the_holder_is_named() {
    let files = [("/proc/net/tcp", TCP), ("/proc/net/udp", UDP), ("/proc/42/comm", "nginx\n")];
    let links = [("/proc/42/fd/3", "socket:[501]"), ("/proc/42/fd/4", "/dev/null")];
    let facts = look(&Fake { files: files.into(), links: links.into(), ..Fake::default() }).await;
    let expected = [
        ((Protocol::Tcp, 10660), Holder::Process("nginx".to_owned(), 42)),
        ((Protocol::Tcp, 6657), Holder::Unseen),
        ((Protocol::Udp, 6081), Holder::Unseen),
    ];
    // 6657 is nobody's we look at, and 6658 is a connection.
    let expected = expected.into_iter().filter(|((_, port), _)| *port != 6657);
    let expected: BTreeMap<_, _> = expected.map(|(port, holder)| (port, BTreeSet::from([holder]))).collect();
    assert_eq!(facts.ports, expected);
}

#[tokio::test]
async fn a_module_is_in_the_kernel_among_its_files_or_nowhere() {
    let dep = "kernel/net/openvswitch/openvswitch.ko.zst: kernel/net/nsh/nsh.ko.zst\n";
    let release = ("/proc/sys/kernel/osrelease", "6.1.0\n");
    let cases: [(&[(&str, &str)], Module); 5] = [
        (&[("/sys/module/openvswitch/refcnt", "0")], Module::Loaded),
        (
            &[("/lib/modules/6.1.0/modules.builtin", "kernel/net/openvswitch/openvswitch.ko\n")],
            Module::Loaded,
        ),
        (&[("/lib/modules/6.1.0/modules.dep", dep)], Module::Available),
        (&[("/lib/modules/6.1.0/modules.dep", "kernel/fs/openvswitch-not.ko:\n")], Module::Absent),
        (&[], Module::Absent),
    ];
    for (files, expected) in cases {
        let files = files.iter().copied().chain([release]).collect();
        assert_eq!(look(&Fake { files, ..Fake::default() }).await.openvswitch, expected);
    }
    let files = [release, ("/proc/modules", "")].into();
    let told = look(&Fake { files, ..Fake::default() }).await.openvswitch;
    assert!(
        matches!(&told, Module::Unknown(why) if why.contains("/lib/modules/6.1.0/modules.dep")),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_programs_say_is_told_apart_from_their_absence() {
    let said = Refusal::Said("Could not process rule".to_owned());
    let answers = [
        ("ipset", Err(said)),
        ("iptables-restore", Ok("")),
        ("ovs-vswitchd", Ok("ovs-vswitchd (Open vSwitch) 3.1.0\nDPDK 22\n")),
    ];
    let facts = look(&Fake { answers: answers.into(), ..Fake::default() }).await;
    assert_eq!(facts.ipset, Tried::Refused("Could not process rule".to_owned()));
    assert_eq!((facts.iptables, facts.veth), (Tried::Works, Tried::Works));
    assert_eq!(facts.nft, Tried::Untried("not installed".to_owned()));
    assert_eq!(facts.tunnel, Tried::Refused("no geneve".to_owned()));
    assert_eq!(facts.programs["ovs-vswitchd"].as_deref(), Some("ovs-vswitchd (Open vSwitch) 3.1.0"));
    assert_eq!(facts.programs["ovn-controller"], None);
    // It was asked for the chains, too.
    assert!(facts.unknown.iter().any(|(what, why)| what.contains("chains") && why.contains("not installed")));
}

#[tokio::test]
async fn chains_that_drop_are_found_whoever_wrote_them() {
    let nft = r#"{"nftables": [{"metainfo": {}},
        {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}},
        {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "drop"}},
        {"chain": {"family": "inet", "table": "own", "name": "f", "hook": "forward", "policy": "accept"}},
        {"chain": {"family": "ip", "table": "filter", "name": "DOCKER"}}]}"#;
    let legacy = "-P FORWARD DROP\n-A FORWARD -j ACCEPT\n";
    let answers = [("nft", Ok(nft)), ("iptables-legacy", Ok(legacy)), ("ip6tables-legacy", Ok(legacy))];
    // The second family has no table yet, and asking would make it.
    let files = [("/proc/net/ip_tables_names", "nat\nfilter\n")];
    let facts = look(&Fake { files: files.into(), answers: answers.into(), ..Fake::default() }).await;
    assert_eq!(facts.drops, ["chain FORWARD of table ip filter", "FORWARD of iptables-legacy"]);
}

#[tokio::test]
async fn configurations_are_read_in_the_order_of_their_names() {
    let files = [
        ("/conf/10-b.conflist", r#"{"plugins": [{"type": "flannel"}, {"type": "portmap"}]}"#),
        ("/conf/05-a.conf", r#"{"type": "bridge"}"#),
        ("/conf/07-c.json", "not json"),
        ("/conf/06-a.conf.bak", "{}"),
        ("/sys/class/net/br0/bridge/stp_state", "0"),
        ("/proc/sys/net/ipv4/ip_forward", "0\n"),
        ("/proc/sys/net/ipv4/conf/br0/rp_filter", "1\n"),
    ];
    let facts = look(&Fake { files: files.into(), ..Fake::default() }).await;
    let confs = facts.confs.expect("a folder");
    let told: Vec<(&str, &str)> =
        confs.iter().map(|conf| (conf.file.as_str(), conf.plugin.as_str())).collect();
    assert_eq!(told, [("05-a.conf", "bridge"), ("07-c.json", "no JSON"), ("10-b.conflist", "flannel")]);
    assert_eq!(facts.bridges, BTreeSet::from(["br0".to_owned()]));
    let forward = &facts.settings["net/ipv4/ip_forward"];
    assert_eq!((forward.value.as_deref(), forward.writable), (Some("0"), false));
    assert_eq!(facts.settings["net/ipv4/conf/br0/rp_filter"].value.as_deref(), Some("1"));
    // Without the folder there is no other network.
    assert_eq!(look(&Fake::default()).await.confs, Ok(Vec::new()));
}
