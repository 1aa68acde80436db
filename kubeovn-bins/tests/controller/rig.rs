//! An API server, a Northbound, and controllers as processes.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, PostParams},
    core::GroupVersionKind,
};
use kubeovn_core::index::objects::Kind;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    kubernetes::{
        Kubernetes,
        process::{Ports, Program, ports},
    },
    server::{Directory, Server},
};

/// How long to wait for what should come soon, on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything but a controller. Controllers go first, then what they live on.
pub(crate) struct Rig {
    pub(crate) kubernetes: Kubernetes,
    pub(crate) client: Client,
    pub(crate) northbound: Server,
    directory: Directory,
}

/// A controller.
pub(crate) struct Controller {
    program: Program,
    ports: Ports,
    log: PathBuf,
}

/// Every object that a controller may write, by kind and name, with its revision; events and the lease left out.
pub(crate) type Revisions = BTreeMap<String, String>;

impl Rig {
    pub(crate) async fn start() -> Self {
        let directory = Directory::new();
        let northbound = Server::standalone(&directory, &[]);
        let kubernetes = Kubernetes::start().await;
        kubernetes.apply_crds().await;
        let client = kubernetes.client();
        let rig = Rig { kubernetes, client, northbound, directory };
        rig.create(Kind::Node, json!({ "metadata": { "name": "n1" } })).await;
        rig
    }

    /// A controller with these flags beside those that it can't do without.
    pub(crate) fn controller(&self, name: &str, flags: &[&str]) -> Controller {
        self.controller_in(name, &[], flags)
    }

    /// A controller with these variables and flags.
    pub(crate) fn controller_in(&self, name: &str, variables: &[&str], flags: &[&str]) -> Controller {
        let (ports, log) = (ports(), self.directory.path(&format!("{name}.log")));
        let address = ports.address(0);
        let (host, port) = address.split_once(':').unwrap();
        let mut command = Command::new("env");
        command
            .args(["ENABLE_BIND_LOCAL_IP=true", &format!("POD_IPS={host}")])
            .args(variables)
            .arg(env!("CARGO_BIN_EXE_kubeovn-controller"))
            .arg(format!("--kubeconfig={}", self.kubernetes.kubeconfig().display()))
            .arg(format!("--ovn-nb-addr={}", self.northbound.endpoint()))
            .arg(format!("--pprof-port={port}"))
            // Long enough for a machine that does other things, too.
            .args(["--leader-elect-lease-duration=20s", "--leader-elect-renew-deadline=15s"])
            .args(["--leader-elect-retry-period=1s", "--v=3"])
            .args(flags);
        Controller { program: Program::start(command, log.clone()), ports, log }
    }

    pub(crate) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        if kind.namespaced() {
            Api::namespaced_with(self.client.clone(), "default", &resource(kind))
        } else {
            self.everywhere(kind)
        }
    }

    fn everywhere(&self, kind: Kind) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource(kind))
    }

    pub(crate) async fn create(&self, kind: Kind, mut object: Value) {
        object["apiVersion"] = match kind.group() {
            "" => "v1".into(),
            group => format!("{group}/v1").into(),
        };
        object["kind"] = kind.name().into();
        let object = serde_json::from_value(object).unwrap();
        self.api(kind).create(&PostParams::default(), &object).await.unwrap();
    }

    pub(crate) async fn pod(&self, name: &str, annotations: Value) {
        let spec = json!({ "nodeName": "n1", "containers": [{ "name": "c", "image": "none" }] });
        self.create(
            Kind::Pod,
            json!({ "metadata": { "name": name, "annotations": annotations }, "spec": spec }),
        )
        .await;
    }

    pub(crate) async fn delete(&self, kind: Kind, name: &str) {
        let now = kube::api::DeleteParams::default().grace_period(0);
        self.api(kind).delete(name, &now).await.unwrap();
    }

    /// What a pod was told.
    pub(crate) async fn told(&self, pod: &str, annotation: &str) -> Option<String> {
        let pod = self.api(Kind::Pod).get_opt(pod).await.unwrap()?;
        pod.metadata.annotations?.get(&format!("ovn.kubernetes.io/{annotation}")).cloned()
    }

    /// Waits until a pod may start, and answers its address.
    pub(crate) async fn address(&self, pod: &str) -> String {
        until(&format!("{pod} to be told its address"), async || {
            self.told(pod, "routed").await?;
            self.told(pod, "ip_address").await
        })
        .await
    }

    pub(crate) async fn revisions(&self) -> Revisions {
        let mut all = Revisions::new();
        for kind in Kind::ALL.iter().filter(|kind| !kind.is_optional()) {
            for object in self.api(*kind).list(&ListParams::default()).await.unwrap() {
                let name = object.metadata.name.unwrap();
                all.insert(format!("{} {name}", kind.name()), object.metadata.resource_version.unwrap());
            }
        }
        all
    }

    /// Waits until the controller knows of as many objects of each kind as there are, and is done with them. Kinds come to it
    /// in no order among each other.
    pub(crate) async fn heard_by(&self, controller: &Controller) {
        for kind in Kind::ALL {
            let sample = format!("kubeovn_objects{{kind=\"{}\"}}", kind.name());
            until(&format!("every {} to be known", kind.name()), async || {
                let there = match self.everywhere(*kind).list(&ListParams::default()).await {
                    Ok(list) => list.items.len(),
                    Err(_) if kind.is_optional() => 0,
                    Err(error) => panic!("{error}"),
                };
                (controller.metric(&sample)? == format!("{there}.0")).then_some(())
            })
            .await;
        }
        controller.works().await;
    }

    /// All rows of the Northbound, and the fence's token in NB_Global.
    pub(crate) fn rows(&self) -> String {
        let tables = [
            "NB_Global",
            "Logical_Router",
            "Logical_Router_Port",
            "Logical_Router_Policy",
            "Logical_Router_Static_Route",
        ];
        let tables = tables.into_iter().chain(["Logical_Switch", "Logical_Switch_Port", "ACL", "Port_Group"]);
        tables.map(|table| self.northbound.nbctl(&["list", table])).collect()
    }

    /// Names of the switch ports of pods.
    pub(crate) fn ports(&self) -> Vec<String> {
        let listed = self.northbound.nbctl(&["--bare", "--columns=name", "list", "Logical_Switch_Port"]);
        let mut ports: Vec<String> =
            listed.lines().filter(|line| line.ends_with(".default")).map(str::to_owned).collect();
        ports.sort();
        ports
    }
}

impl Controller {
    /// Status and body of an answer; `None` where nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.ports.address(0)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// A metric by name and labels as they are written.
    pub(crate) fn metric(&self, sample: &str) -> Option<String> {
        let (_, text) = self.get("/metrics")?;
        text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ').map(str::to_owned))
    }

    /// Waits until it is the one that works, and is done with what there was.
    pub(crate) async fn works(&self) {
        let leads = "kubeovn_leading{component=\"controller\"}";
        let idle = "kubeovn_idle{component=\"controller\"}";
        let done =
            || self.metric(leads).as_deref() == Some("1.0") && self.metric(idle).as_deref() == Some("1.0");
        until("the controller to work", async || done().then_some(())).await;
        self.is_ready().await;
    }

    pub(crate) async fn is_ready(&self) {
        until("readiness", async || self.get("/readyz").filter(|(status, _)| *status == 200)).await;
    }

    /// Waits until it is not ready, and says this.
    pub(crate) async fn lacks(&self, what: &str) {
        until(&format!("it to say {what:?}"), async || {
            self.get("/readyz").filter(|(status, text)| *status == 503 && text.contains(what))
        })
        .await;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.program.signal(signal);
    }

    pub(crate) async fn ends(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.program.ended() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn runs(&mut self) -> bool {
        !self.program.has_ended()
    }

    /// Where it answers probes.
    pub(crate) fn address(&self) -> String {
        self.ports.address(0)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let start = log.len().saturating_sub(6_000);
            eprintln!("{}:\n{}", self.log.display(), log.get(start..).unwrap_or(&log));
        }
    }
}

fn resource(kind: Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(kind.group(), "v1", kind.name()), kind.plural())
}

/// Waits for an answer.
pub(crate) async fn until<T>(what: &str, mut answer: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = answer().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
