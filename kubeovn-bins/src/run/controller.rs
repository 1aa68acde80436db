//! The controller: feeds the spine with what a cluster and a database tell, and carries out what it answers.
//!
//! It decides nothing. While a transaction is on its way whatever comes in gathers, so that a burst becomes few large
//! transactions, and a single change in an idle cluster goes out at once.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{FutureExt, StreamExt};
use kubeovn_core::{
    contract::{
        cluster::Cluster,
        database::{Database, DbEvent},
    },
    index::{Settings, objects::Kind},
    rows::{Millis, Outcome},
    spine::{Effect, Input, Spine},
};
use kubeovn_ipam::Ledger;
use kubeovn_ovn::{nb::NORTHBOUND, northd::Northd, render::Fabric};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::{
    asking::{Asking, Rounds, Turn},
    chronicle::Chronicle,
    pause::Pause,
    report::{Book, Questions},
    writer::Writer,
};

/// How many events are taken in before the spine runs again, at most.
const GULP: usize = 10_000;

/// The longest sleep.
const LONGEST: Duration = Duration::from_hours(1);
/// The shortest sleep: what is due may have to wait for a transaction on its way, or for the database.
const SHORTEST: Duration = Duration::from_millis(100);

/// Whom the controller knows beside cluster and database.
#[derive(Debug, Default)]
pub struct Company {
    /// The northd that acts on the Northbound, if it is ours to pause.
    pub northd: Option<Northd>,
    /// Who asks how it stands. Answered between two steps.
    pub questions: Questions,
    /// How gateways are asked whether they answer; if not at all, whether their nodes are ready decides alone.
    pub asking: Option<Asking>,
}

/// Runs the controller on a cluster and a Northbound database. Ends only when it is dropped: the next one finds what
/// this one left, and writes nothing where nothing is due.
pub async fn run(
    settings: Settings,
    cluster: Arc<dyn Cluster>,
    northbound: Box<dyn Database>,
    company: Company,
) {
    let ledger = Chronicle::new(Box::new(Ledger::new()));
    let spine = Spine::new(settings, Box::new(ledger), Box::new(Fabric), &NORTHBOUND);
    drive(spine, cluster, northbound, company).await;
}

/// Runs a spine of any composition.
pub async fn drive(
    mut spine: Spine,
    cluster: Arc<dyn Cluster>,
    mut database: Box<dyn Database>,
    company: Company,
) {
    let Company { northd, mut questions, asking } = company;
    if asking.is_some() {
        spine = spine.with_asking();
    }
    let mut rounds = Rounds::new(asking);
    let mut book = Book::new();
    let mut pause = Pause::new(northd);
    let mut objects = cluster.watch(Kind::ALL);
    let (failed, mut failures) = mpsc::unbounded_channel();
    let mut writer = Writer::new(cluster, failed);
    let mut effects = Vec::new();
    let mut more = false;
    loop {
        let due = spine.next_wake().map(|at| Duration::from_millis(at.saturating_sub(now())));
        let wake = [due, pause.left()].into_iter().flatten().min().unwrap_or(LONGEST);
        tokio::select! {
            () = writer.ended() => return,
            event = objects.next() => match event {
                Some(event) => spine.feed(now(), Input::Object(event), database.replica()),
                None => return,
            },
            event = database.next() => take(&mut spine, &mut pause, &mut book, event, &*database),
            question = questions.next() => {
                // Who asked may be tired of waiting.
                let _ = question.send(book.report(&spine, &rounds));
            }
            turn = rounds.next() => match turn {
                Turn::Due => {
                    rounds.begin(spine.world());
                    continue;
                }
                Turn::Over(answers) => match rounds.end(answers, spine.world()) {
                    Some(silent) => spine.feed(now(), Input::Silent(silent), database.replica()),
                    None => continue,
                },
            },
            Some(failed) = failures.recv() => spine.feed(now(), failed, database.replica()),
            // Others get their turn, too.
            () = tokio::task::yield_now(), if more => {}
            () = tokio::time::sleep(wake.max(SHORTEST)) => {}
        }
        for _ in 0..GULP {
            if let Some(event) = objects.next().now_or_never().flatten() {
                spine.feed(now(), Input::Object(event), database.replica());
            } else if let Some(event) = database.next().now_or_never() {
                take(&mut spine, &mut pause, &mut book, event, &*database);
            } else {
                break;
            }
        }
        // Before the planning, which takes its time.
        pause.set(spine.rebuilding()).await;
        more = spine.plan(now(), database.replica(), &mut effects);
        if spine.written() {
            pause.written();
        }
        pause.set(spine.rebuilding()).await;
        carry_out(&mut effects, &mut *database, &writer);
        if more {
            continue;
        }
        spine.follow(now(), database.replica(), &mut effects);
        carry_out(&mut effects, &mut *database, &writer);
    }
}

fn carry_out(effects: &mut Vec<Effect>, database: &mut dyn Database, writer: &Writer) {
    let mut asked = Vec::new();
    for effect in effects.drain(..) {
        match effect {
            Effect::Commit(txn) => {
                debug!(txn = txn.id, rows = txn.ops.len(), "commit");
                database.submit(txn);
            }
            Effect::Write { about, write } => asked.push((about, write)),
        }
    }
    writer.ask(asked);
}

fn take(spine: &mut Spine, pause: &mut Pause, book: &mut Book, event: DbEvent, database: &dyn Database) {
    let input = match event {
        DbEvent::Resynced => {
            pause.resynced();
            book.resynced();
            Input::Resynced
        }
        DbEvent::Changed(changes) => Input::Rows(changes),
        DbEvent::Committed { id, outcome } => {
            debug!(txn = id, ?outcome, "committed");
            book.committed(match outcome {
                Outcome::Done => "done",
                Outcome::Rejected { .. } => "refused",
                Outcome::Unknown => "unknown",
            });
            Input::Committed { id, outcome }
        }
        DbEvent::Lost { reason } => {
            warn!(reason, "the database is out of reach");
            book.lost(&reason);
            pause.lost();
            return;
        }
    };
    spine.feed(now(), input, database.replica());
}

/// The wall clock, in milliseconds since the epoch.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
