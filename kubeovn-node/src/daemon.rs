//! The node's daemon: the cluster's objects and the runtime's requests in, links and OVS ports out.
//!
//! ```text
//!  cluster events ──> Facts ──┬──> given ──> CNI handler ──> veth pair + Switch (port rows)
//!                             └──> NodePort plan ──────────> ovn0 + Switch
//!  runtime ──> plugin ──> Server ──────────────^
//! ```
//! Nothing is stored: what is plugged is read back from Open_vSwitch, what should be is derived from the objects.
//! Stopping and starting the daemon touches no packet.

mod exit;
mod facts;
mod given;
mod handler;
mod home;
mod in_force;
mod join_gateway;
mod made;
mod node_object;
mod orphans;
mod refusals;
mod sandbox;
mod standing;
mod traffic;
mod turns;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use kubeovn_core::addr::Cidr;
use kubeovn_core::contract::cluster::{Cluster, Event};
use kubeovn_core::contract::database::Database;
use kubeovn_core::error::Problem;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::exit::Exit;
use self::facts::Facts;
pub use self::facts::KINDS;
use self::handler::Wirer;
use self::home::Home;
use self::join_gateway::JoinGateway;
use self::node_object::NodeObject;
use self::standing::Standing;
pub use self::standing::{Obstacles, Part};
pub use self::traffic::{Passed, SubnetTraffic};
use crate::cni::server::Server;
use crate::cni::timing::{Observer, Unobserved};
use crate::gateway::{Gateway, GatewayError, Iptables, Nft};
use crate::netlink::{Netlink, NetlinkError, News};
use crate::netns::NetNs;
use crate::node_port::LINK;
use crate::ovs::Switch;
use crate::tunnel::TunnelWish;

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
    /// How this node's packets travel to others, which also says how large they may be.
    pub tunnel: TunnelSource,
    /// What keeps the gateway on the host; `None` where nothing leaves the overlay by it.
    pub firewall: Option<Firewall>,
    /// The ranges of Services.
    pub services: Vec<Cidr>,
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
            tunnel: TunnelSource::Wish(TunnelWish::default()),
            firewall: Some(Firewall::Nftables),
            services: Vec::new(),
            vpc: "ovn-cluster".to_owned(),
            wait: Duration::from_secs(45),
        })
    }
}

/// Who sees to tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunnelSource {
    /// Somebody else; pods have this MTU in bytes.
    Given {
        /// MTU of pods and of the node's port where no subnet says otherwise, in bytes.
        mtu: u32,
    },
    /// The daemon.
    Wish(TunnelWish),
}

/// Where the gateway's rules are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firewall {
    /// A table of nftables.
    Nftables,
    /// Kube-OVN's chains of iptables, and ipsets.
    Iptables,
}

/// Why a daemon could not start, or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The node's links can't be reached.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The host's gateway can't be reached.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The plugin's socket can't be made.
    #[error("cannot listen on {}: {source}", path.display())]
    Socket {
        /// Where it should be.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A part of it has ended, which only a bug makes it do. What it kept is not kept any more, so nothing else should go on.
    #[error("a part of it has ended: {reason}")]
    Ended {
        /// What the part said last.
        reason: String,
    },
}

/// A daemon that listens already, so that whoever waits for its socket can go on.
pub struct Daemon {
    server: Server,
    wirer: Wirer,
    tasks: JoinSet<()>,
    obstacles: watch::Receiver<Obstacles>,
    passed: Passed,
    problems: watch::Receiver<Vec<Problem>>,
}

impl Daemon {
    /// Starts a daemon. Must be called inside a tokio runtime.
    ///
    /// `db` is Open_vSwitch, opened with [`ovs::SCHEMA`](crate::ovs::SCHEMA). Of the cluster the objects of [`KINDS`] are
    /// watched; pods of other nodes are skipped. The only thing that is written there is the node's own object.
    pub fn new(
        config: DaemonConfig,
        db: Box<dyn Database>,
        cluster: Arc<dyn Cluster>,
    ) -> Result<Self, DaemonError> {
        let host = Arc::new(Netlink::new(&config.netns)?);
        let server = Server::bind(&config.socket)
            .map_err(|source| DaemonError::Socket { path: config.socket.clone(), source })?;
        let (switch, driver) = Switch::new(db, &config.node, &config.bridge, host.clone());
        let (publish, facts) = watch::channel(Facts::new(&config.node));
        let standing = Standing::new(&[Part::Objects, Part::Switch, Part::NodePort, Part::JoinGateway]);
        let obstacles = standing.told();
        let (tunnel, mtu) = match config.tunnel {
            TunnelSource::Given { mtu } => (None, Some(mtu)),
            TunnelSource::Wish(wish) => (Some(wish), None),
        };
        let (tell_mtu, mtu) = watch::channel(mtu);
        let (tell_reach, reach) = watch::channel(None);
        let (tell_gateways, gateways) = watch::channel(None);
        let (tell_news, news) = watch::channel(());
        let mut tasks = JoinSet::new();
        let home = Home {
            facts: facts.clone(),
            news: news.clone(),
            switch: switch.clone(),
            host: host.clone(),
            netns: config.netns.clone(),
            vpc: config.vpc.clone(),
            tunnel,
            routes: config.firewall.is_none(),
            mtu: tell_mtu,
            gateways: tell_gateways,
            standing: standing.clone(),
            orphans: <_>::default(),
            geneve: None,
        };
        let way = JoinGateway {
            host: host.clone(),
            netns: config.netns.clone(),
            gateways,
            reach: tell_reach,
            standing: standing.clone(),
        };
        let (warned, problems) = watch::channel(Vec::new());
        let mut passed = Passed { facts: facts.clone(), gateway: None };
        if let Some(firewall) = config.firewall {
            let gateway = match firewall {
                Firewall::Nftables => Gateway::new(&config.netns, Nft::new(&config.netns)),
                Firewall::Iptables => Gateway::new(&config.netns, Iptables::new(&config.netns)),
            };
            let gateway = Arc::new(gateway?.with_takeover());
            passed.gateway = Some(gateway.clone());
            let exit = Exit {
                facts: facts.clone(),
                news,
                gateway,
                host: host.clone(),
                vpc: config.vpc,
                services: config.services,
                standing: standing.clone(),
                last: None,
                warned,
            };
            tasks.spawn(exit.run());
        }
        let told = NodeObject {
            facts: facts.clone(),
            view: switch.view(),
            reach,
            cluster: cluster.clone(),
            standing,
        };
        let wirer = Wirer {
            facts,
            switch,
            host,
            mtu,
            obstacles: obstacles.clone(),
            wait: config.wait,
            turns: <_>::default(),
            latest: <_>::default(),
            observer: Arc::new(Unobserved),
        };
        tasks.spawn(driver.run());
        tasks.spawn(listen(cluster.watch(KINDS), publish));
        tasks.spawn(tell_of_host(config.netns, tell_news));
        tasks.spawn(home.run());
        tasks.spawn(way.run());
        tasks.spawn(told.run());
        Ok(Self { server, wirer, tasks, obstacles, passed, problems })
    }

    /// Tells how long the plugin's requests took.
    pub fn observed(mut self, observer: Arc<dyn Observer>) -> Self {
        self.wirer.observer = observer.clone();
        Self { server: self.server.observed(observer), ..self }
    }

    /// What stands against the node's network being as it should be, now and from now on.
    pub fn obstacles(&self) -> watch::Receiver<Obstacles> {
        self.obstacles.clone()
    }

    /// What of the gateway on the host is not in effect although it was asked for; the node works.
    pub fn problems(&self) -> watch::Receiver<Vec<Problem>> {
        self.problems.clone()
    }

    /// Whom to ask how much of each subnet has passed the host.
    pub fn passed(&self) -> Passed {
        self.passed.clone()
    }

    /// Serves until `shutdown` ends. Links, rows and routes stay as they are.
    ///
    /// # Errors
    /// [`DaemonError::Ended`], at once, when a part of it has panicked.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), DaemonError> {
        let Self { server, wirer, mut tasks, .. } = self;
        tokio::select! {
            () = server.run(Arc::new(wirer), shutdown) => Ok(()),
            // None of them ends by itself.
            Some(ended) = tasks.join_next() => {
                let reason = ended.err().map_or_else(|| "it had nothing to do".to_owned(), |error| error.to_string());
                Err(DaemonError::Ended { reason })
            }
        }
    }
}

/// Tells whenever the node's port or an address of the host is another. What was missed is found by audits.
async fn tell_of_host(netns: NetNs, tell: watch::Sender<()>) {
    /// Between the end of one connection and the next.
    const PAUSE: Duration = Duration::from_secs(1);
    loop {
        match News::of(&netns, LINK) {
            Ok(mut news) => {
                tell.send_replace(());
                while news.next().await {
                    tell.send_replace(());
                }
                tracing::warn!("the kernel tells no news any more; it is asked again");
            }
            Err(error) => tracing::warn!(%error, "the kernel tells no news; it is asked again"),
        }
        sleep(PAUSE).await;
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
