//! What can be chosen about a session.

use std::time::Duration;

/// How patient a session is.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Ask for a sign of life after so long without a received byte; give up after as long again.
    pub probe: Duration,
    /// How long a [`Session::call`](super::Session::call) may take.
    pub call_timeout: Duration,
    /// How long a transaction may take; then the session ends, since a lost answer can't be told from a late one.
    /// Checked with the granularity of `probe`.
    pub transact_timeout: Duration,
    /// How long the dump of a monitor may take, likewise.
    pub dump_timeout: Duration,
    /// The longest message accepted, in bytes.
    pub max_message: usize,
    /// How many events may wait to be taken. Then nothing more is read, until the server gives up on us: a consumer
    /// that is stuck costs its connection, not the memory of the machine.
    pub max_events: usize,
}

/// Which monitor method to use, newest first; each needs a newer server than the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorMethod {
    /// `monitor_cond_since`, OVS 2.12: differences only, also after a reconnect.
    CondSince,
    /// `monitor_cond`, OVS 2.6: differences.
    Cond,
    /// `monitor`, RFC 7047: whole rows.
    Plain,
}

impl Default for SessionConfig {
    /// 5 s to a probe, 10 s for a call, 30 s for a transaction, 5 min for a dump, messages to 2 GiB, 1024 events.
    fn default() -> Self {
        Self {
            probe: Duration::from_secs(5),
            call_timeout: Duration::from_secs(10),
            transact_timeout: Duration::from_secs(30),
            dump_timeout: Duration::from_mins(5),
            max_message: 2 << 30,
            max_events: 1024,
        }
    }
}

impl MonitorMethod {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CondSince => "monitor_cond_since",
            Self::Cond => "monitor_cond",
            Self::Plain => "monitor",
        }
    }

    /// The next older method.
    pub fn older(self) -> Option<Self> {
        match self {
            Self::CondSince => Some(Self::Cond),
            Self::Cond => Some(Self::Plain),
            Self::Plain => None,
        }
    }
}
