//! The process: command line, environment, exit code.

use std::{ffi::OsString, path::Path, process::ExitCode, sync::Arc};

use kubeovn_node::{daemon::Daemon, ovs};
use kubeovn_ovn::ovsdb::{
    client::Client,
    connect::{ConnectConfig, Connector, Endpoint, Endpoints},
    txn::Identity,
};
use tracing::info;
use uuid::Uuid;

use super::{
    error::StartError,
    flags::PROGRAM,
    install,
    installation::{Environment, Installation},
    metrics::{Metrics, Times},
    serve::Health,
};
use crate::{
    cluster::kube::{self as cluster, KubeCluster, Options},
    process,
};

/// Does what the command line says. The exit code is 0 after a signal to end or a copy, 1 when something can't go on, and
/// 2 for a command line or an environment that can't be used.
pub async fn main(arguments: Vec<OsString>) -> ExitCode {
    let flags = match process::begin(&PROGRAM, arguments) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    if flags.is_on("install-cni-config") {
        let (from, folder) = (Path::new(flags.text("cni-conf-file")), Path::new(flags.text("cni-conf-dir")));
        return match install::install(from, folder, flags.text("cni-conf-name")) {
            Ok(place) => {
                info!(place = %place.display(), "the description of the network is in its place");
                ExitCode::SUCCESS
            }
            Err(error) => process::unusable(&error),
        };
    }
    let environment = Environment::read(|name| std::env::var(name).ok());
    let install = match Installation::new(&flags, &environment) {
        Ok(install) => install,
        Err(error) => return process::unusable(&error),
    };
    info!(version = env!("CARGO_PKG_VERSION"), node = install.daemon.node, "kubeovn-daemon");
    process::end(run(install).await)
}

/// Works until a signal comes. Links, ports and rules stay as they are: no packet notices.
async fn run(install: Installation) -> Result<(), StartError> {
    process::tell_in_vain(&install.in_vain);
    let no_access = |reason| StartError::Access { reason };
    let access = cluster::access(install.kubeconfig.as_deref()).await.map_err(no_access)?;
    let client = cluster::client(access).map_err(|error| no_access(error.to_string()))?;
    let options = Options {
        component: "kube-ovn-daemon".to_owned(),
        node: install.daemon.node.clone(),
        ..Options::default()
    };
    let objects = Arc::new(KubeCluster::new(client, options));
    let endpoint = Endpoints::from(Endpoint::Unix(install.ovs.clone()));
    let connector =
        Connector::new(ConnectConfig::new(endpoint, ovs::SCHEMA.database), Box::new(cluster::random));
    let switch = Client::new(&ovs::SCHEMA, connector, Identity::Given(Uuid::nil()), None);
    let port = install.port.open().await?;
    let socket = install.daemon.socket.clone();
    let node = install.daemon.node.clone();
    let times = Times::new(&node);
    let daemon = Daemon::new(install.daemon, Box::new(switch), objects)?.observed(times.clone());
    let metrics =
        Metrics::new(daemon.obstacles(), &times).telling(daemon.problems()).counting(&node, daemon.passed());
    let health = Arc::new(Health { obstacles: daemon.obstacles(), socket, metrics });
    tokio::select! {
        ended = daemon.run(process::ended()) => Ok(ended?),
        served = port.serve(health) => Ok(served?),
    }
}
