//! One node: a namespace with its own OVS and ovn-controller, from its start to its end.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use kubeovn_node::netns::NetNs;
use tokio::sync::mpsc;

use super::central::{Central, QUIET};
use super::numbers::underlay_address;
use super::supervisor::{Daemon, FabricEvent, Hook, Spec};
use super::{COMING_UP, StateDir, make_netns, remove_netns};
use crate::lab::error::LabError;
use crate::lab::state::process::Process;
use crate::lab::state::{file_names, make_dir, remove_file};
use crate::lab::tool;

/// Where Debian puts the schema of `Open_vSwitch`.
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// The file of its database.
const DATABASE: &str = "conf.db";

/// What others need to know about a node that is up.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    /// The node's name.
    pub name: String,
    /// The namespace that is the node.
    pub netns: NetNs,
    /// The unix socket of its `Open_vSwitch` database.
    pub ovsdb: PathBuf,
    /// Its directory: sockets, logs, the place for the node daemon's CNI socket.
    pub dir: PathBuf,
    /// Its tunnel endpoint.
    pub underlay: Ipv4Addr,
}

#[derive(Debug)]
pub(super) struct Node {
    handle: NodeHandle,
    daemons: Vec<(&'static str, Daemon)>,
}

impl Node {
    /// Makes the node and waits until OVN knows its chassis. Leaves nothing if that fails.
    ///
    /// One that has an OVS database already, from before its power was cut, is booted with that.
    pub(super) async fn start(
        state: &StateDir,
        underlay: &NetNs,
        central: &Central,
        name: &str,
        number: u16,
        events: &mpsc::UnboundedSender<FabricEvent>,
    ) -> Result<Self, LabError> {
        let dir = state.node(name);
        let made = async {
            let netns = make_netns(state, state.name().node_netns(name)).await?;
            make_dir(&dir)?;
            let ovsdb = dir.join("db.sock");
            let handle =
                NodeHandle { name: name.to_owned(), netns, ovsdb, dir, underlay: underlay_address(number) };
            handle.plug_in(underlay, number).await?;
            let mut node = Self { handle, daemons: Vec::new() };
            match node.start_daemons(state, central, events).await {
                Ok(()) => Ok(node),
                Err(error) => {
                    // The first error tells more than one from cleaning up after it.
                    let _ = node.leave(state).await;
                    Err(error)
                }
            }
        };
        let made = made.await;
        if made.is_err() {
            let _ = discard(state, name).await;
        }
        made
    }

    async fn start_daemons(
        &mut self,
        state: &StateDir,
        central: &Central,
        events: &mpsc::UnboundedSender<FabricEvent>,
    ) -> Result<(), LabError> {
        let node = self.handle.clone();
        let dir = node.dir.display();
        let file = |short: &str, kind: &str| format!("{dir}/{short}.{kind}");
        let boots = node.has_database();
        if !boots {
            tool::run("ovsdb-tool", &["create", &file("conf", "db"), SCHEMA]).await?;
        }
        let remote = format!("unix:{}", node.ovsdb.display());
        let spec = |program: &'static str, short: &str, mut args: Vec<String>| {
            args.push(format!("--log-file={}", file(short, "log")));
            args.extend(QUIET.map(str::to_owned));
            Spec {
                name: format!("{}/{program}", node.name),
                netns: node.netns.clone(),
                program,
                args,
                run_dir: node.dir.clone(),
                record: state.process(&node.name, program),
                before: None,
                after: None,
                farewell: None,
            }
        };
        let mut start = |spec: Spec| self.daemons.push((spec.program, Daemon::keep(spec, events.clone())));
        let database = vec![
            format!("--remote=p{remote}"),
            format!("--unixctl={}", file("ovsdb", "ctl")),
            file("conf", "db"),
        ];
        start(spec("ovsdb-server", "ovsdb", database));
        node.wait_database().await?;
        if !boots {
            node.set_up_ovs(central).await?;
        }
        let before = hook(&node, |node| async move { node.forget_capabilities().await });
        let after = hook(&node, |node| async move {
            node.address_tunnel().await?;
            node.deny_zero_snat().await
        });
        // Not even a look for the kernel's datapath: all nodes would share it.
        let vswitchd = vec![
            "--disable-system".to_owned(),
            format!("--unixctl={}", file("vswitchd", "ctl")),
            remote.clone(),
        ];
        start(Spec {
            before: Some(before),
            after: Some(after),
            ..spec("ovs-vswitchd", "vswitchd", vswitchd)
        });
        // Else it tries in vain to connect, and then pauses for a second before it tries again.
        node.wait_bridge().await?;
        // Only when asked so, not by a signal, does it remove its chassis.
        let farewell = hook(&node, |node| async move { node.ask_controller_to_leave().await });
        start(Spec { farewell: Some(farewell), ..spec("ovn-controller", "ovn-controller", vec![remote]) });
        let what = format!("the preparation of every daemon of node {}", node.name);
        let prepared = || async { self.daemons.iter().all(|(_, daemon)| daemon.is_prepared()).then_some(()) };
        tool::wait_for(&what, COMING_UP, &node.dir.join("vswitchd.log"), prepared).await?;
        node.wait_chassis(central).await
    }

    pub(super) fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    pub(super) fn process(&self, program: &str) -> Option<Process> {
        self.daemons.iter().find(|(name, _)| *name == program)?.1.process()
    }

    /// Ends its daemons, in the reverse order of their start. What else was made for it is removed with the fabric.
    pub(super) async fn stop(mut self) {
        while let Some((_, daemon)) = self.daemons.pop() {
            daemon.stop().await;
        }
    }

    /// Kills its daemons and ends its namespace. Of its files its database and its logs stay, and its chassis in OVN.
    pub(super) async fn lose_power(mut self, state: &StateDir) -> Result<(), LabError> {
        while let Some((_, daemon)) = self.daemons.pop() {
            daemon.die().await;
        }
        let (name, dir) = (self.handle.name.clone(), self.handle.dir.clone());
        // With the last handle on the namespace.
        drop(self);
        remove_netns(state, state.name().node_netns(&name)).await?;
        for name in file_names(&dir) {
            let path = dir.join(&name);
            let stays =
                name == DATABASE || path.extension().is_some_and(|kind| kind == "log" || kind == "out");
            if !stays && !path.is_dir() {
                remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Ends it while the rest of the fabric goes on: removes its chassis, its namespace and its files too.
    pub(super) async fn leave(mut self, state: &StateDir) -> Result<(), LabError> {
        while let Some((_, daemon)) = self.daemons.pop() {
            daemon.leave().await;
        }
        let name = self.handle.name.clone();
        // With the last handle on the namespace.
        drop(self);
        discard(state, &name).await
    }
}

impl NodeHandle {
    fn has_database(&self) -> bool {
        self.dir.join(DATABASE).exists()
    }
}

/// Removes the namespace and the files of a node.
async fn discard(state: &StateDir, name: &str) -> Result<(), LabError> {
    remove_netns(state, state.name().node_netns(name)).await?;
    let dir = state.node(name);
    match tokio::fs::remove_dir_all(&dir).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(LabError::io("remove", &dir)(error)),
        _ => Ok(()),
    }
}

fn hook<F>(node: &NodeHandle, f: impl Fn(NodeHandle) -> F + Send + Sync + 'static) -> Hook
where
    F: Future<Output = Result<(), LabError>> + Send + 'static,
{
    let node = node.clone();
    Arc::new(move || Box::pin(f(node.clone())))
}
