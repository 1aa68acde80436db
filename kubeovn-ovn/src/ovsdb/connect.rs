//! Which server to talk to: tries endpoints until one serves the database well, and says so by returning a session.
//!
//! A server is fit when it has the database, is connected to its cluster, is the leader (if asked for) and does not
//! lag behind what an earlier session has seen. A standalone server counts as leader.

mod dial;
mod endpoint;
mod server;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

use std::{fmt, sync::Arc, time::Duration};

use serde_json::json;

use self::dial::{Dialer, Opened};
pub use self::endpoint::{Endpoint, EndpointError, Endpoints};
pub use self::server::{ServerWatch, Unfit, Watermark};
#[cfg(feature = "tls")]
pub use self::tls::{ClientCertificate, TlsConfig, TlsError, Verify};
use super::{
    session::{CloseReason, Events, MonitorMethod, RpcError, Session, SessionConfig, SessionEvent},
    wire::{DbSchema, ServerError},
};

/// The database in which ovsdb-server tells about itself, and the identity of our monitor of it.
pub const SERVER_DATABASE: &str = "_Server";

/// A source of numbers in `0.0..1.0`, so that many clients do not come back at the same moment.
pub type Jitter = Box<dyn FnMut() -> f64 + Send>;

/// How long an attempt may take in the first round when there are other endpoints to try; doubles with every round.
const FIRST_LIMIT: Duration = Duration::from_secs(1);

/// The longest pause between rounds of who looks for another leader beside a session.
const BESIDE_CAP: Duration = Duration::from_millis(200);

/// How to reach a database.
#[derive(Clone, Debug)]
pub struct ConnectConfig {
    /// Where it is served; tried in turn.
    pub endpoints: Endpoints,
    /// Its name.
    pub database: Arc<str>,
    /// Whether only the leader of a cluster will do. Followers pass writes on, but slowly, and their state is older.
    pub leader_only: bool,
    /// What to show and whom to trust at `ssl:` endpoints. They fail without it; the others never look at it.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsConfig>,
    /// How long an attempt may take to establish the connection, a TLS handshake included.
    pub connect_timeout: Duration,
    /// Pause after the first round of endpoints failed; doubles with every further round.
    pub backoff_base: Duration,
    /// The longest pause between rounds.
    pub backoff_cap: Duration,
    /// The patience of the session.
    pub session: SessionConfig,
}

/// Finds servers, and remembers between sessions what it needs to find a good one.
pub struct Connector {
    config: ConnectConfig,
    jitter: Jitter,
    dialer: Dialer,
    /// Which endpoint comes next.
    turn: usize,
    /// Attempts that failed since [`Connector::succeeded`].
    failures: u32,
    watermark: Watermark,
}

/// A session with a server that is fit.
#[derive(Debug)]
pub struct Connected {
    /// The requesting side.
    pub session: Session,
    /// The receiving side. Updates of the monitor [`SERVER_DATABASE`] belong to `server`.
    pub events: Events,
    /// What the database looks like there.
    pub schema: DbSchema,
    /// What the server says of itself.
    pub server: ServerWatch,
    /// Where it is.
    pub endpoint: Endpoint,
}

/// Why an attempt failed. All of these are tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No connection.
    #[error("{endpoint}: {error}")]
    Io {
        /// Where.
        endpoint: Endpoint,
        /// The system's words.
        #[source]
        error: std::io::Error,
    },
    /// No connection, or no session, in time.
    #[error("{endpoint}: no session within {milliseconds} ms")]
    TimedOut {
        /// Where.
        endpoint: Endpoint,
        /// The time allowed.
        milliseconds: u128,
    },
    /// No connection that can be trusted, or none that trusts us.
    #[cfg(feature = "tls")]
    #[error("{endpoint}: {error}")]
    Tls {
        /// Where.
        endpoint: Endpoint,
        /// What is wrong, with the next step.
        #[source]
        error: TlsError,
    },
    /// A first call failed.
    #[error("{endpoint}: {error}")]
    Rpc {
        /// Where.
        endpoint: Endpoint,
        /// The failure.
        #[source]
        error: RpcError,
    },
    /// The server refused to tell of itself.
    #[error("{endpoint}: monitor of {SERVER_DATABASE}: {error}")]
    NoStatus {
        /// Where.
        endpoint: Endpoint,
        /// The server's words.
        #[source]
        error: ServerError,
    },
    /// The connection ended again.
    #[error("{endpoint}: {reason}")]
    Closed {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        #[source]
        reason: CloseReason,
    },
    /// The server does not serve the database as we need it.
    #[error("{endpoint}: {unfit}")]
    Unfit {
        /// Where.
        endpoint: Endpoint,
        /// What is wrong with it.
        #[source]
        unfit: Unfit,
    },
}

impl ConnectConfig {
    /// The usual patience: only the leader, 3 s to connect, pauses from 100 to 500 ms.
    pub fn new(endpoints: Endpoints, database: impl Into<Arc<str>>) -> Self {
        Self {
            endpoints,
            database: database.into(),
            leader_only: true,
            #[cfg(feature = "tls")]
            tls: None,
            connect_timeout: Duration::from_secs(3),
            backoff_base: Duration::from_millis(100),
            backoff_cap: Duration::from_millis(500),
            session: SessionConfig::default(),
        }
    }
}

impl Connector {
    /// A connector that has not tried anything.
    pub fn new(config: ConnectConfig, jitter: Jitter) -> Self {
        Self {
            config,
            jitter,
            dialer: Dialer::default(),
            turn: 0,
            failures: 0,
            watermark: Watermark::default(),
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &ConnectConfig {
        &self.config
    }

    /// Tries the endpoints in turn, for ever. The first round goes without pause; each further round waits longer.
    pub async fn connect(&mut self) -> Connected {
        loop {
            let pause = self.pause();
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            match self.limited_attempt().await {
                Ok(connected) => return connected,
                Err(error) => {
                    // the first failures of an outage tell, the thousandth does not
                    if self.failures.is_power_of_two() {
                        let (database, failures) = (&*self.config.database, self.failures);
                        tracing::warn!(database, failures, %error, "no session yet");
                    }
                }
            }
        }
    }

    /// Tries the endpoint whose turn it is, once and without pause; after a failure it is the next one's turn.
    ///
    /// # Errors
    /// Why there is no session.
    pub async fn attempt(&mut self) -> Result<Connected, ConnectError> {
        let endpoint = self.config.endpoints.get(self.turn).clone();
        let tried = self.try_endpoint(endpoint).await;
        if tried.is_err() {
            self.turn = self.turn.wrapping_add(1);
        }
        tried
    }

    /// Tries each endpoint once, without pause: for programs that somebody waits for.
    ///
    /// # Errors
    /// Why each of them failed, in their order.
    pub async fn try_each(&mut self) -> Result<Connected, Vec<ConnectError>> {
        let mut errors = Vec::new();
        for _ in 0..self.config.endpoints.len() {
            match self.attempt().await {
                Ok(connected) => return Ok(connected),
                Err(error) => errors.push(error),
            }
        }
        Err(errors)
    }

    /// The session proved useful: after its loss begin without pause, at the same endpoint.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The session proved of no use, though it seemed to: after its loss begin with a pause.
    pub fn disappointed(&mut self) {
        self.failures = u32::try_from(self.config.endpoints.len()).unwrap_or(u32::MAX);
    }

    /// A connector to the other endpoints, for looking whether one of them became a good one; `None` when there are
    /// none. It knows nothing of earlier sessions, so what it finds must be judged by this one.
    pub fn beside(&self, endpoint: &Endpoint) -> Option<Self> {
        let endpoints = self.config.endpoints.without(endpoint)?;
        let backoff_cap = self.config.backoff_cap.min(BESIDE_CAP);
        let config = ConnectConfig { endpoints, backoff_cap, ..self.config.clone() };
        Some(Self::new(config, Box::new(|| 0.0)))
    }

    /// Begins with this endpoint next time, if it is one of ours.
    pub fn begin_with(&mut self, endpoint: &Endpoint) {
        let mut turns = 0..self.config.endpoints.len();
        self.turn = turns.find(|turn| self.config.endpoints.get(*turn) == endpoint).unwrap_or(self.turn);
    }

    /// Judges a server by what it says of itself now, and remembers how far it is.
    ///
    /// # Errors
    /// Why the session should be given up.
    pub fn judge(&mut self, server: &ServerWatch) -> Result<(), Unfit> {
        server.judge(&self.config.database, self.config.leader_only, &mut self.watermark)
    }

    /// A number of [`Jitter`].
    pub(super) fn draw(&mut self) -> f64 {
        (self.jitter)()
    }

    /// The pause before the next attempt. Every attempt counts as failed until [`Connector::succeeded`], so that a
    /// server that takes us in only to drop us is not tried in a tight loop.
    fn pause(&mut self) -> Duration {
        let endpoints = u32::try_from(self.config.endpoints.len()).unwrap_or(u32::MAX);
        let (round, first) = (self.failures / endpoints, self.failures.is_multiple_of(endpoints));
        self.failures = self.failures.saturating_add(1);
        if round == 0 || !first {
            return Duration::ZERO;
        }
        let doubled = self.config.backoff_base.saturating_mul(1 << (round - 1).min(16));
        // between half of it and all of it
        doubled.min(self.config.backoff_cap).mul_f64(0.5 + 0.5 * (self.jitter)().clamp(0.0, 1.0))
    }

    /// How long the attempt that has begun may take. A member that takes us in and stands still must not keep us from
    /// the others; who is only slow gets more time in later rounds.
    fn limit(&self) -> Option<Duration> {
        let endpoints = u32::try_from(self.config.endpoints.len()).unwrap_or(u32::MAX);
        let round = self.failures.saturating_sub(1) / endpoints;
        (endpoints > 1).then(|| FIRST_LIMIT.saturating_mul(1 << round.min(10)))
    }

    async fn limited_attempt(&mut self) -> Result<Connected, ConnectError> {
        let Some(limit) = self.limit() else { return self.attempt().await };
        let attempted = tokio::time::timeout(limit, self.attempt()).await;
        attempted.unwrap_or_else(|_| {
            let endpoint = self.config.endpoints.get(self.turn).clone();
            self.turn = self.turn.wrapping_add(1);
            Err(ConnectError::TimedOut { endpoint, milliseconds: limit.as_millis() })
        })
    }

    async fn try_endpoint(&mut self, endpoint: Endpoint) -> Result<Connected, ConnectError> {
        let Opened { session, events, explain } = self.dialer.open(&self.config, &endpoint).await?;
        let connected = self.config.greet(session, events, &endpoint).await.map_err(explain)?;
        self.judge(&connected.server).map_err(|unfit| ConnectError::Unfit { endpoint, unfit })?;
        Ok(connected)
    }
}

impl ConnectConfig {
    /// Learns what there is to know of a server before its database is read.
    async fn greet(
        &self,
        session: Session,
        mut events: Events,
        endpoint: &Endpoint,
    ) -> Result<Connected, ConnectError> {
        let rpc = |error| ConnectError::Rpc { endpoint: endpoint.clone(), error };
        let databases = session.list_dbs().await.map_err(rpc)?;
        let server = if databases.iter().any(|name| name == SERVER_DATABASE) {
            match session.set_db_change_aware().await {
                // a server without the method drops us when databases change, and we come back: good enough
                Ok(()) | Err(RpcError::Refused { .. }) => {}
                Err(error) => return Err(rpc(error)),
            }
            // a server of which nothing but this is heard must not hold us for as long as a dump may take
            let patience = self.session.call_timeout;
            let watch = tokio::time::timeout(patience, self.watch(&session, &mut events, endpoint)).await;
            let seconds = patience.as_secs();
            watch.unwrap_or_else(|_| Err(rpc(RpcError::TimedOut { method: "monitor_cond", seconds })))?
        } else {
            ServerWatch::without_status(&databases)
        };
        let schema = session.get_schema(&self.database).await.map_err(rpc)?;
        Ok(Connected { session, events, schema, server, endpoint: endpoint.clone() })
    }

    async fn watch(
        &self,
        session: &Session,
        events: &mut Events,
        endpoint: &Endpoint,
    ) -> Result<ServerWatch, ConnectError> {
        let params =
            json!([SERVER_DATABASE, SERVER_DATABASE, { "Database": [{ "columns": ServerWatch::COLUMNS }] }]);
        session
            .monitor(MonitorMethod::Cond, SERVER_DATABASE.into(), &params)
            .map_err(|error| ConnectError::Rpc { endpoint: endpoint.clone(), error })?;
        let mut server = ServerWatch::default();
        loop {
            match events.next().await {
                SessionEvent::Monitored { reply: Ok(reply), .. } => {
                    server.apply(&reply.updates);
                    return Ok(server);
                }
                SessionEvent::Monitored { reply: Err(error), .. } => {
                    return Err(ConnectError::NoStatus { endpoint: endpoint.clone(), error });
                }
                SessionEvent::Closed { reason } => {
                    return Err(ConnectError::Closed { endpoint: endpoint.clone(), reason });
                }
                SessionEvent::Update(_) | SessionEvent::Reply { .. } => {}
            }
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("config", &self.config)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}
