//! What a cluster has once: the wire between its nodes, OVN's databases, the API server, and those who work on objects.
//!
//! All of it lives beside the nodes, on a machine of its own on the same wire. To the nodes it is also the way to
//! everything else, and so the outside world that pods may try to reach.

use std::{net::Ipv4Addr, path::Path};

use kubeovn_bins::lab::{
    fabric::{Fabric, FabricEvent},
    state::StateDir,
};
use tokio::{process::Command, sync::mpsc};

use crate::{
    kept::Start,
    kubernetes::{ADMIN, Kubernetes, process::Program},
    programs::{self, Programs},
    settings,
};

/// Where the API server is, as nodes see it.
pub(crate) const WIRE_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 255, 1);

/// kube-proxy's user.
pub(crate) const PROXY: &str = "system:kube-proxy";

const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";

const SCHEDULER: &str = "system:kube-scheduler";

/// Service accounts of ours, whom the API server watches: what they ask, it writes down.
pub(crate) const ACCOUNTS: [&str; 3] = ["ovn", "ovn-ovs", "kube-ovn-cni"];

/// A kubelet's user.
pub(crate) fn node_user(node: &str) -> String {
    format!("system:node:{node}")
}

/// The wire and the databases on it.
pub(crate) async fn fabric() -> Fabric {
    let (tell, mut told) = mpsc::unbounded_channel::<FabricEvent>();
    tokio::spawn(async move {
        while let Some(event) = told.recv().await {
            println!("e2e: {event:?}");
        }
    });
    let state = StateDir::new("e2e".parse().unwrap());
    let underlay = state.name().underlay_netns();
    let fabric = Fabric::start(state, tell).await.unwrap_or_else(|error| panic!("{error}"));
    let place = format!("{WIRE_ADDRESS}/16");
    let steps = [
        format!("ip link add wire type veth peer name central netns {underlay}"),
        format!("ip -n {underlay} link set central master br0 up"),
        format!("ip address add {place} dev wire"),
        "ip link set wire up".to_owned(),
        // OVS on nodes gets packets as they are here, and nobody behind it would fill in sums
        "ethtool -K wire tx off".to_owned(),
    ];
    for step in steps {
        run(&step).await;
    }
    fabric
}

/// The API server, for these nodes.
pub(crate) async fn kubernetes(nodes: &[String]) -> Kubernetes {
    let mut users: Vec<(String, String)> =
        [CONTROLLER_MANAGER, SCHEDULER, PROXY].map(|user| (user.to_owned(), "e2e".to_owned())).into();
    users.extend(nodes.iter().map(|node| (node_user(node), "system:nodes".to_owned())));
    let accounts = ACCOUNTS.map(|account| format!("system:serviceaccount:kube-system:{account}"));
    Kubernetes::start_for_cluster(WIRE_ADDRESS, &users, &accounts).await
}

/// Those who make of Deployments pods, and give pods a node.
pub(crate) fn workers(kubernetes: &Kubernetes, programs: &Programs) -> Vec<Program> {
    let key = kubernetes.service_account_key();
    let authority = kubernetes.authority();
    let manager = [
        format!("--kubeconfig={}", kubeconfig(kubernetes, CONTROLLER_MANAGER)),
        format!("--service-account-private-key-file={}", key.display()),
        format!("--root-ca-file={}", authority.display()),
        "--use-service-account-credentials".to_owned(),
        "--leader-elect=false".to_owned(),
    ];
    let scheduler =
        [format!("--kubeconfig={}", kubeconfig(kubernetes, SCHEDULER)), "--leader-elect=false".to_owned()];
    vec![start(&programs.controller_manager, &manager), start(&programs.scheduler, &scheduler)]
}

/// How to start our controller. It finds the Northbound by a unix socket.
///
/// A lease of 30 s, as by default, would make a check of its end long; too short a one is lost on a busy machine.
pub(crate) fn controller(kubernetes: &Kubernetes, fabric: &Fabric) -> Start {
    let program = programs::ours("kubeovn-controller");
    let program = program.expect("kubeovn-controller: make e2e builds it");
    let flags = [
        format!("--kubeconfig={}", kubeconfig(kubernetes, ADMIN)),
        format!("--ovn-nb-addr=unix:{}", fabric.northbound().display()),
        "--leader-elect-lease-duration=12s".to_owned(),
        "--leader-elect-renew-deadline=9s".to_owned(),
        "--leader-elect-retry-period=2s".to_owned(),
        "--v=3".to_owned(),
    ];
    Box::new(move || start(&program, &flags))
}

fn start(program: &Path, flags: &[String]) -> Program {
    let log = format!("{}.log", program.file_name().unwrap().display());
    let mut command = std::process::Command::new(program);
    command.args(flags);
    Program::start(command, settings::folder().join(log))
}

/// Writes a user's kubeconfig; answers its path.
fn kubeconfig(kubernetes: &Kubernetes, user: &str) -> String {
    let path = kubernetes.folder().join(format!("{}.conf", user.replace(':', "-")));
    std::fs::write(&path, kubernetes.kubeconfig_of(user, &kubernetes.authority())).unwrap();
    path.display().to_string()
}

/// Runs a command beside the API server, which has to succeed.
pub(crate) async fn run(line: &str) {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().await.unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}
