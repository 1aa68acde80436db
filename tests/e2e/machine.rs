//! A node before anything of Kubernetes runs on it: a machine with mounts, network, name and disk of its own.
//!
//! Programs find everything where it is on any other machine: containerd's, kubelet's and CNI's folders, a /run of
//! their own, and in /run/openvswitch the sockets of their own OVS. What the real machine has in /etc, /opt and
//! /var/lib is there, too, but what is written there stays on the node.
//!
//! Its power can be cut, and it can be booted again: then it has what is on its disks, and nothing else of before.

use std::{
    fs,
    io::ErrorKind,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use kubeovn_bins::lab::fabric::NodeHandle;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::Command;

use crate::{cgroup, jail, kept::Start, kubernetes::process::Program, settings, wait::until};

/// The machine's first process. /sys is that of its network; but where its cgroups are, everybody's are.
///
/// kubelet asks how full the file systems of containers are, and takes the first mount of each: these have but one in
/// here. Those who made the machine have theirs, so that they outlast it.
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
  mount --move "$base/disk/$dir" "/$dir"
done
mkdir -p "$base/var/log"
mount --bind "$base/var/log" /var/log
mkdir -p "$base/cgroup"
mount --rbind /sys/fs/cgroup "$base/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$base/cgroup" /sys/fs/cgroup
umount --lazy "$base/cgroup"
mkdir -p "$base/run/openvswitch" "$base/run/lock" "$base/run/netns"
mount --bind "$ovs" "$base/run/openvswitch"
mount --rbind "$base/run" /run
cat /proc/sys/kernel/random/uuid > /run/boot
mount --bind /run/boot /proc/sys/kernel/random/boot_id
mount --make-rshared /
: > /run/machine-is-up
exec sleep infinity
"#;

/// What containers write, which no overlay can be below.
const DISKS: [&str; 2] = ["disk/var/lib/containerd", "disk/var/lib/kubelet"];

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
    link: &'static str,
    /// None while it has no power.
    first: Mutex<Option<Program>>,
    /// The process of `first`, for those who start programs later.
    process: Arc<AtomicU32>,
    base: PathBuf,
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
        for disk in DISKS.map(|disk| base.join(disk).display().to_string()) {
            fs::create_dir_all(&disk).unwrap();
            crate::central::run(&format!("mount -t tmpfs tmpfs {disk}")).await;
        }
        let (first, process) = (Mutex::new(None), Arc::new(AtomicU32::new(0)));
        let Place { address, link, .. } = *place;
        let machine = Self { name, address, link, first, process, base, logs };
        machine.boot(place).await;
        machine
    }

    /// Boots it, in a place that is there.
    pub(crate) async fn boot(&self, place: &Place) {
        let mut command = std::process::Command::new("nsenter");
        command
            .arg(format!("--net={}", place.netns.display()))
            .args(["--", "unshare", "--mount", "--uts", "--propagation", "private"])
            .args(["--", "sh", "-c", FIRST, "sh", &self.name])
            .args([&self.base, &place.switch]);
        let first = Program::start(command, self.logs.join("machine.log"));
        self.process.store(first.id(), Ordering::Relaxed);
        fs::write(self.base.join("process"), first.id().to_string()).unwrap();
        *self.first.lock().unwrap() = Some(first);
        cgroup::make(&self.name);
        let up = self.path("/run/machine-is-up");
        until(&format!("the machine of {}", self.name), async || {
            let log = || fs::read_to_string(self.logs.join("machine.log")).unwrap_or_default();
            let ended = self.first.lock().unwrap().as_mut().is_none_or(Program::has_ended);
            assert!(!ended, "the machine of {} ended: {}", self.name, log());
            if up.exists() { Ok(()) } else { Err(log()) }
        })
        .await;
    }

    /// Cuts its power: whatever runs on it, containers too, ends at once and says nothing, and its mounts and what is in
    /// /run go with it. The fabric's node is others' to cut.
    pub(crate) async fn cut_power(&self) {
        let own = fs::read_link(self.path("").with_file_name("ns/mnt")).unwrap();
        let containers = || cgroup::processes(&self.name).into_iter();
        let programs = || {
            fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
                let process: i32 = entry.file_name().to_str()?.parse().ok()?;
                (fs::read_link(entry.path().join("ns/mnt")).ok()? == own).then_some(process)
            })
        };
        until(&format!("all on {} to end", self.name), async || {
            let left: Vec<i32> = containers().chain(programs()).collect();
            for process in &left {
                // It may have ended, of which its parent may not know yet: so its number is nobody else's.
                let _ = kill(Pid::from_raw(*process), Signal::SIGKILL);
            }
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
        *self.first.lock().unwrap() = None;
        cgroup::clear(&self.name);
        match fs::remove_dir_all(self.base.join("run")) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("/run of {}: {error}", self.name),
            _ => {}
        }
    }

    /// The node's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its address on the wire.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// What has that address.
    pub(crate) fn link(&self) -> &'static str {
        self.link
    }

    /// A file of the machine's, as others see it.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{file}", self.process.load(Ordering::Relaxed)))
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

    /// How to start a program that stays, also after another boot. What it prints is in a file of this name.
    pub(crate) fn starter(&self, name: &str, program: &Path, args: &[String]) -> Start {
        let (process, log) = (Arc::clone(&self.process), self.logs.join(format!("{name}.log")));
        let (program, args) = (program.to_owned(), args.to_vec());
        Box::new(move || {
            let mut command = std::process::Command::new("nsenter");
            command.args(doors(&process)).arg(&program).args(&args);
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
        command.args(doors(&self.process)).arg(program).args(args).stdin(input).kill_on_drop(true);
        let output = command.output().await.map_err(|error| error.to_string())?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(said(&output.stdout))
        } else {
            Err(format!("{program} {args:?} on {}: {}", self.name, said(&output.stderr)))
        }
    }
}

/// The way onto a machine with this first process, from where files for a moment are not where they are here.
fn doors(first: &AtomicU32) -> [String; 7] {
    let target = format!("--target={}", first.load(Ordering::Relaxed));
    [&target, "--mount", "--net", "--uts", "--", "env", "--unset=TMPDIR"].map(str::to_owned)
}
