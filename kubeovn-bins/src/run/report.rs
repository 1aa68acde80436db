//! What the driver tells of itself when it is asked.
//!
//! It answers between two steps of its loop, so an answer is also a sign of life: who stands still gives none.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kubeovn_core::{
    addr::Family,
    contract::ipam::Usage,
    index::objects::{Kind, Name},
    spine::Spine,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use super::asking::Rounds;

/// How it stands.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Everything has been read and taken back: what is due is done.
    pub open: bool,
    /// Nothing is left to do.
    pub idle: bool,
    /// How the database stands.
    pub database: DatabaseReport,
    /// Transactions sent, by what became of them: `done`, `refused`, `unknown`.
    pub transactions: BTreeMap<&'static str, u64>,
    /// Objects that something stands against, by the code of the problem.
    pub problems: BTreeMap<&'static str, u32>,
    /// Pods and nodes whose addresses could not be taken back at the start, since another one had them too.
    pub recovery_conflicts: usize,
    /// Addresses of gateways that do not answer.
    pub silent_gateways: usize,
    /// Families in which no gateway answers to this controller, so that nothing is known of them.
    pub deaf: BTreeSet<Family>,
    /// How many objects of each kind are known.
    pub objects: BTreeMap<Kind, usize>,
    /// Subnets with their numbers, by name.
    pub subnets: Vec<SubnetReport>,
}

/// How the database stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseReport {
    /// It answers, and what is known of it is complete.
    pub connected: bool,
    /// For how long that is so, or is not.
    pub lasts: Duration,
    /// How often all of it was read.
    pub resyncs: u64,
    /// Why it was lost last.
    pub lost: Option<String>,
}

/// The numbers of a subnet.
#[derive(Clone, Debug)]
pub struct SubnetReport {
    /// Its name.
    pub name: Name,
    /// Its VPC.
    pub vpc: Name,
    /// Its prefixes, as its object says.
    pub cidr: String,
    /// Whether it is in effect.
    pub ready: bool,
    /// What is given and free.
    pub usage: Usage,
}

/// Asks the driver.
#[derive(Clone, Debug)]
pub struct Asker(mpsc::Sender<oneshot::Sender<Report>>);

/// The driver's side; by default nobody asks.
#[derive(Debug, Default)]
pub struct Questions(Option<mpsc::Receiver<oneshot::Sender<Report>>>);

/// Both sides.
pub fn desk() -> (Asker, Questions) {
    let (ask, asked) = mpsc::channel(8);
    (Asker(ask), Questions(Some(asked)))
}

impl Asker {
    /// The answer; `None` when there is none in time.
    pub async fn ask(&self, within: Duration) -> Option<Report> {
        let (answer, answered) = oneshot::channel();
        let asking = async {
            self.0.send(answer).await.ok()?;
            answered.await.ok()
        };
        timeout(within, asking).await.ok().flatten()
    }
}

impl Questions {
    /// Waits for the next question, for ever when nobody asks any more.
    ///
    /// # Cancellation
    /// Safe.
    pub(super) async fn next(&mut self) -> oneshot::Sender<Report> {
        if let Some(asked) = &mut self.0 {
            if let Some(question) = asked.recv().await {
                return question;
            }
            self.0 = None;
        }
        std::future::pending().await
    }
}

/// What the driver counts as it goes.
#[derive(Debug)]
pub(super) struct Book {
    connected: bool,
    since: Instant,
    resyncs: u64,
    lost: Option<String>,
    transactions: BTreeMap<&'static str, u64>,
}

impl Book {
    pub(super) fn new() -> Self {
        let transactions = ["done", "refused", "unknown"].map(|outcome| (outcome, 0)).into();
        Book { connected: false, since: Instant::now(), resyncs: 0, lost: None, transactions }
    }

    pub(super) fn resynced(&mut self) {
        self.resyncs += 1;
        self.turn(true);
    }

    pub(super) fn lost(&mut self, reason: &str) {
        self.lost = Some(reason.to_owned());
        self.turn(false);
    }

    pub(super) fn committed(&mut self, outcome: &'static str) {
        *self.transactions.entry(outcome).or_default() += 1;
    }

    fn turn(&mut self, connected: bool) {
        if self.connected != connected {
            self.connected = connected;
            self.since = Instant::now();
        }
    }

    /// With what the spine knows.
    pub(super) fn report(&self, spine: &Spine, rounds: &Rounds) -> Report {
        let world = spine.world();
        let mut problems = BTreeMap::new();
        for problem in spine.problems().values().flatten() {
            *problems.entry(problem.code).or_default() += 1;
        }
        let subnet = |subnet: &std::sync::Arc<kubeovn_core::index::objects::Subnet>| SubnetReport {
            name: subnet.meta.name.clone(),
            vpc: world.vpc_name(subnet),
            cidr: subnet.spec.cidr_block.clone(),
            ready: world.plan(&subnet.meta.name).is_some(),
            usage: world.usage(&subnet.meta.name).cloned().unwrap_or_default(),
        };
        Report {
            open: spine.is_open(),
            idle: spine.idle(),
            database: DatabaseReport {
                connected: self.connected,
                lasts: self.since.elapsed(),
                resyncs: self.resyncs,
                lost: self.lost.clone(),
            },
            transactions: self.transactions.clone(),
            problems,
            recovery_conflicts: spine.recovery_conflicts().len(),
            silent_gateways: world.silent().len(),
            deaf: rounds.blind().clone(),
            objects: Kind::ALL.iter().map(|kind| (*kind, world.known(*kind))).collect(),
            subnets: world.subnets().map(subnet).collect(),
        }
    }
}
