//! A watch, and only what it says of one test's objects.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use kubeovn_core::{
    contract::cluster::{Cluster, Event},
    index::objects::Kind,
};
use tokio::time::timeout;

/// Longer than anything takes that comes at all.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Watch {
    events: BoxStream<'static, Event>,
    prefix: String,
}

impl Watch {
    /// Of objects whose names begin so.
    pub(crate) fn new(cluster: &dyn Cluster, kinds: &[Kind], prefix: &str) -> Self {
        Watch { events: cluster.watch(kinds), prefix: prefix.to_owned() }
    }

    pub(crate) async fn next(&mut self) -> Event {
        loop {
            let event = timeout(PATIENCE, self.events.next()).await.expect("an event").expect("no end");
            let name = match &event {
                Event::Applied(object) => object.meta().name.clone(),
                Event::Deleted { key, .. } => key.name.clone(),
                Event::Listed(_) | Event::Absent(_) => return event,
            };
            if name.starts_with(&self.prefix) {
                return event;
            }
        }
    }

    /// The next events, in short: `+name` (`~name` while deleting), `-name`, `=Kind`, `?Kind` for one that is absent; names without the prefix.
    pub(crate) async fn told(&mut self, number: usize) -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..number {
            told.push(self.short(&self.prefix.clone()).await);
        }
        told
    }

    /// All up to the event that is short for this, which is the last one.
    pub(crate) async fn until(&mut self, last: &str) -> Vec<String> {
        let mut told = Vec::new();
        while told.last().is_none_or(|event| event != last) {
            told.push(self.short(&self.prefix.clone()).await);
            assert!(told.len() < 100_000, "{last} does not come");
        }
        told
    }

    /// Nothing is there to be read now.
    pub(crate) fn quiet(&mut self) -> bool {
        self.events.next().now_or_never().is_none()
    }

    async fn short(&mut self, prefix: &str) -> String {
        let event = self.next().await;
        let own = |name: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
        match event {
            Event::Applied(object) => {
                let meta = object.meta();
                format!("{}{}", if meta.deleting { '~' } else { '+' }, own(&meta.name))
            }
            Event::Deleted { key, .. } => format!("-{}", own(&key.name)),
            Event::Listed(kind) => format!("={}", kind.name()),
            Event::Absent(kind) => format!("?{}", kind.name()),
        }
    }
}
