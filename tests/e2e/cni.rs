//! What gives pods their network.

use std::{env, fs, path::Path};

use serde_json::json;

use crate::{
    central,
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
            "" if programs::ours(DAEMON).is_none() => Self::Bridge,
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
            Self::KubeOvn => kubeovn(node),
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

/// The daemon puts the network's description where containerd looks for it when it is ready.
fn kubeovn(node: &mut Node) {
    let ours = |name| programs::ours(name).unwrap_or_else(|| panic!("{name}: make e2e builds it"));
    let machine = node.machine();
    machine.install(&ours("kubeovn-cni"), &format!("{FOLDER}/kube-ovn"));
    let list = json!({
        "cniVersion": "0.3.1",
        "name": "kube-ovn",
        "plugins": [
            {"type": "kube-ovn", "server_socket": SOCKET},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    let description = "/etc/kubernetes/01-kube-ovn.conflist";
    machine.write(description, &list.to_string());
    let flags = [
        format!("--kubeconfig={ADMIN_CONFIG}"),
        format!("--node-name={}", machine.name()),
        format!("--bind-socket={SOCKET}"),
        "--ovs-socket=/run/openvswitch/db.sock".to_owned(),
        "--install-cni-config=true".to_owned(),
        format!("--cni-conf-file={description}"),
    ];
    let program = machine.start_program(Path::new(&ours(DAEMON)), &flags);
    node.keep(program);
}

const SOCKET: &str = "/run/openvswitch/kube-ovn-daemon.sock";
