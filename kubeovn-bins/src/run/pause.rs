//! Lets northd wait while Northbound is not what it should be.
//!
//! It is told by a task of its own: while it computes it does not answer, and what is to be rebuilt must not wait for
//! that.

use std::time::Duration;

use kubeovn_ovn::northd::Northd;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tracing::debug;

/// How long northd waits because the database is out of reach, and again until its rows are as they should be: it may
/// come back empty or old, and northd may see it first. Not longer, for it may be out of our reach alone.
const AWAY: Duration = Duration::from_secs(10);

/// How long a rebuilding waits for the answer. A northd that takes longer is computing, and that is too late then.
const HURRY: Duration = Duration::from_millis(100);

/// Before it is told again after it was not.
const AGAIN: Duration = Duration::from_secs(1);

/// Tells the northd that is ours, if one is.
pub(super) struct Pause {
    desk: Option<Desk>,
    away: Option<Away>,
}

/// The database is, or was, out of reach.
struct Away {
    since: Instant,
    /// It is back since, and perhaps not what it was.
    back: bool,
}

struct Desk {
    wanted: watch::Sender<bool>,
    /// What northd has taken last, if that is known.
    told: watch::Receiver<Option<bool>>,
    task: JoinHandle<()>,
}

impl Pause {
    /// Tells it to go on at once: one that a killed controller paused would wait for ever.
    pub(super) fn new(northd: Option<Northd>) -> Self {
        let desk = northd.map(|northd| {
            let (wanted, wish) = watch::channel(false);
            let (tell, told) = watch::channel(None);
            Desk { wanted, told, task: tokio::spawn(tell_all(northd, wish, tell)) }
        });
        Pause { desk, away: None }
    }

    /// The database is out of reach.
    pub(super) fn lost(&mut self) {
        if self.away.as_ref().is_none_or(|away| away.back) {
            self.away = Some(Away { since: Instant::now(), back: false });
        }
    }

    /// The database has been read.
    pub(super) fn resynced(&mut self) {
        if let Some(away) = &mut self.away {
            *away = Away { since: Instant::now(), back: true };
        }
    }

    /// Its rows are as they should be, if it is in reach.
    pub(super) fn written(&mut self) {
        self.away.take_if(|away| away.back);
    }

    /// When [`set`](Self::set) should be called though nothing happens.
    pub(super) fn left(&self) -> Option<Duration> {
        let left = AWAY.checked_sub(self.away.as_ref()?.since.elapsed())?;
        (!left.is_zero() && self.desk.is_some()).then_some(left)
    }

    /// Lets northd wait, or go on. When it is to wait, returns when it does, or soon.
    pub(super) async fn set(&mut self, rebuilding: bool) {
        let wanted = rebuilding || self.left().is_some();
        let Some(desk) = &mut self.desk else { return };
        let changed = desk.wanted.send_if_modified(|held| std::mem::replace(held, wanted) != wanted);
        if changed && wanted {
            // Without the pause there is a gap in the traffic, but a network afterwards.
            let _ = timeout(HURRY, desk.told.wait_for(|told| *told == Some(true))).await;
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn tell_all(northd: Northd, mut wish: watch::Receiver<bool>, tell: watch::Sender<Option<bool>>) {
    loop {
        let wanted = *wish.borrow_and_update();
        let told = if wanted { northd.pause().await } else { northd.resume().await };
        match told {
            Ok(()) => {
                tell.send_replace(Some(wanted));
                if wish.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                debug!(%error, wanted, "northd was not told to wait or to go on");
                // It may have taken it all the same.
                tell.send_replace(None);
                tokio::select! {
                    () = sleep(AGAIN) => {}
                    changed = wish.changed() => if changed.is_err() { return },
                }
            }
        }
    }
}
