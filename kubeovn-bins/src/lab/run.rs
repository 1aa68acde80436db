//! A lab from its start to its end.
//!
//! ```text
//!   folder ──> cluster ──┬──> controller ──> Northbound
//!                        ├──> stage: machines, daemons, pods
//!                        └──> view ──> settled? ──> probes ──> report
//! ```
//!
//! The controller and the daemons know nothing of the lab. The lab waits until they have come to rest, probes,
//! and reports; and again after every change of what it probed.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use kubeovn_core::annotations;
use kubeovn_core::contract::cluster::{Cluster, Note};
use kubeovn_core::index::Settings;
use kubeovn_core::index::objects::{Kind, ObjectKey};
use kubeovn_ovn::nb::NORTHBOUND;
use kubeovn_ovn::northd::Northd;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use self::progress::Progress;
use self::stage::{Seat, Stage, Wanted};
use super::database;
use super::error::LabError;
use super::fabric::{self, Fabric, FabricEvent};
use super::manifest::PodName;
use super::pods::Runtime;
use super::probe::{self, Outcome, Place, Places};
use super::report::{ProbeLine, Report};
use super::state::{LabName, StateDir};
use super::svg;
use super::view::{self, Machines, View};
use crate::cluster::folder::{Findings, FolderCluster};
use crate::run::controller::{self, Company};

mod host;
mod progress;
mod stage;

/// How long probes that are not as expected are repeated.
const PROBE_PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait for everything to settle before probing what is there.
const SETTLE_PATIENCE: Duration = Duration::from_mins(1);

/// What to run, and how to tell about it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The lab's name.
    pub name: LabName,
    /// A file or a folder of manifests.
    pub manifests: PathBuf,
    /// The CNI plugin.
    pub plugin: PathBuf,
    /// End after the probes.
    pub once: bool,
    /// Print the JSON document instead of tables.
    pub json: bool,
    /// Where to draw a picture.
    pub svg: Option<PathBuf>,
}

/// Runs a lab until it is done, or until `stop` ends, and removes it. The last report; none if there was no time
/// for one.
///
/// # Errors
/// When the fabric does not come up, or when something of it cannot be removed.
pub async fn run(options: Options, stop: impl Future<Output = ()>) -> Result<Option<Report>, LabError> {
    let folder = Arc::new(FolderCluster::open(&options.manifests)?);
    if !options.plugin.is_file() {
        return Err(LabError::PluginMissing { path: options.plugin });
    }
    let state = StateDir::new(options.name.clone());
    let (tell, events) = mpsc::unbounded_channel();
    let fabric = Arc::new(Fabric::start(state.clone(), tell).await?);
    let mut lab = Lab::new(options, folder, fabric, events);
    lab.progress.say("databases and northd are up");
    lab.live(stop).await;
    lab.progress.say("removing everything");
    let Lab { stage, report, controller, follower, .. } = lab;
    let fabric = stage.finish().await;
    for task in [controller, follower] {
        task.abort();
        // Cancelled, as it should be.
        let _ = task.await;
    }
    match Arc::into_inner(fabric) {
        Some(fabric) => fabric.stop().await?,
        None => fabric::blocking(move || fabric::sweep(&state)).await?,
    }
    Ok(report)
}

struct Lab {
    options: Options,
    folder: Arc<FolderCluster>,
    stage: Stage,
    events: mpsc::UnboundedReceiver<FabricEvent>,
    progress: Progress,
    controller: JoinHandle<()>,
    follower: JoinHandle<()>,
    places: Arc<Mutex<Places>>,
    /// What people were warned of already.
    warned: BTreeSet<(ObjectKey, Arc<str>)>,
    restarts: u64,
    /// What the last probing has seen.
    probes: Vec<ProbeLine>,
    report: Option<Report>,
}

/// What probes are about: when any of it changes they are done again.
#[derive(Debug, Default, PartialEq)]
struct Subject {
    objects: Vec<(ObjectKey, Arc<str>, i64)>,
    nodes: Vec<String>,
    pods: Vec<(PodName, String)>,
    findings: Arc<Findings>,
    /// How often daemons of the fabric have come back.
    restarts: u64,
}

/// Probing under way; dropped, it ends.
struct Probing {
    rounds: mpsc::UnboundedReceiver<(usize, usize)>,
    task: JoinSet<Vec<Outcome>>,
}

enum ProbingEvent {
    /// So many probes are as expected, of so many.
    Round(usize, usize),
    Done(Vec<Outcome>),
    Failed(String),
}

impl Lab {
    fn new(
        options: Options,
        folder: Arc<FolderCluster>,
        fabric: Arc<Fabric>,
        events: mpsc::UnboundedReceiver<FabricEvent>,
    ) -> Self {
        let cluster = Arc::clone(folder.cluster());
        // Also when a file cannot be read: the fabric is empty, so nothing in it can be taken for gone.
        cluster.filled();
        let northbound = database::client(&NORTHBOUND, &fabric.northbound(), Some(database::sole_writer()));
        let controller = controller::run(
            Settings::default(),
            Arc::clone(&cluster) as _,
            Box::new(northbound),
            Company { northd: Some(Northd::new(fabric.northd())), ..Company::default() },
        );
        let runtime = Arc::new(Runtime::new(fabric.state().clone(), options.plugin.clone()));
        Self {
            progress: Progress::new(fabric.state().clone()),
            stage: Stage::new(fabric, runtime, cluster),
            controller: tokio::spawn(controller),
            follower: tokio::spawn(Arc::clone(&folder).follow()),
            options,
            folder,
            events,
            places: Arc::default(),
            warned: BTreeSet::new(),
            restarts: 0,
            probes: Vec::new(),
            report: None,
        }
    }

    /// Keeps the stage as the objects want it and probes whenever it has settled.
    async fn live(&mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut findings = self.folder.findings();
        let mut changes = self.folder.cluster().watch(Kind::ALL);
        let mut subject = Subject::default();
        let mut settle_by = Instant::now() + SETTLE_PATIENCE;
        let mut probed = false;
        let mut probing: Option<Probing> = None;
        loop {
            self.warn();
            let view = View::of(self.folder.cluster());
            self.stage.want(wanted(&view));
            self.refresh_places(&view);
            self.progress.report(self.describe(&view));
            let now = self.subject(&view, Arc::clone(&findings.borrow_and_update()));
            if now != subject {
                subject = now;
                settle_by = Instant::now() + SETTLE_PATIENCE;
                probed = false;
                probing = None;
            }
            if !probed && probing.is_none() {
                match self.unsettled(&view).filter(|_| Instant::now() < settle_by) {
                    Some(what) => self.progress.doing(&what),
                    None => probing = Some(self.probe(&subject.findings)),
                }
            }
            tokio::select! {
                () = &mut stop => break,
                said = self.stage.next() => if let Some(said) = said { self.progress.say(&said) },
                Some(event) = self.events.recv() => {
                    self.progress.fabric(&event);
                    self.restarts += u64::from(matches!(event, FabricEvent::Restarted { .. }));
                }
                _ = findings.changed() => {}
                _ = changes.next() => while changes.next().now_or_never().flatten().is_some() {},
                () = sleep_until(settle_by), if !probed && probing.is_none() => {}
                event = probing_event(&mut probing) => {
                    match event {
                        ProbingEvent::Round(good, all) => {
                            self.progress.doing(&format!("{good}/{all} probes as expected so far"));
                            continue;
                        }
                        ProbingEvent::Done(outcomes) => self.tell(outcomes),
                        ProbingEvent::Failed(why) => self.progress.say(&format!("probing failed: {why}")),
                    }
                    if self.options.once {
                        break;
                    }
                    probing = None;
                    probed = true;
                }
            }
        }
    }

    /// Says what people are warned of, once.
    fn warn(&mut self) {
        for told in self.folder.cluster().notes().into_iter().filter(|told| told.note.warning) {
            if self.warned.insert((told.note.key.clone(), told.note.message.clone())) {
                let Note { key, reason, message, .. } = &told.note;
                // Most sentences name their object.
                let about = if message.contains(&*key.name) { String::new() } else { format!("{key}: ") };
                self.progress.say(&format!("{reason}: {about}{message}"));
            }
        }
    }

    /// What is still to come before probing makes sense.
    fn unsettled(&self, view: &View) -> Option<String> {
        let Settings { subnet, join, .. } = Settings::default();
        if let Some(missing) =
            [subnet, join].iter().find(|name| !view.subnets.iter().any(|has| has.meta.name == **name))
        {
            return Some(format!("waiting for subnet {missing}"));
        }
        if let Some(what) = view.undecided() {
            return Some(format!("waiting for {what}"));
        }
        // Who waits for an address that cannot be had would wait for ever.
        let refused = |name: &PodName| {
            view.pods.iter().any(|pod| view::name(pod) == *name && view::error(pod).is_some())
        };
        self.stage.unfinished(refused).map(str::to_owned)
    }

    fn subject(&self, view: &View, findings: Arc<Findings>) -> Subject {
        let vpcs = view.vpcs.iter().map(|vpc| (Kind::Vpc, &vpc.meta));
        let subnets = view.subnets.iter().map(|subnet| (Kind::Subnet, &subnet.meta));
        let pods = view.pods.iter().map(|pod| (Kind::Pod, &pod.meta));
        let objects = vpcs.chain(subnets).chain(pods).map(|(kind, meta)| {
            let key = ObjectKey { kind, namespace: meta.namespace.clone(), name: meta.name.clone() };
            (key, meta.uid.clone(), meta.generation)
        });
        Subject {
            objects: objects.collect(),
            nodes: self.stage.hosts().map(|host| host.name.clone()).collect(),
            pods: self.stage.plugged().map(|(name, plugged)| (name.clone(), plugged.node.clone())).collect(),
            findings,
            restarts: self.restarts,
        }
    }

    /// Tells the probes where things are now.
    fn refresh_places(&self, view: &View) {
        let pods = self.stage.plugged().map(|(name, plugged)| {
            (name.clone(), Place { netns: plugged.netns.clone(), ips: plugged.ips.clone() })
        });
        let nodes = self.stage.hosts().map(|host| {
            let node = view.nodes.iter().find(|node| *node.meta.name == *host.name);
            let said =
                node.and_then(|node| node.meta.annotation(annotations::node::IP_ADDRESS)).unwrap_or_default();
            let ips = annotations::items(said).filter_map(|ip| ip.parse().ok()).collect();
            (host.name.clone(), Place { netns: host.netns.clone(), ips })
        });
        let places = Places { pods: pods.collect(), nodes: nodes.collect() };
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = places;
    }

    fn probe(&mut self, findings: &Findings) -> Probing {
        self.progress.doing(&format!("settled; sending {} probes", findings.probes.len()));
        let (probes, places) = (findings.probes.clone(), Arc::clone(&self.places));
        let (tell, rounds) = mpsc::unbounded_channel();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let places = || places.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // Nobody listens when the probing is not wanted any more.
            probe::run(&probes, places, PROBE_PATIENCE, |good, all| {
                let _ = tell.send((good, all));
            })
            .await
        });
        Probing { rounds, task }
    }

    /// Everything as it is, with what was seen last.
    fn describe(&self, view: &View) -> Report {
        let machines = Machines {
            up: self.stage.hosts().map(|host| host.name.clone()).collect(),
            trouble: self.stage.trouble(),
        };
        Report { probes: self.probes.clone(), ..view.report(&self.folder.findings().borrow(), &machines) }
    }

    /// Reports what was seen.
    fn tell(&mut self, outcomes: Vec<Outcome>) {
        self.probes = outcomes.into_iter().map(ProbeLine::from).collect();
        let view = View::of(self.folder.cluster());
        let report = self.describe(&view);
        self.progress.report(report.clone());
        self.progress.doing("settled");
        let mut out = std::io::stdout().lock();
        let text = if self.options.json { report.to_json() } else { report.to_text(out.is_terminal()) };
        // With nobody to read it there is still the exit code.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if let Some(path) = &self.options.svg
            && let Err(error) = std::fs::write(path, svg::render(&view.topology(&report)))
        {
            self.progress.say(&format!("the picture cannot be written to {}: {error}", path.display()));
        }
        self.report = Some(report);
    }
}

/// What the probing tells next; nothing, for ever, if there is none.
async fn probing_event(probing: &mut Option<Probing>) -> ProbingEvent {
    let Some(Probing { rounds, task }) = probing else { return std::future::pending().await };
    tokio::select! {
        biased;
        Some((good, all)) = rounds.recv() => ProbingEvent::Round(good, all),
        outcomes = task.join_next() => match outcomes {
            Some(Ok(outcomes)) => ProbingEvent::Done(outcomes),
            Some(Err(error)) => ProbingEvent::Failed(error.to_string()),
            None => ProbingEvent::Failed("it has ended before".to_owned()),
        },
    }
}

/// The machines and containers that objects ask for.
fn wanted(view: &View) -> Wanted {
    let pods = view.pods.iter().filter(|pod| !pod.meta.deleting).filter_map(|pod| {
        let node = pod.node.as_deref()?.to_owned();
        Some((view::name(pod), Seat { uid: pod.meta.uid.to_string(), node }))
    });
    Wanted { nodes: view.nodes.iter().map(|node| node.meta.name.to_string()).collect(), pods: pods.collect() }
}
