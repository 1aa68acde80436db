//! The lab as a person uses it: the real programs, from manifests to packets, and back to nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything that a lab does may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Two nodes, one pod on each in a dual-stack subnet, one in a VPC of its own, and what is to be true of them.
const NETWORK: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
---
apiVersion: v1
kind: Namespace
metadata: {name: web}
---
apiVersion: v1
kind: Namespace
metadata: {name: blue}
---
apiVersion: kubeovn.io/v1
kind: Vpc
metadata: {name: tenant}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: web}
spec: {cidrBlock: '10.1.0.0/24,fd01::/112', namespaces: [web]}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: blue}
spec: {cidrBlock: 10.9.0.0/24, vpc: tenant, namespaces: [blue]}
---
apiVersion: v1
kind: Pod
metadata: {name: w1, namespace: web}
spec: {nodeName: n1}
---
apiVersion: v1
kind: Pod
metadata: {name: b1, namespace: blue}
spec: {nodeName: n2}
---
apiVersion: lab.kubeovn.io/v1
kind: Probe
metadata: {name: tenants-are-apart}
spec: {from: {namespace: web, pod: w1}, to: {namespace: blue, pod: b1}, protocol: icmp, expect: deny}
";

/// A pod that comes later, and probes that need it.
const MORE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: w2, namespace: web}
spec: {nodeName: n2}
---
apiVersion: lab.kubeovn.io/v1
kind: Probe
metadata: {name: ping}
spec: {from: {namespace: web, pod: w1}, to: {namespace: web, pod: w2}, protocol: icmp, expect: allow}
---
apiVersion: lab.kubeovn.io/v1
kind: Probe
metadata: {name: connect}
spec: {from: {namespace: web, pod: w2}, to: {namespace: web, pod: w1}, protocol: tcp, port: 80, expect: allow}
";

/// A probe that cannot be as expected.
const WRONG: &str = "
apiVersion: lab.kubeovn.io/v1
kind: Probe
metadata: {name: wrong}
spec: {from: {namespace: web, pod: w1}, to: {namespace: web, pod: w2}, protocol: icmp, family: v4, expect: deny}
";

/// A lab of this test's own, with a folder of manifests. Removed whatever happens.
struct Lab {
    name: String,
    folder: PathBuf,
}

/// Asks again until the answer is there.
#[track_caller]
fn poll<T>(ask: impl Fn() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(state) => assert!(Instant::now() < deadline, "{state}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Lab {
    fn new(test: &str, manifests: &[(&str, &str)]) -> Self {
        let name = format!("{test}{}", std::process::id() % 1_000_000);
        let folder = std::env::temp_dir().join(format!("kubeovn-lab-test-{name}"));
        fs::create_dir_all(&folder).unwrap();
        let lab = Self { name, folder };
        for (file, text) in manifests {
            lab.write(file, text);
        }
        lab
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap();
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeovn-lab"));
        command.args([verb, "--name", &self.name]);
        command
    }

    fn run(&self, args: &[&str]) -> Command {
        let mut command = self.command("run");
        command.args(args).arg(&self.folder).args(["--plugin", env!("CARGO_BIN_EXE_kubeovn-cni")]);
        command
    }

    fn status(&self) -> Option<Value> {
        let output = self.command("status").args(["-o", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Waits until the running lab reports what is wanted.
    #[track_caller]
    fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        poll(|| match self.status() {
            Some(status) if wanted(&status) => Ok(status),
            status => Err(format!("{what} did not happen: {status:#?}")),
        })
    }

    /// Everything on this machine that bears the lab's name.
    fn traces(&self) -> Vec<String> {
        let netns = fs::read_dir("/run/netns").into_iter().flatten().flatten();
        let names = netns.filter_map(|entry| entry.file_name().into_string().ok());
        let mut traces: Vec<String> =
            names.filter(|name| name.starts_with(&format!("{}.", self.name))).collect();
        let state = Path::new("/run/kubeovn-lab").join(&self.name);
        traces.extend(state.exists().then(|| state.display().to_string()));
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            traces.extend(
                command.contains(&format!("{}/", state.display())).then(|| command.replace('\0', " ")),
            );
        }
        traces
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.command("down").stderr(Stdio::null()).status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A lab that runs until it is told to end.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Its exit code, and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let _ = self.0.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
        (self.0.wait().unwrap().code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn pod<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    document["pods"].as_array()?.iter().find(|pod| pod["name"] == name)
}

fn probe_names(document: &Value) -> Vec<&str> {
    document["probes"].as_array().into_iter().flatten().filter_map(|probe| probe["name"].as_str()).collect()
}

fn all_good(document: &Value) -> bool {
    document["probes"]
        .as_array()
        .is_some_and(|probes| probes.iter().all(|probe| probe["expected"] == probe["seen"]))
}

#[test]
fn once_tells_the_whole_story_and_leaves_nothing() {
    let lab = Lab::new("once", &[("net.yaml", NETWORK), ("more.yaml", MORE), ("broken.yaml", "kind: [")]);
    let picture = lab.folder.join("net.svg");
    let output = lab.run(&["--once", "-o", "json", "--svg", picture.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        probe_names(&document),
        ["ping/v4", "ping/v6", "connect/v4", "connect/v6", "tenants-are-apart"]
    );
    assert!(all_good(&document), "{document:#}");
    for node in document["nodes"].as_array().unwrap() {
        assert_eq!(node["ready"], true, "{node}");
    }
    let subnets: Vec<&str> = document["subnets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|subnet| subnet["name"].as_str().unwrap())
        .collect();
    assert_eq!(subnets, ["blue", "join", "ovn-default", "web"], "also those that no manifest names");
    let pod = pod(&document, "w1").unwrap();
    assert_eq!((&pod["node"], &pod["subnet"], &pod["error"]), (&"n1".into(), &"web".into(), &Value::Null));
    assert_eq!(pod["ips"].as_array().unwrap().len(), 2, "{pod}");
    assert_eq!(document["rejected"][0]["file"], "broken.yaml");
    let svg = fs::read_to_string(&picture).unwrap();
    assert!(svg.contains(pod["ips"][0].as_str().unwrap()) && svg.contains("VPC tenant"), "{svg}");
    assert_eq!(lab.traces(), Vec::<String>::new());
}

#[test]
fn what_is_not_as_expected_is_named_last_and_fails() {
    let lab = Lab::new("wrong", &[("net.yaml", NETWORK), ("more.yaml", MORE), ("wrong.yaml", WRONG)]);
    let output = lab.run(&["--once"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().last(), Some("5/6 probes as expected: wrong"), "{said}");
    assert_eq!(lab.traces(), Vec::<String>::new());
}

#[test]
fn edits_take_effect_while_it_runs_and_ctrl_c_removes_it() {
    let lab = Lab::new("edit", &[("net.yaml", NETWORK)]);
    let running = Running::start(lab.run(&[]));
    let first = lab.wait("the first report", |status| probe_names(status).len() == 1 && all_good(status));
    let address = pod(&first, "w1").unwrap()["ips"].clone();
    assert!(pod(&first, "w2").is_none());

    lab.write("more.yaml", MORE);
    let more = lab.wait("the new pod", |status| probe_names(status).len() == 5 && all_good(status));
    assert_eq!(pod(&more, "w1").unwrap()["ips"], address, "nobody touched it");

    fs::remove_file(lab.folder.join("more.yaml")).unwrap();
    lab.wait("the pod's end", |status| pod(status, "w2").is_none() && probe_names(status).len() == 1);
    assert!(!lab.traces().iter().any(|trace| trace.ends_with(".p.web.w2")), "its namespace is gone");
    let without_node = NETWORK.replace("metadata: {name: n2}", "metadata: {name: n3}");
    lab.write("net.yaml", &without_node);
    lab.wait("another node, and a pod that is on none", |status| {
        let there = status["nodes"][1]["name"] == "n3" && status["nodes"][1]["ready"] == true;
        there && pod(status, "b1").is_some_and(|pod| pod["error"]["code"] == "LAB-NODE-UNKNOWN")
    });

    running.signal("-INT");
    let (code, said) = running.end();
    assert_eq!(lab.traces(), Vec::<String>::new(), "{said}");
    assert!(code.is_some(), "ended by itself: {said}");
}

#[test]
fn a_killed_lab_is_seen_as_such_and_removed_by_down() {
    let lab = Lab::new("kill", &[("net.yaml", NETWORK)]);
    let running = Running::start(lab.run(&[]));
    lab.wait("the first report", |status| !probe_names(status).is_empty());
    let second = lab.run(&["--once"]).output().unwrap();
    assert!(text(&second).contains("LAB-RUNNING"), "{}", text(&second));
    running.signal("-KILL");
    let _ = running.end();
    assert!(lab.traces().len() > 10, "daemons and namespaces outlive it");
    let status = lab.command("status").output().unwrap();
    assert_eq!(status.status.code(), Some(1));
    assert!(text(&status).contains(&format!("kubeovn-lab down --name {}", lab.name)), "{}", text(&status));
    let down = lab.command("down").output().unwrap();
    assert!(down.status.success(), "{}", text(&down));
    assert_eq!(lab.traces(), Vec::<String>::new());
    let unknown = lab.command("down").output().unwrap();
    assert!(text(&unknown).contains("LAB-UNKNOWN"), "{}", text(&unknown));
}

#[test]
fn daemons_that_are_killed_come_back_and_nothing_is_renumbered() {
    let lab = Lab::new("heal", &[("net.yaml", NETWORK), ("more.yaml", MORE)]);
    let _running = Running::start(lab.run(&[]));
    let before = lab.wait("the first report", |status| probe_names(status).len() == 5 && all_good(status));
    let daemons = [
        "central.northbound",
        "central.southbound",
        "central.ovn-northd",
        "n2.ovsdb-server",
        "n2.ovs-vswitchd",
        "n2.ovn-controller",
    ];
    for daemon in daemons {
        let record = Path::new("/run/kubeovn-lab").join(&lab.name).join("processes").join(daemon);
        let record: Value = serde_json::from_str(&fs::read_to_string(record).unwrap()).unwrap();
        assert!(Command::new("kill").args(["-KILL", &record["pid"].to_string()]).status().unwrap().success());
    }
    // Only the last lines are told.
    let back = RefCell::new(BTreeSet::new());
    poll(|| {
        let said = String::from_utf8(lab.command("status").output().unwrap().stdout).unwrap();
        let is_back = |daemon: &&&str| said.contains(&format!("{} is back", daemon.replace('.', "/")));
        back.borrow_mut().extend(daemons.iter().filter(is_back).copied());
        let settled = said.lines().next().is_some_and(|line| line.ends_with(": settled"));
        if back.borrow().len() == daemons.len() && settled { Ok(()) } else { Err(said) }
    });
    let after = lab.status().unwrap();
    assert!(all_good(&after), "{after:#}");
    assert_eq!((&before["pods"], &before["subnets"]), (&after["pods"], &after["subnets"]));
}

#[test]
fn a_plan_tells_what_would_change_and_changes_nothing() {
    let lab = Lab::new("plan", &[("net.yaml", NETWORK)]);
    let other = Lab::new("plan-b", &[("net.yaml", NETWORK), ("more.yaml", MORE)]);
    let plan = |folder: &Path| lab.command("plan").arg(folder).output().unwrap();
    assert!(text(&plan(&lab.folder)).contains("LAB-UNKNOWN"));
    let _running = Running::start(lab.run(&[]));
    lab.wait("the first report", |status| probe_names(status).len() == 1 && all_good(status));
    let socket = format!("unix:/run/kubeovn-lab/{}/central/nb.sock", lab.name);
    let dump = |columns: &str| {
        let mut command = Command::new("ovsdb-client");
        command.args(["dump", &socket, "OVN_Northbound"]).args(columns.split(' '));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    // Without `up`, which northd writes when it comes to it.
    let ports = "Logical_Switch_Port name addresses port_security type options external_ids";
    let rows = || [ports, "Logical_Switch", "Logical_Router", "Port_Group", "ACL"].map(dump).concat();
    let before = rows();
    assert!(before.contains("w1.web"), "{before}");
    let same = plan(&lab.folder);
    assert!(same.status.success() && text(&same).contains("nothing would change"), "{}", text(&same));
    let more = text(&plan(&other.folder));
    assert!(more.contains("+ Logical_Switch_Port w2.web"), "{more}");
    assert!(!more.contains("w1.web") && !more.lines().any(|line| line.starts_with('-')), "{more}");
    other.write("more.yaml", "kind: [");
    assert!(text(&plan(&other.folder)).contains("LAB-PLAN-UNREADABLE"));
    assert_eq!(rows(), before);
}

/// A virtual machine whose pods are on two nodes; `status` is that of the first one.
fn moving(status: &str) -> String {
    let pod = |name: &str, second: &str, node: &str, more: &str, status: &str| {
        format!(
            "
---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: vms
  creationTimestamp: 2026-03-01T12:00:{second}Z
  ownerReferences: [{{apiVersion: kubevirt.io/v1, kind: VirtualMachineInstance, name: db, uid: the-instance}}]
  annotations: {{ovn.kubernetes.io/ip_address: 10.63.0.20{more}}}
spec: {{nodeName: {node}, restartPolicy: Never}}
{status}"
        )
    };
    let network = "
{apiVersion: v1, kind: Node, metadata: {name: n1}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}}
---
{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: vms}, spec: {cidrBlock: 10.63.0.0/24, namespaces: [vms]}}
---
{apiVersion: kubevirt.io/v1, kind: VirtualMachine, metadata: {name: db, namespace: vms}}
---
{apiVersion: kubevirt.io/v1, kind: VirtualMachineInstance, metadata: {name: db, namespace: vms, uid: the-instance}}";
    let job = ", kubevirt.io/migrationJobName: move";
    network.to_owned() + &pod("from", "00", "n1", "", status) + &pod("to", "01", "n2", job, "")
}

/// Real ovn-controllers take the port on both nodes, and let go of the first when its pod has ended.
#[test]
fn a_virtual_machine_that_moves_is_bound_where_it_is_and_where_it_goes() {
    let lab = Lab::new("move", &[("vm.yaml", &moving(""))]);
    let _running = Running::start(lab.run(&[]));
    let southbound = format!("--db=unix:/run/kubeovn-lab/{}/central/sb.sock", lab.name);
    let ask = |columns: &str, table: &[&str]| {
        let mut command = Command::new("ovn-sbctl");
        command.args([&*southbound, "--bare", columns]).args(table);
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    // Pods have their addresses before nodes are there.
    let chassis = |node: &str| {
        let found = || ask("--columns=_uuid", &["find", "Chassis", &format!("hostname={node}")]);
        poll(|| {
            Some(found()).filter(|found| !found.is_empty()).ok_or_else(|| format!("no chassis of {node}"))
        })
    };
    let port =
        |column: &str| ask(&format!("--columns={column}"), &["find", "Port_Binding", "logical_port=db.vms"]);
    let bound = |first: &str, second: &str| {
        poll(|| {
            let (wanted, is) = ((first, second), (port("chassis"), port("additional_chassis")));
            if (&*is.0, &*is.1) == wanted { Ok(()) } else { Err(format!("{is:?}, and should be {wanted:?}")) }
        });
    };
    let status = lab.wait("both pods", |status| {
        ["from", "to"].iter().all(|name| pod(status, name).is_some_and(|pod| pod["ips"][0] == "10.63.0.20"))
    });
    assert_eq!(pod(&status, "from").unwrap()["mac"], pod(&status, "to").unwrap()["mac"]);
    let (n1, n2) = (chassis("n1"), chassis("n2"));
    bound(&n1, &n2);
    lab.write("vm.yaml", &moving("status: {phase: Succeeded}"));
    bound(&n2, "");
}
