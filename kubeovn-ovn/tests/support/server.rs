//! Real `ovsdb-server` processes on a private directory, gone with the value that stands for them, also on panic.
#![allow(dead_code, reason = "no test file needs all of it")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

pub(crate) const SCHEMA: &str = "/usr/share/ovn/ovn-nb.ovsschema";
pub(crate) const DATABASE: &str = "OVN_Northbound";

/// A directory that is removed with its value.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kubeovn-ovn-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One server process.
pub(crate) struct Server {
    child: Option<Child>,
    database: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    remotes: Vec<String>,
}

impl Server {
    /// A standalone Northbound, empty, on the unix socket `nb.sock` and further remotes.
    pub(crate) fn standalone(directory: &Directory, remotes: &[&str]) -> Self {
        Self::with_schema(directory, Path::new(SCHEMA), remotes)
    }

    /// A standalone server of a database with the schema in this file, empty.
    pub(crate) fn with_schema(directory: &Directory, schema: &Path, remotes: &[&str]) -> Self {
        let database = directory.path("nb.db");
        output("ovsdb-tool", &["create", text(&database), text(schema)]);
        Self::start(database, directory.path("nb.sock"), remotes)
    }

    /// Member `number` of a clustered Northbound; member 1 makes the cluster, the others join it.
    pub(crate) fn member(directory: &Directory, number: u32) -> Self {
        let database = directory.path(&format!("n{number}.db"));
        let raft = |number: u32| format!("unix:{}", directory.path(&format!("n{number}.raft")).display());
        if number == 1 {
            output("ovsdb-tool", &["create-cluster", text(&database), SCHEMA, &raft(1)]);
        } else {
            output("ovsdb-tool", &["join-cluster", text(&database), DATABASE, &raft(number), &raft(1)]);
        }
        Self::start(database, directory.path(&format!("n{number}.sock")), &[])
    }

    fn start(database: PathBuf, socket: PathBuf, remotes: &[&str]) -> Self {
        let log = database.with_extension("log");
        let remotes = remotes.iter().map(ToString::to_string).collect();
        let mut server = Self { child: None, database, socket, log, remotes };
        server.run();
        server
    }

    /// Starts the process (again) and waits until it listens.
    pub(crate) fn run(&mut self) {
        let _ = fs::remove_file(&self.socket);
        let mut command = Command::new("ovsdb-server");
        command
            .args(["--no-chdir", "-vconsole:info", "-vsyslog:off", "-vfile:off"])
            .arg(format!("--remote=punix:{}", self.socket.display()))
            .arg(format!("--unixctl={}", self.control().display()))
            .args(self.remotes.iter().map(|remote| format!("--remote={remote}")))
            .arg(&self.database)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&self.log).unwrap());
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("ovsdb-server: {error}; install openvswitch-switch"));
        self.child = Some(child);
        wait_for("ovsdb-server to listen", || self.socket.exists().then_some(()));
    }

    /// Ends the process as a crash would (SIGKILL).
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The port of a remote `ptcp:0:…`, which the kernel chose.
    pub(crate) fn port(&self) -> u16 {
        wait_for("the server to name its port", || {
            let log = fs::read_to_string(&self.log).unwrap();
            let (_, rest) = log.split_once("listening on port ")?;
            rest.split_whitespace().next()?.parse().ok()
        })
    }

    /// Sends the process a signal, such as `STOP` and `CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let process = self.child.as_ref().map(|child| child.id().to_string()).unwrap();
        output("kill", &[&format!("-{signal}"), &process]);
    }

    /// Runs a command of the server's control socket and returns its output.
    pub(crate) fn control_command(&self, arguments: &[&str]) -> String {
        output("ovs-appctl", &[&["-t", text(&self.control())], arguments].concat())
    }

    pub(crate) fn is_cluster_member(&self) -> bool {
        self.control_command(&["cluster/status", DATABASE]).contains("Status: cluster member")
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.control_command(&["cluster/status", DATABASE]).contains("Role: leader")
    }

    /// Changes the database as any other client would.
    pub(crate) fn nbctl(&self, arguments: &[&str]) -> String {
        output("ovn-nbctl", &[&["--no-leader-only", "--db", &self.endpoint()], arguments].concat())
    }

    /// Executes a transaction as any other client would.
    pub(crate) fn transact(&self, transaction: &str) -> String {
        output("ovsdb-client", &["transact", &self.endpoint(), transaction])
    }

    fn control(&self) -> PathBuf {
        self.socket.with_extension("ctl")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Asks again and again until there is an answer, for at most 20 s.
pub(crate) fn wait_for<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The output of a program that must succeed.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output
        .unwrap_or_else(|error| panic!("{program}: {error}; install openvswitch-switch and ovn-central"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
