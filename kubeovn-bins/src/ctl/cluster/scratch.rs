//! A controller that works on copies: the same spine, ledger and renderer, on objects and rows in memory.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use kubeovn_core::{
    cluster::memory::MemoryCluster,
    contract::{
        cluster::{Cluster, ClusterError, Event, Write},
        database::{Database, DbEvent},
        ipam::Grant,
    },
    index::{
        Settings, World,
        objects::{Kind, Object},
    },
    rows::OwnerKey,
    spine::{Effect, Input, Spine},
};
use kubeovn_ipam::Ledger;
use kubeovn_ovn::{
    memory::{Memory, Server},
    nb::NORTHBOUND,
    ovsdb::{replica::Replica, wire::DbSchema},
    render::Fabric,
};
use tokio::task::coop::unconstrained;

use crate::{
    ctl::{
        error::CtlError,
        nb::{
            snapshot::Snapshot,
            watch::shown::{Change, Shown},
        },
    },
    run::controller::now,
};

/// So often it may find something more to do: far more than there are stages from an object to its rows and back.
const ROUNDS: usize = 10_000;

/// See the [module](self).
pub struct Scratch {
    cluster: Arc<MemoryCluster>,
    events: BoxStream<'static, Event>,
    database: Memory,
    schema: DbSchema,
    spine: Spine,
    shown: Shown,
    /// What was not as the objects want it when it began.
    drift: Vec<Change>,
    /// How often objects were to be changed before nothing was left to do, events left out.
    asked: Vec<Write>,
}

impl Scratch {
    /// A controller that has heard nothing yet.
    ///
    /// # Errors
    /// When the rows contradict each other.
    pub fn new(settings: Settings, objects: &[Object], snapshot: &Snapshot) -> Result<Self, CtlError> {
        let cluster = Arc::new(MemoryCluster::new());
        objects.iter().for_each(|object| cluster.load(object.clone()));
        let database = snapshot.in_memory()?;
        let schema = snapshot.schema.clone();
        let shown = Shown::of(&replica(&database, &schema), false);
        let spine = Spine::new(settings, Box::new(Ledger::new()), Box::new(Fabric), &NORTHBOUND);
        let events = cluster.watch(Kind::ALL);
        Ok(Scratch { cluster, events, database, schema, spine, shown, drift: Vec::new(), asked: Vec::new() })
    }

    /// Does all that there is to do without time passing. What changed in the database is
    /// `drift` from then on.
    pub async fn settle(&mut self) {
        for _ in 0..ROUNDS {
            if !self.step().await {
                break;
            }
        }
        self.drift = self.shown.compare(&replica(&self.database, &self.schema));
    }

    /// Answers whether anything happened.
    async fn step(&mut self) -> bool {
        let heard = self.hear();
        let mut effects = Vec::new();
        self.spine.run(now(), self.database.replica(), &mut effects);
        let acted = !effects.is_empty();
        for effect in effects {
            match effect {
                Effect::Commit(txn) => self.database.submit(txn),
                Effect::Write { about, write } => {
                    if !matches!(write, Write::Note(_)) {
                        self.asked.push(write.clone());
                    }
                    let failed = match self.cluster.write(write).await {
                        Ok(_) => continue,
                        Err(ClusterError::Refused { .. }) => Input::WriteRefused(about),
                        Err(_) => Input::WriteFailed(about),
                    };
                    self.spine.feed(now(), failed, self.database.replica());
                }
            }
        }
        heard || acted
    }

    /// Takes in what is there. Without the runtime's share of time per task: it would look as if there were no more.
    fn hear(&mut self) -> bool {
        let mut heard = false;
        loop {
            let input = if let Some(event) = unconstrained(self.events.next()).now_or_never().flatten() {
                Input::Object(event)
            } else {
                match unconstrained(self.database.next()).now_or_never() {
                    Some(DbEvent::Resynced) => Input::Resynced,
                    Some(DbEvent::Changed(changes)) => Input::Rows(changes),
                    Some(DbEvent::Committed { id, outcome }) => Input::Committed { id, outcome },
                    Some(DbEvent::Lost { .. }) => continue,
                    None => return heard,
                }
            };
            self.spine.feed(now(), input, self.database.replica());
            heard = true;
        }
    }

    /// The copies of the objects, to change.
    pub fn cluster(&self) -> &MemoryCluster {
        &self.cluster
    }

    /// The controller.
    pub fn spine(&self) -> &Spine {
        &self.spine
    }

    /// Facts and decisions.
    pub fn world(&self) -> &World {
        self.spine.world()
    }

    /// Rows that were not as the objects want them before the last [`settle`](Self::settle).
    pub(in crate::ctl) fn drift(&self) -> &[Change] {
        &self.drift
    }

    /// What objects would be told that they do not say.
    pub fn asked(&self) -> &[Write] {
        &self.asked
    }

    /// Who holds what on the main interface, in the order of owners.
    pub fn holders(&self) -> Vec<(OwnerKey, &Grant)> {
        let world = self.world();
        let mut owners = world.owners();
        owners.dedup();
        let main = |owner: OwnerKey| {
            let grant = world.grants(&owner).iter().find(|grant| grant.nic.is_empty())?;
            Some((owner, grant))
        };
        owners.into_iter().filter_map(main).collect()
    }

    /// The database as it would be.
    pub fn replica(&self) -> Replica {
        replica(&self.database, &self.schema)
    }
}

/// What a database in memory holds now.
fn replica(database: &Memory, schema: &DbSchema) -> Replica {
    let mut replica = Replica::new(&NORTHBOUND, schema);
    // A dump holds whole rows only.
    let _ = replica.replace(database.inspect(Server::dump));
    replica
}
