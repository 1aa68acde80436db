//! The handle through which the daemon says what should be plugged, and waits until it is.

use std::sync::Arc;

use kubeovn_core::contract::database::Database;
use kubeovn_core::error::Problem;
use kubeovn_core::rows::OwnerKey;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::chassis::Chassis;
use super::driver::SwitchDriver;
use super::port::Port;
use super::view::{PortState, SwitchView};
use crate::netlink::Netlink;

/// What the driver is told.
#[derive(Debug)]
pub(super) enum Order {
    /// The owner's port, or that it has none any more.
    Port(OwnerKey, Option<Port>),
    /// How tunnels should be.
    Chassis(Chassis),
}

/// A handle on the integration bridge. Clones use the same driver.
#[derive(Clone, Debug)]
pub struct Switch {
    bridge: Arc<str>,
    orders: mpsc::UnboundedSender<Order>,
    view: watch::Receiver<SwitchView>,
}

impl Switch {
    /// A switch over a database that was opened with [`SCHEMA`](super::SCHEMA), for the ports of `node` on `bridge`.
    ///
    /// `links` looks at the namespace that the plugged links are in.
    pub fn new(db: Box<dyn Database>, node: &str, bridge: &str, links: Arc<Netlink>) -> (Self, SwitchDriver) {
        let (orders, received) = mpsc::unbounded_channel();
        let (publish, view) = watch::channel(SwitchView::default());
        let bridge: Arc<str> = bridge.into();
        let driver = SwitchDriver::new(db, node, bridge.clone(), links, received, publish);
        (Self { bridge, orders, view }, driver)
    }

    /// Says which port an owner should have; `None` for none. Takes effect by itself, also when the database is out
    /// of reach now.
    ///
    /// A port takes its logical port over from any other that has it: of two sandboxes of one pod, the later one
    /// is connected.
    pub fn set(&self, owner: OwnerKey, port: Option<Port>) {
        // It can only fail when the driver ended, with the daemon.
        let _ = self.orders.send(Order::Port(owner, port));
    }

    /// Says how the node's tunnels should be. Until then what is there stays.
    pub fn set_chassis(&self, chassis: Chassis) {
        let _ = self.orders.send(Order::Chassis(chassis));
    }

    /// The switch as of now; `changed` on it waits for the next moment.
    pub fn view(&self) -> watch::Receiver<SwitchView> {
        self.view.clone()
    }

    /// Waits until ports can be plugged, and answers whether the bridge forwards in user space.
    ///
    /// # Errors
    /// At the deadline, saying what is missing.
    pub async fn available(&self, deadline: Instant) -> Result<bool, Problem> {
        let mut view = self.view.clone();
        // What went wrong is what `check` says then.
        let _ = timeout_at(deadline, view.wait_for(|view| view.connected && view.bridge)).await;
        self.check()?;
        Ok(view.borrow().userspace)
    }

    /// Waits until an owner's port works.
    ///
    /// # Errors
    /// At the deadline, saying which step did not happen, or that nobody asked for such a port; at once when the database
    /// refuses the rows, or when the port was removed because its link is gone.
    pub async fn ready(&self, owner: &OwnerKey, deadline: Instant) -> Result<(), Problem> {
        self.ready_seen(owner, deadline, |_| {}).await
    }

    /// The same; each state in which the port is seen meanwhile is told.
    ///
    /// # Errors
    /// As of [`ready`](Self::ready).
    pub async fn ready_seen(
        &self,
        owner: &OwnerKey,
        deadline: Instant,
        mut see: impl FnMut(&PortState) + Send,
    ) -> Result<(), Problem> {
        let mut view = self.view.clone();
        let mut seen = false;
        let settled = |view: &SwitchView| {
            let Some(state) = view.ports.get(owner) else { return seen };
            seen = true;
            see(state);
            state.is_ready() || state.problem.as_ref().is_some_and(is_final)
        };
        let found = timeout_at(deadline, view.wait_for(settled)).await.map(|seen| seen.map(drop));
        if let Ok(Err(_)) = found {
            return Err(Problem::new(
                "NODE-STOPPING",
                "the daemon is being stopped; the runtime will try again",
            ));
        }
        let view = view.borrow();
        match view.ports.get(owner) {
            Some(state) if state.is_ready() => Ok(()),
            Some(state) if !state.written && state.problem.is_none() && view.lost.is_some() => {
                let (link, why) = (&state.port.link, view.lost.as_deref().unwrap_or_default());
                let text = format!(
                    "the port of {link} could not be written to the Open_vSwitch database: {why}; is ovsdb-server (pod \
                     ovs-ovn of this node) running, and is there room on its disk?"
                );
                Err(Problem::new("NODE-PORT-NOT-WRITTEN", text))
            }
            Some(state) if view.connected => Err(why_not(state, &self.bridge, view.bridge)),
            None if view.connected && !seen => {
                let text = format!(
                    "bridge {} has no port of {owner}; delete the pod to have it wired again",
                    self.bridge
                );
                Err(Problem::new("CNI-NOT-WIRED", text))
            }
            None if view.connected => {
                let text = format!("the link of {owner} went while it was plugged: the sandbox is gone");
                Err(Problem::new("CNI-SANDBOX-GONE", text))
            }
            _ => Err(self.unreachable()),
        }
    }

    /// Waits until nothing of an owner is left in the database. False at the deadline.
    pub async fn gone(&self, owner: &OwnerKey, deadline: Instant) -> bool {
        let mut view = self.view.clone();
        let gone = |view: &SwitchView| !view.ports.contains_key(owner) && !view.leaving.contains(owner);
        timeout_at(deadline, view.wait_for(gone)).await.is_ok_and(|seen| seen.is_ok())
    }

    /// Can ports be plugged now?
    pub fn check(&self) -> Result<(), Problem> {
        let view = self.view.borrow();
        if !view.connected {
            return Err(self.unreachable());
        }
        if !view.bridge {
            return Err(no_bridge(&self.bridge));
        }
        Ok(())
    }

    fn unreachable(&self) -> Problem {
        let text = format!(
            "the Open_vSwitch database can't be reached, so nothing can be plugged into {}; is ovsdb-server (pod \
             ovs-ovn of this node) running?",
            self.bridge
        );
        Problem::new("NODE-OVS-UNREACHABLE", text)
    }
}

/// Will waiting not help? A row that waits for the bridge may get it any moment.
fn is_final(problem: &Problem) -> bool {
    problem.code != "ROW-WAITS"
}

fn no_bridge(bridge: &str) -> Problem {
    let text = format!("bridge {bridge} is not there; ovn-controller (pod ovs-ovn of this node) makes it");
    Problem::new("NODE-NO-BRIDGE", text)
}

fn why_not(state: &PortState, bridge_name: &str, bridge: bool) -> Problem {
    let link = &state.port.link;
    if !bridge {
        return no_bridge(bridge_name);
    }
    if let Some(problem) = &state.problem {
        return problem.clone();
    }
    if let Some(error) = &state.error {
        return Problem::new("NODE-PORT-REFUSED", format!("ovs-vswitchd could not add {link}: {error}"));
    }
    if !state.connected {
        let text = format!("ovs-vswitchd did not take up {link}; is it (pod ovs-ovn of this node) running?");
        return Problem::new("NODE-PORT-NOT-TAKEN", text);
    }
    let logical = state.port.iface_id.as_deref().unwrap_or("none");
    let text = format!(
        "OVN did not install the flows of {link} (logical port {logical}); is ovn-controller (pod ovs-ovn of this \
         node) running and connected to the Southbound database, and does the logical port exist?"
    );
    Problem::new("NODE-PORT-NOT-INSTALLED", text)
}
