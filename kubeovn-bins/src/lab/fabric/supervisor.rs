//! Keeps one daemon running: starts it in its namespace, starts it again when it dies, ends it when asked.
//!
//! Daemons are children in a process group of their own, so that a Ctrl-C at the terminal reaches only the lab,
//! which then ends them in order. Each start is written down (see [`StateDir`]) for the case that the lab dies first.

use std::fs::OpenOptions;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use kubeovn_node::netns::NetNs;
use nix::sys::signal::Signal;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::lab::error::LabError;
use crate::lab::state::process::Process;
use crate::lab::state::remove_file;
use crate::lab::tool;

/// The first and the longest pause before a daemon that died is started again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A daemon that ran this long did not die of how it was started.
const SETTLED: Duration = Duration::from_secs(10);

/// How long a daemon may take to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(3);

/// What to do around each start of a daemon.
pub(super) type Hook = Arc<dyn Fn() -> BoxFuture<'static, Result<(), LabError>> + Send + Sync>;

/// Something that happened to a daemon, worth a line to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FabricEvent {
    /// It ended without being asked to, or could not be started, and will be started again.
    Died {
        /// `<node>/<program>`.
        daemon: String,
        /// How it ended.
        how: String,
        /// In how long it is started again.
        again_in: Duration,
    },
    /// It was started again and is prepared as it was before.
    Restarted {
        /// `<node>/<program>`.
        daemon: String,
    },
    /// It runs, but could not be prepared yet.
    Unprepared {
        /// `<node>/<program>`.
        daemon: String,
        /// What went wrong.
        why: String,
    },
}

/// How to run a daemon.
pub(super) struct Spec {
    /// `<node>/<program>`, for people.
    pub(super) name: String,
    /// Where it lives.
    pub(super) netns: NetNs,
    /// The program.
    pub(super) program: &'static str,
    /// Its arguments; they must keep it in the foreground.
    pub(super) args: Vec<String>,
    /// `OVS_RUNDIR` and `OVN_RUNDIR`, and where what it prints goes.
    pub(super) run_dir: PathBuf,
    /// Where its process is written down.
    pub(super) record: PathBuf,
    /// Done before each start; if it fails, there is no start.
    pub(super) before: Option<Hook>,
    /// Done after each start, while it runs; if it fails, it is done again.
    pub(super) after: Option<Hook>,
    /// How to ask it to end for good, where that is more than a SIGTERM.
    pub(super) farewell: Option<Hook>,
}

/// What a daemon is wanted to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Run,
    /// To end as fast as it can.
    End,
    /// To end, and to leave nothing of it with others.
    Leave,
    /// To end at once, as when the power is cut.
    Die,
}

/// A daemon that is kept running until [`Daemon::stop`], or until this is dropped.
#[derive(Debug)]
pub(super) struct Daemon {
    wish: watch::Sender<Wish>,
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

/// A daemon as it is at the moment.
#[derive(Debug, Clone, Default)]
struct Seen {
    process: Option<Process>,
    prepared: bool,
}

impl Daemon {
    /// Starts to keep it running. Must be called inside a tokio runtime.
    pub(super) fn keep(spec: Spec, events: mpsc::UnboundedSender<FabricEvent>) -> Self {
        let (wish, wished) = watch::channel(Wish::Run);
        let (tell, seen) = watch::channel(Seen::default());
        let task = tokio::spawn(Keeper { spec, events, seen: tell }.run(wished));
        Self { wish, seen, task }
    }

    /// Its process, if it runs at the moment.
    pub(super) fn process(&self) -> Option<Process> {
        self.seen.borrow().process.clone()
    }

    /// Whether it runs and what is to be done after a start has been done.
    pub(super) fn is_prepared(&self) -> bool {
        self.seen.borrow().prepared
    }

    /// Ends it and waits until it has ended.
    pub(super) async fn stop(self) {
        self.end(Wish::End).await;
    }

    /// As [`Daemon::stop`], but it takes leave of others first.
    pub(super) async fn leave(self) {
        self.end(Wish::Leave).await;
    }

    /// Kills it.
    pub(super) async fn die(self) {
        self.end(Wish::Die).await;
    }

    async fn end(self, wish: Wish) {
        // Nobody listening means that it is not kept any more.
        let _ = self.wish.send(wish);
        let _ = self.task.await;
    }
}

struct Keeper {
    spec: Spec,
    events: mpsc::UnboundedSender<FabricEvent>,
    seen: watch::Sender<Seen>,
}

impl Keeper {
    async fn run(self, mut wish: watch::Receiver<Wish>) {
        let mut pause = PAUSE.0;
        for round in 0_u64.. {
            let started = Instant::now();
            let how = self.live_once(round > 0, &mut wish).await;
            self.forget();
            let Some(how) = how else { return };
            if started.elapsed() >= SETTLED {
                pause = PAUSE.0;
            }
            self.tell(FabricEvent::Died { daemon: self.spec.name.clone(), how, again_in: pause });
            tokio::select! {
                () = sleep(pause) => {}
                _ = ending(&mut wish) => return,
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// From one start to the end of that process. None when it was asked to end.
    async fn live_once(&self, again: bool, wish: &mut watch::Receiver<Wish>) -> Option<String> {
        if let Some(before) = &self.spec.before
            && let Err(error) = before().await
        {
            return Some(error.to_string());
        }
        let mut child = match self.start().await {
            Ok(child) => child,
            Err(error) => return Some(error.to_string()),
        };
        let after = async {
            self.prepare().await;
            if again {
                self.tell(FabricEvent::Restarted { daemon: self.spec.name.clone() });
            }
            pending().await
        };
        let wish = tokio::select! {
            end = child.wait() => {
                return Some(end.map_or_else(|error| error.to_string(), |status| status.to_string()));
            }
            wish = after => wish,
            wish = ending(wish) => wish,
        };
        self.end(&mut child, wish).await;
        None
    }

    async fn prepare(&self) {
        if let Some(after) = &self.spec.after {
            while let Err(error) = after().await {
                self.tell(FabricEvent::Unprepared { daemon: self.spec.name.clone(), why: error.to_string() });
                sleep(PAUSE.1).await;
            }
        }
        self.seen.send_modify(|seen| seen.prepared = true);
    }

    async fn start(&self) -> io::Result<Child> {
        let spec = &self.spec;
        let mut command =
            Command::new(tool::find(spec.program).unwrap_or_else(|| PathBuf::from(spec.program)));
        let output = spec.run_dir.join(format!("{}.out", spec.program));
        let output = OpenOptions::new().create(true).append(true).open(output)?;
        command.args(&spec.args).current_dir(&spec.run_dir).env("OVS_RUNDIR", &spec.run_dir);
        command
            .env("OVN_RUNDIR", &spec.run_dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        command.process_group(0).kill_on_drop(true);
        let (netns, runtime) = (spec.netns.clone(), Handle::current());
        let spawn = move || {
            let inside = || {
                let _runtime = runtime.enter();
                command.spawn()
            };
            netns.run(inside).map_err(io::Error::other)?
        };
        let child = tokio::task::spawn_blocking(spawn).await.map_err(io::Error::other)??;
        let process = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Process::of);
        if let Some(process) = process {
            process.record(&spec.record).map_err(io::Error::other)?;
            self.seen.send_modify(|seen| seen.process = Some(process));
        }
        Ok(child)
    }

    /// Asks the process to end, unless it is to die, and kills it if it does not.
    async fn end(&self, child: &mut Child, wish: Wish) {
        if wish == Wish::Die {
            let _ = child.kill().await;
            return;
        }
        let asked = match (&self.spec.farewell, wish) {
            (Some(farewell), Wish::Leave) => farewell().await.is_ok(),
            _ => false,
        };
        if asked && timeout(PATIENCE, child.wait()).await.is_ok() {
            return;
        }
        if let Some(process) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Process::of) {
            let _ = process.signal(Signal::SIGTERM);
        }
        if timeout(PATIENCE, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }

    fn forget(&self) {
        self.seen.send_replace(Seen::default());
        // A record that stays is harmless: it names a process that is no more.
        let _ = remove_file(&self.spec.record);
    }

    fn tell(&self, event: FabricEvent) {
        // Nobody listening is no reason to stop keeping the daemon.
        let _ = self.events.send(event);
    }
}

/// Waits until the daemon is to end; also when there is nobody left who could say so.
async fn ending(wish: &mut watch::Receiver<Wish>) -> Wish {
    wish.wait_for(|wish| *wish != Wish::Run).await.map_or(Wish::End, |wish| *wish)
}
