//! The port of a long-running program: `/livez`, `/readyz` and `/metrics`, over TLS where that is asked for.
//!
//! What they say is the program's ([`Health`]); where and how is chosen by flags and the environment, the same of every
//! program ([`Port`]).

#[cfg(test)]
mod tests;
pub mod tls;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use thiserror::Error;
use tokio::net::TcpListener;
use tracing::info;

use self::tls::{Certificate, Limits, Secure, Serving};
use crate::{
    flags::{FlagError, Flags},
    metrics,
};

/// What a program says of itself.
#[async_trait]
pub trait Health: Send + Sync + 'static {
    /// What stands against it being alive: it is started anew then.
    async fn dead(&self) -> Option<String>;

    /// That it is ready, in a word; else what stands against it, a sentence each.
    async fn ready(&self) -> Result<String, Vec<String>>;

    /// Its metrics, as [`metrics::text`] writes them.
    async fn metrics(&self) -> String;
}

/// What of the environment decides where and as whom a program answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `POD_IPS`: the first is where it listens, if `bind_local`.
    pub pod_ips: String,
    /// `ENABLE_BIND_LOCAL_IP=true`.
    pub bind_local: bool,
    /// `SERVING_CERT_DIR`: where the certificate is, with `--secure-serving`.
    pub serving_folder: String,
}

impl Place {
    /// Reads it by a function that knows variables by their names.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| variable(name).unwrap_or_default();
        Place {
            pod_ips: text("POD_IPS"),
            bind_local: text("ENABLE_BIND_LOCAL_IP") == "true",
            serving_folder: text("SERVING_CERT_DIR"),
        }
    }

    fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.pod_ips.split(',').filter_map(|ip| ip.trim().parse().ok())
    }

    /// All addresses, or the pod's own where that was chosen.
    fn listen(&self) -> IpAddr {
        let own = self.ips().next();
        own.filter(|_| self.bind_local).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    }

    /// That of the folder, or one of our own for the names by which the program is reached.
    fn certificate(&self, name: &str) -> Certificate {
        if !self.serving_folder.is_empty() {
            return Certificate::Folder(PathBuf::from(&self.serving_folder));
        }
        let name = Some(name).filter(|name| !name.is_empty()).map(str::to_owned);
        let ips = self.ips().map(|ip| ip.to_string());
        Certificate::Own(name.into_iter().chain(ips).chain(["localhost".to_owned()]).collect())
    }
}

/// What was chosen of a program's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Where it is.
    pub address: SocketAddr,
    /// What it shows over TLS, and which TLS; `None` for plain HTTP.
    pub tls: Option<(Certificate, Limits)>,
    /// Whether /metrics is shown.
    pub metrics: bool,
}

impl Port {
    /// By the flags that every program has. `name` is by which its certificate knows it, if it makes one.
    ///
    /// # Errors
    /// A value that can't be read.
    pub fn chosen(flags: &Flags, place: &Place, name: &str) -> Result<Self, FlagError> {
        let limits = Limits::chosen(flags)?;
        Ok(Port {
            address: SocketAddr::new(place.listen(), flags.number("pprof-port")?),
            tls: flags.is_on("secure-serving").then(|| (place.certificate(name), limits)),
            metrics: flags.is_on("enable-metrics"),
        })
    }

    /// Reads or makes the certificate, and listens.
    ///
    /// # Errors
    /// [`PortError`]
    pub async fn open(self) -> Result<Open, PortError> {
        let serving = self.tls.map(|(certificate, limits)| Serving::new(certificate, limits)).transpose()?;
        let address = self.address;
        let listener = listen(address).await.map_err(|source| PortError::Taken { address, source })?;
        info!(%address, tls = serving.is_some(), "listening for /livez, /readyz and /metrics");
        Ok(Open { listener, serving: serving.map(Arc::new), metrics: self.metrics, address })
    }
}

/// Why there is no port.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PortError {
    /// It can't be listened on.
    #[error("{address} for /livez, /readyz and /metrics: {source}")]
    Taken {
        /// Where.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// What it should show can't be used.
    #[error("{}: {source}", folder.display())]
    Certificate {
        /// Where it should be.
        folder: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
}

/// A port that takes connections already.
#[derive(Debug)]
pub struct Open {
    listener: TcpListener,
    serving: Option<Arc<Serving>>,
    metrics: bool,
    address: SocketAddr,
}

impl Open {
    /// Answers, until it is dropped.
    ///
    /// # Errors
    /// The system's.
    pub async fn serve(self, health: Arc<dyn Health>) -> Result<(), PortError> {
        let mut router = Router::new()
            .route("/livez", get(livez))
            .route("/healthz", get(livez))
            .route("/readyz", get(readyz));
        if self.metrics {
            router = router.route("/metrics", get(shown));
        }
        let router = router.with_state(health);
        let address = self.address;
        let served = match self.serving {
            Some(serving) => match Secure::new(self.listener, serving) {
                Ok(secure) => axum::serve(secure, router).await,
                Err(error) => Err(error),
            },
            None => axum::serve(self.listener, router).await,
        };
        served.map_err(|source| PortError::Taken { address, source })
    }
}

async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        // Where there is no IPv6 all addresses are IPv4's.
        Err(error) if address.ip().is_unspecified() && error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

async fn livez(State(health): State<Arc<dyn Health>>) -> impl IntoResponse {
    match health.dead().await {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}

async fn readyz(State(health): State<Arc<dyn Health>>) -> impl IntoResponse {
    match health.ready().await {
        Ok(word) => (StatusCode::OK, word + "\n"),
        Err(obstacles) => (StatusCode::SERVICE_UNAVAILABLE, obstacles.join("\n") + "\n"),
    }
}

async fn shown(State(health): State<Arc<dyn Health>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], health.metrics().await)
}
