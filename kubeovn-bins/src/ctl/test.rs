//! `kubeovn-ctl test`: do packets get where they should, in the user's own cluster?
//!
//! ```text
//!   nodes ──> a pod each that answers ──> plan ──> a pod each that runs it as a script ──> its termination message ──> table
//! ```
//!
//! All goes through the API server and the kubelets; nothing reaches into a pod, so it works with any network, also a broken
//! one. The pods are in a namespace of their own, which goes whatever happens.

mod junit;
mod manifest;
mod place;
mod probe;
mod report;
mod script;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args as Group, ValueEnum};
use k8s_openapi::api::core::v1::{Node, Service};
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::time::timeout;

use self::manifest::Role;
use self::place::Place;
use self::probe::{Outcome, Targets, Tried};
use self::waiting::Stage;
use super::cluster::args::{Printed, Server};
use super::cluster::{reach, show};
use super::error::CtlError;
use super::outcome::{Found, say};
use crate::cluster::kube::random;
use crate::process::ended;

/// How long removing may take.
const REMOVING: Duration = Duration::from_secs(20);

/// What stands behind `test`.
#[derive(Debug, Group)]
pub struct Args {
    /// Image of the pods: a shell with httpd, wget, ping, nslookup and timeout, as busybox 1.30 or later
    #[arg(long, value_name = "IMAGE", default_value = "busybox:1.36")]
    image: String,
    /// Test this node alone; may be given several times
    #[arg(long = "node", value_name = "NAME")]
    only: Vec<String>,
    /// The most nodes that are tested: probes grow with their square
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    max_nodes: usize,
    /// An address or a URL outside that pods have to reach; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    external: Vec<String>,
    /// The name that is looked up, if the cluster has the Service kube-system/kube-dns
    #[arg(long, value_name = "NAME", default_value = "kubernetes.default.svc.cluster.local")]
    dns_name: String,
    /// What is left out
    #[arg(long, value_enum, value_delimiter = ',')]
    skip: Vec<Skip>,
    /// Seconds that pods may take to start
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    start_within: u64,
    /// Write a report in JUnit's form, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    printed: Printed,
}

/// What may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Skip {
    /// Nodes.
    Node,
    /// The Service: needs kube-proxy, or what does its work.
    Service,
    /// DNS.
    Dns,
}

impl Args {
    fn start(&self) -> Duration {
        Duration::from_secs(self.start_within.max(1))
    }

    /// Pods that answer, pods that ask, and what is between.
    fn longest(&self) -> Duration {
        self.start() * 2 + Duration::from_secs(script::LONGEST + 60) + REMOVING
    }
}

/// Does what the command line says.
///
/// # Errors
/// Why it can't be told: the cluster is not reached, refuses what the test needs, or the test was ended.
pub async fn run(args: Args) -> Result<Found, CtlError> {
    let client = reach::client(&args.server).await?;
    let began = Instant::now();
    for left in place::left(&client).await? {
        say(&format!("removing {}, which an earlier run left", left.name));
        clean(&left).await;
    }
    let place =
        Place::new(client.clone(), format!("kubeovn-test-{:08x}", (random().to_bits() >> 20) & 0xffff_ffff));
    let tested = tokio::select! {
        tested = test(&args, &client, &place) => tested,
        () = ended() => Err(CtlError::TestEnded),
    };
    clean(&place).await;
    let (tried, notes) = tested?;
    if let Some(path) = &args.junit {
        let text = junit::junit(&tried, began.elapsed().as_secs_f64());
        std::fs::write(path, text).map_err(|source| CtlError::Write { path: path.clone(), source })?;
    }
    show(
        args.printed.json(),
        || report::to_json(&tried, &notes),
        || report::to_text(&tried, &notes, args.printed.paint()),
    );
    Ok(if tried.iter().any(|tried| tried.outcome.is_failure()) { Found::Something } else { Found::Nothing })
}

/// Removes a namespace, and says so if it does not go.
async fn clean(place: &Place) {
    let removed = timeout(REMOVING, place.remove()).await;
    if let Err(why) = removed.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
        say(&format!(
            "CTL-TEST-LEFT: namespace {0} is still there: {why}. Run kubectl delete namespace {0}",
            place.name
        ));
    }
}

async fn test(args: &Args, client: &Client, place: &Place) -> Result<(Vec<Tried>, Vec<String>), CtlError> {
    let (nodes, mut remarks) = nodes(args, client).await?;
    place.create(args.longest()).await?;
    let service = if args.skip.contains(&Skip::Service) { None } else { Some(place.create_service().await?) };
    for (number, node) in nodes.keys().enumerate() {
        place.create_pod(manifest::server(number, node, &args.image)).await?;
    }
    let runs = |stage| if let Stage::Runs(ips) = stage { Some(ips) } else { None };
    let pods = place.wait(Role::Server, args.start(), runs).await?;
    let targets = Targets {
        nodes: if args.skip.contains(&Skip::Node) { BTreeMap::new() } else { nodes },
        service: service.map(addresses).unwrap_or_default(),
        dns: dns(args, client, &mut remarks).await,
        outside: args.external.clone(),
        pods,
    };
    let mut tried = probe::missing(&targets);
    let plan = probe::plan(&targets);
    let up: Vec<&String> = targets.pods.iter().filter(|(_, pod)| pod.is_ok()).map(|(node, _)| node).collect();
    if up.is_empty() {
        return Ok((tried, remarks));
    }
    let text = script::script(&plan);
    for (number, node) in up.iter().enumerate() {
        place.create_pod(manifest::prober(number, node, &args.image, &text)).await?;
    }
    let ended = |stage| if let Stage::Ended(report) = stage { Some(report) } else { None };
    let limit = args.start() + Duration::from_secs(script::LONGEST);
    for (from, report) in place.wait(Role::Prober, limit, ended).await? {
        let outcomes = match report {
            Ok(report) => script::outcomes(&report, plan.len()),
            Err(why) => vec![Outcome::Failed(why); plan.len()],
        };
        let each = plan.iter().cloned().zip(outcomes);
        tried.extend(each.map(|(probe, outcome)| Tried { from: from.clone(), probe, outcome }));
    }
    Ok((tried, remarks))
}

/// The nodes that are tested, with their addresses, and what has to be said of the others.
async fn nodes(
    args: &Args,
    client: &Client,
) -> Result<(BTreeMap<String, Vec<IpAddr>>, Vec<String>), CtlError> {
    let api: Api<Node> = Api::all(client.clone());
    let asked = timeout(args.server.within(), api.list(&ListParams::default())).await;
    let list = match asked {
        Ok(Ok(list)) => list.items,
        Ok(Err(error)) => return Err(CtlError::Nodes { reason: error.to_string() }),
        Err(_) => return Err(CtlError::Nodes { reason: "no answer in time".to_owned() }),
    };
    let count = list.len();
    let mut found = BTreeMap::new();
    let mut down = BTreeSet::new();
    for node in list {
        let name = node.metadata.name.clone().unwrap_or_default();
        if !args.only.is_empty() && !args.only.contains(&name) {
            continue;
        }
        if is_down(&node) {
            down.insert(name);
        } else {
            found.insert(name, internal(&node));
        }
    }
    let listed = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let missing: BTreeSet<String> = args
        .only
        .iter()
        .filter(|name| !found.contains_key(*name) && !down.contains(*name))
        .cloned()
        .collect();
    if found.is_empty() || !missing.is_empty() {
        let why = [("not ready", &down), ("not there", &missing)];
        let why = why.iter().filter(|(_, names)| !names.is_empty());
        let why =
            why.map(|(what, names)| format!("; {what}: {}", listed(names))).collect::<Vec<_>>().concat();
        return Err(CtlError::NoNodes { count, why });
    }
    let mut notes = Vec::new();
    if !down.is_empty() {
        notes.push(format!("not tested, since they are not ready: {}", listed(&down)));
    }
    let most = args.max_nodes.max(1);
    if found.len() > most {
        notes.push(format!(
            "tested are the first {most} of {} nodes: see --node and --max-nodes",
            found.len()
        ));
        found = found.into_iter().take(most).collect();
    }
    Ok((found, notes))
}

/// A node that nobody says anything of counts as ready.
fn is_down(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status != "True")
}

fn internal(node: &Node) -> Vec<IpAddr> {
    let addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
    let internal = addresses.filter(|address| address.type_ == "InternalIP");
    internal.filter_map(|address| address.address.parse().ok()).collect()
}

fn addresses(service: Service) -> Vec<IpAddr> {
    let ips = service.spec.and_then(|spec| spec.cluster_ips).unwrap_or_default();
    ips.iter().filter_map(|ip| ip.parse().ok()).collect()
}

/// The name that is looked up, where there is somebody to ask.
async fn dns(args: &Args, client: &Client, notes: &mut Vec<String>) -> Option<String> {
    if args.skip.contains(&Skip::Dns) {
        return None;
    }
    let services: Api<Service> = Api::namespaced(client.clone(), "kube-system");
    match services.get_opt("kube-dns").await {
        Ok(Some(_)) => Some(args.dns_name.clone()),
        Ok(None) => {
            notes.push("DNS was not tested: there is no Service kube-system/kube-dns".to_owned());
            None
        }
        Err(error) => {
            notes.push(format!("DNS was not tested: {error}"));
            None
        }
    }
}
