//! The program `kubeovn-daemon` in a namespace of its own: what its port says, over TLS, and what it counts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "of what tests share it needs a part")]

#[path = "../support/authority.rs"]
mod authority;
#[path = "../../../kubeovn-node/tests/live/guard.rs"]
mod guard;
#[path = "../../../tests/support/kubernetes/process.rs"]
mod process;
#[path = "../../../kubeovn-ovn/tests/support/server.rs"]
mod server;

use std::{
    fs,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use http::Request;
use kube::Client;
use kubeovn_core::cni::Environment;
use kubeovn_node::cni::plugin;
use nix::sys::signal::Signal;
use serde_json::json;

use authority::Authority;
use guard::TestNs;
use process::Program;
use server::Directory;

const ADDRESS: &str = "127.0.0.1:10665";
const PATIENCE: Duration = Duration::from_secs(30);

/// An API server at which nobody answers: the daemon waits for it.
const NOBODY: &str = "{apiVersion: v1, kind: Config, current-context: c, \
    clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: c, user: {}}], \
    contexts: [{name: c, context: {cluster: c, user: c}}]}";

struct Rig {
    ns: TestNs,
    directory: Directory,
}

impl Rig {
    fn new() -> Self {
        let (ns, directory) = (TestNs::new("daemon"), Directory::new());
        ns.exec("ip", &["link", "set", "lo", "up"]).unwrap();
        fs::write(directory.path("kubeconfig"), NOBODY).unwrap();
        Rig { ns, directory }
    }

    fn text(&self, name: &str) -> String {
        self.directory.path(name).display().to_string()
    }

    fn daemon(&self, flags: &[&str]) -> Program {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.ns.name, "env", "KUBE_NODE_NAME=n1", "POD_IPS=127.0.0.1"])
            .args(["ENABLE_BIND_LOCAL_IP=true", &format!("SERVING_CERT_DIR={}", self.text("serving"))])
            .arg(env!("CARGO_BIN_EXE_kubeovn-daemon"))
            .arg(format!("--kubeconfig={}", self.text("kubeconfig")))
            .arg(format!("--bind-socket={}", self.text("cni.sock")))
            .arg(format!("--ovs-socket={}", self.text("nobody.sock")))
            .args(flags);
        Program::start(command, self.directory.path("log"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path("log")).unwrap_or_default()
    }

    /// Status and body of an answer, if there is one.
    fn get(&self, client: impl AsyncFn() -> Client + Send, path: &str) -> Option<String> {
        let ask = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let request = Request::get(path).body(Vec::new()).unwrap();
            runtime.block_on(async { client().await.request_text(request).await.ok() })
        };
        self.ns.ns.run(ask).unwrap()
    }

    fn until<T>(&self, what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(answer) = answer() {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}:\n{}", self.log());
            sleep(Duration::from_millis(50));
        }
    }

    /// What the plugin says of the daemon.
    fn status(&self) -> String {
        let environment = Environment { command: "STATUS".into(), ..Environment::default() };
        let conf = json!({"cniVersion": "1.1.0", "name": "net", "type": "kube-ovn", "server_socket": self.text("cni.sock")});
        let printed = plugin::run(&environment, conf.to_string().as_bytes());
        printed.output.unwrap()["details"].as_str().unwrap().to_owned()
    }
}

#[test]
fn its_port_speaks_tls_and_tells_of_the_plugins_requests() {
    let rig = Rig::new();
    // No certificate, no daemon.
    let mut none = rig.daemon(&["--secure-serving"]);
    assert_eq!(rig.until("its end", || none.ended()).code(), Some(1), "{}", rig.log());
    assert!(rig.log().contains("DAEMON-CERTIFICATE") && rig.log().contains("tls.crt"), "{}", rig.log());

    let (ours, other) = (Authority::new(), Authority::new());
    ours.issue(ADDRESS, &rig.directory.path("serving"));
    let mut daemon = rig.daemon(&["--secure-serving", "--tls-min-version=TLS13"]);
    let (trusting, wary) = (async || ours.client(ADDRESS), async || other.client(ADDRESS));
    let text = rig.until("metrics", || rig.get(trusting, "/metrics"));
    assert!(text.contains("kubeovn_node_part_up{part=\"Objects\"} 0.0"), "{text}");
    assert!(text.contains("cni_wait_address_seconds_total{node_name=\"n1\"} 0.0"), "{text}");
    assert_eq!(rig.get(trusting, "/livez").as_deref(), Some("ok\n"));
    assert_eq!(rig.get(wary, "/livez"), None, "of a CA that it is not from");
    let plain =
        async || Client::try_from(kube::Config::new(format!("http://{ADDRESS}").parse().unwrap())).unwrap();
    assert_eq!(rig.get(plain, "/livez"), None, "without TLS there is no answer");

    assert!(rig.status().starts_with("NODE-OVS-UNREACHABLE"));
    let labels = "{node_name=\"n1\",method=\"/api/v1/status\",status_code=\"503\"}";
    rig.until("the request to be counted", || {
        let text = rig.get(trusting, "/metrics")?;
        text.contains(&format!("cni_op_latency_seconds_count{labels} 1")).then_some(())
    });
    daemon.signal(Signal::SIGTERM);
    assert_eq!(rig.until("its end", || daemon.ended()).code(), Some(0), "{}", rig.log());
}
