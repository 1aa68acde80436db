//! What a lab says while it works: lines for the terminal, and the status that others read.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::lab::fabric::FabricEvent;
use crate::lab::report::Report;
use crate::lab::state::StateDir;
use crate::lab::status::Status;

/// As many lines as the status keeps.
const KEPT: usize = 30;

/// Says what happens, with the seconds since the start.
#[derive(Debug)]
pub(super) struct Progress {
    started: Instant,
    state: StateDir,
    doing: String,
    said: VecDeque<String>,
    last: Report,
}

impl Progress {
    pub(super) fn new(state: StateDir) -> Self {
        let said = VecDeque::with_capacity(KEPT);
        Self { started: Instant::now(), state, doing: String::new(), said, last: Report::default() }
    }

    /// A line about something that happened.
    pub(super) fn say(&mut self, what: &str) {
        let line = format!("[{:6.1}s] {what}", self.started.elapsed().as_secs_f64());
        // Without a terminal to read it nobody misses it.
        let _ = writeln!(std::io::stderr(), "{line}");
        if self.said.len() == KEPT {
            self.said.pop_front();
        }
        self.said.push_back(line);
        self.write();
    }

    /// What goes on now, until something else does.
    pub(super) fn doing(&mut self, what: &str) {
        if self.doing != what {
            what.clone_into(&mut self.doing);
            self.say(what);
        }
    }

    /// How things are.
    pub(super) fn report(&mut self, report: Report) {
        if self.last != report {
            self.last = report;
            self.write();
        }
    }

    pub(super) fn fabric(&mut self, event: &FabricEvent) {
        match event {
            FabricEvent::Died { daemon, how, again_in } => {
                self.say(&format!("{daemon} died ({how}); started again in {}", seconds(*again_in)));
            }
            FabricEvent::Restarted { daemon } => self.say(&format!("{daemon} is back")),
            FabricEvent::Unprepared { daemon, why } => self.say(&format!("{daemon} is not ready yet: {why}")),
        }
    }

    fn write(&self) {
        let status = Status::new(self.doing.clone(), self.said.iter().cloned().collect(), &self.last);
        // The lab works without anybody knowing how it does.
        if let Err(error) = status.write(&self.state) {
            tracing::debug!(%error, "no status");
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
