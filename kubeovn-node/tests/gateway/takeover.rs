//! From Kube-OVN's rules to ours, and from one writer to the other, with packets all the way.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};

use kubeovn_node::gateway::{Facts, Gateway, Iptables, NatAction, NatRule, Nft, Programs, plan};
use tokio::task::JoinHandle;

use crate::guard::TestNs;
use crate::town::{Town, Writer, ask_from, connect, echo, for_each_writer, hello};

for_each_writer![
    kube_ovn_is_replaced_without_a_packet_that_is_not_masqueraded,
    who_is_stopped_anywhere_leaves_something_that_works,
    between_two_sets_of_rules_there_is_no_moment_without,
];

/// What the Go daemon has on a host with these subnets, for IPv4.
///
/// All that writes into the kernel's old tables waits for the lock that they have on a machine, whatever the namespace:
/// another test may hold it.
const GO: &str = r"
ipset restore <<'END'
create ovn40services hash:net family inet maxelem 1048576
add ovn40services 10.96.0.0/12
create ovn40subnets hash:net family inet maxelem 1048576
add ovn40subnets 10.16.0.0/24
add ovn40subnets 10.17.0.0/24
add ovn40subnets 100.64.0.0/16
create ovn40local-pod-ip-nat hash:ip family inet maxelem 1048576
create ovn40subnets-nat hash:net family inet maxelem 1048576
add ovn40subnets-nat 10.16.0.0/24
create ovn40subnets-nat-policy hash:net family inet maxelem 1048576
add ovn40subnets-nat-policy 10.18.0.0/24
create ovn40subnets-distributed-gw hash:net family inet maxelem 1048576
add ovn40subnets-distributed-gw 10.16.0.0/24
create ovn40other-node hash:net family inet maxelem 1048576
add ovn40other-node 172.19.0.3
create ovn40natpr-ffffffffffff-dst hash:net family inet maxelem 1048576
add ovn40natpr-ffffffffffff-dst 192.0.2.0/24
END
iptables-restore -w 20 --noflush <<'END'
*nat
:OVN-MASQUERADE - [0:0]
:OVN-NAT-POLICY - [0:0]
:OVN-NAT-PSUBNET-ffffffffffff - [0:0]
:OVN-POSTROUTING - [0:0]
:OVN-PREROUTING - [0:0]
-A PREROUTING -m comment --comment `kube-ovn prerouting rules` -j OVN-PREROUTING
-A POSTROUTING -m comment --comment `kube-ovn postrouting rules` -j OVN-POSTROUTING
-A OVN-MASQUERADE -j MARK --set-xmark 0x0/0xffffffff
-A OVN-MASQUERADE -j MASQUERADE --random-fully
-A OVN-NAT-POLICY -s 10.18.0.0/24 -m comment --comment natPolicySubnet-old -j OVN-NAT-PSUBNET-ffffffffffff
-A OVN-NAT-PSUBNET-ffffffffffff -m set --match-set ovn40natpr-ffffffffffff-dst dst -j MARK --set-xmark 0x90002/0x90002
-A OVN-POSTROUTING -m mark --mark 0x4000/0x4000 -j OVN-MASQUERADE
-A OVN-POSTROUTING -m set --match-set ovn40subnets src -m set --match-set ovn40subnets dst -j OVN-MASQUERADE
-A OVN-POSTROUTING -p tcp -m tcp --tcp-flags SYN NONE -m conntrack --ctstate NEW -j RETURN
-A OVN-POSTROUTING -m set ! --match-set ovn40subnets src -m set ! --match-set ovn40other-node src -m set --match-set ovn40subnets-nat dst -j RETURN
-A OVN-POSTROUTING -m set --match-set ovn40subnets-nat src -m set ! --match-set ovn40subnets dst -j OVN-MASQUERADE
-A OVN-PREROUTING -i ovn0 -m set --match-set ovn40subnets src -m set --match-set ovn40services dst -j MARK --set-xmark 0x4000/0x4000
COMMIT
*mangle
:OVN-POSTROUTING - [0:0]
:OVN-OUTPUT - [0:0]
-A POSTROUTING -m comment --comment `kube-ovn postrouting rules` -j OVN-POSTROUTING
-A OUTPUT -m comment --comment `kube-ovn output rules` -j OVN-OUTPUT
-A OVN-POSTROUTING -p tcp -m set --match-set ovn40subnets src -m tcp --tcp-flags RST RST -m state --state INVALID -j DROP
COMMIT
*filter
-A INPUT -m set --match-set ovn40subnets src -j ACCEPT
-A FORWARD -s 10.18.0.0/24 -m comment --comment `ovn-subnet-gateway,old`
-A FORWARD -m set --match-set ovn40subnets src -j ACCEPT
-A FORWARD -m set --match-set ovn40subnets dst -j ACCEPT
-A OUTPUT -p udp -m udp --dport 6081 -j MARK --set-xmark 0x0/0xffffffff
COMMIT
END
sysctl -qw net.ipv4.ip_forward=1
ip route add 10.16.0.0/24 via 100.64.0.1 dev ovn0 proto static src 172.18.0.2
ip route add 10.18.0.0/24 via 100.64.0.1 dev ovn0 proto static src 172.18.0.2
";

fn kube_ovn_was_here(node: &TestNs) {
    node.exec("sh", &["-ec", &GO.replace('`', "\"")]).expect("Kube-OVN's rules");
}

/// Lines of iptables and sets that are Kube-OVN's.
fn left(node: &TestNs) -> Vec<String> {
    let printed = ["iptables-save", "ip6tables-save"].map(|program| node.exec(program, &[]).expect("rules"));
    let sets = node.exec("ipset", &["list", "-n"]).expect("sets");
    let lines = printed.iter().chain([&sets]).flat_map(|text| text.lines());
    let is_left = |line: &&str| {
        ["OVN-", "ovn40", "ovn60", "ovn-subnet", "--set-xmark 0x0/0xff"].iter().any(|p| line.contains(p))
    };
    lines.filter(is_left).map(str::to_owned).collect()
}

/// Connects again and again, and notes whom the world sees.
struct Flow {
    stop: Arc<AtomicBool>,
    done: JoinHandle<Vec<String>>,
    count: Arc<AtomicUsize>,
}

impl Flow {
    fn start(town: &Town) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let from = town.a.ns.clone();
        let (stopped, counted) = (stop.clone(), count.clone());
        let done = tokio::spawn(async move {
            let mut wrong = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let answer = ask_from(&from, "172.18.0.100").await;
                if answer.as_deref().ok() != Some("outside 172.18.0.2") {
                    wrong.push(format!("{answer:?}"));
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
            wrong
        });
        Flow { stop, done, count }
    }

    /// Waits for some more connections.
    async fn go_on(&self) {
        let goal = self.count.load(Ordering::Relaxed) + 20;
        let patience = Instant::now() + Duration::from_secs(20);
        while self.count.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < patience, "the world is silent");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What went wrong on the way.
    async fn end(self) -> Vec<String> {
        self.go_on().await;
        self.stop.store(true, Ordering::Relaxed);
        self.done.await.expect("the flow ends")
    }
}

async fn kube_ovn_is_replaced_without_a_packet_that_is_not_masqueraded(writer: Writer) {
    let town = Town::new(writer).await;
    kube_ovn_was_here(&town.node);
    let mut stream = connect(&town.a, "172.18.0.100").await.expect("connect");
    assert_eq!(hello(&mut stream).await.expect("an answer"), "outside 172.18.0.2");
    let flow = Flow::start(&town);
    flow.go_on().await;

    let plan = plan(&Town::facts());
    let gateway = writer.gateway(&town.node).with_takeover();
    gateway.apply(&plan).await.expect("apply");
    flow.go_on().await;
    assert!(gateway.apply(&plan).await.expect("apply").is_empty());
    let left_of = left(&town.node);
    match writer {
        Writer::Nft => assert_eq!(left_of, Vec::<String>::new()),
        Writer::Iptables => {
            let old = |line: &&String| {
                ["ffffffffffff", "10.18.0.0", "local-pod", "OVN-OUTPUT"].iter().any(|p| line.contains(p))
            };
            assert_eq!(left_of.iter().find(old), None, "{left_of:#?}");
        }
    }
    echo(&mut stream, Duration::from_secs(4)).await.expect("the connection goes on");

    // To the other writer, and back.
    let other = if writer == Writer::Nft { Writer::Iptables } else { Writer::Nft };
    for writer in [other, writer] {
        let gateway = writer.gateway(&town.node).with_takeover();
        assert!(!gateway.apply(&plan).await.expect("apply").is_empty());
        flow.go_on().await;
        let tables = town.node.exec("nft", &["list", "tables"]).expect("tables");
        assert_eq!(tables.contains("kube-ovn"), writer == Writer::Nft, "{tables}");
        assert_eq!(left(&town.node).is_empty(), writer == Writer::Nft);
        echo(&mut stream, Duration::from_secs(4)).await.expect("the connection goes on");
    }
    assert_eq!(flow.end().await, Vec::<String>::new());
}

async fn between_two_sets_of_rules_there_is_no_moment_without(writer: Writer) {
    let town = Town::new(writer).await;
    town.apply(&Town::facts()).await;
    let flow = Flow::start(&town);
    for round in 0..12_u8 {
        let mut facts = Town::with_web(|web| {
            let dst = vec![format!("192.0.{round}.0/24").parse().expect("a prefix")];
            web.nat_rules = vec![NatRule {
                id: format!("r{}", round % 3),
                src: Vec::new(),
                dst,
                action: NatAction::Forward,
            }];
            // One prefix becomes another around the same pod.
            let cidrs = if round % 2 == 0 { "10.16.0.0/16" } else { "10.16.0.0/24" };
            web.cidrs = cidrs.parse().expect("a prefix");
        });
        if round % 4 == 3 {
            facts.node_ips.v4 = "172.18.0.8".parse().ok();
            facts.subnets[0].nat_rules.clear();
        }
        town.apply(&facts).await;
        flow.go_on().await;
    }
    assert_eq!(flow.end().await, Vec::<String>::new());
}

/// Whom `-P` drops, docker, ufw and others: what passes does so by the rules that Kube-OVN left.
#[tokio::test]
async fn what_others_drop_passes_until_they_let_it_through() {
    for (drop, undo) in [
        ("iptables -P FORWARD DROP", "iptables -P FORWARD ACCEPT"),
        (
            "iptables -A FORWARD -m comment --comment all -j REJECT",
            "iptables -D FORWARD -m comment --comment all -j REJECT",
        ),
        ("iptables -P INPUT DROP", "iptables -P INPUT ACCEPT"),
        ("ip6tables -A INPUT -j DROP", "ip6tables -F INPUT"),
    ] {
        passes_until_it_is_let_through(GO, drop, undo).await;
    }
}

/// The same in the kernel's old tables, of which nft says nothing.
#[tokio::test]
async fn what_old_tables_drop_passes_too() {
    let legacy = GO.replace("iptables-restore", "iptables-legacy-restore");
    for (drop, undo) in [
        ("iptables-legacy -w 20 -P FORWARD DROP", "iptables-legacy -w 20 -P FORWARD ACCEPT"),
        ("iptables-legacy -w 20 -A FORWARD -j DROP", "iptables-legacy -w 20 -D FORWARD -j DROP"),
    ] {
        passes_until_it_is_let_through(&legacy, drop, undo).await;
    }
}

async fn passes_until_it_is_let_through(rules: &str, drop: &str, undo: &str) {
    let town = Town::new(Writer::Nft).await;
    let run = |line: &str| town.node.exec("sh", &["-ec", line]).expect(line);
    let chains = || {
        let saved = run("iptables-save; iptables-legacy-save");
        saved.lines().filter(|line| line.contains("OVN-")).map(str::to_owned).collect::<Vec<_>>()
    };
    let accepts = || {
        let saved = run("iptables-save; iptables-legacy-save");
        saved.lines().filter(|line| line.contains("ovn40") && line.ends_with("-j ACCEPT")).count()
    };
    run(&rules.replace('`', "\""));
    run(drop);
    let flow = Flow::start(&town);
    flow.go_on().await;

    let plan = plan(&Town::facts());
    let gateway = Writer::Nft.gateway(&town.node).with_takeover();
    let report = gateway.apply(&plan).await.expect("apply");
    let codes: Vec<_> = report.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["GATEWAY-FORWARD-DROPS"], "{drop}");
    flow.go_on().await;
    // All but what lets through has gone, and a restart finds nothing else to do.
    assert_eq!((chains(), accepts()), (Vec::new(), 3), "{drop}");
    assert!(gateway.apply(&plan).await.expect("apply").is_empty());
    assert!(Writer::Nft.gateway(&town.node).with_takeover().apply(&plan).await.expect("apply").is_empty());

    run(undo);
    let report = gateway.apply(&plan).await.expect("apply");
    assert!(report.problems.is_empty() && !report.is_empty(), "{report:?}");
    assert_eq!((accepts(), left(&town.node)), (0, Vec::new()), "{drop}");
    assert_eq!(flow.end().await, Vec::<String>::new(), "{drop}");
}

/// Rules in the kernel's old tables, which a host had before it switched to nftables.
#[tokio::test]
async fn rules_in_old_tables_go_too() {
    let town = Town::new(Writer::Nft).await;
    let legacy = GO.replace('`', "\"").replace("iptables-restore", "iptables-legacy-restore");
    town.node.exec("sh", &["-ec", &legacy]).expect("Kube-OVN's rules");
    let rules = || town.node.exec("iptables-legacy-save", &[]).expect("rules");
    assert!(rules().contains("OVN-POSTROUTING"));
    let flow = Flow::start(&town);
    let gateway = Writer::Nft.gateway(&town.node).with_takeover();
    gateway.apply(&plan(&Town::facts())).await.expect("apply");
    assert_eq!(flow.end().await, Vec::<String>::new());
    assert!(!rules().contains("OVN-") && !rules().contains("ovn40"), "{}", rules());
    assert_eq!(left(&town.node), Vec::<String>::new());
}

/// Whoever is refused a small change makes all anew, at once.
#[tokio::test]
async fn a_change_that_is_refused_is_made_anew() {
    let town = Town::new(Writer::Nft).await;
    town.apply(&Town::facts()).await;
    let flow = Flow::start(&town);
    let folder = Tired::after(usize::MAX, &town.node);
    let refuse_once = "#!/bin/sh\ncase \"$*\" in *-f*) [ -e \"$0.once\" ] || { : >\"$0.once\"; exit 1; };; esac\nexec nft \"$@\"\n";
    write_program(&folder.folder.join("nft"), refuse_once);
    let facts = Facts { other_nodes: Vec::new(), ..Town::facts() };
    let report = folder.gateway(Writer::Nft, &town.node).apply(&plan(&facts)).await.expect("apply");
    let replaced: Vec<_> = report.changes.iter().map(ToString::to_string).collect();
    assert_eq!(replaced, ["replaced nft table ip kube-ovn", "replaced nft table ip6 kube-ovn"]);
    assert!(town.gateway.apply(&plan(&facts)).await.expect("apply").is_empty());
    assert_eq!(flow.end().await, Vec::<String>::new());
}

/// What one family, or one set, refuses is no reason to leave the others.
#[tokio::test]
async fn what_is_refused_keeps_nothing_else_from_its_place() {
    let town = Town::new(Writer::Iptables).await;
    let run = |line: &str| town.node.exec("sh", &["-ec", line]).expect(line);
    let folder = Tired::after(usize::MAX, &town.node);
    write_program(&folder.folder.join("iptables-restore"), "#!/bin/sh\nexit 1\n");
    let refused = folder.gateway(Writer::Iptables, &town.node).apply(&plan(&Town::facts())).await;
    assert_eq!(refused.expect_err("no IPv4").problem().code, "GATEWAY-FIREWALL");
    town.expect(&town.a, "fd18::64", "outside fd18::2").await;

    run("ipset create ovn40natpr-a-dst hash:net; ipset create ovn40natpr-z-dst hash:net");
    run("iptables-legacy -w 20 -A INPUT -m set --match-set ovn40natpr-a-dst src -j ACCEPT");
    town.apply(&Town::facts()).await;
    let sets = run("ipset list -n");
    assert!(sets.contains("ovn40natpr-a-dst") && !sets.contains("ovn40natpr-z-dst"), "{sets}");
    town.expect(&town.a, "172.18.0.100", "outside 172.18.0.2").await;
}

/// Has a child write a program. What this process writes itself a child of another test's may hold open for a moment, and
/// nothing that is open for writing can be executed.
fn write_program(file: &Path, script: &str) {
    let mut child = Command::new("sh")
        .args(["-c", r#"cat >"$1" && chmod +x "$1""#, "sh"])
        .arg(file)
        .stdin(Stdio::piped())
        .spawn()
        .expect("start a shell");
    child.stdin.take().expect("its input").write_all(script.as_bytes()).expect("write");
    assert!(child.wait().expect("an end").success(), "cannot write {}", file.display());
}

/// A folder with programs that do their work so many times and then no more.
struct Tired {
    folder: PathBuf,
}

impl Drop for Tired {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Tired {
    fn after(calls: usize, node: &TestNs) -> Self {
        let folder = env::temp_dir().join(format!("{}-tired-{calls}", node.name));
        fs::create_dir_all(&folder).expect("a folder");
        for program in
            ["nft", "iptables-save", "ip6tables-save", "iptables-restore", "ip6tables-restore", "ipset"]
        {
            let script = format!(
                "#!/bin/sh\necho >>'{0}/calls'\n[ $(wc -l <'{0}/calls') -gt {calls} ] && exit 9\nexec {program} \"$@\"\n",
                folder.display()
            );
            write_program(&folder.join(program), &script);
        }
        Tired { folder }
    }

    fn gateway(&self, writer: Writer, node: &TestNs) -> Gateway {
        let program = |name: &str| self.folder.join(name);
        match writer {
            Writer::Nft => Gateway::new(&node.ns, Nft::with_program(&node.ns, program("nft"))),
            Writer::Iptables => {
                let programs = Programs {
                    save: ["iptables-save", "ip6tables-save"].map(program),
                    restore: ["iptables-restore", "ip6tables-restore"].map(program),
                    ipset: program("ipset"),
                };
                Gateway::new(&node.ns, Iptables::with_programs(&node.ns, &programs))
            }
        }
        .expect("a gateway")
        .with_takeover()
    }
}

async fn who_is_stopped_anywhere_leaves_something_that_works(writer: Writer) {
    let plan = plan(&Town::facts());
    let mut stops = 0;
    for calls in 0.. {
        let town = Town::new(writer).await;
        kube_ovn_was_here(&town.node);
        let tired = Tired::after(calls, &town.node);
        let done = tired.gateway(writer, &town.node).apply(&plan).await;
        town.expect(&town.a, "172.18.0.100", "outside 172.18.0.2").await;
        town.expect(&town.b, "172.18.0.100", "outside 10.17.0.10").await;
        if done.is_ok() {
            break;
        }
        stops += 1;
        // Whoever comes next makes it right.
        let next = writer.gateway(&town.node).with_takeover();
        next.apply(&plan).await.expect("apply");
        assert!(next.apply(&plan).await.expect("apply").is_empty());
        assert!(left(&town.node).iter().all(|line| !line.contains("ffffffffffff")));
        town.expect(&town.a, "172.18.0.100", "outside 172.18.0.2").await;
        town.expect(&town.a, "fd18::64", "outside fd18::2").await;
    }
    assert!(stops >= 5, "the writer was stopped at {stops} places only");
}
