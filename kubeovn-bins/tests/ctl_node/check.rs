//! A node that is a network namespace.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{self, Command, Output},
};

use kubeovn_node::netns::NetNs;
use serde_json::Value;

/// A namespace with one link to the world, and a folder of networks; gone with the value.
struct Machine {
    ns: NetNs,
    name: String,
    confs: PathBuf,
}

impl Machine {
    fn new(role: &str) -> Self {
        let name = format!("koctl-{}-{role}", process::id());
        let confs = std::env::temp_dir().join(format!("{name}-confs"));
        fs::create_dir_all(&confs).unwrap();
        let machine = Machine { ns: NetNs::create_named(&name).unwrap(), name, confs };
        for line in [
            "ip link set lo up",
            "ip link add eth0 type veth peer name wire",
            "ip link set wire up",
            "ip link set eth0 up mtu 1500",
            "ip address add 172.18.0.2/16 dev eth0",
            "ip route add default via 172.18.0.1",
        ] {
            machine.run(line);
        }
        machine
    }

    /// A command that must succeed. Words are split at blanks.
    fn run(&self, line: &str) -> String {
        let mut words = line.split(' ');
        let output =
            self.ns.run(|| Command::new(words.next().unwrap()).args(words).output()).unwrap().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn check(&self, words: &[&str]) -> Output {
        let ctl = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_kubeovn-ctl"));
            command.arg("check").arg("--cni-conf-dir").arg(&self.confs).args(words);
            command.env_remove("KUBECONFIG").output()
        };
        self.ns.run(ctl).unwrap().unwrap()
    }

    fn json(&self, words: &[&str]) -> (i32, Value) {
        let output = self.check(&[words, &["-o", "json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let json = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), json)
    }

    /// Everything that a check might have changed. Links by their names alone: they come up by themselves.
    fn state(&self) -> String {
        let links = self.run("ip -o link");
        let links: Vec<&str> = links.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
        let rest = [
            "ip -o -4 address",
            "ip -4 route",
            "nft list ruleset",
            "ipset list -n",
            "sysctl net.ipv4.ip_forward net.ipv4.conf.all.rp_filter",
        ];
        [links.join(" ")].into_iter().chain(rest.map(|line| self.run(line))).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = NetNs::delete_named(&self.name);
        let _ = fs::remove_dir_all(&self.confs);
    }
}

fn has(report: &Value, code: &str, severity: &str, text: &str) {
    let all = report["findings"].as_array().unwrap();
    let hit = all.iter().any(|finding| {
        finding["code"] == code
            && finding["severity"] == severity
            && finding["text"].as_str().unwrap().contains(text)
    });
    assert!(hit, "no {severity} {code} with {text:?}: {report:#}");
}

#[test]
fn a_machine_without_faults_is_fit() {
    let machine = Machine::new("fit");
    let before = machine.state();
    let (code, report) = machine.json(&[]);
    assert_eq!((code, &report["fit"], &report["failures"]), (0, &true.into(), &0.into()), "{report:#}");
    // These the tests' own machine must have; what it lacks (openvswitch, perhaps) is a warning.
    for code in ["CHECK-VETH", "CHECK-FIREWALL", "CHECK-FORWARDING", "CHECK-TUNNEL-INTERFACE", "CHECK-MTU"] {
        has(&report, code, "ok", "");
    }
    has(&report, "CHECK-TUNNEL-INTERFACE", "ok", "eth0 (172.18.0.2)");
    has(
        &report,
        "CHECK-PORT",
        "ok",
        "free: TCP 6641, TCP 6642, TCP 6643, TCP 6644, TCP 10660, TCP 10665, UDP 6081",
    );
    let warnings = report["warnings"].as_u64().unwrap();
    let strict = machine.check(&["--strict"]);
    assert_eq!(strict.status.code(), Some(i32::from(warnings > 0)));
    let text = String::from_utf8(strict.stdout).unwrap();
    assert!(text.starts_with("STATE  WHAT") && text.contains("\nfit: 0 failures, "), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    assert_eq!(machine.state(), before, "it changed something");
    eprintln!("{text}");
}

#[test]
fn what_is_wrong_with_a_machine_is_named() {
    let machine = Machine::new("unfit");
    for line in [
        "ip link add cni0 type veth peer name leaf",
        "ip link set cni0 up",
        "ip link set leaf up",
        "ip route add 10.16.5.0/24 dev cni0",
        "nft add table ip filter",
        "nft add chain ip filter FORWARD { type filter hook forward priority 0 ; policy drop ; }",
    ] {
        machine.run(line);
    }
    let conf = r#"{"cniVersion": "1.0.0", "name": "other", "plugins": [{"type": "other-cni"}]}"#;
    fs::write(machine.confs.join("00-other.conflist"), conf).unwrap();
    let busy = machine.ns.run(|| TcpListener::bind("0.0.0.0:10665")).unwrap().unwrap();
    let before = machine.state();

    let (code, report) = machine.json(&["--mtu", "1480"]);
    assert_eq!((code, &report["fit"]), (2, &false.into()), "{report:#}");
    has(&report, "CHECK-CNI-CONF", "fail", "00-other.conflist (other-cni) comes before 01-kube-ovn.conflist");
    has(&report, "CHECK-OTHER-CNI", "warn", "cni0");
    has(
        &report,
        "CHECK-PREFIX-OVERLAP",
        "fail",
        "--pod-cidr 10.16.0.0/16 overlaps what this node has: route 10.16.5.0/24 dev cni0",
    );
    has(&report, "CHECK-FORWARD-DROPS", "warn", "chain FORWARD of table ip filter");
    has(&report, "CHECK-PORT", "fail", &format!("(process {})", process::id()));
    has(&report, "CHECK-MTU", "fail", "pods are to have 1480, but eth0 has 1500");
    let text = machine.check(&["--mtu", "1480"]);
    assert_eq!(text.status.code(), Some(2));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("unfit: 4 failures, "), "{text}");
    eprintln!("{text}");
    assert_eq!(machine.state(), before, "it changed something");

    // What is put right is right.
    drop(busy);
    machine.run("ip link delete cni0");
    machine.run("nft delete table ip filter");
    fs::remove_file(machine.confs.join("00-other.conflist")).unwrap();
    let (code, report) = machine.json(&[]);
    assert_eq!(code, 0, "{report:#}");
}

#[test]
fn a_cluster_that_is_named_and_not_there_is_no_answer() {
    let machine = Machine::new("alone");
    let output = machine.check(&["--kubeconfig", "/nowhere/config"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.contains("CTL-CLUSTER-ACCESS")), (Some(1), true), "{said}");
}
