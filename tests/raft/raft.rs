//! Three members, a cluster, a controller, a crowd, and an eye on each member.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use kubeovn_core::cluster::memory::MemoryCluster;
use kubeovn_ovn::ovsdb::connect::ConnectConfig;
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

use crate::{
    crowd::{Crowd, Moving, bring, land, objects},
    driven::{self, Drive, Journal},
    network::Network,
    rig::Rig,
    seen::{Seen, difference},
    server::{DATABASE, Directory, Server, wait_for},
    settled::{addresses, cluster_of, in_time, unsettled},
};

/// How long a controller is watched that should do nothing.
const IDLE: Duration = Duration::from_secs(2);

/// How long to wait for what should come soon, on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(40);

/// How soon after there is a leader a write of ours must be through, on a machine that has time for it.
const RESUME: Duration = Duration::from_secs(2);

/// How many times as long as a fresh start took it may take on one that has not.
const SLOWER: u32 = 4;

/// How many members there are, numbered from 1.
pub(crate) const MEMBERS: u32 = 3;

/// The runtime goes first and takes controller and eyes along; then the servers, then what they live in.
pub(crate) struct Raft {
    runtime: Runtime,
    controller: Option<JoinHandle<()>>,
    moving: Option<Moving>,
    crowd: Option<Crowd>,
    eyes: Vec<Seen>,
    what: &'static str,
    begun: Instant,
    /// When the first controller was started.
    driven: Option<Instant>,
    /// How long that one took until nothing was left to do: tells how fast the machine is.
    fresh: OnceLock<Duration>,
    pub(crate) journal: Arc<Journal>,
    /// How long it took until writes came back, by kind of fault.
    resumed: Mutex<BTreeMap<&'static str, Vec<Duration>>>,
    pub(crate) cluster: Arc<MemoryCluster>,
    servers: Vec<Server>,
    pub(crate) network: Option<Network>,
    pub(crate) directory: Directory,
}

impl Raft {
    /// A settled controller on members that talk over unix sockets; the crowd rests.
    pub(crate) fn settled(what: &'static str) -> Self {
        let mut raft = Self::stopped(what, None);
        raft.drive(raft.config());
        raft.settle();
        raft
    }

    /// Everything but the controller.
    pub(crate) fn stopped(what: &'static str, network: Option<Network>) -> Self {
        let begun = Instant::now();
        let directory = Directory::new();
        let member = |number| match &network {
            None => Server::member(&directory, number),
            Some(network) => Server::member_at(
                &directory,
                number,
                &Network::raft(number),
                &Network::raft(1),
                Some(&network.namespace(number)),
            ),
        };
        let servers: Vec<Server> = (1..=MEMBERS).map(member).collect();
        wait_for("the members to join", || servers.iter().all(Server::is_cluster_member).then_some(()));
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let eyes: Vec<Seen> =
            servers.iter().map(|server| Seen::watch(runtime.handle(), server.socket())).collect();
        wait_for("the eyes to open", || eyes.iter().all(Seen::connected).then_some(()));
        let cluster = cluster_of(land());
        let seed = u64::try_from(what.len()).unwrap() * 7919 + 1;
        let crowd = Crowd::gather(cluster.clone(), seed);
        Raft {
            resumed: Mutex::default(),
            runtime,
            controller: None,
            moving: None,
            crowd: Some(crowd),
            eyes,
            what,
            begun,
            driven: None,
            fresh: OnceLock::new(),
            journal: Arc::default(),
            cluster,
            servers,
            network,
            directory,
        }
    }

    /// How a controller usually reaches the members.
    pub(crate) fn config(&self) -> ConnectConfig {
        let endpoints: Vec<String> = self.servers.iter().map(Server::endpoint).collect();
        ConnectConfig::new(endpoints.join(",").parse().unwrap(), DATABASE)
    }

    /// Starts a controller, in the place of the one before. Its pauses are as long as they may be.
    pub(crate) fn drive(&mut self, config: ConnectConfig) {
        self.stop();
        self.driven.get_or_insert_with(Instant::now);
        let drive = Drive { jitter: 1.0, ..Drive::new(config) };
        let run = driven::controller(drive, self.cluster.clone(), self.journal.clone());
        self.controller = Some(self.runtime.spawn(run));
    }

    pub(crate) fn stop(&mut self) {
        if let Some(controller) = self.controller.take() {
            controller.abort();
            let _ = self.runtime.block_on(controller);
        }
    }

    /// What a proxy runs on.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Pods come and go from here on.
    pub(crate) fn move_crowd(&mut self) {
        self.moving = self.crowd.take().map(Crowd::moving);
    }

    /// Nobody moves any more, and all is as it should be.
    pub(crate) fn rest(&mut self) {
        if let Some(moving) = self.moving.take() {
            self.crowd = Some(moving.rest());
        }
        self.settle();
    }

    pub(crate) fn server(&self, member: u32) -> &Server {
        &self.servers[usize::try_from(member).unwrap() - 1]
    }

    pub(crate) fn server_mut(&mut self, member: u32) -> &mut Server {
        &mut self.servers[usize::try_from(member).unwrap() - 1]
    }

    /// A member that was killed loses its database, too, and joins as a new one.
    pub(crate) fn rejoin(&mut self, member: u32) {
        let raft =
            |member: u32| format!("unix:{}", self.directory.path(&format!("n{member}.raft")).display());
        let (own, others) = (raft(member), others(member).into_iter().map(raft).collect::<Vec<_>>());
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        self.server_mut(member).rejoin(&own, &others);
    }

    pub(crate) fn eye(&self, member: u32) -> &Seen {
        &self.eyes[usize::try_from(member).unwrap() - 1]
    }

    /// Who leads, as far as these members know; of two that think they do, the later one.
    pub(crate) fn leader_among(&self, members: &[u32]) -> Option<u32> {
        let claims = members.iter().filter_map(|member| {
            let status = self.server(*member).status()?;
            let term = status.lines().find_map(|line| line.strip_prefix("Term: "))?.parse::<u64>().ok()?;
            status.contains("Role: leader").then_some((term, *member))
        });
        claims.max().map(|(_, member)| member)
    }

    /// Waits until one of these members leads, and answers since when at the latest.
    pub(crate) fn led_by(&self, members: &[u32]) -> (u32, Instant) {
        let leader = wait_for("a leader", || self.leader_among(members));
        (leader, Instant::now())
    }

    pub(crate) fn leader(&self) -> u32 {
        self.led_by(&others(0)).0
    }

    /// Waits until a member has what the others have.
    pub(crate) fn caught_up(&self, member: u32) {
        let log = |member| {
            let status = self.server(member).status()?;
            let line =
                |start: &str| status.lines().find_map(|line| line.strip_prefix(start).map(str::to_owned));
            (line("Status: ")? == "cluster member").then_some(())?;
            line("Log: ")?.trim_matches(['[', ']']).split_once(", ")?.1.parse::<u64>().ok()
        };
        let goal = others(member).into_iter().filter_map(log).max().unwrap_or_default();
        let done = in_time(PATIENCE, || log(member).is_some_and(|index| index >= goal));
        assert!(done, "{}: member {member} does not catch up: {:?}", self.what, self.server(member).status());
    }

    /// Waits for the first write of ours that is through after `since`, when there was a leader. A machine that does other
    /// things meanwhile may be late once: at least half of the times that a fault of this kind was made, it comes soon,
    /// see [`verify`](Self::verify).
    pub(crate) fn resumes(&self, kind: &'static str, fault: &str, since: Instant) {
        let mut done = None;
        in_time(PATIENCE, || {
            done = self.journal.done_after(since);
            done.is_some()
        });
        let took = done.map(|done| done - since);
        self.say(&format!("{kind} {fault}: the first write {took:.0?} after there was a leader"));
        let Some(took) = took else {
            panic!("{}: {kind} {fault}: no write within {PATIENCE:?}\n{}", self.what, self.journal.shown());
        };
        self.resumed.lock().unwrap().entry(kind).or_default().push(took);
    }

    /// Within [`RESUME`], or in proportion to what the same machine needed for a fresh start.
    fn resumed_in_time(&self) {
        let fresh = self.fresh.get().copied().unwrap_or_default();
        let allowed = RESUME.max(fresh * SLOWER);
        for (kind, times) in &*self.resumed.lock().unwrap() {
            let soon = times.iter().filter(|took| **took <= allowed).count();
            assert!(
                soon * 2 >= times.len(),
                "{}: {kind}: writes came back after {times:?}, a fresh start took {fresh:?}",
                self.what
            );
        }
    }

    /// Waits until some more writes are through.
    pub(crate) fn writes_go_on(&self, more: usize) {
        let goal = self.journal.done() + more;
        let done = in_time(PATIENCE, || self.journal.done() >= goal);
        assert!(done, "{}: nothing is written any more\n{}", self.what, self.journal.shown());
    }

    /// Waits until nothing is left to do, and every member has all of it.
    pub(crate) fn settle(&self) {
        for (eye, member) in self.eyes.iter().zip(1..) {
            let mut left = Vec::new();
            let done = in_time(PATIENCE, || {
                left = unsettled(&self.cluster, eye);
                left.is_empty()
            });
            left.truncate(10);
            assert!(
                done,
                "{}: member {member} is not settled: {left:#?}\n{}",
                self.what,
                self.journal.shown()
            );
        }
        if let Some(driven) = self.driven {
            // later ones don't count
            let _ = self.fresh.set(driven.elapsed());
        }
    }

    /// What must be true after whatever happened: see the head of this suite.
    pub(crate) fn verify(mut self) {
        self.rest();
        self.resumed_in_time();
        assert_eq!(self.journal.refused(), [""; 0], "{}: no fault makes a write of ours wrong", self.what);
        let fresh = Rig::settled(objects(&self.cluster));
        let wanted = fresh.rows();
        for (eye, member) in self.eyes.iter().zip(1..) {
            assert_eq!(eye.doubles(), [].into(), "{}: an address was in two ports at once", self.what);
            let mut left = String::new();
            let same = in_time(PATIENCE, || {
                left = difference(&wanted, &eye.rows());
                left.is_empty()
            });
            assert!(same, "{}: from a fresh start to what member {member} has:\n{left}", self.what);
        }
        assert_eq!(fresh.addresses(), addresses(&self.cluster), "{}", self.what);
        drop(fresh);
        self.restarts_silently();
        self.say(&format!("{:.1} s in all", self.begun.elapsed().as_secs_f64()));
    }

    fn restarts_silently(&mut self) {
        let mark = |raft: &Self| {
            let updates: Vec<usize> = raft.eyes.iter().map(Seen::updates).collect();
            (raft.journal.sent(), updates)
        };
        let resynced = self.journal.resynced();
        self.drive(self.config());
        let before = mark(self);
        wait_for("the controller to start again", || (self.journal.resynced() > resynced).then_some(()));
        std::thread::sleep(IDLE);
        assert_eq!(mark(self), before, "{}: a restart wrote\n{}", self.what, self.journal.shown());
        // it is awake, and does only what is due
        let unknown = self.journal.unknown();
        bring(&self.cluster, "canary");
        self.settle();
        let (sent, unknown) = (self.journal.sent() - before.0, self.journal.unknown() - unknown);
        // one of which nobody knows what became of it may be sent again
        assert!(
            (1..=1 + unknown).contains(&sent),
            "{}: a pod is one transaction, and {sent} were sent\n{}",
            self.what,
            self.journal.shown()
        );
    }

    pub(crate) fn say(&self, text: &str) {
        eprintln!("{}: {text}", self.what);
    }
}

/// The members but one.
pub(crate) fn others(member: u32) -> Vec<u32> {
    (1..=MEMBERS).filter(|other| *other != member).collect()
}
