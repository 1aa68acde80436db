//! What we write is what a stock `ovn-northd` accepts.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::{
    objects::{pod, routed, tenants, vpc},
    rig::Rig,
    server::wait_for,
    settled::tool,
};

/// A process that ends with its value.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Southbound and the translator that fills it.
struct Northd {
    southbound: PathBuf,
    log: PathBuf,
    _processes: [Guard; 2],
}

impl Northd {
    fn start(rig: &Rig) -> Self {
        let path = |name: &str| rig.directory.path(name);
        let (database, southbound, log) = (path("sb.db"), path("sb.sock"), path("northd.log"));
        tool("ovsdb-tool", &["create", database.to_str().unwrap(), "/usr/share/ovn/ovn-sb.ovsschema"]);
        let remote = format!("--remote=punix:{}", southbound.display());
        let server = ["--no-chdir", &remote, database.to_str().unwrap()];
        let server = spawn("ovsdb-server", &server, &path("sb.ctl"), &path("sb.log"));
        wait_for("the Southbound to listen", || southbound.exists().then_some(()));
        let (north, south) = (
            format!("--ovnnb-db={}", rig.server.endpoint()),
            format!("--ovnsb-db=unix:{}", southbound.display()),
        );
        let northd = spawn("ovn-northd", &["--no-chdir", &north, &south], &path("northd.ctl"), &log);
        Northd { southbound, log, _processes: [northd, server] }
    }

    fn sbctl(&self, arguments: &[&str]) -> String {
        let database = format!("--db=unix:{}", self.southbound.display());
        tool("ovn-sbctl", &[&["--no-leader-only", &database], arguments].concat())
    }

    /// Everything that northd found worth a warning, connections aside.
    fn warnings(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap();
        let grave =
            log.lines().filter(|line| ["|WARN|", "|ERR|", "|EMER|"].iter().any(|level| line.contains(level)));
        grave.filter(|line| !line.contains("|reconnect|")).map(ToOwned::to_owned).collect()
    }
}

fn spawn(program: &str, arguments: &[&str], control: &std::path::Path, log: &std::path::Path) -> Guard {
    let child = Command::new(program)
        .args(["-vconsole:info", "-vsyslog:off", "-vfile:off", &format!("--unixctl={}", control.display())])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(log).unwrap())
        .spawn();
    Guard(child.unwrap_or_else(|error| panic!("{program}: {error}; install ovn-central")))
}

#[test]
fn northd_takes_all_of_it_and_has_nothing_to_complain_about() {
    let mut rig = Rig::stopped(tenants());
    let northd = Northd::start(&rig);
    rig.start();
    rig.apply(routed(vpc("blue", &["blue"])));
    rig.settle();
    rig.server.nbctl(&["--wait=sb", "--timeout=20", "sync"]);

    let bound = northd.sbctl(&["--bare", "--columns=logical_port", "find", "Port_Binding"]);
    for port in rig.seen.ports().keys().map(String::as_str).chain(["web-ovn-cluster", "ovn-cluster-web"]) {
        assert!(bound.lines().any(|line| line == port), "{port} is not among {bound:?}");
    }
    let flows = northd.sbctl(&["lflow-list", "blue"]);
    let flow = |stage: &str, parts: &[&str]| {
        let stage = format!("({stage}");
        flows.lines().any(|line| line.contains(&stage) && parts.iter().all(|part| line.contains(part)))
    };
    for (stage, parts) in [
        ("lr_in_ip_routing", &["ip4.dst == 192.168.7.0/24"][..]),
        ("lr_in_ip_routing", &["ip4.dst == 0.0.0.0/0"]),
        ("lr_in_policy", &["priority=31000", "ip4.dst == 10.0.1.0/24"]),
        ("lr_in_policy", &["priority=900 ", "ip4.src == 10.0.0.11", "drop"]),
        ("lr_in_policy", &["priority=901 ", "tcp.dst == 80"]),
        ("lr_in_policy", &["ip4.src == 10.0.1.0/24", "10.0.0.10"]),
        ("lr_in_policy", &["priority=1 ", "ip4", "drop"]),
    ] {
        assert!(flow(stage, parts), "no flow {parts:?} in {stage}:\n{flows}");
    }
    // ovn-trace parses every flow, as ovn-controller does, and says which it cannot
    let database = format!("--db=unix:{}", northd.southbound.display());
    let packet = "inport == \"shop-0.web\" && eth.src == 0a:58:0a:14:00:6f";
    let trace =
        Command::new("ovn-trace").args(["--no-leader-only", &database, "web", packet]).output().unwrap();
    let complaints = String::from_utf8_lossy(&trace.stderr);
    assert!(trace.status.success() && !complaints.contains("parsing"), "{complaints}");
    assert_eq!(northd.warnings(), [""; 0]);

    // northd and its users write into Northbound, too: nothing of that is ours to answer
    let mark = rig.now();
    rig.server.nbctl(&["--wait=sb", "--timeout=20", "lsp-set-enabled", "shop-0.web", "enabled"]);
    rig.apply(pod("web", "canary", "n2", &[]));
    rig.settle();
    assert_eq!(rig.sent_since(mark), 1, "a pod is one transaction, and there was nothing else to do");
}
