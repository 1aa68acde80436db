//! Keeps the node's own port as it should be.

use std::sync::Arc;

use kubeovn_core::index::objects::Kind;
use kubeovn_core::rows::{OwnerKey, OwnerKind};
use tokio::sync::watch;
use tokio::time::{Duration, sleep};

use super::facts::Facts;
use crate::netlink::Netlink;
use crate::node_port::{self, LINK, NodePort};
use crate::ovs::{Switch, SwitchView};

/// How often the link is compared although nothing happened: somebody may have changed it by hand.
const AUDIT_EVERY: Duration = Duration::from_secs(10);

/// The loop's inputs.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) facts: watch::Receiver<Facts>,
    pub(super) switch: Switch,
    pub(super) host: Arc<Netlink>,
    pub(super) mtu: u32,
    pub(super) vpc: String,
}

impl Home {
    /// Runs until the daemon ends.
    pub(super) async fn run(mut self) {
        let mut view = self.switch.view();
        let mut told = String::new();
        loop {
            let wrong = self.settle(&mut view).await.err().unwrap_or_default();
            if wrong != told {
                if wrong.is_empty() {
                    tracing::info!("the node's port is as it should be");
                } else {
                    tracing::warn!(error = wrong, "the node's port is not as it should be");
                }
                told = wrong;
            }
            tokio::select! {
                Ok(()) = self.facts.changed() => {}
                Ok(()) = view.changed() => {}
                () = sleep(AUDIT_EVERY) => {}
            }
        }
    }

    /// One comparison; the error says what keeps the port from being as it should.
    async fn settle(&mut self, view: &mut watch::Receiver<SwitchView>) -> Result<(), String> {
        let local = self.host.local_addresses().await.map_err(|error| error.to_string())?;
        let Some(wanted) = self.plan(&local)? else { return Ok(()) };
        let owner = OwnerKey::new(OwnerKind::Node, self.facts.borrow().name());
        self.switch.set(owner.clone(), Some(wanted.port()));
        let connected = view.borrow_and_update().ports.get(&owner).is_some_and(|state| state.connected);
        if !connected {
            return Err(format!("NODE-PORT-NOT-TAKEN: ovs-vswitchd has not made {LINK} yet"));
        }
        node_port::apply(&self.host, &wanted).await.map_err(|error| format!("NODE-PORT-FAILED: {error}"))
    }

    fn plan(&mut self, local: &[std::net::IpAddr]) -> Result<Option<NodePort>, String> {
        let facts = self.facts.borrow_and_update();
        // Without all subnets every route would look stale.
        let Some(node) = facts.node().filter(|_| facts.knows(Kind::Subnet)) else { return Ok(None) };
        let connected = |vpc: &str| vpc.is_empty() || vpc == self.vpc;
        let subnets = facts.subnets().filter(|subnet| connected(&subnet.spec.vpc));
        node_port::plan(node, subnets, local, self.mtu).map_err(|problem| problem.to_string())
    }
}
