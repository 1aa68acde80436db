//! What the controller says itself: its probes and metrics, at an address that was given, or through the API server, which
//! reaches the pod that holds the lease.

use std::{fs, path::PathBuf, time::Duration};

use clap::Args as Group;
use http::{Request, Uri};
use kube::{Client, Config, client::Body};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{found::Trouble, leader::Leader};
use crate::{
    cluster::kube::{self as api, Failure},
    ctl::{
        cluster::{args::Server, reach},
        error::CtlError,
    },
};

/// The controller says what it lacks.
pub(super) const NOT_READY: &str = "CTL-CONTROLLER-NOT-READY";
/// There is no answer where one was to be had.
pub(super) const SILENT: &str = "CTL-CONTROLLER-SILENT";

/// The port of the probes, unless somebody chose another.
const PORT: u16 = 10660;
/// How long an answer may take: the controller gives its driver four seconds.
const WITHIN: Duration = Duration::from_secs(8);

/// Where the controller is asked.
#[derive(Clone, Debug, Group)]
pub(super) struct Where {
    /// Where the controller answers probes, as http://10.0.0.5:10660. Left out: through the API server, where the pod that
    /// holds the lease is reached
    #[arg(long, value_name = "URL")]
    controller: Option<Uri>,
    /// The CA of an https: address; without it the certificate is not looked at
    #[arg(long, value_name = "PEM", requires = "controller")]
    controller_ca: Option<PathBuf>,
}

/// What was answered.
#[derive(Debug)]
pub(super) enum Asked {
    /// There was nobody to ask, or no way there.
    Not {
        reason: String,
    },
    /// Nobody answers at the address that was given.
    Silent {
        place: String,
        reason: String,
    },
    Answered {
        place: String,
        ready: bool,
        words: String,
        metrics: Metrics,
    },
}

/// A few of the metrics; `None` for those that were not told.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    idle: Option<f64>,
    database: Option<f64>,
    done: Option<f64>,
    refused: Option<f64>,
    unknown: Option<f64>,
}

/// A way to one controller.
struct Way {
    client: Client,
    place: String,
    /// What stands before the path.
    prefix: String,
}

impl Where {
    /// Asks.
    ///
    /// # Errors
    /// The file with the CA can't be read.
    pub(super) async fn ask(&self, server: &Server, leader: &Leader) -> Result<Asked, CtlError> {
        if let Some(url) = &self.controller {
            let way = Way { client: self.client(url)?, place: url.to_string(), prefix: String::new() };
            return Ok(match way.asked().await {
                Ok(asked) => asked,
                Err(reason) => Asked::Silent { place: way.place, reason },
            });
        }
        let Some(pod) = leader.pod() else {
            return Ok(Asked::Not { reason: "no pod is known that works".to_owned() });
        };
        let client = reach::client(server).await?;
        let mut reasons = Vec::new();
        // The second one where it serves TLS.
        for scheme in ["", "https:"] {
            let namespace = &server.lease_namespace;
            let prefix = format!("/api/v1/namespaces/{namespace}/pods/{scheme}{pod}:{PORT}/proxy");
            let place = format!("pod {namespace}/{pod}");
            match (Way { client: client.clone(), place, prefix }).asked().await {
                Ok(asked) => return Ok(asked),
                Err(reason) => reasons.push(reason),
            }
        }
        reasons.dedup();
        Ok(Asked::Not { reason: reasons.join("; ") })
    }

    fn client(&self, url: &Uri) -> Result<Client, CtlError> {
        let mut config = Config::new(url.clone());
        config.accept_invalid_certs = self.controller_ca.is_none();
        if let Some(path) = &self.controller_ca {
            let unreadable = |source| CtlError::Ca { path: path.clone(), source };
            let text = fs::read(path).map_err(unreadable)?;
            let certificates = certificates(&text);
            let certificates = certificates.map_err(|error| unreadable(std::io::Error::other(error)))?;
            config.root_cert = Some(certificates);
        }
        api::client(config).map_err(|error| CtlError::Access { reason: error.to_string() })
    }
}

/// The certificates of a PEM file.
fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
    let all = CertificateDer::pem_slice_iter(text).map(|one| one.map(|one| one.to_vec()));
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if all.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(all) }
}

impl Way {
    async fn asked(&self) -> Result<Asked, String> {
        let (status, words) = self.get("/readyz").await?;
        let metrics = match self.get("/metrics").await {
            Ok((200, text)) => Metrics::read(&text),
            // They may be turned off.
            _ => Metrics::default(),
        };
        let (place, words) = (self.place.clone(), words.trim().replace('\n', "; "));
        Ok(Asked::Answered { place, ready: status == 200, words, metrics })
    }

    /// Status and text of an answer of the controller; what the API server says on the way is none.
    async fn get(&self, path: &str) -> Result<(u16, String), String> {
        let request = Request::get(format!("{}{path}", self.prefix)).body(Body::empty());
        let request = request.map_err(|error| error.to_string())?;
        let answer = async {
            let response = self.client.send(request).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect_bytes().await?;
            Ok::<_, kube::Error>((status, String::from_utf8_lossy(&body).into_owned()))
        };
        let (status, text) = match timeout(WITHIN, answer).await {
            Ok(answer) => answer.map_err(|error| Failure::from(error).message)?,
            Err(_) => return Err(format!("nothing within {} s", WITHIN.as_secs())),
        };
        match serde_json::from_str::<kube::core::Status>(&text) {
            Ok(told) if status != 200 => Err(told.message),
            _ if matches!(status, 200 | 503) => Ok((status, text)),
            _ => Err(format!("HTTP {status}")),
        }
    }
}

impl Metrics {
    fn read(text: &str) -> Self {
        let sample = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            found.and_then(|value| value.parse().ok())
        };
        let outcome = |outcome| sample(&format!("kubeovn_transactions_total{{outcome=\"{outcome}\"}}"));
        Metrics {
            idle: sample("kubeovn_idle{component=\"controller\"}"),
            database: sample("kubeovn_database_up{component=\"controller\"}"),
            done: outcome("done"),
            refused: outcome("refused"),
            unknown: outcome("unknown"),
        }
    }

    fn words(&self) -> Vec<String> {
        let is = |value: Option<f64>, yes: &str, no: &str| {
            value.map(|value| if value > 0.0 { yes.to_owned() } else { no.to_owned() })
        };
        // Most have none.
        let count = |value: Option<f64>, what: &str| {
            value.filter(|value| *value > 0.0).map(|value| format!("{value:.0} {what}"))
        };
        let all = [
            is(self.idle, "idle", "at work"),
            is(self.database, "Northbound up", "Northbound down"),
            self.done.map(|value| format!("transactions: {value:.0}")),
            count(self.refused, "refused"),
            count(self.unknown, "of unknown outcome"),
        ];
        all.into_iter().flatten().collect()
    }

    fn to_json(&self) -> Value {
        json!({
            "idle": self.idle.map(|value| value > 0.0), "databaseUp": self.database.map(|value| value > 0.0),
            "transactions": { "done": self.done, "refused": self.refused, "unknown": self.unknown },
        })
    }
}

impl Asked {
    /// What is to be looked at in it.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        match self {
            Asked::Not { .. } | Asked::Answered { ready: true, .. } => None,
            Asked::Silent { place, reason } => {
                let text =
                    format!("the controller does not answer at {place}: {reason}. See whether it runs there");
                Some(Trouble::new(SILENT, text))
            }
            Asked::Answered { place, words, .. } => {
                let text = format!("the controller at {place} is not ready: {words}. Look at its log");
                Some(Trouble::new(NOT_READY, text))
            }
        }
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Asked::Not { reason } => format!("not asked: {reason}. See --controller"),
            Asked::Silent { place, .. } => format!("no answer at {place}"),
            Asked::Answered { place, ready, words, metrics } => {
                let ready = if *ready { words.replacen("ok", "ready", 1) } else { "not ready".to_owned() };
                let all = [format!("{place}: {ready}")].into_iter().chain(metrics.words());
                all.collect::<Vec<_>>().join(", ")
            }
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Asked::Not { reason } => json!({ "asked": false, "reason": reason }),
            Asked::Silent { place, reason } => json!({ "asked": true, "at": place, "reason": reason }),
            Asked::Answered { place, ready, words, metrics } => {
                json!({ "asked": true, "at": place, "ready": ready, "says": words, "metrics": metrics.to_json() })
            }
        }
    }
}

#[cfg(test)]
mod tests;
