//! Programs that are started again when they end, as Kubernetes does with those that it runs for us on a real cluster.
//!
//! A controller whose lease runs out, for one, ends and counts on that.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{task::JoinHandle, time::sleep};

use crate::kubernetes::process::Program;

/// How often to look.
const PAUSE: Duration = Duration::from_millis(200);

/// How to start it.
pub(crate) type Start = Box<dyn Fn() -> Program + Send + Sync>;

/// A program that runs, unless it was killed here. It ends with this value.
pub(crate) struct Kept {
    start: Arc<Start>,
    running: Arc<Mutex<Option<Program>>>,
    watch: JoinHandle<()>,
}

impl Kept {
    /// Starts it.
    pub(crate) fn start(name: String, start: Start) -> Self {
        let running = Arc::new(Mutex::new(Some(start())));
        let start = Arc::new(start);
        let (again, watched) = (Arc::clone(&start), Arc::clone(&running));
        let watch = tokio::spawn(async move {
            loop {
                sleep(PAUSE).await;
                let mut running = watched.lock().unwrap();
                if running.as_mut().is_some_and(Program::has_ended) {
                    println!("e2e: {name} has ended and is started again");
                    *running = Some(again());
                }
            }
        });
        Self { start, running, watch }
    }

    /// Kills it for now.
    pub(crate) fn kill(&self) {
        *self.running.lock().unwrap() = None;
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
