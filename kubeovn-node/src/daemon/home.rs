//! Keeps the node itself as it should be: its end of tunnels, its own port; and removes ports whose links are gone.

use std::net::IpAddr;
use std::sync::Arc;

use kubeovn_core::addr::{Cidr, DualStack};
use kubeovn_core::index::objects::Kind;
use kubeovn_core::rows::{OwnerKey, OwnerKind};
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep};

use super::facts::Facts;
use super::orphans::Orphans;
use super::standing::{Part, Standing};
use crate::netlink::{Netlink, NetlinkError, Route};
use crate::netns::NetNs;
use crate::node_port::{self, LINK, NodePort};
use crate::offload::disable_tx_checksum;
use crate::ovs::{Chassis, PortKind, Switch, SwitchView};
use crate::tunnel::{self, Tunnel, TunnelWish};

/// How often the links are compared although nothing happened: somebody may have changed them by hand.
const AUDIT_EVERY: Duration = Duration::from_secs(10);
/// Changes that come together are looked at together: while many pods come, the kernel has enough to do with them.
const BREATH: Duration = Duration::from_millis(20);
/// The link that OVS makes for Geneve where the kernel forwards.
const GENEVE: &str = "genev_sys_6081";
/// How often it is looked again at what is wrong.
const AGAIN: Duration = Duration::from_secs(1);

/// The loop's inputs.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) facts: watch::Receiver<Facts>,
    /// Something was changed on the host.
    pub(super) news: watch::Receiver<()>,
    pub(super) switch: Switch,
    pub(super) host: Arc<Netlink>,
    pub(super) netns: NetNs,
    pub(super) vpc: String,
    /// How tunnels should be; `None` where somebody else sees to them.
    pub(super) tunnel: Option<TunnelWish>,
    /// Are routes to subnets kept here, and not with the gateway?
    pub(super) routes: bool,
    /// MTU of pods, once it is known.
    pub(super) mtu: watch::Sender<Option<u32>>,
    /// Whom the node's port leads to, as long as it is as it should be.
    pub(super) gateways: watch::Sender<Option<DualStack<IpAddr>>>,
    pub(super) standing: Standing,
    pub(super) orphans: Orphans,
    /// The kernel's end of Geneve tunnels that was last seen, by index.
    pub(super) geneve: Option<u32>,
}

impl Home {
    /// Runs until the daemon ends.
    pub(super) async fn run(mut self) {
        let mut view = self.switch.view();
        loop {
            self.news.mark_unchanged();
            self.judge_facts();
            let there = match self.settle(&mut view).await {
                Ok(there) => there,
                Err((part, wrong)) => {
                    self.standing.tell(part, Some(wrong));
                    None
                }
            };
            if there.is_some() {
                self.standing.tell(Part::NodePort, None);
            }
            let gateways = there.as_ref().map(|port| port.gateways);
            self.gateways.send_if_modified(|known| std::mem::replace(known, gateways) != gateways);
            self.remove_garbage(&view).await;
            self.spare_checksums().await;
            tokio::select! {
                Ok(()) = self.facts.changed() => sleep(BREATH).await,
                Ok(()) = view.changed() => sleep(BREATH).await,
                Ok(()) = self.news.changed() => sleep(BREATH).await,
                () = sleep(if there.is_some() { AUDIT_EVERY } else { AGAIN }) => {}
            }
        }
    }

    /// What comes after this is news, and begins the next round.
    fn judge_facts(&mut self) {
        let facts = self.facts.borrow_and_update();
        let missing: Vec<&str> =
            super::KINDS.iter().filter(|kind| !facts.knows(**kind)).map(|kind| kind.name()).collect();
        let wrong = if missing.is_empty() {
            let gone = || format!("there is no node {} in the cluster; is its name right?", facts.name());
            facts.node().is_none().then(gone)
        } else {
            Some(format!("not read yet: {}", missing.join(", ")))
        };
        self.standing.tell(Part::Objects, wrong);
    }

    /// One comparison; the error says what keeps something from being as it should. `None` as long as the controller has
    /// not given the node its address.
    async fn settle(
        &mut self,
        view: &mut watch::Receiver<SwitchView>,
    ) -> Result<Option<NodePort>, (Part, String)> {
        self.dig().await.map_err(|wrong| (Part::Tunnel, wrong))?;
        let chassis = view.borrow_and_update().chassis.clone();
        self.standing.tell(Part::Tunnel, chassis.map(|error| error.to_string()));
        let wrong = self.switch.check().err().map(|problem| problem.to_string());
        self.standing.tell(Part::Switch, wrong);
        self.port(view).await.map_err(|wrong| (Part::NodePort, wrong))
    }

    /// The node's end of tunnels.
    async fn dig(&self) -> Result<(), String> {
        let Some(wish) = &self.tunnel else { return Ok(()) };
        let Some(node) = self.facts.borrow().node().cloned() else {
            return Err("the node's object is not known yet".to_owned());
        };
        let interfaces = self.host.interfaces().await.map_err(|error| error.to_string())?;
        let chosen = tunnel::choose(wish, &node, &interfaces).map_err(|problem| problem.to_string())?;
        let Tunnel { ips, mtu, checksum, .. } = chosen;
        self.switch.set_chassis(Chassis { ips, checksum });
        self.mtu.send_if_modified(|known| known.replace(mtu) != Some(mtu));
        Ok(())
    }

    /// As on every node of Kube-OVN's, no NIC is asked for checksums of what is inside of a Geneve tunnel: some that say they can
    /// send wrong ones.
    async fn spare_checksums(&mut self) {
        let Ok(link) = self.host.link(GENEVE).await else { return };
        let index = link.filter(|_| self.tunnel.is_some()).map(|link| link.index);
        if index.is_some() && index != self.geneve {
            match disable_tx_checksum(&self.netns, GENEVE) {
                Ok(()) => tracing::info!("checksums within tunnels of {GENEVE} are computed in software"),
                Err(error) => tracing::warn!(%error, "checksums within tunnels are left to the NIC"),
            }
        }
        self.geneve = index;
    }

    async fn port(&mut self, view: &mut watch::Receiver<SwitchView>) -> Result<Option<NodePort>, String> {
        let local = self.host.local_addresses().await.map_err(|error| error.to_string())?;
        let Some(wanted) = self.plan(&local)? else {
            let text = "the controller has not given the node its address in the join subnet yet";
            self.standing.tell(Part::NodePort, Some(text.to_owned()));
            return Ok(None);
        };
        let owner = OwnerKey::new(OwnerKind::Node, self.facts.borrow().name());
        self.switch.set(owner.clone(), Some(wanted.port()));
        let connected = view.borrow_and_update().ports.get(&owner).is_some_and(|state| state.connected);
        if !connected {
            return Err(format!("NODE-PORT-NOT-TAKEN: ovs-vswitchd has not made {LINK} yet"));
        }
        let failed = |error| format!("NODE-PORT-FAILED: {error}");
        node_port::apply(&self.host, &wanted).await.map_err(failed)?;
        if self.routes {
            let routes = self.with_unknown(wanted.routes.clone()).await.map_err(failed)?;
            self.host.replace_routes(LINK, &routes).await.map_err(failed)?;
        }
        Ok(Some(wanted))
    }

    /// Beside these routes those that are there to what may be in force without being known.
    async fn with_unknown(&self, mut routes: Vec<Route>) -> Result<Vec<Route>, NetlinkError> {
        let known: Vec<Cidr> = {
            let facts = self.facts.borrow();
            if facts.unseen_subnets().next().is_none() {
                return Ok(routes);
            }
            let blocks = facts.subnets().filter_map(|subnet| subnet.spec.cidr_block.parse().ok());
            blocks.flat_map(|block: DualStack<Cidr>| block.iter().copied().collect::<Vec<_>>()).collect()
        };
        let present = self.host.routes(LINK).await?;
        let unknown = |route: &Route| !known.iter().any(|cidr| cidr.overlaps(Cidr::new(route.dst)));
        routes.extend(present.into_iter().filter(unknown));
        Ok(routes)
    }

    fn plan(&self, local: &[IpAddr]) -> Result<Option<NodePort>, String> {
        let facts = self.facts.borrow();
        let mtu = *self.mtu.borrow();
        // Without all subnets every route would look stale.
        let known = facts.node().filter(|_| facts.knows(Kind::Subnet));
        let (Some(node), Some(mtu)) = (known, mtu) else { return Ok(None) };
        let connected = |vpc: &str| vpc.is_empty() || vpc == self.vpc;
        let subnets = facts.subnets().filter(|subnet| connected(&subnet.spec.vpc));
        node_port::plan(node, subnets, local, mtu).map_err(|problem| problem.to_string())
    }

    /// A port whose link is gone leads nowhere: the link is there before the port is asked for, and goes after it. One that
    /// nobody will ever delete goes with its link.
    async fn remove_garbage(&mut self, view: &watch::Receiver<SwitchView>) {
        // Ports first: one that comes after the links were listed would look as if its link was gone.
        let ports = view.borrow().ports.clone();
        let Ok(links) = self.host.links().await else { return };
        let plugged = ports.iter().filter(|(_, state)| state.port.kind == PortKind::Plugged);
        let gone: Vec<OwnerKey> = plugged
            .filter(|(_, state)| !links.contains_key(&state.port.link))
            .map(|(owner, _)| owner.clone())
            .collect();
        for owner in gone {
            tracing::info!(%owner, "a port whose link is gone is removed");
            self.switch.set(owner, None);
        }
        let orphans = self.orphans.ripe(&self.facts.borrow(), &ports, Instant::now());
        for (owner, link) in orphans {
            tracing::warn!(%owner, "a port of a sandbox that the runtime has forgotten is removed");
            match self.host.delete_veth(&link).await {
                Ok(()) => self.switch.set(owner, None),
                Err(error) => tracing::warn!(%error, "it is tried again"),
            }
        }
    }
}
