//! What is taken and not done says so: a policy that nobody enforces, without a word, is a hole.
//!
//! Objects of kinds that nothing acts on ([`LACKING`]) are told it by a condition of theirs or by an event, and a line at
//! the start has their numbers.
//!
//! # Guarantees
//! * An object is told once; a condition once more after a change of the spec. A restart writes nothing where it is said
//!   already. (Events last for an hour; one that is gone is made anew by the next start.)
//! * Conditions of others stay.
//! * It is no burden: nothing begins before the controller has read what it works on, beside the watches two requests are on
//!   their way at most, no more than ten objects are told per second after a burst of a hundred, and of an object its name,
//!   identity and generation are kept.
//! * Nothing depends on it. What fails is logged, each thing once, and tried again where time may help.
//! * Nothing is written once the lease has run out.

mod counted;
mod follower;
mod kinds;
mod words;

use std::{fmt::Write, sync::Arc, time::Duration};

use kubeovn_core::index::objects::Kind;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::sleep,
};
use tracing::{info, warn};

use self::follower::Follower;
pub use self::kinds::{LACKING, Lacking, Tells};
pub(crate) use self::{counted::counted, words::CODE};
use crate::{
    cluster::kube::{KubeCluster, Pace},
    run::lease::Hold,
};

/// Requests on their way.
const IN_FLIGHT: usize = 2;
/// Objects told per second.
const TOLD: u32 = 10;
const PAUSES: Pauses = Pauses { first: Duration::from_millis(500), longest: Duration::from_mins(1) };

/// Begins, in tasks that end with what is answered. `hold` is the lease; kinds that are `unwanted` are left out.
pub(crate) fn start(
    objects: Arc<KubeCluster>,
    hold: watch::Receiver<Option<Hold>>,
    unwanted: &[&'static str],
) -> JoinSet<()> {
    let wanted = LACKING.iter().filter(|kind| !unwanted.contains(&kind.resource.kind));
    let wanted: Vec<&'static Lacking> = wanted.collect();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let is_waited_for = |kind: &Kind| !kind.is_optional();
        let waited_for = Kind::ALL.iter().copied().filter(is_waited_for).count();
        let listed = |objects: &KubeCluster| {
            objects.status().iter().filter(|watch| watch.listed && is_waited_for(&watch.kind)).count()
        };
        while listed(&objects) < waited_for {
            sleep(PAUSES.first).await;
        }
        let means = Arc::new(Means {
            objects,
            hold,
            permits: Semaphore::new(IN_FLIGHT),
            pace: Pace::new(TOLD),
            pauses: PAUSES,
        });
        let (count, counts) = mpsc::unbounded_channel();
        let mut followers = JoinSet::new();
        for kind in wanted {
            followers.spawn(Follower::new(kind, means.clone(), count.clone()).run());
        }
        drop(count);
        report(counts).await;
        while followers.join_next().await.is_some() {}
    });
    tasks
}

/// Says how many objects there are of which nothing is done, once all kinds have been looked at.
async fn report(mut counts: mpsc::UnboundedReceiver<(&'static Lacking, usize)>) {
    let mut all = Vec::new();
    while let Some(count) = counts.recv().await {
        all.push(count);
    }
    all.retain(|(_, number)| *number > 0);
    all.sort_by_key(|(kind, _)| kind.resource.kind);
    let (lines, kinds): (Vec<_>, Vec<_>) = all.into_iter().partition(|(kind, _)| kind.tells == Tells::Start);
    for (kind, number) in lines {
        info!(kind = kind.resource.kind, number, "of these objects {}", kind.what);
    }
    let numbers = kinds.iter().fold(String::new(), |mut text, (kind, number)| {
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a String does not fail.
        let _ = write!(text, "{space}{}={number}", kind.resource.kind);
        text
    });
    if !numbers.is_empty() {
        warn!(
            error.code = CODE,
            objects = numbers,
            "{CODE}: this version does not act on these objects; each says so in a condition or an event. \
             docs/compatibility.md lists what is supported"
        );
    }
}

/// How long to wait after something failed.
#[derive(Clone, Copy)]
struct Pauses {
    first: Duration,
    /// Also until a kind that the server does not know, or that we may not read, is asked for again.
    longest: Duration,
}

/// What all kinds have in common.
struct Means {
    objects: Arc<KubeCluster>,
    hold: watch::Receiver<Option<Hold>>,
    permits: Semaphore,
    pace: Pace,
    pauses: Pauses,
}

#[cfg(test)]
mod tests;
