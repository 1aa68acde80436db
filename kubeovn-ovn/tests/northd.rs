//! The control socket of a real `ovn-northd`.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test may panic and print")]

#[path = "support/server.rs"]
mod server;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use kubeovn_ovn::northd::{Northd, NorthdError};
use server::{Directory, Server, output, text, wait_for};

const SOUTHBOUND_SCHEMA: &str = "/usr/share/ovn/ovn-sb.ovsschema";

/// A process that ends with its value.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both databases and the translator between them. Processes go first, then their directory.
struct Ovn {
    northd: Guard,
    _southbound: Guard,
    northbound: Server,
    directory: Directory,
}

impl Ovn {
    fn start() -> Self {
        let directory = Directory::new();
        let northbound = Server::standalone(&directory, &[]);
        let (file, socket) = (directory.path("sb.db"), directory.path("sb.sock"));
        output("ovsdb-tool", &["create", text(&file), SOUTHBOUND_SCHEMA]);
        let remote = format!("--remote=punix:{}", socket.display());
        let southbound = spawn(&directory, "ovsdb-server", "sb", &[&remote, text(&file)]);
        let north = format!("--ovnnb-db={}", northbound.endpoint());
        let south = format!("--ovnsb-db=unix:{}", socket.display());
        let northd = spawn(&directory, "ovn-northd", "northd", &[&north, &south]);
        let ovn = Ovn { northd, _southbound: southbound, northbound, directory };
        wait_for("northd to listen", || ovn.control().exists().then_some(()));
        ovn
    }

    fn control(&self) -> PathBuf {
        self.directory.path("northd.ctl")
    }

    fn add_switch(&self, name: &str) {
        self.northbound.nbctl(&["ls-add", name]);
    }

    /// Has Southbound all that Northbound has, at the latest after so many seconds?
    fn carried_over_in(&self, seconds: u32) -> bool {
        let endpoint = self.northbound.endpoint();
        let timeout = format!("--timeout={seconds}");
        let sync = ["--no-leader-only", "--db", &endpoint, "--wait=sb", &timeout, "sync"];
        Command::new("ovn-nbctl").args(sync).stderr(Stdio::null()).status().unwrap().success()
    }

    fn switches_in_southbound(&self) -> Vec<String> {
        let socket = format!("unix:{}", self.directory.path("sb.sock").display());
        let list = ["--no-leader-only", "--db", &socket, "--bare", "--columns=external_ids", "list"];
        let listed = output("ovn-sbctl", &[&list[..], &["Datapath_Binding"]].concat());
        let names = listed.split_whitespace().filter_map(|pair| pair.strip_prefix("name="));
        let mut names: Vec<String> = names.map(ToOwned::to_owned).collect();
        names.sort();
        names
    }
}

fn spawn(directory: &Directory, program: &str, name: &str, arguments: &[&str]) -> Guard {
    let control = format!("--unixctl={}", directory.path(&format!("{name}.ctl")).display());
    let child = Command::new(program)
        .args(["--no-chdir", "-vconsole:info", "-vsyslog:off", "-vfile:off", &control])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(directory.path(&format!("{name}.log"))).unwrap())
        .spawn();
    Guard(child.unwrap_or_else(|error| panic!("{program}: {error}; install ovn-central")))
}

/// The refusal of a northd that cannot be told.
async fn refusal(socket: &Path) -> NorthdError {
    Northd::new(socket).pause().await.err().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_northd_carries_nothing_over_until_it_may_go_on() {
    let ovn = Ovn::start();
    let northd = Northd::new(ovn.control());
    ovn.add_switch("before");
    assert!(ovn.carried_over_in(20));
    assert!(!northd.is_paused().await.unwrap());

    northd.pause().await.unwrap();
    northd.pause().await.unwrap();
    assert!(northd.is_paused().await.unwrap());
    ovn.add_switch("meanwhile");
    assert!(!ovn.carried_over_in(1));
    assert_eq!(ovn.switches_in_southbound(), ["before"]);

    northd.resume().await.unwrap();
    northd.resume().await.unwrap();
    assert!(!northd.is_paused().await.unwrap());
    assert!(ovn.carried_over_in(20));
    assert_eq!(ovn.switches_in_southbound(), ["before", "meanwhile"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_northd_that_cannot_be_told_is_an_error_that_says_where() {
    let mut ovn = Ovn::start();
    let (socket, nowhere) = (ovn.control(), ovn.directory.path("nowhere.ctl"));
    let error = refusal(&nowhere).await;
    assert!(matches!(error, NorthdError::Socket { .. }), "{error:?}");
    let (said, named) = (error.to_string(), nowhere.display().to_string());
    assert!(said.starts_with("NORTHD-SOCKET: ") && said.contains(&named), "{said}");

    // One that hangs is given up, so that what is to be rebuilt need not wait for it.
    let process = ovn.northd.0.id().to_string();
    output("kill", &["-STOP", &process]);
    let error = refusal(&socket).await;
    assert!(error.to_string().starts_with("NORTHD-COMMAND: "), "{error}");
    output("kill", &["-CONT", &process]);

    // One that was killed leaves its socket behind.
    ovn.northd.0.kill().unwrap();
    ovn.northd.0.wait().unwrap();
    assert!(socket.exists());
    let error = refusal(&socket).await;
    assert!(error.to_string().starts_with("NORTHD-SOCKET: "), "{error}");
}
