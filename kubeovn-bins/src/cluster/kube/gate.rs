//! Writes wait while the API server is away or asks for a pause, instead of failing one after the other.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;

/// The longest pause that a server is granted. One that asks for more is asked again before.
const GRANTED: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Gate(Mutex<Shut>);

#[derive(Debug)]
struct Shut {
    until: Instant,
    /// When it last was known how the server is.
    since: Instant,
    backoff: Backoff,
}

impl Gate {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        let now = Instant::now();
        Gate(Mutex::new(Shut { until: now, since: now, backoff: Backoff::new(first, longest) }))
    }

    /// Waits until it is open. Answers when that was, for [`heard`](Self::heard) and [`failed`](Self::failed).
    pub(super) async fn pass(&self) -> Instant {
        loop {
            let until = self.with(|shut| shut.until);
            if until <= Instant::now() {
                return Instant::now();
            }
            sleep_until(until).await;
        }
    }

    /// The server answered what was asked then.
    pub(super) fn heard(&self, asked: Instant) {
        self.with(|shut| {
            if asked >= shut.since {
                shut.since = Instant::now();
                shut.backoff.reset();
            }
        });
    }

    /// It did not, or asks for a pause. Many that were asked together count as one.
    pub(super) fn failed(&self, asked: Instant, pause: Option<Duration>) {
        self.with(|shut| {
            let now = Instant::now();
            let pause = pause.map(|pause| pause.min(GRANTED));
            if asked >= shut.since {
                shut.since = now;
                let own = shut.backoff.next();
                shut.until = now + pause.unwrap_or_default().max(own);
            } else if let Some(pause) = pause {
                shut.until = shut.until.max(now + pause);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shut) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn a_failure_lets_the_next_wait_and_an_answer_ends_that() {
        let gate = Gate::new(FIRST, Duration::from_secs(5));
        let start = gate.pass().await;
        assert_eq!(Instant::now(), start);
        // Ten that were asked together are one failure.
        for _ in 0..10 {
            gate.failed(start, None);
        }
        let second = gate.pass().await;
        let waited = second - start;
        assert!(waited >= FIRST / 2 && waited <= FIRST + Duration::from_millis(2), "{waited:?}");
        gate.failed(second, Some(Duration::from_secs(3)));
        let third = gate.pass().await;
        assert!(third - second >= Duration::from_secs(3));
        gate.failed(third, Some(Duration::from_hours(1)));
        let fourth = gate.pass().await;
        assert!(fourth - third <= GRANTED + Duration::from_millis(2));
        gate.heard(fourth);
        assert_eq!(gate.pass().await, fourth);
        gate.failed(fourth, None);
        assert!(gate.pass().await - fourth <= FIRST + Duration::from_millis(2), "it begins anew");
    }
}
