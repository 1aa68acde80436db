//! How the watches stand, to be looked at from elsewhere.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use kubeovn_core::index::objects::Kind;
use tokio::time::Instant;

/// What a watch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was answered yet.
    Starting,
    /// The server answers.
    Connected,
    /// It does not, or not what we need.
    Failing,
    /// It answers that it does not have the kind, which may be: nothing waits for it.
    Absent,
}

/// How the watch of a kind stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindStatus {
    /// Of which kind.
    pub kind: Kind,
    /// A whole list has been told.
    pub listed: bool,
    /// What it does.
    pub state: State,
    /// For how long.
    pub lasts: Duration,
    /// Why it failed last. Stays when it is over.
    pub error: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Board(Mutex<BTreeMap<Kind, Entry>>);

#[derive(Debug)]
struct Entry {
    listed: bool,
    state: State,
    since: Instant,
    error: Option<String>,
}

impl Board {
    pub(super) fn status(&self) -> Vec<KindStatus> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let status = entries.iter().map(|(&kind, entry)| KindStatus {
            kind,
            listed: entry.listed,
            state: entry.state,
            lasts: entry.since.elapsed(),
            error: entry.error.clone(),
        });
        status.collect()
    }

    /// A watch begins.
    pub(super) fn begins(&self, kind: Kind) {
        let entry = Entry { listed: false, state: State::Starting, since: Instant::now(), error: None };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, entry);
    }

    pub(super) fn listed(&self, kind: Kind) {
        self.change(kind, |entry| entry.listed = true);
    }

    /// Answers for how long it failed, if it did.
    pub(super) fn connected(&self, kind: Kind) -> Option<Duration> {
        let mut failed = None;
        self.change(kind, |entry| {
            failed = (entry.state == State::Failing).then(|| entry.since.elapsed());
            entry.turn(State::Connected);
        });
        failed
    }

    /// Answers whether that is new.
    pub(super) fn absent(&self, kind: Kind) -> bool {
        let mut new = false;
        self.change(kind, |entry| {
            new = entry.state != State::Absent;
            entry.turn(State::Absent);
        });
        new
    }

    /// Answers whether that is new.
    pub(super) fn failing(&self, kind: Kind, error: &str) -> bool {
        let mut new = true;
        self.change(kind, |entry| {
            new = entry.state != State::Failing || entry.error.as_deref() != Some(error);
            entry.turn(State::Failing);
            entry.error = Some(error.to_owned());
        });
        new
    }

    fn change(&self, kind: Kind, act: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&kind) {
            act(entry);
        }
    }
}

impl Entry {
    fn turn(&mut self, state: State) {
        if self.state != state {
            self.state = state;
            self.since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_board_says_what_is_so_and_since_when() {
        let board = Board::default();
        assert!(board.failing(Kind::Pod, "x") && board.status().is_empty(), "nobody watches pods");
        board.begins(Kind::Pod);
        let minute = Duration::from_mins(1);
        assert_eq!(board.connected(Kind::Pod), None);
        board.listed(Kind::Pod);
        assert!(board.failing(Kind::Pod, "away") && !board.failing(Kind::Pod, "away"));
        tokio::time::advance(minute).await;
        assert!(board.failing(Kind::Pod, "forbidden"));
        let error = Some("forbidden".to_owned());
        let status =
            KindStatus { kind: Kind::Pod, listed: true, state: State::Failing, lasts: minute, error };
        assert_eq!(board.status(), [status]);
        assert_eq!(board.connected(Kind::Pod), Some(minute));
        let status = board.status();
        assert_eq!((status[0].state, status[0].lasts), (State::Connected, Duration::ZERO));
        assert_eq!(status[0].error.as_deref(), Some("forbidden"));
        assert!(board.absent(Kind::Pod) && !board.absent(Kind::Pod));
        assert_eq!(board.status()[0].state, State::Absent);
        assert_eq!(board.connected(Kind::Pod), None, "it did not fail");
    }
}
