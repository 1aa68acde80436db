//! Follows one kind: a list, then a watch from there, and anew from where it stands for as long as somebody listens.

use std::{sync::Arc, time::Duration};

use futures_util::AsyncBufReadExt;
use kube::api::{ListParams, WatchParams};
use kubeovn_core::{
    contract::cluster::Event,
    index::objects::{Kind, Meta, Name},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    Options,
    backoff::{Backoff, random},
    board::Board,
    call::{self, Calls, Failure},
    seen::Seen,
    stamps::Stamps,
    wire::{self, Line, Page, Reading},
};

/// An object of ours that can't be read.
pub(super) const OBJECT_INVALID: &str = "KUBE-OBJECT-INVALID";
/// The API server does not know a kind.
pub(super) const KIND_UNKNOWN: &str = "KUBE-KIND-UNKNOWN";
/// We may not read a kind.
pub(super) const FORBIDDEN: &str = "KUBE-FORBIDDEN";
/// The API server does not answer, or not what it should.
pub(super) const UNREACHABLE: &str = "KUBE-UNREACHABLE";

/// A watch that ends sooner, and without a word, was none.
const BRIEF: Duration = Duration::from_secs(5);

/// Follows one kind for one watcher.
pub(super) struct Follower {
    kind: Kind,
    calls: Arc<Calls>,
    board: Arc<Board>,
    stamps: Arc<Stamps>,
    out: mpsc::Sender<Event>,
    options: Options,
    seen: Seen,
    listed: bool,
    /// The watcher was told that it need not wait for the kind.
    absent: bool,
    /// Up to where the watcher has been told; `None` when a list is due.
    revision: Option<Name>,
    backoff: Backoff,
}

/// Why a list or a watch ended.
enum Ended {
    /// Nobody listens any more.
    Unheard,
    /// A watch came to its end, as all do.
    Closed,
    /// What was asked for is no longer known, or not yet: a list is due.
    Stale(String),
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Ended::Failed(failure)
    }
}

impl Follower {
    pub(super) fn new(
        kind: Kind,
        calls: Arc<Calls>,
        board: Arc<Board>,
        stamps: Arc<Stamps>,
        out: mpsc::Sender<Event>,
        options: Options,
    ) -> Self {
        let backoff = Backoff::new(options.pause, options.longest_pause);
        board.begins(kind);
        let seen = Seen::new(kind);
        let (listed, absent, revision) = (false, false, None);
        Follower { kind, calls, board, stamps, out, options, seen, listed, absent, revision, backoff }
    }

    /// Ends when nobody listens any more.
    pub(super) async fn run(mut self) {
        loop {
            let began = Instant::now();
            let outcome = match self.revision.clone() {
                None => self.list().await,
                Some(revision) => self.watch(revision).await,
            };
            let pause = match outcome {
                Ok(()) => continue,
                Err(Ended::Unheard) => return,
                Err(Ended::Closed) if began.elapsed() >= BRIEF => {
                    self.backoff.reset();
                    continue;
                }
                Err(Ended::Closed) => self.backoff.next(),
                Err(Ended::Stale(reason)) => {
                    debug!(kind = self.kind.name(), reason, "listing anew");
                    self.revision = None;
                    self.backoff.next()
                }
                Err(Ended::Failed(failure)) => {
                    let is_absent = self.kind.is_optional() && failure.code == 404;
                    self.complain(&failure, is_absent);
                    if (is_absent || self.is_barred(&failure)) && self.is_unheard_of().await.is_err() {
                        return;
                    }
                    self.backoff.next().max(failure.after.unwrap_or_default().min(self.options.answer))
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.out.closed() => return,
            }
        }
    }

    /// Reads all there is, page by page.
    async fn list(&mut self) -> Result<(), Ended> {
        let field_selector = self.options.fields(self.kind);
        let mut asked =
            ListParams { limit: Some(self.options.page), field_selector, ..ListParams::default() };
        self.seen.begin();
        let revision = loop {
            let page = match self.calls.ask(call::of(self.kind, "").list(&asked)).await {
                // The pages that are left are of a list that is too old: from the beginning.
                Err(failure) if failure.code == 410 => return Err(Ended::Stale(failure.message)),
                page => page?,
            };
            let page: Page<'_> = serde_json::from_slice(page.as_ref())
                .map_err(|error| Failure::silent(format!("a list that is none: {error}")))?;
            self.connected();
            let mut events = Vec::new();
            for item in page.items.iter().flatten() {
                self.take(item.get(), &mut events);
            }
            self.tell(events).await?;
            match page.metadata.further.filter(|further| !further.is_empty()) {
                Some(further) => asked.continue_token = Some(further),
                None => break page.metadata.resource_version,
            }
        };
        let mut events = Vec::new();
        self.seen.end(&mut events);
        if !std::mem::replace(&mut self.listed, true) {
            self.board.listed(self.kind);
            events.push(Event::Listed(self.kind));
        }
        self.tell(events).await?;
        self.revision = Some(revision.into());
        Ok(())
    }

    /// Reads what happens from a revision on.
    async fn watch(&mut self, revision: Name) -> Result<(), Ended> {
        let lasts = self.options.watch.mul_f64(1.0 + random()).as_secs();
        let asked = WatchParams {
            timeout: u32::try_from(lasts).ok(),
            field_selector: self.options.fields(self.kind),
            ..WatchParams::default()
        };
        let stream =
            self.calls.stream(call::of(self.kind, "").watch(&asked, &revision)).await.map_err(stale)?;
        self.connected();
        let mut stream = std::pin::pin!(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            let Ok(read) = timeout(self.options.silence, stream.read_until(b'\n', &mut line)).await else {
                debug!(kind = self.kind.name(), "the watch is silent, another one is begun");
                return Err(Ended::Closed);
            };
            // Cut off in the middle of a line, or between two: from there on again.
            if !matches!(read, Ok(1..)) || line.last() != Some(&b'\n') {
                return Err(Ended::Closed);
            }
            let mut events = Vec::new();
            let revision = self.read(&line, &mut events)?;
            if !revision.is_empty() {
                self.revision = Some(revision);
            }
            self.backoff.reset();
            self.tell(events).await?;
        }
    }

    /// Reads one line of a watch. Answers up to where it tells.
    fn read(&mut self, line: &[u8], events: &mut Vec<Event>) -> Result<Name, Ended> {
        let broken =
            |error: serde_json::Error| Ended::Stale(format!("a line of a watch that can't be read: {error}"));
        let Line { r#type, object } = serde_json::from_slice(line).map_err(broken)?;
        match &*r#type {
            "ADDED" | "MODIFIED" => {
                return self.take(object.get(), events).ok_or_else(|| Ended::Stale("no metadata".to_owned()));
            }
            "DELETED" => {
                let meta = wire::meta(object.get()).map_err(broken)?;
                self.stamps.forget(&meta.uid);
                self.seen.gone(&meta, events);
                return Ok(meta.revision);
            }
            "ERROR" => {
                let status: kube::core::Status = serde_json::from_str(object.get()).map_err(broken)?;
                return Err(stale(status.into()));
            }
            // A bookmark, or something that there is not yet.
            _ => {}
        }
        wire::meta(object.get()).map(|meta| meta.revision).map_err(broken)
    }

    /// An object is there. Answers its revision.
    fn take(&mut self, json: &str, events: &mut Vec<Event>) -> Option<Name> {
        match wire::object(self.kind, json) {
            Ok(Reading::Whole(object)) => {
                if matches!(self.kind, Kind::Vpc | Kind::Subnet) {
                    self.stamps.see(json);
                }
                let revision = object.meta().revision.clone();
                self.seen.there(object, events);
                Some(revision)
            }
            Ok(Reading::Broken(meta, reason)) => {
                let stand_in = wire::stand_in(self.kind, &meta, &reason);
                if self.seen.broken(&meta, stand_in, events) {
                    self.reject(&meta, &reason);
                }
                Some(meta.revision)
            }
            Err(error) => {
                self.reject(&Meta::default(), &error.to_string());
                None
            }
        }
    }

    fn reject(&self, meta: &Meta, reason: &str) {
        let slash = if meta.namespace.is_empty() { "" } else { "/" };
        warn!(
            error.code = OBJECT_INVALID,
            "{} {}{slash}{} can't be read in revision {}: {reason}. What was told of it before stays; correct the field",
            self.kind.name(),
            meta.namespace,
            meta.name,
            meta.revision
        );
    }

    async fn tell(&self, events: Vec<Event>) -> Result<(), Ended> {
        for event in events {
            self.out.send(event).await.map_err(|_| Ended::Unheard)?;
        }
        Ok(())
    }

    fn connected(&self) {
        if let Some(failed) = self.board.connected(self.kind) {
            info!(kind = self.kind.name(), seconds = failed.as_secs(), "the API server answers again");
        }
    }

    /// Somebody else's kind that we may not read is not waited for, any more than one that is not there.
    fn is_barred(&self, failure: &Failure) -> bool {
        self.kind.is_optional() && failure.code == 403
    }

    /// The kind can't be read though the server answers. What was told of it stays.
    async fn is_unheard_of(&mut self) -> Result<(), Ended> {
        if self.listed || std::mem::replace(&mut self.absent, true) {
            return Ok(());
        }
        self.tell(vec![Event::Absent(self.kind)]).await
    }

    /// Says what is wrong, once as long as it is the same.
    fn complain(&self, failure: &Failure, is_absent: bool) {
        if is_absent {
            if self.board.absent(self.kind) {
                info!(
                    kind = self.kind.name(),
                    "the API server does not have this kind. It is looked for again"
                );
            }
            return;
        }
        let (code, what_to_do) = match failure.code {
            404 => (KIND_UNKNOWN, "Apply the CustomResourceDefinitions of kubeovn.io"),
            401 | 403 => (
                FORBIDDEN,
                "Give the service account the right to list and watch it (ClusterRole of the manifest)",
            ),
            _ => (UNREACHABLE, "It is asked again until it does"),
        };
        let text = format!("{code}: kind {} can't be read: {failure}. {what_to_do}", self.kind.name());
        if self.board.failing(self.kind, &text) {
            warn!(error.code = code, "{text}");
        } else {
            debug!(error.code = code, "{text}");
        }
    }
}

/// What a watch was refused for: what it was to begin with, or something that passes.
fn stale(failure: Failure) -> Ended {
    if failure.is_stale() { Ended::Stale(failure.message) } else { Ended::Failed(failure) }
}

#[cfg(test)]
mod tests;
