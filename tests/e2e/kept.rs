//! Programs that are started again when they end, as Kubernetes does with those that it runs for us on a real cluster.
//!
//! A controller whose lease runs out, for one, ends and counts on that.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nix::sys::signal::Signal;
use tokio::{task::JoinHandle, time::sleep};

use crate::{kubernetes::process::Program, wait::until};

/// How often to look.
const PAUSE: Duration = Duration::from_millis(200);

/// How to start it.
pub(crate) type Start = Box<dyn Fn() -> Program + Send + Sync>;

/// A program that runs, unless it was killed here. It ends with this value.
pub(crate) struct Kept {
    name: String,
    start: Arc<Start>,
    running: Arc<Mutex<Option<Program>>>,
    ends: Arc<AtomicUsize>,
    watch: JoinHandle<()>,
}

impl Kept {
    /// Starts it.
    pub(crate) fn start(name: String, start: Start) -> Self {
        let running = Arc::new(Mutex::new(Some(start())));
        let start = Arc::new(start);
        let ends = Arc::new(AtomicUsize::new(0));
        let (again, watched) = (Arc::clone(&start), Arc::clone(&running));
        let (said, counted) = (name.clone(), Arc::clone(&ends));
        let watch = tokio::spawn(async move {
            loop {
                sleep(PAUSE).await;
                let mut running = watched.lock().unwrap();
                if running.as_mut().is_some_and(Program::has_ended) {
                    println!("e2e: {said} has ended and is started again");
                    *running = Some(again());
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { name, start, running, ends, watch }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Kills it for now.
    pub(crate) fn kill(&self) {
        *self.running.lock().unwrap() = None;
    }

    /// How often it has ended, be it that somebody asked it to, and was started again.
    pub(crate) fn ends(&self) -> usize {
        self.ends.load(Ordering::Relaxed)
    }

    /// Asks it to end, and waits until the next one runs.
    pub(crate) async fn restart(&self) {
        let before = self.ends();
        self.running.lock().unwrap().as_ref().unwrap().signal(Signal::SIGTERM);
        until(&format!("{} to end and begin again", self.name), async || {
            if self.ends() > before { Ok(()) } else { Err("it runs on".to_owned()) }
        })
        .await;
    }

    /// Starts it after it was killed.
    pub(crate) fn revive(&self) {
        self.running.lock().unwrap().get_or_insert_with(|| (self.start)());
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
