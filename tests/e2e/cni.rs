//! What gives pods their network.

use std::{env, fs, path::PathBuf};

use serde_json::json;

use crate::{
    central,
    kept::{Kept, Start},
    machine::Machine,
    node::{ADMIN_CONFIG, Node},
    programs,
};

/// Where Debian has the plugins of the CNI project.
const PLUGINS: &str = "/usr/lib/cni";

const FOLDER: &str = "/opt/cni/bin";

/// What there is to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cni {
    /// A bridge on each node and routes between them, by the CNI project's plugins: proves the machine beneath.
    Bridge,
    /// Ours.
    KubeOvn,
}

impl Cni {
    /// `CNI`, which is `bridge` or `kubeovn`.
    pub(crate) fn given() -> Self {
        match env::var("CNI").unwrap_or_default().as_str() {
            "" | "kubeovn" => Self::KubeOvn,
            "bridge" => Self::Bridge,
            other => panic!("CNI is {other:?}; it can be bridge or kubeovn"),
        }
    }

    /// Sets it up on a node that has an API server, and starts what it is made of.
    pub(crate) async fn start(self, node: &mut Node, others: &[(u16, String)], number: u16) {
        for plugin in fs::read_dir(PLUGINS).unwrap().flatten() {
            let name = plugin.file_name();
            node.machine().install(&plugin.path(), &format!("{FOLDER}/{}", name.display()));
        }
        match self {
            Self::Bridge => bridge(node, others, number).await,
            Self::KubeOvn => kubeovn(node.machine()).await,
        }
        if self == Self::KubeOvn {
            let name = format!("the daemon of {}", node.name());
            let daemon = Kept::start(name, daemon(node.machine()));
            node.keep(daemon);
        }
    }
}

/// The pods of each node have a prefix of their own, and others know the way.
async fn bridge(node: &Node, others: &[(u16, String)], number: u16) {
    let prefix = |number: u16| format!("10.244.{number}.0/24");
    let machine = node.machine();
    for (other, address) in others.iter().filter(|(other, _)| *other != number) {
        machine.run("ip", &["route", "replace", &prefix(*other), "via", address]).await.unwrap();
    }
    // the API server answers pods, too
    central::run(&format!("ip route replace {} via {}", prefix(number), machine.address())).await;
    let list = json!({
        "cniVersion": "0.4.0",
        "name": "bridge",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "hairpinMode": true,
            "ipam": {"type": "host-local", "subnet": prefix(number), "routes": [{"dst": "0.0.0.0/0"}]},
        }],
    });
    // A whole file at once, as a daemon would do it. containerd overlooks one that comes from another folder.
    let (new, list_at) = ("/etc/cni/net.d/bridge.conflist.tmp", "/etc/cni/net.d/10-bridge.conflist");
    machine.write(new, &list.to_string());
    fs::rename(machine.path(new), machine.path(list_at)).unwrap();
}

const DAEMON: &str = "kubeovn-daemon";

/// The daemon's.
pub(crate) const SOCKET: &str = "/run/openvswitch/kube-ovn-daemon.sock";

/// What the daemon copies to where containerd looks for it.
const DESCRIPTION: &str = "/etc/kubernetes/01-kube-ovn.conflist";

async fn kubeovn(machine: &Machine) {
    machine.install(&ours("kubeovn-cni"), &format!("{FOLDER}/kube-ovn"));
    let list = json!({
        "cniVersion": "0.3.1",
        "name": "kube-ovn",
        "plugins": [
            {"type": "kube-ovn", "server_socket": SOCKET},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    machine.write(DESCRIPTION, &list.to_string());
    let install = ["--install-cni-config=true", &format!("--cni-conf-file={DESCRIPTION}")];
    machine.run(&ours(DAEMON).display().to_string(), &install).await.unwrap();
}

/// What keeps the rules of a node's gateway: each of the two on some, so that both do all that is asked of pods.
pub(crate) fn firewall(node: &str) -> &'static str {
    if node == "n3" { "iptables" } else { "nftables" }
}

/// How to start the daemon.
fn daemon(machine: &Machine) -> Start {
    let flags = [
        format!("--kubeconfig={ADMIN_CONFIG}"),
        format!("--node-name={}", machine.name()),
        format!("--bind-socket={SOCKET}"),
        format!("--firewall={}", firewall(machine.name())),
        "--v=3".to_owned(),
    ];
    machine.starter(DAEMON, &ours(DAEMON), &flags)
}

fn ours(name: &str) -> PathBuf {
    programs::ours(name).unwrap_or_else(|| panic!("{name}: make e2e builds it"))
}
