//! The API server, asked once: every object of every kind, and who holds the lease.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use k8s_openapi::api::{coordination::v1::Lease, core::v1};
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use kubeovn_core::{
    contract::cluster::{Cluster, Event},
    index::objects::{Kind, Object, ObjectKey},
    rows::Millis,
    time::rfc3339,
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::args::Server;
use crate::{
    cluster::kube::{self as api, Failure, KindStatus, KubeCluster, Options, State},
    controller::lacking::{LACKING, Lacking, counted},
    ctl::error::CtlError,
    run::lease::{self, Record},
};

/// A kind that was refused for so long will not be told by waiting: one lost packet is no reason to give up.
const GRACE: Duration = Duration::from_secs(2);
/// Kinds that are asked about at a time.
const ASKED: usize = 4;
/// Events in one page.
const EVENTS: u32 = 500;
/// How often to look whether a kind is refused.
const LOOK: Duration = Duration::from_millis(100);

/// What an API server said.
#[derive(Debug)]
pub struct Told {
    /// Where it is.
    pub url: String,
    /// All objects of all kinds.
    pub objects: Vec<Object>,
    /// What stands in the controller's lease; `None` where there is none, or it may not be read.
    pub lease: Result<Option<Record>, String>,
}

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remark {
    /// When it was last said.
    pub at: Millis,
    /// Kind of the object that it is about.
    pub kind: String,
    /// Its namespace; empty where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// In a word.
    pub reason: String,
    /// In a sentence.
    pub message: String,
}

impl Remark {
    fn of(event: v1::Event) -> Self {
        let about = event.involved_object;
        let at = event.last_timestamp.or(event.first_timestamp).map(|time| time.0);
        let at = at.or(event.event_time.map(|time| time.0));
        Remark {
            at: at.and_then(|at| Millis::try_from(at.as_millisecond()).ok()).unwrap_or(0),
            kind: about.kind.unwrap_or_default(),
            namespace: about.namespace.unwrap_or_default(),
            name: about.name.unwrap_or_default(),
            reason: event.reason.unwrap_or_default(),
            message: event.message.unwrap_or_default(),
        }
    }

    /// The object that it is about.
    fn about(&self) -> String {
        let slash = if self.namespace.is_empty() { "" } else { "/" };
        format!("{} {}{slash}{}", self.kind, self.namespace, self.name)
    }

    /// For people.
    pub fn to_text(&self) -> String {
        format!("{}  {}  {}: {}\n", rfc3339(self.at), self.about(), self.reason, self.message)
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        json!({ "at": rfc3339(self.at), "object": self.about(), "reason": self.reason, "message": self.message })
    }
}

/// Asks for everything, once.
///
/// # Errors
/// [`CtlError::Access`] when it isn't known how to reach the server, [`CtlError::Cluster`] when it did not tell all.
pub async fn ask(server: &Server) -> Result<Told, CtlError> {
    let config = config(server).await?;
    let url = config.cluster_url.to_string();
    let client = api::client(config).map_err(|error| CtlError::Access { reason: error.to_string() })?;
    let objects = objects(&client, &url, server.within()).await?;
    let lease = record(&client, &server.lease_namespace, server.within()).await;
    Ok(Told { url, objects, lease })
}

/// All events that there are, the oldest first. They are a help beside the rest, so that a reason is told where there are
/// none to be had.
///
/// # Errors
/// Why not.
pub async fn remarks(server: &Server) -> Result<Vec<Remark>, String> {
    let reason = |error: &dyn std::error::Error| error.to_string();
    let events: Api<v1::Event> = Api::all(client(server).await.map_err(|error| reason(&error))?);
    let mut all = Vec::new();
    let mut asked = ListParams::default().limit(EVENTS);
    let reading = async {
        loop {
            let page = events.list(&asked).await.map_err(|error| reason(&error))?;
            all.extend(page.items.into_iter().map(Remark::of));
            match page.metadata.continue_.filter(|further| !further.is_empty()) {
                Some(further) => asked.continue_token = Some(further),
                None => return Ok::<(), String>(()),
            }
        }
    };
    timeout(server.within(), reading).await.map_err(|_| "no answer in time".to_owned())??;
    all.sort_by(|a: &Remark, b: &Remark| (a.at, &a.name, &a.reason).cmp(&(b.at, &b.name, &b.reason)));
    Ok(all)
}

/// How many objects there are of each kind that nothing acts on, or why that can't be told; none left out.
///
/// # Errors
/// When it isn't known how to reach the server.
pub async fn lacking(server: &Server) -> Result<Vec<(&'static Lacking, Result<usize, String>)>, CtlError> {
    let cluster = KubeCluster::new(client(server).await?, options());
    let count = async |kind: &'static Lacking| {
        let number = timeout(server.within(), counted(&cluster, kind)).await;
        let number = number.unwrap_or_else(|_| Err(Failure::silent("no answer in time")));
        let words = |failure: Failure| match failure.code {
            // The server's words name each kind in its own way.
            401 | 403 => "you may not list them".to_owned(),
            _ => failure.to_string(),
        };
        (kind, number.map_err(words))
    };
    // Few at a time: they are none of the server's business.
    Ok(stream::iter(LACKING).map(count).buffered(ASKED).collect().await)
}

/// A client as the controller's.
pub(in crate::ctl) async fn client(server: &Server) -> Result<Client, CtlError> {
    let config = config(server).await?;
    api::client(config).map_err(|error| CtlError::Access { reason: error.to_string() })
}

fn options() -> Options {
    Options { component: "kubeovn-ctl".to_owned(), ..Options::default() }
}

async fn config(server: &Server) -> Result<Config, CtlError> {
    let no_access = |error: &dyn std::error::Error| {
        // The innermost says what it is.
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let (whole, part) = (error.to_string(), innermost.to_string());
        CtlError::Access { reason: if whole.contains(&part) { whole } else { format!("{whole}: {part}") } }
    };
    let options = KubeConfigOptions { context: server.context.clone(), ..KubeConfigOptions::default() };
    match (&server.kubeconfig, &server.context) {
        (Some(path), _) => {
            let file = Kubeconfig::read_from(path).map_err(|error| no_access(&error))?;
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| no_access(&error))
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await.map_err(|error| no_access(&error)),
        (None, None) => Config::infer().await.map_err(|error| no_access(&error)),
    }
}

/// Every object, by the way that the controller reads them: it sees the same.
async fn objects(client: &Client, url: &str, within: Duration) -> Result<Vec<Object>, CtlError> {
    let cluster = KubeCluster::new(client.clone(), options());
    let mut events = cluster.watch(Kind::ALL);
    let mut missing: BTreeSet<Kind> = Kind::ALL.iter().copied().collect();
    let mut objects: BTreeMap<ObjectKey, Object> = BTreeMap::new();
    let reading = async {
        while !missing.is_empty() {
            match events.next().await {
                Some(Event::Applied(object)) => drop(objects.insert(object.key(), object)),
                Some(Event::Deleted { key, .. }) => drop(objects.remove(&key)),
                Some(Event::Listed(kind) | Event::Absent(kind)) => drop(missing.remove(&kind)),
                None => return false,
            }
        }
        true
    };
    let refused = async {
        while !cluster.status().iter().any(is_refused) {
            sleep(LOOK).await;
        }
    };
    let whole = tokio::select! {
        whole = reading => whole,
        () = refused => false,
        () = sleep(within) => false,
    };
    if whole {
        return Ok(objects.into_values().collect());
    }
    Err(CtlError::Cluster { url: url.to_owned(), reasons: reasons(&cluster.status(), &missing) })
}

fn is_refused(kind: &KindStatus) -> bool {
    !kind.listed && !kind.kind.is_optional() && kind.state == State::Failing && kind.lasts > GRACE
}

/// Why kinds were not told, those of one reason together.
fn reasons(status: &[KindStatus], missing: &BTreeSet<Kind>) -> Vec<String> {
    let mut reasons: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for kind in status.iter().filter(|kind| missing.contains(&kind.kind)) {
        let why = kind
            .error
            .as_deref()
            .map_or_else(|| "no answer in time".to_owned(), |why| common(kind.kind, why));
        reasons.entry(why).or_default().push(kind.kind.name());
    }
    reasons.into_iter().map(|(why, kinds)| format!("{}: {why}", kinds.join(", "))).collect()
}

/// A reason without what tells it from that of another kind.
fn common(kind: Kind, why: &str) -> String {
    let (name, plural, group) = (kind.name(), kind.plural(), kind.group());
    let qualified = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
    // What to do is said for all of them, and nothing is asked again.
    let why = why.split(". It is asked again").next().unwrap_or(why);
    why.replace(&format!(": kind {name} can't be read: "), ": ")
        .replace(&format!("{qualified} is forbidden: "), "")
        .replace(&format!("resource \"{plural}\" in API group \"{group}\""), "them")
}

async fn record(client: &Client, namespace: &str, within: Duration) -> Result<Option<Record>, String> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let name = lease::Config::new(namespace, "").name;
    match timeout(within, leases.get_opt(&name)).await {
        Ok(Ok(lease)) => Ok(lease.as_ref().map(Record::of)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_fail_for_one_reason_are_told_together() {
        let failing = |kind: Kind, group: &str| {
            let plural = kind.plural();
            let qualified = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
            let error = format!(
                "KUBE-FORBIDDEN: kind {} can't be read: the API server answered 403: {qualified} is forbidden: User \"a\" \
                 cannot list resource \"{plural}\" in API group \"{group}\" at the cluster scope. Ask",
                kind.name()
            );
            let (listed, lasts) = (false, Duration::ZERO);
            KindStatus { kind, listed, state: State::Failing, lasts, error: Some(error) }
        };
        let status = [failing(Kind::Node, ""), failing(Kind::Subnet, "kubeovn.io"), failing(Kind::Pod, "")];
        let told = reasons(&status, &[Kind::Node, Kind::Subnet].into());
        let text = "Node, Subnet: KUBE-FORBIDDEN: the API server answered 403: User \"a\" cannot list them at the cluster \
                    scope. Ask";
        assert_eq!(told, [text]);
    }
}
