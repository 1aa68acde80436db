//! Real `ovsdb-server` processes on a private directory, gone with the value that stands for them, also on panic.
#![allow(dead_code, reason = "no test file needs all of it")]

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::net::UnixStream,
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
    options: Vec<String>,
    /// The name of the network namespace in which it runs.
    namespace: Option<String>,
}

impl Server {
    /// A standalone Northbound, empty, on the unix socket `nb.sock` and further remotes.
    pub(crate) fn standalone(directory: &Directory, remotes: &[&str]) -> Self {
        let options: Vec<String> = remotes.iter().map(|remote| format!("--remote={remote}")).collect();
        Self::standalone_with(directory, &options)
    }

    /// The same with any options of the program.
    pub(crate) fn standalone_with(directory: &Directory, options: &[String]) -> Self {
        let database = directory.path("nb.db");
        output("ovsdb-tool", &["create", text(&database), SCHEMA]);
        Self::start(database, directory.path("nb.sock"), options)
    }

    /// A standalone Northbound that begins with a copy of this database file.
    pub(crate) fn copy(directory: &Directory, file: &Path) -> Self {
        let database = directory.path("nb.db");
        fs::copy(file, &database).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self::start(database, directory.path("nb.sock"), &[])
    }

    /// A standalone server of another schema, empty.
    pub(crate) fn of_schema(directory: &Directory, schema: &str) -> Self {
        let name = Path::new(schema).file_stem().and_then(|stem| stem.to_str()).unwrap();
        let database = directory.path(&format!("{name}.db"));
        output("ovsdb-tool", &["create", text(&database), schema]);
        Self::start(database, directory.path(&format!("{name}.sock")), &[])
    }

    /// A standalone server of a database with the schema in this file, empty.
    pub(crate) fn with_schema(directory: &Directory, schema: &Path, options: &[String]) -> Self {
        let database = directory.path("nb.db");
        output("ovsdb-tool", &["create", text(&database), text(schema)]);
        Self::start(database, directory.path("nb.sock"), options)
    }

    /// Member `number` of a clustered Northbound; member 1 makes the cluster, the others join it.
    pub(crate) fn member(directory: &Directory, number: u32) -> Self {
        Self::member_at(directory, number, &raft(directory, number), &raft(directory, 1), None)
    }

    /// A clustered Northbound of three members, all of which have joined. An election is due when a leader was silent for
    /// 5 s, not for 1 s as in other clusters, so that a slow machine is no reason for one.
    pub(crate) fn steady_cluster(directory: &Directory) -> Vec<Self> {
        let (database, timer) = (directory.path("n1.db"), "--election-timer=5000");
        let address = raft(directory, 1);
        output("ovsdb-tool", &[timer, "create-cluster", text(&database), SCHEMA, &address]);
        let mut members = vec![Self::start(database, directory.path("n1.sock"), &[])];
        members.extend([2, 3].map(|number| Self::member(directory, number)));
        wait_for("the members to join", || members.iter().all(Self::is_cluster_member).then_some(()));
        members
    }

    /// A member that talks to the others at this address, and joins the member that is at the other one, if that is
    /// not itself.
    pub(crate) fn member_at(
        directory: &Directory,
        number: u32,
        raft: &str,
        other: &str,
        namespace: Option<&str>,
    ) -> Self {
        let database = directory.path(&format!("n{number}.db"));
        if raft == other {
            output("ovsdb-tool", &["create-cluster", text(&database), SCHEMA, raft]);
        } else {
            output("ovsdb-tool", &["join-cluster", text(&database), DATABASE, raft, other]);
        }
        Self::start_in(namespace, database, directory.path(&format!("n{number}.sock")), &[])
    }

    /// Ends a member as a crash would; its database is lost, and it joins its cluster as a new member with nothing.
    pub(crate) fn rejoin(&mut self, raft: &str, others: &[&str]) {
        self.kill();
        fs::remove_file(&self.database).unwrap();
        let _ = fs::remove_file(self.lock());
        output("ovsdb-tool", &[&["join-cluster", text(&self.database), DATABASE, raft], others].concat());
        self.run();
    }

    fn start(database: PathBuf, socket: PathBuf, options: &[String]) -> Self {
        Self::start_in(None, database, socket, options)
    }

    fn start_in(namespace: Option<&str>, database: PathBuf, socket: PathBuf, options: &[String]) -> Self {
        let log = database.with_extension("log");
        let (options, namespace) = (options.to_vec(), namespace.map(ToOwned::to_owned));
        let mut server = Self { child: None, database, socket, log, options, namespace };
        server.run();
        server
    }

    /// Starts the process (again) and waits until it listens.
    pub(crate) fn run(&mut self) {
        let sockets = [self.socket.clone(), self.control()];
        sockets.iter().for_each(|socket| drop(fs::remove_file(socket)));
        let mut command = match &self.namespace {
            None => Command::new("ovsdb-server"),
            // which becomes the program, so the process is the server
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace, "ovsdb-server"]);
                command
            }
        };
        command
            .args(["--no-chdir", "-vconsole:info", "-vsyslog:off", "-vfile:off"])
            .arg(format!("--remote=punix:{}", self.socket.display()))
            .arg(format!("--unixctl={}", self.control().display()))
            .args(&self.options)
            .arg(&self.database)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&self.log).unwrap());
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("ovsdb-server: {error}; install openvswitch-switch"));
        self.child = Some(child);
        wait_for("ovsdb-server to listen", || sockets.iter().all(|socket| socket.exists()).then_some(()));
    }

    /// Ends the process and starts it again with other options.
    pub(crate) fn restart_with(&mut self, options: &[String]) {
        self.kill();
        self.options = options.to_vec();
        self.run();
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

    /// The port of a remote `ptcp:0:…` or `pssl:0:…`, which the kernel chose.
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

    /// What it says of its part in the cluster; `None` when it does not answer.
    pub(crate) fn status(&self) -> Option<String> {
        self.child.as_ref()?;
        let mut control = UnixStream::connect(self.control()).ok()?;
        control.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
        write!(control, r#"{{"id":0,"method":"cluster/status","params":["{DATABASE}"]}}"#).ok()?;
        let (mut reply, mut chunk) = (Vec::new(), [0; 4096]);
        // one JSON object, whose strings are the only place where there may be braces: none are
        while !reply.ends_with(b"}") {
            match control.read(&mut chunk).ok()? {
                0 => return None,
                length => reply.extend(chunk.iter().take(length)),
            }
        }
        Some(String::from_utf8(reply).ok()?.replace("\\n", "\n"))
    }

    /// What it logged since it was started last.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Changes the database as any other client would.
    pub(crate) fn nbctl(&self, arguments: &[&str]) -> String {
        output("ovn-nbctl", &[&["--no-leader-only", "--db", &self.endpoint()], arguments].concat())
    }

    /// Runs a transaction, given as the JSON of its parameters.
    pub(crate) fn transact(&self, params: &str) -> String {
        output("ovsdb-client", &["transact", &self.endpoint(), params])
    }

    fn lock(&self) -> PathBuf {
        let name = self.database.file_name().unwrap_or_default().to_string_lossy();
        self.database.with_file_name(format!(".{name}.~lock~"))
    }

    fn control(&self) -> PathBuf {
        self.socket.with_extension("ctl")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// Where a member talks to the others.
fn raft(directory: &Directory, number: u32) -> String {
    format!("unix:{}", directory.path(&format!("n{number}.raft")).display())
}

/// Waits until exactly one of these members leads; it, and the others. During an election none may lead, or an old leader
/// may not know yet that there is another.
pub(crate) fn leader(servers: &[Server]) -> (&Server, Vec<&Server>) {
    wait_for("one leader", || {
        let (leaders, others): (Vec<&Server>, Vec<&Server>) =
            servers.iter().partition(|server| server.is_leader());
        if let [leader] = leaders.as_slice() { Some((*leader, others)) } else { None }
    })
}

/// Asks again and again until there is an answer, for at most a minute.
pub(crate) fn wait_for<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The output of a program that must succeed.
pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output
        .unwrap_or_else(|error| panic!("{program}: {error}; install openvswitch-switch and ovn-central"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
