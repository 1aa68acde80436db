//! A node before anything of Kubernetes runs on it: a machine with mounts, network, name and disk of its own.
//!
//! Programs find everything where it is on any other machine: containerd's, kubelet's and CNI's folders, a /run of
//! their own, and in /run/openvswitch the sockets of their own OVS. What the real machine has in /etc, /opt and
//! /var/lib is there, too, but what is written there stays on the node.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
};

use kubeovn_bins::lab::fabric::NodeHandle;
use tokio::process::Command;

use crate::{jail, kept::Start, kubernetes::process::Program, settings, wait::until};

/// The machine's first process. /sys is that of its network; but where its cgroups are, everybody's are.
///
/// kubelet asks how full the file systems of containers are, and takes the first mount of each: these have but one.
/// The copy of the cgroups' mounts is undone, or kubelet takes the first that it finds, which nothing is in later.
const FIRST: &str = r#"
set -eu
name=$1 base=$2 ovs=$3
hostname "$name"
for dir in etc opt var/lib; do
  mkdir -p "$base/upper/$dir" "$base/work/$dir"
  mount -t overlay overlay -o "lowerdir=/$dir,upperdir=$base/upper/$dir,workdir=$base/work/$dir" "/$dir"
done
mkdir -p /etc/cni/net.d /etc/kubernetes /opt/cni/bin
for dir in var/lib/containerd var/lib/kubelet; do
  mkdir -p "/$dir"
  mount -t tmpfs tmpfs "/$dir"
done
mkdir -p "$base/var/log"
mount --bind "$base/var/log" /var/log
mkdir "$base/cgroup"
mount --rbind /sys/fs/cgroup "$base/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$base/cgroup" /sys/fs/cgroup
umount --lazy "$base/cgroup"
mkdir -p "$base/run/openvswitch" "$base/run/lock" "$base/run/netns"
mount --bind "$ovs" "$base/run/openvswitch"
mount --rbind "$base/run" /run
mount --make-rshared /
: > /run/machine-is-up
exec sleep infinity
"#;

/// Where a machine is put.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Its name.
    pub(crate) name: String,
    /// The namespace that is its network.
    pub(crate) netns: PathBuf,
    /// What it has as /run/openvswitch.
    pub(crate) switch: PathBuf,
    /// Its address on the wire.
    pub(crate) address: Ipv4Addr,
    /// What has that address.
    pub(crate) link: &'static str,
}

impl From<&NodeHandle> for Place {
    fn from(node: &NodeHandle) -> Self {
        Self {
            name: node.name.clone(),
            netns: node.netns.path().to_owned(),
            switch: node.dir.clone(),
            address: node.underlay,
            // the bridge that the NIC is in
            link: "br-phy",
        }
    }
}

/// A machine. Its programs are others', and end without it.
pub(crate) struct Machine {
    name: String,
    address: Ipv4Addr,
    first: Program,
    logs: PathBuf,
}

impl Machine {
    /// Makes one.
    pub(crate) async fn start(place: &Place) -> Self {
        let name = place.name.clone();
        let logs = settings::folder().join(&name);
        let base = Path::new(jail::RUN).join("nodes").join(&name);
        fs::create_dir_all(&logs).unwrap();
        fs::create_dir_all(&base).unwrap();
        let mut command = std::process::Command::new("nsenter");
        command
            .arg(format!("--net={}", place.netns.display()))
            .args(["--", "unshare", "--mount", "--uts", "--propagation", "private"])
            .args(["--", "sh", "-c", FIRST, "sh", &name])
            .args([&base, &place.switch]);
        let first = Program::start(command, logs.join("machine.log"));
        fs::write(base.join("process"), first.id().to_string()).unwrap();
        let mut machine = Self { name, address: place.address, first, logs };
        let up = machine.path("/run/machine-is-up");
        until(&format!("the machine of {}", machine.name), async || {
            let log = || fs::read_to_string(machine.logs.join("machine.log")).unwrap_or_default();
            assert!(!machine.first.has_ended(), "the machine of {} ended: {}", machine.name, log());
            if up.exists() { Ok(()) } else { Err(log()) }
        })
        .await;
        machine
    }

    /// The node's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its address on the wire.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A file of the machine's, as others see it.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{file}", self.first.id()))
    }

    /// Writes a file of the machine's, and makes the folders above it.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Puts a program of the real machine's into a folder of this one.
    pub(crate) fn install(&self, program: &Path, at: &str) {
        let to = self.path(at);
        fs::copy(program, &to)
            .unwrap_or_else(|error| panic!("{} to {}: {error}", program.display(), to.display()));
    }

    /// Starts a program that stays. What it prints is in a file of this name.
    pub(crate) fn start_program(&self, name: &str, program: &Path, args: &[String]) -> Program {
        self.starter(name, program, args)()
    }

    /// How to do that, for later.
    pub(crate) fn starter(&self, name: &str, program: &Path, args: &[String]) -> Start {
        let (doors, log) = (self.doors(), self.logs.join(format!("{name}.log")));
        let (program, args) = (program.to_owned(), args.to_vec());
        Box::new(move || {
            let mut command = std::process::Command::new("nsenter");
            command.args(&doors).arg(&program).args(&args);
            Program::start(command, log.clone())
        })
    }

    /// Runs a program to its end. What it printed, or what it said when it failed.
    pub(crate) async fn run(&self, program: &str, args: &[&str]) -> Result<String, String> {
        self.run_with(Stdio::null(), program, args).await
    }

    /// As [`Machine::run`], with something to read.
    pub(crate) async fn run_with(
        &self,
        input: impl Into<Stdio>,
        program: &str,
        args: &[&str],
    ) -> Result<String, String> {
        let mut command = Command::new("nsenter");
        command.args(self.doors()).arg(program).args(args).stdin(input).kill_on_drop(true);
        let output = command.output().await.map_err(|error| error.to_string())?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(said(&output.stdout))
        } else {
            Err(format!("{program} {args:?} on {}: {}", self.name, said(&output.stderr)))
        }
    }

    /// The way onto the machine, from where files for a moment are not where they are here.
    fn doors(&self) -> [String; 7] {
        let target = format!("--target={}", self.first.id());
        [&target, "--mount", "--net", "--uts", "--", "env", "--unset=TMPDIR"].map(str::to_owned)
    }
}
