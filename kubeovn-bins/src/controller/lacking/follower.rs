//! Follows one kind: a list, then a watch from there, and each object is told what it has not been told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tracing::{debug, warn};

use super::{
    Lacking, Means, Tells,
    words::{self, CODE, Present},
};
use crate::cluster::{
    kube::{Backoff, Change, Ended, Failure, Slim, now},
    leased::lasts,
};

/// A watch that ends sooner was none.
const BRIEF: Duration = Duration::from_secs(5);
/// How often a change is tried on what others changed in the meantime.
const ATTEMPTS: usize = 5;

/// Follows one kind.
pub(super) struct Follower {
    kind: &'static Lacking,
    means: Arc<Means>,
    /// Identity and generation of those that were told, by namespace and name.
    told: BTreeMap<(String, String), (String, i64)>,
    /// Up to where changes are known; `None` when a list is due.
    revision: Option<String>,
    /// Where to say, once, how many there are.
    count: Option<mpsc::UnboundedSender<(&'static Lacking, usize)>>,
    backoff: Backoff,
    /// What was logged last: said again only when something else was wrong in between.
    complained: Option<u16>,
}

impl Follower {
    pub(super) fn new(
        kind: &'static Lacking,
        means: Arc<Means>,
        count: mpsc::UnboundedSender<(&'static Lacking, usize)>,
    ) -> Self {
        let backoff = Backoff::new(means.pauses.first, means.pauses.longest);
        Follower {
            kind,
            means,
            told: BTreeMap::new(),
            revision: None,
            count: Some(count),
            backoff,
            complained: None,
        }
    }

    /// Ends when it is dropped, or when a line was all that was due.
    pub(super) async fn run(mut self) {
        loop {
            let began = Instant::now();
            let ended = match self.revision.clone() {
                None => self.list().await.map_err(Ended::Failed),
                Some(revision) => self.watch(&revision).await,
            };
            if self.kind.tells == Tells::Start && self.count.is_none() {
                return;
            }
            let pause = match ended {
                Ok(()) => continue,
                Err(Ended::Closed) if began.elapsed() >= BRIEF => {
                    self.backoff.reset();
                    continue;
                }
                Err(Ended::Closed) => self.backoff.next(),
                Err(Ended::Stale) => {
                    self.revision = None;
                    self.backoff.next()
                }
                Err(Ended::Failed(failure)) => self.failed(&failure),
            };
            sleep(pause).await;
        }
    }

    /// Answers when to try again.
    fn failed(&mut self, failure: &Failure) -> Duration {
        let longest = self.means.pauses.longest;
        let after = failure.after.unwrap_or_default().min(longest);
        if failure.is_outage() {
            debug!(kind = self.kind.resource.kind, %failure, "not followed, tried again");
            return self.backoff.next().max(after);
        }
        self.complain(failure, "is not looked at");
        // There is nothing to count, as far as can be known.
        self.count = None;
        self.revision = None;
        longest
    }

    /// Looks at all there are.
    async fn list(&mut self) -> Result<(), Failure> {
        let means = self.means.clone();
        let one = self.kind.tells == Tells::Start;
        let whole = matches!(self.kind.tells, Tells::Condition { .. });
        let (mut number, mut further) = (0, None);
        let mut there = BTreeSet::new();
        let revision = loop {
            let limit = one.then_some(1);
            let page = {
                let _permit = means.permits.acquire().await;
                means.objects.page(&self.kind.resource, whole, limit, further).await?
            };
            if one {
                number = page.objects.len() + page.rest;
                break page.revision;
            }
            for (object, text) in page.objects {
                number += 1;
                self.look(&object, Some(text)).await?;
                there.insert(key(&object));
            }
            match page.further {
                Some(next) => further = Some(next),
                None => break page.revision,
            }
        };
        self.told.retain(|key, _| there.contains(key));
        self.complained = None;
        self.backoff.reset();
        if let Some(count) = self.count.take() {
            // Who counts is gone only when this is about to end too.
            let _ = count.send((self.kind, number));
        }
        self.revision = Some(revision);
        Ok(())
    }

    /// Looks at what changes.
    async fn watch(&mut self, revision: &str) -> Result<(), Ended> {
        let means = self.means.clone();
        let mut changes = means.objects.changes(&self.kind.resource, revision).await?;
        loop {
            let object = match changes.next().await? {
                Change::There(object) => {
                    self.look(&object, None).await?;
                    object
                }
                Change::Gone(object) => {
                    self.told.remove(&key(&object));
                    object
                }
                Change::Mark(object) => object,
            };
            self.backoff.reset();
            if !object.revision.is_empty() {
                self.revision = Some(object.revision);
            }
        }
    }

    /// Tells an object what it has not been told. `text` is all of it, where that is known.
    ///
    /// # Errors
    /// When it has to be tried again.
    async fn look(&mut self, object: &Slim, text: Option<String>) -> Result<(), Failure> {
        let now = (object.uid.clone(), object.generation);
        // Of the others a new generation says nothing: an event is about the object, whatever is in it.
        let every = self.kind.tells == Tells::Condition { apart: true };
        let told = self.told.get(&key(object));
        if told.is_some_and(|told| if every { *told == now } else { told.0 == now.0 }) {
            return Ok(());
        }
        match self.tell(object, text).await {
            Err(failure) if failure.is_outage() => return Err(failure),
            // Gone by now.
            Err(failure) if failure.code == 404 => {}
            // Where a namespace ends that is the rule.
            Err(failure) if failure.message.contains("being terminated") => {}
            Err(failure) => self.complain(&failure, &format!("{} can't be told so", object.name)),
            Ok(()) => {}
        }
        self.told.insert(key(object), now);
        Ok(())
    }

    async fn tell(&self, object: &Slim, mut text: Option<String>) -> Result<(), Failure> {
        let (means, resource) = (&self.means, &self.kind.resource);
        let sentence = words::sentence(self.kind, object);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let whole = match (self.kind.tells, text.take()) {
                (Tells::Start | Tells::Event, _) => String::new(),
                (_, Some(text)) => text,
                (_, None) => {
                    let _permit = means.permits.acquire().await;
                    means.objects.text(resource, object).await?
                }
            };
            let outcome = match self.kind.tells {
                Tells::Start => return Ok(()),
                Tells::Event => {
                    self.may_write().await?;
                    let _permit = means.permits.acquire().await;
                    means.objects.remark(resource, object, CODE, &sentence).await
                }
                Tells::Condition { apart } => {
                    let unreadable = |error: serde_json::Error| Failure {
                        code: 422,
                        message: error.to_string(),
                        ..Failure::default()
                    };
                    let present: Present = serde_json::from_str(&whole).map_err(unreadable)?;
                    if present.metadata.uid != object.uid {
                        // Its successor comes by itself.
                        return Ok(());
                    }
                    let Some(steps) = words::patch(&present, &sentence, apart, &now()) else { return Ok(()) };
                    self.may_write().await?;
                    let _permit = means.permits.acquire().await;
                    means.objects.amend(resource, object, apart, &steps).await
                }
            };
            match outcome {
                // It changed in between.
                Err(failure) if matches!(failure.code, 409 | 422) && attempts < ATTEMPTS => {}
                outcome => return outcome,
            }
        }
    }

    /// Waits for its turn.
    async fn may_write(&self) -> Result<(), Failure> {
        self.means.pace.turn().await;
        if lasts(&self.means.hold) { Ok(()) } else { Err(Failure::silent("the lease has run out")) }
    }

    fn complain(&mut self, failure: &Failure, what: &str) {
        let kind = self.kind.resource.kind;
        if failure.code == 404 {
            debug!(kind, "the API server does not know the kind: nothing to tell");
        } else if self.complained.replace(failure.code) == Some(failure.code) {
            debug!(kind, "{what}: {failure}");
        } else {
            let next = match failure.code {
                401 | 403 => ". Give the service account the right to it (ClusterRole of the manifest)",
                _ => "",
            };
            warn!(
                error.code = CODE,
                "{CODE}: nothing acts on objects of kind {kind} and {what}: {failure}{next}"
            );
        }
    }
}

fn key(object: &Slim) -> (String, String) {
    (object.namespace.clone(), object.name.clone())
}
