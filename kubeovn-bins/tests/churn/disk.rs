//! A disk that is full where Open vSwitch, the address plugin or an installation writes.

use std::{
    env, fs,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kubeovn_bins::daemon::install::install;
use kubeovn_core::{
    annotations::nic,
    cluster::memory::MemoryCluster,
    cni::Environment,
    index::objects::{Meta, Node, Object, Pod},
};
use kubeovn_node::{
    cni::plugin,
    daemon::{Daemon, DaemonConfig, TunnelSource},
    netns::NetNs,
    ovs,
};
use serde_json::{Value, json};

use crate::rig::{NODE, client, run};

/// So long an ADD waits here.
const WAIT: Duration = Duration::from_secs(5);

/// A small disk in a folder, which only those who live in a mount namespace of its own see.
struct Disk {
    folder: PathBuf,
    /// Keeps the namespace.
    keeper: Child,
}

impl Disk {
    /// So many kilobytes, at a folder that is made for it.
    fn new(kilobytes: usize) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let own = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("kodisk-{}-{own}", std::process::id()));
        fs::create_dir_all(folder.join("disk")).unwrap();
        let mount =
            format!("mount -t tmpfs -o size={kilobytes}k tmpfs \"$1\" && echo ready && exec sleep 600");
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &mount, "sh"])
            .arg(folder.join("disk"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = std::io::BufReader::new(keeper.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut said).unwrap();
        assert_eq!(said, "ready\n");
        Self { folder, keeper }
    }

    /// The folder of the disk, for those in the namespace.
    fn path(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// The same folder, as others see it.
    fn seen(&self) -> PathBuf {
        Path::new("/proc")
            .join(self.keeper.id().to_string())
            .join("root")
            .join(self.path().strip_prefix("/").unwrap())
    }

    /// A program in the namespace.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.keeper.id())).args(["--mount", "--"]).arg(program.as_ref());
        command
    }

    fn fill(&self) {
        let mut file = File::create(self.seen().join("filling")).unwrap();
        for size in [4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.seen().join("filling")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A program that ends with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A namespace of this test, removed with it.
struct TestNs(NetNs, String);

impl TestNs {
    fn new(role: &str) -> Self {
        let name = format!("kodisk-{}-{role}", std::process::id());
        Self(NetNs::create_named(&name).unwrap(), name)
    }
}

impl Drop for TestNs {
    fn drop(&mut self) {
        let _ = NetNs::delete_named(&self.1);
    }
}

/// An ovsdb-server whose file is on the disk.
fn serve(disk: &Disk) -> (Running, PathBuf) {
    let (file, socket) = (disk.path().join("conf.db"), disk.folder.join("db.sock"));
    let made = disk
        .command("ovsdb-tool")
        .arg("create")
        .arg(&file)
        .arg("/usr/share/openvswitch/vswitch.ovsschema")
        .status();
    assert!(made.unwrap().success());
    let server = disk
        .command("ovsdb-server")
        .arg(format!("--remote=punix:{}", socket.display()))
        .arg(format!("--unixctl={}", disk.folder.join("ctl").display()))
        .arg(format!("--log-file={}", disk.folder.join("server.log").display()))
        .args(["-vconsole:off", "-vsyslog:off", "-vfile:info"])
        .arg(&file)
        .spawn();
    let server = Running(server.unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < deadline, "no ovsdb-server");
        std::thread::sleep(Duration::from_millis(10));
    }
    (server, socket)
}

async fn verb(command: &str, socket: &Path, container: &str, netns: &NetNs) -> (bool, Value) {
    let env = Environment {
        command: command.into(),
        container_id: container.into(),
        net_ns: netns.path().display().to_string(),
        if_name: "eth0".into(),
        args: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_UID=u1".into(),
    };
    let conf = json!({"cniVersion": "1.0.0", "name": "net", "type": "kube-ovn", "server_socket": socket});
    let printed = tokio::task::spawn_blocking(move || plugin::run(&env, conf.to_string().as_bytes())).await;
    let printed = printed.unwrap();
    (printed.success, printed.output.unwrap_or_default())
}

/// Open_vSwitch can't be written: ADD says so when its time is up and leaves nothing, DEL succeeds, and with room again pods
/// come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_open_vswitch_is_told_and_leaves_nothing() {
    let disk = Disk::new(256);
    let (_server, database) = serve(&disk);
    let at = format!("--db=unix:{}", database.display());
    let vsctl = {
        let at = at.clone();
        move |line: &str| {
            let words: Vec<&str> = [&*at, "--no-wait"].into_iter().chain(line.split(' ')).collect();
            run("ovs-vsctl", &words)
        }
    };
    vsctl("init -- add-br br-int -- set bridge br-int datapath_type=netdev");
    let (host, pod) = (TestNs::new("host"), TestNs::new("pod"));
    let cluster = Arc::new(MemoryCluster::new());
    let given = [
        (nic::ALLOCATED, "true"),
        (nic::IP_ADDRESS, "10.16.0.9"),
        (nic::MAC_ADDRESS, "0a:58:0a:10:00:09"),
        (nic::CIDR, "10.16.0.0/16"),
        (nic::GATEWAY, "10.16.0.1"),
    ];
    let annotations = given.map(|(key, value)| (key.ovn().into(), value.into())).into();
    let meta = Meta { namespace: "default".into(), uid: "u1".into(), annotations, ..Meta::named("web-0") };
    cluster.apply(Object::Node(Node { meta: Meta::named(NODE), ..Node::default() })).unwrap();
    cluster.apply(Object::Pod(Pod { meta, node: Some(NODE.into()), ..Pod::default() })).unwrap();
    let socket = disk.folder.join("cni.sock");
    let config = DaemonConfig {
        netns: host.0.clone(),
        socket: socket.clone(),
        tunnel: TunnelSource::Given { mtu: 1400 },
        firewall: None,
        wait: WAIT,
        ..DaemonConfig::new(NODE).unwrap()
    };
    let switch = Box::new(client(&ovs::SCHEMA, database, None));
    let daemon = Daemon::new(config, switch, cluster).unwrap();
    let daemon = tokio::spawn(daemon.run(std::future::pending()));
    let links = || host.0.run(|| Command::new("ip").args(["-br", "link"]).output().unwrap().stdout).unwrap();
    let has_links = || String::from_utf8_lossy(&links()).contains("_h");

    disk.fill();
    // The last block of the database's file has room for some transactions.
    let fits = |text: &str| {
        let value = format!("external_ids:filling={text}");
        let words = [&*at, "--no-wait", "set", "Open_vSwitch", ".", &value];
        Command::new("ovs-vsctl").args(words).output().unwrap().status.success()
    };
    for size in [500, 1] {
        let full = (0..50).any(|number| !fits(&format!("{number}{}", "x".repeat(size))));
        assert!(full, "the disk is not full");
    }
    let failures = || {
        let log = fs::read_to_string(disk.folder.join("server.log")).unwrap();
        log.lines().filter(|line| line.contains("write failed")).count()
    };
    let (began, before) = (Instant::now(), failures());
    let (success, said) = verb("ADD", &socket, "c0ffee0000000000", &pod.0).await;
    let why = said["details"].as_str().unwrap();
    assert!(!success && why.starts_with("NODE-PORT-NOT-WRITTEN: ") && why.contains("write failed"), "{said}");
    assert!(began.elapsed() < 3 * WAIT, "told after {:?}", began.elapsed());
    // It is tried again and again, with pauses: without them there are ten times as many.
    let tries = failures() - before;
    assert!(tries < 1_500, "{tries} lines of failed writes in {:?}", began.elapsed());
    assert!(!has_links(), "{}", String::from_utf8_lossy(&links()));
    assert!(verb("DEL", &socket, "c0ffee0000000000", &pod.0).await.0);

    disk.empty();
    // Nobody is there who would take the port up: the test does.
    let takes_up = tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let name = vsctl("--bare --columns=name find Interface external_ids:iface-id=web-0.default");
            if !name.trim().is_empty() {
                vsctl(&format!("set Interface {} ofport=7 external_ids:ovn-installed=true", name.trim()));
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let (success, said) = verb("ADD", &socket, "c0ffee9999999999", &pod.0).await;
    assert!(success, "{said}");
    takes_up.await.unwrap();
    assert!(has_links());
    assert!(verb("DEL", &socket, "c0ffee9999999999", &pod.0).await.0);
    assert!(!has_links());
    daemon.abort();
}

/// The description of the network can't be put in its place: nothing of it is there, rather than a part.
#[test]
fn a_full_disk_under_an_installation_leaves_no_part_of_a_file() {
    let disk = Disk::new(64);
    let from = disk.folder.join("given");
    fs::write(&from, vec![b'x'; 20_000]).unwrap();
    disk.fill();
    let error = install(&from, &disk.seen(), "01-kube-ovn.conflist").unwrap_err().to_string();
    assert!(error.starts_with("DAEMON-CNI-CONF: ") && error.contains("No space left"), "{error}");
    let left: Vec<_> = fs::read_dir(disk.seen()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["filling"]);
    disk.empty();
    install(&from, &disk.seen(), "01-kube-ovn.conflist").unwrap();
}

/// What the plugin without a daemon can't write down it gives to nobody.
#[test]
fn a_full_disk_under_the_address_plugin_is_told_and_gives_nothing() {
    let disk = Disk::new(64);
    let conf = json!({
        "cniVersion": "1.0.0", "name": "net1", "type": "macvlan",
        "ipam": {
            "type": "kubeovn-ipam", "dataDir": disk.path().join("ledger"),
            "subnets": [{"name": "net1", "cidrBlock": "10.9.8.0/24"}],
        },
    })
    .to_string();
    let call = |verb: &str, container: &str| {
        let mut plugin = disk
            .command("env")
            .args(["-i", &format!("CNI_COMMAND={verb}"), &format!("CNI_CONTAINERID={container}")])
            .args(["CNI_IFNAME=net1", "CNI_NETNS=/proc/self/ns/net", env!("CARGO_BIN_EXE_kubeovn-ipam")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        plugin.stdin.take().unwrap().write_all(conf.as_bytes()).unwrap();
        let output = plugin.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), serde_json::from_str::<Value>(&said).unwrap_or(Value::Null))
    };
    let address = |said: &Value| said["ips"][0]["address"].as_str().unwrap_or_default().to_owned();
    let (success, first) = call("ADD", "a");
    assert!(success, "{first}");
    disk.fill();
    // What fits into the last block of the journal is written, and so given.
    let mut given = vec![address(&first)];
    let refused = (0..200).find_map(|number| {
        let (success, said) = call("ADD", &format!("b{number}"));
        if success {
            given.push(address(&said));
            return None;
        }
        Some(said)
    });
    let refused = refused.unwrap();
    let why = refused["msg"].as_str().unwrap_or_default();
    assert!(refused["code"] == 5 && why.starts_with("IPAM-STORE"), "{refused}");
    assert!(why.contains("No space left on device"), "{refused}");
    disk.empty();
    let (success, next) = call("ADD", "c");
    assert!(success && !given.contains(&address(&next)), "{next}, of {given:?}");
    for container in ["a", "c"] {
        assert!(call("DEL", container).0);
    }
}
