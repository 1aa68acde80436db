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
    /// A server that never stops sending gets this time once more, since the answer may be in what was not read yet,
    /// and after we stood still ourselves (a second or more) it gets another `probe`.
    pub transact_timeout: Duration,
    /// How long the dump of a monitor may take, likewise.
    pub dump_timeout: Duration,
    /// How many requests may wait for their answer. A [`submit`](super::Session::submit) beyond is refused, a
    /// [`call`](super::Session::call) waits.
    pub max_in_flight: usize,
    /// How many bytes of requests may wait to be written; one request goes beyond it. A server that does not read but
    /// sends echoes, whose answers count too, costs its connection.
    pub max_unwritten: usize,
    /// The longest message accepted, in bytes.
    pub max_message: usize,
    /// How many events may wait to be taken. Then nothing more is read, until the server gives up on us: a consumer
    /// that is stuck costs its connection, not the memory of the machine.
    pub max_events: usize,
    /// How long, in bytes on the wire, the messages of these events may be together; a longer one may be there alone.
    pub max_event_bytes: usize,
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
    /// 5 s to a probe, 10 s for a call, 30 s for a transaction, 5 min for a dump; 256 requests in flight, 64 MiB of them
    /// unwritten; messages to 2 GiB, 1024 events of 256 MiB.
    fn default() -> Self {
        Self {
            probe: Duration::from_secs(5),
            call_timeout: Duration::from_secs(10),
            transact_timeout: Duration::from_secs(30),
            dump_timeout: Duration::from_mins(5),
            max_in_flight: 256,
            max_unwritten: 64 << 20,
            max_message: 2 << 30,
            max_events: 1024,
            max_event_bytes: 256 << 20,
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
