//! The task that owns the connection to Open_vSwitch: orders and events in, transactions and views out.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::Arc;

use kubeovn_core::cni::AttachmentId;
use kubeovn_core::contract::database::{Database, DbEvent};
use kubeovn_core::engine::RowEngine;
use kubeovn_core::rows::{Millis, Outcome, OwnerKey, OwnerKind, Render, RowKey, Txn};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep_until};

use super::chassis::{self, Chassis};
use super::port::{Port, PortKind, attachment_of};
use super::recover::recover;
use super::render::{interface_row, port_row, render};
use super::schema::SCHEMA;
use super::switch::Order;
use super::view::{PortState, SwitchView, bridge_of};
use crate::cni::nic::nic_names;
use crate::netlink::Netlink;

/// The other end of [`Switch`](super::Switch)es: must be [`run`](SwitchDriver::run) for anything to happen.
pub struct SwitchDriver {
    db: Box<dyn Database>,
    engine: RowEngine,
    node: OwnerKey,
    bridge: Arc<str>,
    links: Arc<Netlink>,
    ports: BTreeMap<OwnerKey, Port>,
    leaving: BTreeMap<OwnerKey, RowKey>,
    orders: mpsc::UnboundedReceiver<Order>,
    view: watch::Sender<SwitchView>,
    started: Instant,
    /// Owners that should have no port, told before the facts were read back.
    declined: BTreeSet<OwnerKey>,
    /// The facts were read back from the rows.
    recovered: bool,
    /// Rows that nobody wants were looked for since the database was last read whole.
    swept: bool,
    connected: bool,
    /// Why the database was lost, as long as nothing was written since.
    lost: Option<Arc<str>>,
    chassis: ChassisTurn,
}

/// How the node's tunnels should be, and what becomes of that. Beside the engine, which knows only rows of its own.
#[derive(Default)]
struct ChassisTurn {
    want: Option<Chassis>,
    /// A transaction of it is on its way.
    asked: bool,
    /// It was refused: it is tried again when anything changes.
    refused: Option<Arc<str>>,
}

/// Its transactions; the engine counts its own from 1.
const CHASSIS_TXN: u64 = u64::MAX;

impl SwitchDriver {
    pub(super) fn new(
        db: Box<dyn Database>,
        node: &str,
        bridge: Arc<str>,
        links: Arc<Netlink>,
        orders: mpsc::UnboundedReceiver<Order>,
        view: watch::Sender<SwitchView>,
    ) -> Self {
        Self {
            db,
            engine: RowEngine::new(&SCHEMA),
            node: OwnerKey::new(OwnerKind::Node, node),
            bridge,
            links,
            ports: BTreeMap::new(),
            leaving: BTreeMap::new(),
            orders,
            view,
            started: Instant::now(),
            declined: BTreeSet::new(),
            recovered: false,
            swept: false,
            connected: false,
            lost: None,
            chassis: ChassisTurn::default(),
        }
    }

    /// Drives the switch until all handles are dropped.
    pub async fn run(mut self) {
        /// So far away that it never comes: nothing is due.
        const NEVER: Duration = Duration::from_hours(24);
        /// What is due but must wait for an answer of the database is not asked for in a tight loop.
        const PAUSE: Duration = Duration::from_millis(100);
        loop {
            let due = self.started + self.engine.next_wake().map_or(NEVER, Duration::from_millis);
            let wake = due.max(Instant::now() + PAUSE);
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                event = self.db.next() => self.take(event).await,
                () = sleep_until(wake) => {}
            }
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order);
            }
            self.advance();
            self.tell();
        }
    }

    fn obey(&mut self, order: Order) {
        let (owner, port) = match order {
            Order::Port(owner, port) => (owner, port),
            Order::Chassis(chassis) => {
                self.chassis = ChassisTurn { want: Some(chassis), refused: None, ..self.chassis };
                return;
            }
        };
        if let Some(port) = port {
            self.take_over(&owner, &port);
            self.leaving.remove(&owner);
            self.declined.remove(&owner);
            let before = self.ports.insert(owner.clone(), port);
            // Asked for again while something is wrong with it: it is tried again now.
            if before.as_ref() == self.ports.get(&owner) && self.engine.verdict(&owner).is_none() {
                return;
            }
        } else {
            if !self.recovered {
                self.declined.insert(owner.clone());
            }
            let Some(port) = self.ports.remove(&owner) else { return };
            self.leaving.insert(owner.clone(), port_row(&port));
        }
        self.engine.mark(owner);
    }

    /// A logical port is in one place: whoever had it before gives it up in the same transaction.
    fn take_over(&mut self, owner: &OwnerKey, port: &Port) {
        let Some(iface_id) = &port.iface_id else { return };
        for (other, theirs) in &mut self.ports {
            if other != owner && theirs.iface_id.as_ref() == Some(iface_id) {
                tracing::info!(%other, %owner, iface_id, "a later port takes the logical port over");
                theirs.iface_id = None;
                self.engine.mark(other.clone());
            }
        }
    }

    async fn take(&mut self, event: DbEvent) {
        let now = self.now();
        match event {
            DbEvent::Resynced => {
                self.connected = true;
                self.chassis.asked = false;
                self.chassis.refused = None;
                self.swept = false;
                let dead = if self.recovered { Vec::new() } else { self.recover().await };
                self.engine.resynced(self.db.replica());
                self.give_up(dead);
            }
            DbEvent::Changed(changes) => {
                self.chassis.refused = None;
                let have = self.db.replica();
                for change in &changes {
                    self.engine.changed(change, have);
                }
            }
            DbEvent::Committed { id: CHASSIS_TXN, outcome } => {
                self.chassis.asked = false;
                if let Outcome::Rejected { text, .. } = outcome {
                    tracing::warn!(
                        error = text,
                        "what ovn-controller reads about the node could not be written"
                    );
                    self.chassis.refused = Some(text.into());
                }
            }
            DbEvent::Committed { id, outcome } => {
                if outcome == Outcome::Done {
                    self.lost = None;
                }
                self.engine.committed(now, id, outcome, self.db.replica());
            }
            DbEvent::Lost { reason } => {
                tracing::warn!(reason, "the Open_vSwitch database is out of reach");
                self.connected = false;
                self.lost = Some(reason.into());
            }
        }
    }

    /// Reads back what was plugged before a restart. A row whose link is gone (the machine was started anew) is not
    /// taken back, and so removed; those of Kube-OVN, which have no mark of ours by which they would be, are answered.
    async fn recover(&mut self) -> Vec<(OwnerKey, Port)> {
        let mut dead = Vec::new();
        for (owner, port) in recover(&self.bridge, self.db.replica()) {
            let ours = match port.kind {
                PortKind::Internal { .. } => owner == self.node,
                // Can't say is not no.
                PortKind::Plugged => self.links.link(&port.link).await.map_or(true, |link| link.is_some()),
            };
            let wanted = ours && !self.is_declined(&owner, &port);
            if wanted && !self.ports.contains_key(&owner) {
                self.engine.mark(owner.clone());
                self.ports.insert(owner, port);
            } else if !wanted && port.kind == PortKind::Plugged && is_kube_ovns(&owner) {
                dead.push((owner, port));
            }
        }
        self.declined.clear();
        self.recovered = true;
        tracing::info!(ports = self.ports.len(), "ports were read back from Open_vSwitch");
        dead
    }

    /// Was it said before the rows were read that there should be no such port? Of one of Kube-OVN's only the link tells.
    fn is_declined(&self, owner: &OwnerKey, port: &Port) -> bool {
        let has_its_link = |id: AttachmentId| {
            nic_names(&id.container_id, &id.if_name).is_ok_and(|names| names.host == port.link)
        };
        self.declined.contains(owner)
            || is_kube_ovns(owner) && self.declined.iter().filter_map(attachment_of).any(has_its_link)
    }

    /// Has rows removed that have no mark of ours.
    fn give_up(&mut self, dead: Vec<(OwnerKey, Port)>) {
        for (owner, port) in dead {
            tracing::info!(link = port.link, "a port of Kube-OVN's that leads nowhere is removed");
            let (interface, port) = (interface_row(&port), port_row(&port));
            self.engine.found(&owner, [interface, port.clone()], iter::empty(), self.db.replica());
            self.leaving.insert(owner, port);
        }
    }

    /// Plans and submits what is due.
    fn advance(&mut self) {
        if !self.recovered {
            return;
        }
        let now = self.now();
        self.advance_chassis();
        loop {
            let (ports, bridge) = (&self.ports, &self.bridge);
            let mut want = |owner: &OwnerKey| match ports.get(owner) {
                Some(port) => Render::Want(render(port, bridge)),
                None => Render::Gone,
            };
            while let Some(txn) = self.engine.plan(now, &mut want, self.db.replica()) {
                self.db.submit(txn);
            }
            if self.swept || !self.engine.idle() {
                return;
            }
            self.engine.sweep(self.db.replica());
            self.swept = true;
        }
    }

    fn advance_chassis(&mut self) {
        let ready = self.connected && !self.chassis.asked && self.chassis.refused.is_none();
        let Some(want) = self.chassis.want.as_ref().filter(|_| ready) else { return };
        if let Some(op) = chassis::difference(want, self.db.replica()) {
            tracing::info!(?want, "the node's tunnels are set up");
            self.chassis.asked = true;
            self.db.submit(Txn { id: CHASSIS_TXN, ops: vec![op] });
        }
    }

    fn tell(&mut self) {
        let have = self.db.replica();
        self.leaving.retain(|_, row| have.has(row));
        let (bridge, userspace) = bridge_of(&self.bridge, have);
        let state = |(owner, port): (&OwnerKey, &Port)| {
            let problem = self.engine.verdict(owner).and_then(|verdict| verdict.problems.first().cloned());
            (owner.clone(), PortState::of(port, problem, have))
        };
        let view = SwitchView {
            connected: self.connected && self.recovered,
            lost: self.lost.clone(),
            bridge,
            userspace,
            ports: self.ports.iter().map(state).collect(),
            leaving: self.leaving.keys().cloned().collect(),
            system_id: chassis::system_id(have),
            chassis: self.chassis.refused.clone(),
        };
        self.view.send_if_modified(|seen| {
            let differs = *seen != view;
            *seen = view;
            differs
        });
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.started.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }
}

/// Is it the owner of a port that Kube-OVN plugged, which goes by the name of the link?
fn is_kube_ovns(owner: &OwnerKey) -> bool {
    owner.kind == OwnerKind::Attachment && attachment_of(owner).is_none()
}
