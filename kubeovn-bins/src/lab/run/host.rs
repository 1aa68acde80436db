//! A machine with a node daemon on it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kubeovn_core::cluster::memory::MemoryCluster;
use kubeovn_node::daemon::{Daemon, DaemonConfig, TunnelSource};
use kubeovn_node::ovs;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::lab::database;
use crate::lab::error::LabError;
use crate::lab::fabric::{Fabric, NodeHandle};

/// How long a daemon may take to answer what it was asked before it ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// A machine with its daemon.
pub(super) struct Host {
    pub(super) handle: NodeHandle,
    /// Dropped, it ends the daemon.
    _stop: oneshot::Sender<()>,
    daemon: JoinHandle<()>,
}

impl Host {
    /// A machine, and a daemon on it that listens.
    pub(super) async fn raise(
        fabric: &Fabric,
        cluster: &Arc<MemoryCluster>,
        name: &str,
    ) -> Result<Self, LabError> {
        let handle = fabric.node_up(name).await?;
        let failed = LabError::network(format!("start the daemon of node {name}"));
        let own = DaemonConfig::new(name).map_err(LabError::network("open the lab's own namespace"))?;
        let config = DaemonConfig {
            netns: handle.netns.clone(),
            socket: cni_socket(&handle),
            // The lab's nodes have their tunnels from the lab, and no outside.
            tunnel: TunnelSource::Given { mtu: 1400 },
            firewall: None,
            ..own
        };
        let switch = Box::new(database::client(&ovs::SCHEMA, &handle.ovsdb, None));
        let daemon = Daemon::new(config, switch, cluster.clone()).map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let daemon = tokio::spawn(async {
            // The sender is dropped when the host is not wanted any more.
            if let Err(error) = daemon.run(async { drop(stopped.await) }).await {
                tracing::error!(%error, "a daemon of the lab");
            }
        });
        fabric.warm().await;
        Ok(Self { handle, _stop: stop, daemon })
    }

    /// Ends the daemon at once, whatever it is doing.
    pub(super) async fn abandon(self) {
        self.daemon.abort();
        // Cancelled, as it should be.
        let _ = self.daemon.await;
    }

    /// Ends the daemon; the machine stays.
    pub(super) async fn end(self) {
        let Self { _stop: stop, mut daemon, .. } = self;
        drop(stop);
        if timeout(PATIENCE, &mut daemon).await.is_err() {
            daemon.abort();
        }
    }
}

/// Where the daemon of a node listens for the CNI plugin.
pub(super) fn cni_socket(node: &NodeHandle) -> PathBuf {
    node.dir.join("cni.sock")
}
