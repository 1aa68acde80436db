//! A node daemon made of the library's parts alone, where there is no program `kubeovn-daemon` beside the others. This
//! program is it, started on a node with [`ARGUMENT`].

use std::{env, fs, path::Path, process::ExitCode};

use futures_util::future::pending;
use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use kubeovn_bins::cluster::kube::{KubeCluster, Options, client};
use kubeovn_core::contract::cluster::Cluster;
use kubeovn_node::{
    daemon::{self, Daemon, DaemonConfig},
    ovs::SCHEMA,
};
use kubeovn_ovn::ovsdb::{
    client::Client,
    connect::{ConnectConfig, Connector, Endpoint, Endpoints},
    txn::Identity,
};
use uuid::Uuid;

/// Followed by the node's name, a kubeconfig, Open_vSwitch's socket, and where a network's description is now and will
/// be for containerd to find.
pub(crate) const ARGUMENT: &str = "--stand-in-daemon";

/// Whether this process is to be one.
pub(crate) fn is_wanted() -> bool {
    env::args().nth(1).is_some_and(|argument| argument == ARGUMENT)
}

/// Works until it is killed.
pub(crate) fn run() -> ExitCode {
    let given: Vec<String> = env::args().skip(2).collect();
    let [node, kubeconfig, ovsdb, description, place] = given.try_into().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let file = Kubeconfig::read_from(kubeconfig).unwrap();
        let access = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        let cluster = KubeCluster::new(client(access).unwrap(), Options::default());
        let endpoint = Endpoints::from(Endpoint::Unix(ovsdb.into()));
        let connector = Connector::new(ConnectConfig::new(endpoint, SCHEMA.database), Box::new(|| 0.0));
        let switch = Client::new(&SCHEMA, connector, Identity::Given(Uuid::nil()), None);
        let config = DaemonConfig::new(node).unwrap();
        let daemon = Daemon::new(config, Box::new(switch), cluster.watch(daemon::KINDS)).unwrap();
        // containerd overlooks a file that comes from another folder
        let new = Path::new(&place).with_extension("tmp");
        fs::copy(description, &new).unwrap();
        fs::rename(new, place).unwrap();
        daemon.run(pending()).await;
    });
    ExitCode::FAILURE
}
