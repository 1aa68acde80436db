//! A real Kubernetes API server with its etcd, for one test, gone with the value that stands for it, also on panic.
//!
//! Nothing else of Kubernetes runs: no controller, so what is deleted in the background stays, namespaces don't end,
//! and pods are neither scheduled nor given a service account (the admission that asks for one is off). Unless it is
//! started as that of a cluster, for those who bring the rest of Kubernetes along.
#![allow(dead_code, reason = "no suite needs all of it")]

#[path = "kubernetes/etcd.rs"]
mod etcd;
#[path = "kubernetes/files.rs"]
mod files;
#[path = "kubernetes/machines.rs"]
pub(crate) mod machines;
#[path = "kubernetes/process.rs"]
pub(crate) mod process;

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject, GetParams, ListParams, Patch, PatchParams, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{GroupVersionKind, Request},
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::timeout;

use etcd::Etcd;
use files::Files;
use process::Program;

/// Who may do everything. The names of users are their tokens, too.
pub(crate) const ADMIN: &str = "admin";

/// Who may do nothing that is not granted to a user of this name.
pub(crate) const STRANGER: &str = "stranger";

/// What is written down of requests, in a file beside it.
const AUDIT_POLICY: &str = "audit-policy.json";
const AUDIT: &str = "audit.log";

/// The port of a cluster's server, as everywhere.
const CLUSTER_PORT: u16 = 6443;

/// How long the server may take to be ready, on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(20);

/// Where an API server listens, and what it is to others.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Nobody but a test asks it.
    Alone,
    /// It has a cluster, which reaches it here.
    Cluster(Ipv4Addr),
}

/// An API server that is ready. The order matters: it goes first, then etcd, then the files of both.
pub(crate) struct Kubernetes {
    server: Option<Program>,
    etcd: Etcd,
    program: PathBuf,
    place: Place,
    address: String,
    config: Config,
    files: Files,
}

impl Kubernetes {
    /// Starts both and waits until the server is ready and has the namespace `default`. Panics with the end of what both
    /// logged if it is not in time.
    ///
    /// Each has ports of its own on an address of its own within 127.0.0.0/8.
    pub(crate) async fn start() -> Self {
        Self::start_at(Place::Alone, &[], &[]).await
    }

    /// As [`Kubernetes::start`], for a cluster: it listens on this address, and knows users beside those of tests, each
    /// with a group. What those ask who are watched is in [`Kubernetes::audit_log`].
    pub(crate) async fn start_for_cluster(
        host: Ipv4Addr,
        users: &[(String, String)],
        watched: &[String],
    ) -> Self {
        Self::start_at(Place::Cluster(host), users, watched).await
    }

    async fn start_at(place: Place, users: &[(String, String)], watched: &[String]) -> Self {
        let [etcd, program] = programs();
        let ports = process::ports();
        let address = match place {
            Place::Alone => ports.address(0),
            Place::Cluster(host) => format!("{host}:{CLUSTER_PORT}"),
        };
        let files = Files::new(&format!("https://{address}"), users);
        let etcd = Etcd::start(&etcd, &files, ports.address(1), ports.address(2)).await;
        // what only the server knows, its certificate, comes when it runs
        let config = Config::new(format!("https://{address}").parse().unwrap());
        let mut kubernetes = Self { server: None, etcd, program, place, address, config, files };
        if !watched.is_empty() {
            kubernetes.write_policy(&json!({"level": "Metadata", "users": watched}));
        }
        kubernetes.start_server().await;
        has_default_namespace(&kubernetes.client()).await;
        kubernetes
    }

    /// Where the server listens.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The path of a kubeconfig for programs; its contexts are named as the users, and it is the administrator's.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.files.kubeconfig()
    }

    /// What a program needs to be this user. It finds the certificate of the server's authority at this path.
    pub(crate) fn kubeconfig_of(&self, user: &str, authority: &Path) -> String {
        files::kubeconfig(&self.url(), authority, &[user]).to_string()
    }

    /// The certificate by which the server is known.
    pub(crate) fn authority(&self) -> PathBuf {
        self.files.authority()
    }

    /// The key that signs the tokens of service accounts.
    pub(crate) fn service_account_key(&self) -> PathBuf {
        self.files.path(files::KEY)
    }

    /// How a user reaches the server, for those who want to set timeouts.
    pub(crate) fn config(&self, user: &str) -> Config {
        let mut config = self.config.clone();
        config.auth_info.token = Some(user.to_owned().into());
        config
    }

    /// A client of the administrator's, of a connection of its own. Needs a tokio runtime around it.
    pub(crate) fn client(&self) -> Client {
        self.client_of(ADMIN)
    }

    /// A client of another user's.
    pub(crate) fn client_of(&self, user: &str) -> Client {
        Client::try_from(self.config(user)).unwrap()
    }

    /// The server's program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The processes, for those who look whether they are gone.
    pub(crate) fn processes(&self) -> Vec<u32> {
        self.server.iter().chain([self.etcd.program()]).map(Program::id).collect()
    }

    /// The folder of what both write.
    pub(crate) fn folder(&self) -> &Path {
        self.files.folder()
    }

    /// From here on the server does nothing: connections stay open, requests hang.
    pub(crate) fn pause(&self) {
        self.server.as_ref().expect("a server that runs").signal(Signal::SIGSTOP);
    }

    /// The server goes on where it was.
    pub(crate) fn resume(&self) {
        self.server.as_ref().expect("a server that runs").signal(Signal::SIGCONT);
    }

    /// Ends the server as a crash would. What is in etcd stays, and nobody else gets its port.
    pub(crate) fn stop_server(&mut self) {
        self.server = None;
    }

    /// Starts it again, with the same port and certificate, and waits until it is ready and all kinds can be used. It
    /// remembers nothing of what was before: see [`Kubernetes::compact`].
    pub(crate) async fn start_server(&mut self) {
        self.stop_server();
        let began = Instant::now();
        let command = self.audited(self.server_command());
        self.server = Some(Program::start(command, self.files.path("kube-apiserver.log")));
        let why = loop {
            let ready = timeout(PATIENCE, self.is_ready()).await.unwrap_or_else(|late| Err(late.to_string()));
            match ready {
                Ok(()) => return self.all_usable().await,
                Err(_) if self.ended() => break "ended".to_owned(),
                Err(why) if began.elapsed() > PATIENCE => break format!("is not ready in time: {why}"),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
        panic!("{} {why}", self.program.display());
    }

    /// Makes the past unknown: nobody can watch on from a version before this, for that the server says 410 Gone.
    ///
    /// etcd forgets, and the server, which would still answer from its memory, is started again. Running watches break
    /// off; to watch on from a version to which nothing came since may succeed.
    pub(crate) async fn compact(&mut self) {
        self.etcd.compact().await;
        self.start_server().await;
    }

    /// Starts the server again; from here on it writes down who asks for what. Answers the file.
    pub(crate) async fn audit(&mut self) -> PathBuf {
        self.write_policy(&json!({"level": "Metadata"}));
        self.start_server().await;
        self.audit_log()
    }

    /// Where it is written down who asked for what, one event in a line.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.files.path(AUDIT)
    }

    fn write_policy(&self, rule: &Value) {
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [rule, {"level": "None"}],
        });
        std::fs::write(self.files.path(AUDIT_POLICY), policy.to_string()).unwrap();
    }

    fn audited(&self, mut command: Command) -> Command {
        let policy = self.files.path(AUDIT_POLICY);
        if policy.exists() {
            command
                .arg(format!("--audit-policy-file={}", policy.display()))
                .arg(format!("--audit-log-path={}", self.files.path(AUDIT).display()));
        }
        command
    }

    /// Makes the kinds of kubeovn.io known and waits until they can be used.
    pub(crate) async fn apply_crds(&self) {
        self.apply(kubeovn_core::api::crds()).await;
    }

    /// Makes KubeVirt's kinds known, as far as they matter here. Nothing of KubeVirt runs.
    pub(crate) async fn apply_machines(&self) {
        self.apply(machines::crds()).await;
    }

    /// Makes these kinds known, or what they are now, and waits until they can be used.
    pub(crate) async fn apply(&self, crds: Vec<CustomResourceDefinition>) {
        let client = self.client();
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        for crd in &crds {
            let name = crd.metadata.name.as_deref().unwrap();
            api.patch(name, &PatchParams::apply("kubeovn-tests").force(), &Patch::Apply(crd)).await.unwrap();
        }
        // the first request of a kind hangs for a second
        join_all(crds.iter().map(|crd| usable(&client, crd))).await;
    }

    /// Waits until the kinds that were made known before the server was started can be used.
    async fn all_usable(&self) {
        let client = self.client();
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        let crds = api.list(&ListParams::default()).await.unwrap();
        join_all(crds.items.iter().map(|crd| usable(&client, crd))).await;
    }

    fn server_command(&self) -> Command {
        let (host, port) = self.address.split_once(':').unwrap();
        let file = |name: &str| self.files.path(name).display().to_string();
        let mut command = Command::new(&self.program);
        command
            .arg(format!("--etcd-servers={}", self.etcd.url()))
            .arg(format!("--bind-address={host}"))
            .arg(format!("--secure-port={port}"))
            .arg(format!("--cert-dir={}", file(files::CERTIFICATES)))
            .arg(format!("--service-account-key-file={}", file(files::KEY)))
            .arg(format!("--service-account-signing-key-file={}", file(files::KEY)))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(format!("--token-auth-file={}", file(files::TOKENS)))
            .arg("--authorization-mode=Node,RBAC")
            .arg("--service-cluster-ip-range=10.96.0.0/12,fd00:10:96::/112")
            .arg("--allow-privileged=true");
        match self.place {
            Place::Alone => command
                .arg("--disable-admission-plugins=ServiceAccount")
                // loopback is refused; nobody is told of this one, of those that are for documentation
                .args(["--endpoint-reconciler-type=none", "--advertise-address=192.0.2.1"]),
            Place::Cluster(host) => command
                .arg(format!("--advertise-address={host}"))
                // names of nodes lead nowhere
                .arg("--kubelet-preferred-address-types=InternalIP"),
        };
        command
    }

    async fn is_ready(&mut self) -> Result<(), String> {
        // the certificate is written before the server listens
        tokio::net::TcpStream::connect(&self.address).await.map_err(|error| error.to_string())?;
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig()).map_err(|error| error.to_string())?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        self.config = config.map_err(|error| error.to_string())?;
        let request = Request::new("").get("readyz", &GetParams::default()).unwrap();
        self.client().request_text(request).await.map(drop).map_err(|error| error.to_string())
    }

    fn ended(&mut self) -> bool {
        self.server.as_mut().is_none_or(Program::has_ended) || self.etcd.program_mut().has_ended()
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.files.tails());
        }
    }
}

/// Waits for the namespace of those who name none. The server makes it itself, after it says that it is ready.
async fn has_default_namespace(client: &Client) {
    let api: Api<Namespace> = Api::all(client.clone());
    let began = Instant::now();
    while api.get_opt("default").await.unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE, "there is no namespace default in time");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the kind is established and its objects can be listed and watched.
async fn usable(client: &Client, crd: &CustomResourceDefinition) {
    let (spec, version) = (&crd.spec, &crd.spec.versions[0].name);
    let kind = GroupVersionKind::gvk(&spec.group, version, &spec.names.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, &spec.names.plural);
    let objects: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let began = Instant::now();
    while !is_established(client, crd).await || !can_be_watched(client, &objects).await {
        assert!(began.elapsed() < PATIENCE, "{} is not established in time", spec.names.kind);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether these objects can be listed, and watched from there on. A server that has listed a new kind may still answer
/// 429 to a watch for a moment, for its storage begins anew, or 410 for a version that it has just told.
async fn can_be_watched(client: &Client, objects: &Api<DynamicObject>) -> bool {
    let Ok(list) = objects.list(&ListParams::default()).await else { return false };
    let version = list.metadata.resource_version.unwrap();
    let watch = Request::new(objects.resource_url()).watch(&WatchParams::default().timeout(1), &version);
    // 410 is also told by a line of a watch that begins well
    let lines = client.request_text(watch.unwrap()).await;
    lines.is_ok_and(|lines| !lines.lines().any(|line| line.starts_with(r#"{"type":"ERROR""#)))
}

async fn is_established(client: &Client, crd: &CustomResourceDefinition) -> bool {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let status = api.get_status(crd.metadata.name.as_deref().unwrap()).await.unwrap().status;
    let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True")
}

/// Where etcd and kube-apiserver are, see `tests/kubernetes/build`.
fn programs() -> [PathBuf; 2] {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("tests/kubernetes/build"))
        .find(|script| script.exists())
        .expect("tests/kubernetes/build in this package or above it");
    let output = Command::new(&script).args(["--path", "etcd", "kube-apiserver"]).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let lines = String::from_utf8(output.stdout).unwrap();
    let [etcd, server] = lines.lines().collect::<Vec<_>>().try_into().unwrap();
    [PathBuf::from(etcd), PathBuf::from(server)]
}
