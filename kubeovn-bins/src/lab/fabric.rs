//! The fabric of a lab: the real OVN and OVS programs, in network namespaces that play the machines.
//!
//! ```text
//!   namespace <lab>.ul          bridge br0 = the wire between the nodes
//!     ovsdb-server NB, SB, ovn-northd          (unix sockets in the state directory)
//!        │            │            │
//!   <lab>.n.<node>   …            …   each: eth0 -> br-phy (tunnel endpoint 198.18.x.y) -> br-int
//!     ovsdb-server, ovs-vswitchd (userspace datapath), ovn-controller
//! ```
//!
//! Nothing touches the machine's own namespace: links are born in the namespaces they end in, and every address
//! is private to its lab, so that labs run side by side. All daemons are children that are started again when
//! they die, each time prepared as the first time. The fabric knows no pod, subnet or controller.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use kubeovn_node::netlink::Netlink;
use kubeovn_node::netns::NetNs;
use kubeovn_node::sysctl;
use tokio::sync::{Mutex, mpsc};

use super::error::LabError;
use super::state::process::Process;
use super::state::{Hold, StateDir};
use super::tool;

mod central;
mod down;
mod node;
mod numbers;
mod ovs;
mod supervisor;

use self::central::Central;
pub use self::down::{down, sweep};
use self::node::Node;
pub use self::node::NodeHandle;
use self::numbers::Numbers;
pub use self::supervisor::FabricEvent;

/// The switch between all nodes, in the underlay namespace.
const BRIDGE: &str = "br0";

/// A running fabric. Dropping it kills the daemons; [`Fabric::stop`] ends them in order and leaves nothing.
#[derive(Debug)]
pub struct Fabric {
    state: StateDir,
    _hold: Hold,
    underlay: NetNs,
    central: Central,
    /// The nodes that are up.
    nodes: Mutex<BTreeMap<String, Node>>,
    numbers: Numbers,
    events: mpsc::UnboundedSender<FabricEvent>,
}

/// Northbound's unix socket in a lab's state directory.
pub fn northbound(state: &StateDir) -> PathBuf {
    state.central().join("nb.sock")
}

impl Fabric {
    /// Brings up the wire, both databases and northd, and returns once the databases answer.
    ///
    /// What a lab of the same name left behind when it was killed is removed first. What happens to daemons
    /// from now on goes to `events`.
    ///
    /// # Errors
    /// When the machine lacks something, when a lab of this name runs, or when a daemon does not come up; nothing
    /// is left in that case.
    pub async fn start(
        state: StateDir,
        events: mpsc::UnboundedSender<FabricEvent>,
    ) -> Result<Self, LabError> {
        tool::check_machine()?;
        let hold = state.hold()?;
        let (left, sweeping) = (state.clone(), state.clone());
        blocking(move || down::sweep_contents(&left)).await?;
        if let Some(me) = Process::me() {
            me.record(&state.lab_process())?;
        }
        match Self::raise(&state, &events).await {
            Ok((underlay, central)) => {
                let (nodes, numbers) = (Mutex::default(), Numbers::default());
                Ok(Self { state, _hold: hold, underlay, central, nodes, numbers, events })
            }
            Err(error) => {
                // The first error tells more than one from cleaning up after it.
                let _ = blocking(move || sweep(&sweeping)).await;
                Err(error)
            }
        }
    }

    async fn raise(
        state: &StateDir,
        events: &mpsc::UnboundedSender<FabricEvent>,
    ) -> Result<(NetNs, Central), LabError> {
        let underlay = make_netns(state, state.name().underlay_netns()).await?;
        let links = Netlink::new(&underlay).map_err(LabError::network("open netlink of the underlay"))?;
        links.add_bridge(BRIDGE).await.map_err(LabError::network("add the underlay's bridge"))?;
        links.set_up(BRIDGE).await.map_err(LabError::network("set the underlay's bridge up"))?;
        let central = Central::start(state, &underlay, events).await?;
        Ok((underlay, central))
    }

    /// Northbound's unix socket.
    pub fn northbound(&self) -> PathBuf {
        northbound(&self.state)
    }

    /// northd's control socket.
    pub fn northd(&self) -> PathBuf {
        self.central.northd()
    }

    /// Southbound's unix socket.
    pub fn southbound(&self) -> PathBuf {
        self.central.southbound()
    }

    /// Where the lab's files are.
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    /// Keeps the lowest free address for a node that is yet to come up; whoever has one keeps that.
    ///
    /// For who brings up several at once and wants to know who has which: [`Fabric::node_up`] does it too, when it gets to run.
    ///
    /// # Errors
    /// When no address is left.
    pub fn keep_address(&self, node: &str) -> Result<(), LabError> {
        self.numbers.of(node).map(drop)
    }

    /// Brings a node up and returns once OVN knows its chassis. A node that is up already stays as it is.
    ///
    /// Several nodes can be brought up at once.
    ///
    /// # Errors
    /// When the node does not come up in time; what was made of it is removed then.
    pub async fn node_up(&self, name: &str) -> Result<NodeHandle, LabError> {
        if let Some(node) = self.nodes.lock().await.get(name) {
            return Ok(node.handle());
        }
        let number = self.numbers.of(name)?;
        let started =
            Node::start(&self.state, &self.underlay, &self.central, name, number, &self.events).await;
        match started {
            Ok(node) => {
                let handle = node.handle();
                self.nodes.lock().await.insert(name.to_owned(), node);
                Ok(handle)
            }
            Err(error) => {
                self.numbers.forget(name);
                Err(error)
            }
        }
    }

    /// Cuts a node's power: its daemons are killed and its namespace ends. What is on its disk stays, its OVS's database
    /// that is, and so does what others know of it; [`Fabric::node_up`] boots it again, with the address that it had.
    ///
    /// Processes of others that live in its namespace are killed too. A node that is not up is fine.
    ///
    /// # Errors
    /// When its namespace or its files can't be removed.
    pub async fn node_off(&self, name: &str) -> Result<(), LabError> {
        let Some(node) = self.nodes.lock().await.remove(name) else { return Ok(()) };
        node.lose_power(&self.state).await
    }

    /// Takes a node down and removes all that was made for it; pods on it must be unplugged before.
    /// A node that is not up is fine.
    pub async fn node_down(&self, name: &str) -> Result<(), LabError> {
        let Some(node) = self.nodes.lock().await.remove(name) else { return Ok(()) };
        let result = node.leave(&self.state).await;
        self.numbers.forget(name);
        result
    }

    /// A node that is up.
    pub async fn node(&self, name: &str) -> Result<NodeHandle, LabError> {
        let unknown = || LabError::NodeUnknown { node: name.to_owned() };
        self.nodes.lock().await.get(name).map(Node::handle).ok_or_else(unknown)
    }

    /// All nodes that are up, by name.
    pub async fn nodes(&self) -> Vec<NodeHandle> {
        self.nodes.lock().await.values().map(Node::handle).collect()
    }

    /// Sends a packet from every node to every other, since the first one through a new tunnel is lost while
    /// OVS asks for the outer address.
    pub async fn warm(&self) {
        let nodes = self.nodes().await;
        let mut pairs = Vec::new();
        for from in &nodes {
            for to in nodes.iter().filter(|to| to.name != from.name) {
                pairs.push(super::probe::touch(from.netns.clone(), to.underlay));
            }
        }
        // Whether it was answered is seen by the probes later.
        futures_util::future::join_all(pairs).await;
    }

    /// The process of a daemon, such as `central/ovn-northd` or `n1/ovs-vswitchd`, while it runs.
    pub async fn process(&self, daemon: &str) -> Option<Process> {
        let (place, program) = daemon.rsplit_once('/')?;
        if place == "central" {
            return self.central.process(program);
        }
        self.nodes.lock().await.get(place)?.process(program)
    }

    /// Ends everything and removes every namespace and file, pods' namespaces too.
    ///
    /// # Errors
    /// [`LabError::Leftovers`] names what could not be removed.
    pub async fn stop(self) -> Result<(), LabError> {
        let nodes = std::mem::take(&mut *self.nodes.lock().await);
        futures_util::future::join_all(nodes.into_values().map(Node::stop)).await;
        self.central.stop().await;
        drop(self.underlay);
        let state = self.state;
        blocking(move || sweep(&state)).await
    }
}

/// Makes a namespace with loopback up, after writing it down.
///
/// Duplicate address detection is off: it keeps a fresh IPv6 address unusable for a second or two, and here
/// nobody else could have it.
pub(crate) async fn make_netns(state: &StateDir, name: String) -> Result<NetNs, LabError> {
    state.record_netns(&name)?;
    let make = move || {
        let netns = NetNs::create_named(&name).map_err(LabError::network("make a namespace"))?;
        let off = ["all", "default"].map(|scope| format!("net/ipv6/conf/{scope}/accept_dad"));
        let off: Vec<(&str, &str)> = off.iter().map(|key| (key.as_str(), "0")).collect();
        match sysctl::write(&netns, &off) {
            // Without IPv6 in the kernel there is nothing to detect.
            Err(error) if !error.is_not_found() => {
                Err(LabError::network(format!("prepare namespace {name}"))(error))
            }
            _ => Ok(netns),
        }
    };
    let netns = blocking(make).await?;
    let links = Netlink::new(&netns).map_err(LabError::network("open netlink of a new namespace"))?;
    links.set_up("lo").await.map_err(LabError::network("set loopback up"))?;
    Ok(netns)
}

/// Removes a namespace with all that lives in it.
pub(crate) async fn remove_netns(state: &StateDir, name: String) -> Result<(), LabError> {
    let state = state.clone();
    blocking(move || down::remove_netns(&state, &name)).await
}

/// Runs code that waits on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, LabError> + Send + 'static,
) -> Result<T, LabError> {
    match tokio::task::spawn_blocking(f).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(LabError::network("run on a thread")(error)),
        },
    }
}

/// How long a daemon may take until it does what it is for.
const COMING_UP: Duration = Duration::from_secs(30);
