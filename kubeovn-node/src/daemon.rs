//! The node's daemon: the cluster's objects and the runtime's requests in, links and OVS ports out.
//!
//! ```text
//!  cluster events ──> Facts ──┬──> given ──> CNI handler ──> veth pair + Switch (port rows)
//!                             └──> NodePort plan ──────────> ovn0 + Switch
//!  runtime ──> plugin ──> Server ──────────────^
//! ```
//! Nothing is stored: what is plugged is read back from Open_vSwitch, what should be is derived from the objects.
//! Stopping and starting the daemon touches no packet.

mod facts;
mod given;
mod handler;
mod home;
mod turns;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use kubeovn_core::contract::cluster::Event;
use kubeovn_core::contract::database::Database;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::facts::Facts;
pub use self::facts::KINDS;
use self::handler::Wirer;
use self::home::Home;
use crate::cni::server::Server;
use crate::netlink::{Netlink, NetlinkError};
use crate::netns::NetNs;
use crate::ovs::Switch;

/// What a daemon must be told.
#[derive(Clone, Debug)]
pub struct DaemonConfig {
    /// The node's name in the cluster.
    pub node: String,
    /// The namespace whose links OVS uses; on a real node the daemon's own.
    pub netns: NetNs,
    /// Where the plugin finds the daemon.
    pub socket: PathBuf,
    /// The integration bridge.
    pub bridge: String,
    /// MTU of pods and of the node's port where no subnet says otherwise, in bytes.
    pub mtu: u32,
    /// The VPC that the node itself is connected to.
    pub vpc: String,
    /// How long an ADD waits for addresses and for its port.
    pub wait: Duration,
}

impl DaemonConfig {
    /// Kube-OVN's defaults for a node, in the namespace of the calling thread.
    ///
    /// # Errors
    /// When that namespace can't be opened.
    pub fn new(node: impl Into<String>) -> Result<Self, crate::netns::NetNsError> {
        Ok(Self {
            node: node.into(),
            netns: NetNs::current()?,
            socket: "/run/openvswitch/kube-ovn-daemon.sock".into(),
            bridge: "br-int".to_owned(),
            mtu: 1400,
            vpc: "ovn-cluster".to_owned(),
            wait: Duration::from_secs(45),
        })
    }
}

/// Why a daemon could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The node's links can't be reached.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The plugin's socket can't be made.
    #[error("cannot listen on {}: {source}", path.display())]
    Socket {
        /// Where it should be.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// A daemon that listens already, so that whoever waits for its socket can go on.
pub struct Daemon {
    server: Server,
    wirer: Wirer,
    tasks: JoinSet<()>,
}

impl Daemon {
    /// Starts a daemon. Must be called inside a tokio runtime.
    ///
    /// `db` is Open_vSwitch, opened with [`ovs::SCHEMA`](crate::ovs::SCHEMA). `events` are the objects of [`KINDS`];
    /// pods of other nodes are skipped.
    pub fn new(
        config: DaemonConfig,
        db: Box<dyn Database>,
        events: BoxStream<'static, Event>,
    ) -> Result<Self, DaemonError> {
        let host = Arc::new(Netlink::new(&config.netns)?);
        let server = Server::bind(&config.socket)
            .map_err(|source| DaemonError::Socket { path: config.socket.clone(), source })?;
        let (switch, driver) = Switch::new(db, &config.node, &config.bridge, host.clone());
        let (publish, facts) = watch::channel(Facts::new(&config.node));
        let home = Home {
            facts: facts.clone(),
            switch: switch.clone(),
            host: host.clone(),
            mtu: config.mtu,
            vpc: config.vpc,
        };
        let wirer = Wirer { facts, switch, host, mtu: config.mtu, wait: config.wait, turns: <_>::default() };
        let mut tasks = JoinSet::new();
        tasks.spawn(driver.run());
        tasks.spawn(listen(events, publish));
        tasks.spawn(home.run());
        Ok(Self { server, wirer, tasks })
    }

    /// Serves until `shutdown` ends. Links, rows and routes stay as they are.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { server, wirer, tasks } = self;
        server.run(Arc::new(wirer), shutdown).await;
        drop(tasks);
    }
}

async fn listen(mut events: BoxStream<'static, Event>, facts: watch::Sender<Facts>) {
    while let Some(event) = events.next().await {
        facts.send_if_modified(|facts| facts.apply(event));
    }
    tracing::error!("the cluster's stream of events has ended; the daemon goes on with what it knows");
    // Keeps what is known for those who read it.
    facts.closed().await;
}
