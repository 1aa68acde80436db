//! A network to look at, and the program that looks.

use std::{
    fs,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use kubeovn_bins::{cluster::folder::FolderCluster, run::controller};
use kubeovn_core::index::Settings;
use kubeovn_ovn::{
    nb::NORTHBOUND,
    ovsdb::{
        client::{Client, FenceConfig, SoleWriter},
        connect::{ConnectConfig, Connector},
        txn::Identity,
    },
};
use serde_json::Value;
use tokio::{runtime::Runtime, task::JoinHandle};
use uuid::Uuid;

use crate::server::{DATABASE, Directory, Server, wait_for};

pub(crate) const NETWORK: &str = r"
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 172.18.0.2}]}}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: web}
spec: {cidrBlock: 10.20.0.0/24, namespaces: [web]}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: db}
spec: {cidrBlock: 10.30.0.0/24, namespaces: [db], private: true, allowSubnets: [10.20.0.0/24]}
---
{apiVersion: v1, kind: Pod, metadata: {name: shop-0, namespace: web}, spec: {nodeName: n1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db-0, namespace: db}, spec: {nodeName: n1}}
";

/// A server, manifests, and a controller that makes one of the other.
pub(crate) struct Rig {
    runtime: Runtime,
    controller: Option<JoinHandle<()>>,
    pub(crate) server: Server,
    pub(crate) directory: Directory,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let directory = Directory::new();
        let server = Server::standalone(&directory, &[]);
        let rig = Rig { runtime: Runtime::new().unwrap(), controller: None, server, directory };
        rig.manifests("net", NETWORK);
        rig
    }

    /// Everything is as the manifests say.
    pub(crate) fn settled() -> Self {
        let mut rig = Self::new();
        rig.start();
        rig.settle();
        rig
    }

    pub(crate) fn start(&mut self) {
        let folder = FolderCluster::open(&self.directory.path("net")).unwrap();
        let config = ConnectConfig::new(self.server.endpoint().parse().unwrap(), DATABASE);
        let fence = FenceConfig { authority: Arc::new(SoleWriter), nonce: Box::new(|| 1), eager: false };
        let connector = Connector::new(config, Box::new(|| 0.0));
        let client = Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::nil()), Some(fence));
        let run = controller::run(
            Settings::default(),
            folder.cluster().clone(),
            Box::new(client),
            controller::Company::default(),
        );
        self.controller = Some(self.runtime.spawn(run));
    }

    pub(crate) fn settle(&self) {
        let mut last = String::new();
        let settled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for("the controller", || {
                let diff = self.live(&["diff", "--from", &self.folder("net")]);
                last = format!("{}{}", out(&diff), err(&diff));
                (diff.status.code() == Some(0)).then_some(())
            });
        }));
        assert!(settled.is_ok(), "still to do: {last}");
    }

    pub(crate) fn stop(&mut self) {
        if let Some(controller) = self.controller.take() {
            controller.abort();
            let _ = self.runtime.block_on(controller);
        }
    }

    pub(crate) fn manifests(&self, name: &str, text: &str) {
        let folder = self.directory.path(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("all.yaml"), text).unwrap();
    }

    pub(crate) fn folder(&self, name: &str) -> String {
        self.directory.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn live(&self, arguments: &[&str]) -> Output {
        ctl(&[&["nb", "--db", &self.server.endpoint()], arguments].concat())
    }

    pub(crate) fn file(&self, arguments: &[&str]) -> Output {
        ctl(&[&["nb", "--file", &self.folder("nb.db")], arguments].concat())
    }

    /// Gives an existing row our mark.
    pub(crate) fn mark(&self, table: &str, row: &str, owner: &str, id: &str) {
        let (owner, id) = (format!("external_ids:owner=\"{owner}\""), format!("external_ids:row=\"{id}\""));
        self.server.nbctl(&["set", table, row, "external_ids:vendor=kube-ovn", &owner, &id]);
    }
}

pub(crate) fn ctl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubeovn-ctl")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Standard output of a command that ends so.
pub(crate) fn text(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}{}", out(output), err(output));
    out(output)
}

pub(crate) fn json(output: &Output, code: i32) -> Value {
    let text = text(output, code);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The row of a dump.
pub(crate) fn row<'a>(dump: &'a Value, owner: &str, id: &str) -> &'a Value {
    let owners = dump["owners"].as_array().unwrap();
    let of =
        owners.iter().find(|entry| entry["owner"] == owner).unwrap_or_else(|| panic!("no {owner}: {dump}"));
    let rows = of["rows"].as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("no {id} of {owner}: {of}"))
}
