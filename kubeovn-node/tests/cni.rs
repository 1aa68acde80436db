//! Plugin and server together, over a real socket, with a handler that only remembers.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, fs, process};

use async_trait::async_trait;
use kubeovn_core::cni::{AttachmentId, Environment, Printed};
use kubeovn_node::cni::plugin;
use kubeovn_node::cni::protocol::{GcRequest, IpConfig, PodRequest, PodResponse};
use kubeovn_node::cni::server::{Caller, Handler, Refusal, Server};
use kubeovn_node::cni::timing::{Observer, Stages};
use mockall::mock;
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

const NO_ADDRESS: &str = "IPAM-POOL-EXHAUSTED: (NoAvailableAddress) subnet tiny has no free IPv4 address";

/// Knows which sandboxes it wired; refuses pods named `refused`, and keeps pods named `slow` waiting.
#[derive(Default)]
struct Fake {
    wired: Mutex<BTreeMap<AttachmentId, PodRequest>>,
    slow: Notify,
    release: Notify,
    /// Somebody who was kept waiting has gone.
    left: Notify,
}

fn id(request: &PodRequest) -> AttachmentId {
    AttachmentId { container_id: request.container_id.clone(), if_name: request.if_name.clone() }
}

#[async_trait]
impl Handler for Fake {
    async fn add(&self, request: PodRequest, mut caller: Caller) -> Result<PodResponse, Refusal> {
        match request.pod_name.as_str() {
            "refused" => {
                return Err(Refusal::Failed(NO_ADDRESS.to_owned()));
            }
            "slow" => {
                self.slow.notify_one();
                tokio::select! {
                    () = self.release.notified() => {}
                    () = caller.gone() => {
                        self.left.notify_one();
                        return Err(Refusal::Failed("nobody waits".to_owned()));
                    }
                }
            }
            _ => {}
        }
        let nicname = request.if_name.clone();
        self.wired.lock().expect("lock").insert(id(&request), request);
        Ok(PodResponse {
            ips: vec![IpConfig {
                protocol: "IPv4".into(),
                ip: "10.16.0.2".into(),
                cidr: "10.16.0.0/16".into(),
                gateway: "10.16.0.1".into(),
            }],
            mac_address: "0a:00:00:00:00:01".into(),
            mtu: 1400,
            nicname,
            ..PodResponse::default()
        })
    }

    async fn del(&self, request: PodRequest) -> Result<(), Refusal> {
        self.wired.lock().expect("lock").remove(&id(&request));
        Ok(())
    }

    async fn check(&self, request: PodRequest) -> Result<(), Refusal> {
        let wired = self.wired.lock().expect("lock").contains_key(&id(&request));
        let missing = || Refusal::Failed("CNI-NOT-WIRED: no such interface".to_owned());
        if wired { Ok(()) } else { Err(missing()) }
    }

    async fn gc(&self, request: GcRequest) -> Result<(), Refusal> {
        let stays = |id: &AttachmentId, pod: &PodRequest| {
            pod.provider != request.provider || request.valid.contains(id)
        };
        self.wired.lock().expect("lock").retain(|id, pod| stays(id, pod));
        Ok(())
    }

    async fn status(&self) -> Result<(), Refusal> {
        Err(Refusal::Unavailable("NODE-NO-OVS: Open_vSwitch can't be reached".to_owned()))
    }
}

mock! {
    Failing {}
    #[async_trait]
    impl Handler for Failing {
        async fn add(&self, request: PodRequest, caller: Caller) -> Result<PodResponse, Refusal>;
        async fn del(&self, request: PodRequest) -> Result<(), Refusal>;
        async fn check(&self, request: PodRequest) -> Result<(), Refusal>;
        async fn gc(&self, request: GcRequest) -> Result<(), Refusal>;
        async fn status(&self) -> Result<(), Refusal>;
    }
}

/// A server on a socket of its own, in a directory that goes away with it.
struct Daemon {
    dir: PathBuf,
    fake: Arc<Fake>,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<()>,
}

impl Daemon {
    fn start() -> Self {
        let fake = Arc::new(Fake::default());
        Self::serving(fake.clone(), fake)
    }

    fn serving(fake: Arc<Fake>, handler: Arc<dyn Handler>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let dir = env::temp_dir().join(format!(
            "kocni-{}-{}",
            process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        fs::create_dir(&dir).expect("a directory");
        let server = Server::bind(dir.join("daemon.sock")).expect("bind");
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(server.run(handler, async { drop(stopped.await) }));
        Self { dir, fake, stop: Some(stop), done }
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("daemon.sock")
    }

    fn conf(&self) -> Value {
        json!({"cniVersion": "1.1.0", "name": "net", "type": "kube-ovn", "server_socket": self.socket()})
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

async fn call(command: &str, pod: &str, conf: &Value) -> Printed {
    let env = Environment {
        command: command.into(),
        container_id: format!("c0ffee-{pod}"),
        net_ns: "/run/netns/x".into(),
        if_name: "eth0".into(),
        args: format!("K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod}"),
    };
    let input = conf.to_string();
    spawn_blocking(move || plugin::run(&env, input.as_bytes())).await.expect("join")
}

fn nothing(success: bool) -> Printed {
    Printed { output: None, success }
}

#[tokio::test]
async fn a_pod_is_added_checked_and_deleted() {
    let daemon = Daemon::start();
    let first = call("ADD", "web-0", &daemon.conf()).await;
    assert!(first.success);
    let result = first.output.clone().expect("a result");
    assert_eq!(result["cniVersion"], "1.1.0");
    assert_eq!(result["ips"][0], json!({"address": "10.16.0.2/16", "gateway": "10.16.0.1", "interface": 0}));
    assert_eq!(result["interfaces"][0]["sandbox"], "/run/netns/x");
    assert_eq!(call("ADD", "web-0", &daemon.conf()).await, first, "twice is the same");

    let mut checked = daemon.conf();
    checked["prevResult"] = result;
    assert_eq!(call("CHECK", "web-0", &checked).await, nothing(true));
    assert_eq!(
        call("CHECK", "web-0", &daemon.conf()).await.output.expect("an error")["code"],
        7,
        "no prevResult"
    );
    assert_eq!(call("DEL", "web-0", &daemon.conf()).await, nothing(true));
    assert_eq!(call("DEL", "web-0", &daemon.conf()).await, nothing(true), "twice is fine");
    let error = call("CHECK", "web-0", &checked).await;
    assert_eq!(error.output.expect("an error")["details"], "CNI-NOT-WIRED: no such interface");
}

#[tokio::test]
async fn the_cause_reaches_the_runtime_word_for_word() {
    let daemon = Daemon::start();
    let refused = call("ADD", "refused", &daemon.conf()).await;
    assert!(!refused.success);
    assert_eq!(
        refused.output.expect("an error"),
        json!({"cniVersion": "1.1.0", "code": 11, "msg": "RPC failed", "details": NO_ADDRESS})
    );
    let status = call("STATUS", "", &daemon.conf()).await;
    let status = status.output.expect("an error");
    assert_eq!(
        (&status["code"], &status["details"]),
        (&json!(50), &json!("NODE-NO-OVS: Open_vSwitch can't be reached"))
    );

    let mut nowhere = daemon.conf();
    nowhere["server_socket"] = json!("/nonexistent/daemon.sock");
    let unreachable = call("ADD", "web-0", &nowhere).await.output.expect("an error");
    assert_eq!(unreachable["code"], 11);
    assert!(unreachable["details"].as_str().is_some_and(|text| text.contains("/nonexistent/daemon.sock")));
}

#[tokio::test]
async fn gc_removes_what_the_runtime_forgot_in_this_network_only() {
    let daemon = Daemon::start();
    let mut other = daemon.conf();
    other["provider"] = json!("lan.default.ovn");
    for (pod, conf) in [("a", &daemon.conf()), ("b", &daemon.conf()), ("c", &other)] {
        assert!(call("ADD", pod, conf).await.success);
    }
    let mut conf = daemon.conf();
    assert_eq!(call("GC", "", &conf).await.output.expect("an error")["code"], 7);
    conf["cni.dev/valid-attachments"] = json!([{"containerID": "c0ffee-a", "ifname": "eth0"}]);
    assert_eq!(call("GC", "", &conf).await, nothing(true));
    let left: Vec<_> =
        daemon.fake.wired.lock().expect("lock").values().map(|pod| pod.pod_name.clone()).collect();
    assert_eq!(left, ["a", "c"]);
    // Programs in Go write an empty list so.
    conf["cni.dev/valid-attachments"] = Value::Null;
    assert_eq!(call("GC", "", &conf).await, nothing(true));
    assert_eq!(daemon.fake.wired.lock().expect("lock").len(), 1);
}

#[tokio::test]
async fn versions_and_verbs_that_do_not_fit_are_refused() {
    let daemon = Daemon::start();
    let versions = call("VERSION", "", &json!({"cniVersion": "1.0.0"})).await;
    assert_eq!(versions.output.expect("versions")["supportedVersions"][4], "1.1.0");
    for (version, verb, code) in
        [("0.2.0", "ADD", 1), ("0.3.1", "CHECK", 1), ("1.0.0", "GC", 1), ("1.0.0", "JUMP", 4)]
    {
        let mut conf = daemon.conf();
        conf["cniVersion"] = json!(version);
        let printed = call(verb, "web-0", &conf).await;
        assert_eq!(printed.output.expect("an error")["code"], code, "{verb} in {version}");
    }
    assert!(daemon.fake.wired.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn the_socket_is_for_root_alone_and_goes_with_the_server() {
    let mut daemon = Daemon::start();
    let socket = daemon.socket();
    let found = fs::metadata(&socket).expect("present");
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert!(!daemon.dir.join("daemon.new").exists());

    let slow = tokio::spawn({
        let conf = daemon.conf();
        async move { call("ADD", "slow", &conf).await }
    });
    daemon.fake.slow.notified().await;
    drop(daemon.stop.take());
    until(|| !socket.exists()).await;
    daemon.fake.release.notify_one();
    assert!(slow.await.expect("join").success, "a running request is finished");
    (&mut daemon.done).await.expect("the server ends");
}

#[tokio::test]
async fn a_successor_takes_over_the_socket_and_keeps_it() {
    let mut daemon = Daemon::start();
    let successor = Server::bind(daemon.socket()).expect("bind over the old one");
    drop(daemon.stop.take());
    (&mut daemon.done).await.expect("the old server ends");
    assert!(daemon.socket().exists());
    let serving = tokio::spawn(successor.run(daemon.fake.clone(), std::future::pending()));
    assert!(call("ADD", "web-0", &daemon.conf()).await.success);
    serving.abort();
}

#[tokio::test]
async fn every_refusal_has_its_status_and_its_text() {
    let mut handler = MockFailing::new();
    handler.expect_add().times(1).returning(|_, _| Err(Refusal::BadRequest("A: wrong".into())));
    handler.expect_del().times(1).returning(|_| Err(Refusal::Failed("B: broken".into())));
    handler.expect_gc().times(1).returning(|_| Err(Refusal::Unavailable("C: not now".into())));
    let daemon = Daemon::serving(Arc::default(), Arc::new(handler));
    for (text, status, error) in [
        ("POST /api/v1/add HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 400, "A: wrong"),
        ("POST /api/v1/del HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 500, "B: broken"),
        (
            "POST /api/v1/gc HTTP/1.1\r\nContent-Length: 26\r\n\r\n{\"provider\":\"\",\"valid\":[]}",
            503,
            "C: not now",
        ),
    ] {
        let answer = raw(&daemon.socket(), text).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.ends_with(&json!({"error": error}).to_string()), "{answer}");
    }
}

/// Paths and statuses that were answered.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<(&'static str, u16)>>);

impl Observer for Told {
    fn answered(&self, path: &'static str, status: u16, took: Duration) {
        assert!(took < Duration::from_secs(10));
        self.0.lock().expect("lock").push((path, status));
    }

    fn added(&self, _id: &AttachmentId, _stages: &Stages) {}
}

#[tokio::test]
async fn answers_on_known_paths_are_told() {
    let daemon = Daemon::start();
    let told = Arc::new(Told::default());
    let socket = daemon.dir.join("observed.sock");
    let server = Server::bind(&socket).expect("bind").observed(told.clone());
    let serving = tokio::spawn(server.run(daemon.fake.clone(), std::future::pending()));
    for text in [
        "GET /metrics HTTP/1.1\r\n\r\n",
        "POST /api/v1/del HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        "POST /api/v1/add HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz",
        "GET /api/v1/status HTTP/1.1\r\n\r\n",
    ] {
        raw(&socket, text).await;
    }
    until(|| told.0.lock().expect("lock").len() == 3).await;
    let found = told.0.lock().expect("lock").clone();
    assert_eq!(found, [("/api/v1/del", 204), ("/api/v1/add", 400), ("/api/v1/status", 503)]);
    serving.abort();
}

#[tokio::test]
async fn odd_callers_are_answered_and_disturb_nobody() {
    let daemon = Daemon::start();
    let silent = UnixStream::connect(daemon.socket()).expect("connect");
    for (text, wanted) in [
        ("GET /api/v1/add HTTP/1.1\r\n\r\n", "HTTP/1.1 405"),
        ("GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 404"),
        ("POST /api/v1/add HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz", "HTTP/1.1 400"),
    ] {
        let answer = raw(&daemon.socket(), text).await;
        assert!(answer.starts_with(wanted), "{text:?}: {answer}");
        assert!(answer.contains(r#"{"error":"#), "{answer}");
    }
    assert!(call("ADD", "web-0", &daemon.conf()).await.success);
    drop(silent);
}

#[tokio::test]
async fn a_caller_who_goes_is_noticed_and_one_who_only_stops_talking_is_not() {
    let daemon = Daemon::start();
    let body = r#"{"pod_name":"slow","container_id":"c0ffee"}"#;
    let ask = format!("POST /api/v1/add HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let talk = |how: Option<Shutdown>| {
        let mut stream = UnixStream::connect(daemon.socket()).expect("connect");
        stream.write_all(ask.as_bytes()).expect("write");
        how.into_iter().for_each(|how| stream.shutdown(how).expect("shut down"));
        stream
    };
    let mut listening = talk(Some(Shutdown::Write));
    daemon.fake.slow.notified().await;
    drop(talk(None));
    daemon.fake.slow.notified().await;
    daemon.fake.left.notified().await;
    assert!(daemon.fake.wired.lock().expect("lock").is_empty());
    daemon.fake.release.notify_one();
    let mut answer = String::new();
    let read = spawn_blocking(move || listening.read_to_string(&mut answer).map(|_| answer));
    let answer = read.await.expect("join").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(daemon.fake.wired.lock().expect("lock").len(), 1);
}

async fn raw(socket: &Path, text: &'static str) -> String {
    let socket = socket.to_owned();
    let talk = move || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.write_all(text.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    spawn_blocking(talk).await.expect("join").expect("an answer")
}

async fn until(mut condition: impl FnMut() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), poll).await.expect("in time");
}
