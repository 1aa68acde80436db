//! A server that owes an answer and is silent.
//!
//! A leader that stands still can't tell that it leads no longer, and a probe finds out only after seconds; but one that
//! is only busy must not be left, for its answer would be lost and the next one as slow. So silence alone is no reason
//! to go: the others are asked meanwhile whether one of them leads now.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Later,
    link::{Up, search},
};
use crate::ovsdb::connect::{Connected, Connector};

/// How long a server may owe an answer and be silent before the others are asked.
const QUIET: Duration = Duration::from_secs(1);

pub(super) struct Quiet {
    /// When the server was last heard, or was first owed an answer.
    since: Instant,
    search: Option<Later<(Connector, Connected)>>,
}

impl Quiet {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), search: None }
    }

    /// What the search found, or `None` when it is time to begin one. Safe to cancel.
    pub(super) async fn next(&mut self) -> Option<Box<Connected>> {
        let Some(search) = &mut self.search else {
            tokio::time::sleep_until(self.since + QUIET).await;
            return None;
        };
        let (_, found) = search.await;
        self.search = None;
        Some(Box::new(found))
    }
}

impl Up {
    /// The server gave a sign of life, or owes an answer from now on.
    pub(super) fn heard(&mut self) {
        self.quiet = Quiet::new();
    }

    /// Asks the others, if only a leader will do and there are others.
    pub(super) fn search(&mut self) {
        self.heard();
        if self.connector.config().leader_only {
            self.quiet.search = self.connector.beside(&self.endpoint).map(search);
        }
    }

    /// Whether a server that was found is to be taken instead, which it is when it is as far as this one was.
    pub(super) fn is_overtaken_by(&mut self, found: &Connected) -> bool {
        self.heard();
        let fit = self.connector.judge(&found.server).is_ok();
        if fit {
            self.connector.begin_with(&found.endpoint);
        }
        fit
    }
}
