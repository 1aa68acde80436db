//! Where the programs are that make up a cluster.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Debian's, and the packages that bring them.
const NEEDED: [(&str, &str); 13] = [
    ("busybox", "busybox"),
    ("conntrack", "conntrack"),
    ("containerd", "containerd"),
    ("ip", "iproute2"),
    ("ipset", "ipset"),
    ("iptables", "iptables"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("ovn-controller", "ovn-host"),
    ("ovn-northd", "ovn-central"),
    ("ovs-vswitchd", "openvswitch-switch"),
    ("runc", "runc"),
    ("socat", "socat"),
];

/// Where they are; a user's `PATH` often leaves out some.
pub(crate) const SEARCHED: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Kubernetes' programs that a cluster needs.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) controller_manager: PathBuf,
    pub(crate) scheduler: PathBuf,
    pub(crate) kubectl: PathBuf,
    pub(crate) kubelet: PathBuf,
    pub(crate) proxy: PathBuf,
}

impl Programs {
    /// Those that `tests/kubernetes/build` knows of. Panics with what it says if one is missing.
    pub(crate) fn find() -> Self {
        let names = ["kube-controller-manager", "kube-scheduler", "kubectl", "kubelet", "kube-proxy"];
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes/build");
        let output = Command::new(&script).args(["--path", "etcd", "kube-apiserver"]).args(names).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: make e2e builds it", said.trim());
        let lines = String::from_utf8(output.stdout).unwrap();
        let all: Vec<PathBuf> = lines.lines().skip(2).map(PathBuf::from).collect();
        let [controller_manager, scheduler, kubectl, kubelet, proxy] = all.try_into().unwrap();
        Self { controller_manager, scheduler, kubectl, kubelet, proxy }
    }
}

/// A Debian package that is missing, and the program that it brings.
pub(crate) fn missing() -> Option<(&'static str, &'static str)> {
    NEEDED.into_iter().find(|(program, _)| path(program).is_none())
}

/// Where a program of Debian's is.
pub(crate) fn path(program: &str) -> Option<PathBuf> {
    SEARCHED.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// Where one of our programs is, if it was built.
pub(crate) fn ours(program: &str) -> Option<PathBuf> {
    Some(profile().join(program)).filter(|path| path.is_file())
}

/// The folder into which cargo puts programs, in which is the folder that this one is in.
pub(crate) fn profile() -> PathBuf {
    let this = env::current_exe().unwrap();
    this.ancestors().nth(2).expect("a program in target/debug/deps").to_owned()
}
