//! A node of the cluster: a machine with containerd, kubelet and kube-proxy.

use std::{fs::File, path::Path};

use kubeovn_bins::lab::fabric::Fabric;
use serde_json::json;
use tokio::net::UnixStream;

use crate::{
    central::{self, WIRE_ADDRESS},
    cgroup, image,
    kept::Kept,
    kubernetes::Kubernetes,
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
    containerd: Kept,
    kubelet: Option<Kept>,
    proxy: Option<Kept>,
    daemon: Option<Kept>,
}

impl Node {
    /// Makes the machine and starts what needs no API server.
    pub(crate) async fn start(place: &Place) -> Self {
        let machine = Machine::start(place).await;
        machine.write("/etc/containerd/config.toml", &containerd_config());
        let containerd = kept(&machine, "containerd", &programs::path("containerd").unwrap(), &[]);
        let node = Self { machine, containerd, kubelet: None, proxy: None, daemon: None };
        node.has_way_out().await;
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

    async fn has_way_out(&self) {
        let way =
            ["route", "replace", "default", "via", &WIRE_ADDRESS.to_string(), "dev", self.machine.link()];
        self.machine.run("ip", &way).await.unwrap();
    }

    /// Waits until its containerd listens.
    pub(crate) async fn has_containerd(&self) {
        let (socket, ends) = (self.machine.path(CONTAINERD), self.containerd.ends());
        until(&format!("containerd on {}", self.name()), async || {
            assert_eq!(self.containerd.ends(), ends, "containerd on {} ended", self.name());
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

    fn start_kubelet(&mut self, programs: &Programs) {
        let machine = &self.machine;
        let flags = [
            format!("--kubeconfig={CONFIGURATIONS}/kubelet.conf"),
            "--config=/var/lib/kubelet/config.yaml".to_owned(),
            format!("--hostname-override={}", machine.name()),
            format!("--node-ip={}", machine.address()),
        ];
        self.kubelet = Some(kept(machine, "kubelet", &programs.kubelet, &flags));
    }

    /// How many connections the kernel tracks is the real machine's matter.
    fn start_proxy(&mut self, programs: &Programs) {
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
        self.proxy = Some(kept(machine, "kube-proxy", &programs.proxy, &flags));
    }

    /// Its daemon, which runs as long as it is there.
    pub(crate) fn keep(&mut self, daemon: Kept) {
        self.daemon = Some(daemon);
    }

    /// The daemon, of a network that has one.
    pub(crate) fn daemon(&self) -> &Kept {
        self.daemon.as_ref().expect("a node daemon")
    }

    /// What runs containers.
    pub(crate) fn containerd(&self) -> &Kept {
        &self.containerd
    }

    /// kubelet, of a node of the cluster.
    pub(crate) fn kubelet(&self) -> &Kept {
        self.kubelet.as_ref().expect("a kubelet")
    }

    /// kube-proxy, of a node of the cluster.
    pub(crate) fn proxy(&self) -> &Kept {
        self.proxy.as_ref().expect("a kube-proxy")
    }

    /// All that runs on it for good.
    fn programs(&self) -> impl Iterator<Item = &Kept> {
        [&self.containerd].into_iter().chain(&self.kubelet).chain(&self.proxy).chain(&self.daemon)
    }

    /// Cuts its power: nothing that runs there comes to an end of its own, and all that is left is on disks.
    pub(crate) async fn cut_power(&self, fabric: &Fabric) {
        self.programs().for_each(Kept::kill);
        self.machine.cut_power().await;
        fabric.node_off(self.name()).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Boots it after its power was cut.
    pub(crate) async fn boot(&self, fabric: &Fabric) {
        let handle = fabric.node_up(self.name()).await.unwrap_or_else(|error| panic!("{error}"));
        self.machine.boot(&Place::from(&handle)).await;
        self.has_way_out().await;
        self.programs().for_each(Kept::revive);
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
    pub(crate) fn ended(&self) -> Vec<String> {
        self.programs()
            .filter(|program| program.ends() > 0)
            .map(|program| program.name().to_owned())
            .collect()
    }
}

/// A program of a machine that is started again when it ends.
fn kept(machine: &Machine, name: &str, program: &Path, flags: &[String]) -> Kept {
    Kept::start(format!("{name} on {}", machine.name()), machine.starter(name, program, flags))
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
