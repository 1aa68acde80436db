//! A node of the cluster: a machine with containerd, kubelet and kube-proxy.

use std::{fs::File, path::Path};

use serde_json::json;
use tokio::net::UnixStream;

use crate::{
    central::{self, WIRE_ADDRESS},
    cgroup, image,
    kept::Kept,
    kubernetes::{Kubernetes, process::Program},
    machine::{Machine, Place},
    programs::{self, Programs},
    wait::until,
};

/// Where programs on a node find what they need to reach the API server.
const CONFIGURATIONS: &str = "/etc/kubernetes";

/// The kubeconfig of those that may do everything, which the node daemon is for now.
pub(crate) const ADMIN_CONFIG: &str = "/etc/kubernetes/admin.conf";

const CONTAINERD: &str = "/run/containerd/containerd.sock";

/// A node. What runs on it ends with the namespaces, containers too; one after the other is of no use.
pub(crate) struct Node {
    machine: Machine,
    containerd: Program,
    kubelet: Option<Program>,
    proxy: Option<Program>,
    daemon: Option<Kept>,
}

impl Node {
    /// Makes the machine and starts what needs no API server.
    pub(crate) async fn start(place: &Place) -> Self {
        let machine = Machine::start(place).await;
        let way = ["route", "replace", "default", "via", &WIRE_ADDRESS.to_string(), "dev", place.link];
        machine.run("ip", &way).await.unwrap();
        machine.write("/etc/containerd/config.toml", &containerd_config());
        let containerd = machine.start_program("containerd", &programs::path("containerd").unwrap(), &[]);
        let mut node = Self { machine, containerd, kubelet: None, proxy: None, daemon: None };
        node.has_containerd().await;
        node.import(&image::path()).await;
        node
    }

    /// Makes the image of an archive known to its containerd.
    pub(crate) async fn import(&self, archive: &Path) {
        let tar = File::open(archive).unwrap();
        let import = ["--namespace=k8s.io", "images", "import", "-"];
        self.machine.run_with(tar, "ctr", &import).await.unwrap();
    }

    async fn has_containerd(&mut self) {
        let socket = self.machine.path(CONTAINERD);
        until(&format!("containerd on {}", self.name()), async || {
            assert!(!self.containerd.has_ended(), "containerd on {} ended", self.name());
            UnixStream::connect(&socket).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Makes it a node of the cluster.
    pub(crate) fn join(&mut self, kubernetes: &Kubernetes, programs: &Programs) {
        let machine = &self.machine;
        let authority = format!("{CONFIGURATIONS}/ca.crt");
        machine.write(&authority, &std::fs::read_to_string(kubernetes.authority()).unwrap());
        let users = [
            (central::node_user(machine.name()), "kubelet.conf"),
            (central::PROXY.to_owned(), "kube-proxy.conf"),
            (crate::kubernetes::ADMIN.to_owned(), "admin.conf"),
        ];
        for (user, file) in users {
            let text = kubernetes.kubeconfig_of(&user, Path::new(&authority));
            machine.write(&format!("{CONFIGURATIONS}/{file}"), &text);
        }
        machine.write("/var/lib/kubelet/config.yaml", &kubelet_config(machine.name()));
        self.start_kubelet(programs);
        self.start_proxy(programs);
    }

    /// Starts kubelet, also again.
    pub(crate) fn start_kubelet(&mut self, programs: &Programs) {
        let machine = &self.machine;
        let flags = [
            format!("--kubeconfig={CONFIGURATIONS}/kubelet.conf"),
            "--config=/var/lib/kubelet/config.yaml".to_owned(),
            format!("--hostname-override={}", machine.name()),
            format!("--node-ip={}", machine.address()),
        ];
        self.kubelet = None;
        self.kubelet = Some(machine.start_program("kubelet", &programs.kubelet, &flags));
    }

    /// Starts kube-proxy, also again. How many connections the kernel tracks is the real machine's matter.
    pub(crate) fn start_proxy(&mut self, programs: &Programs) {
        let machine = &self.machine;
        let mut flags = vec![
            format!("--kubeconfig={CONFIGURATIONS}/kube-proxy.conf"),
            format!("--hostname-override={}", machine.name()),
            "--proxy-mode=iptables".to_owned(),
        ];
        flags.extend(
            ["max-per-core", "min", "tcp-timeout-established", "tcp-timeout-close-wait"]
                .map(|limit| format!("--conntrack-{limit}=0")),
        );
        self.proxy = None;
        self.proxy = Some(machine.start_program("kube-proxy", &programs.proxy, &flags));
    }

    /// Its daemon, which runs as long as it is there.
    pub(crate) fn keep(&mut self, daemon: Kept) {
        self.daemon = Some(daemon);
    }

    /// The daemon, of a network that has one.
    pub(crate) fn daemon(&self) -> &Kept {
        self.daemon.as_ref().expect("a node daemon")
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.machine.name()
    }

    /// The machine below it.
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Programs that ended though nobody asked them to.
    pub(crate) fn ended(&mut self) -> Vec<String> {
        let name = self.machine.name();
        let kubelet = self.kubelet.iter_mut().map(|program| ("kubelet", program));
        let proxy = self.proxy.iter_mut().map(|program| ("kube-proxy", program));
        let all = [("containerd", &mut self.containerd)].into_iter().chain(kubelet).chain(proxy);
        all.filter_map(|(program, running)| running.has_ended().then(|| format!("{program} on {name}")))
            .collect()
    }
}

/// For containerd 1.6. Whoever may not set limits may not lower how readily a process is killed either.
fn containerd_config() -> String {
    format!(
        r#"version = 2
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.tracing",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_tcp_service = true
  sandbox_image = "{pause}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
"#,
        pause = image::PAUSE
    )
}

fn kubelet_config(node: &str) -> String {
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        // whoever asks comes from within the cluster's namespaces
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup::make(node),
        "clusterDNS": [],
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD}"),
        "enforceNodeAllocatable": ["pods"],
        // the disk is memory, and not much of it
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
        "failCgroupV1": false,
        "failSwapOn": false,
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": false,
        "nodeStatusUpdateFrequency": "4s",
        "oomScoreAdj": 0,
        "resolvConf": "/dev/null",
    });
    config.to_string()
}
