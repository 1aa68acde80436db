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
    /// Counts failures. What was asked before the last one says nothing new.
    round: u64,
    backoff: Backoff,
}

impl Gate {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Gate(Mutex::new(Shut { until: Instant::now(), round: 0, backoff: Backoff::new(first, longest) }))
    }

    /// Waits until it is open. Answers the round, for [`heard`](Self::heard) and [`failed`](Self::failed).
    pub(super) async fn pass(&self) -> u64 {
        loop {
            let (until, round) = self.with(|shut| (shut.until, shut.round));
            if until <= Instant::now() {
                return round;
            }
            sleep_until(until).await;
        }
    }

    /// The server answered what was asked in that round.
    pub(super) fn heard(&self, round: u64) {
        self.with(|shut| {
            if round == shut.round {
                shut.backoff.reset();
            }
        });
    }

    /// It did not, or asks for a pause. Many that were asked together count as one.
    pub(super) fn failed(&self, round: u64, pause: Option<Duration>) {
        self.with(|shut| {
            let mut pause = pause.unwrap_or_default().min(GRANTED);
            if round == shut.round {
                shut.round += 1;
                pause = pause.max(shut.backoff.next());
            }
            shut.until = shut.until.max(Instant::now() + pause);
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
    const TICK: Duration = Duration::from_millis(2);

    #[tokio::test(start_paused = true)]
    async fn a_failure_lets_the_next_wait_and_an_answer_ends_that() {
        let gate = Gate::new(FIRST, Duration::from_secs(5));
        let passed = async || {
            let before = Instant::now();
            (gate.pass().await, before.elapsed())
        };
        assert_eq!(passed().await, (0, Duration::ZERO));
        // Ten that were asked together are one failure.
        for _ in 0..10 {
            gate.failed(0, None);
        }
        let (round, waited) = passed().await;
        assert!(waited >= FIRST / 2 && waited <= FIRST + TICK, "{waited:?}");
        gate.failed(round, Some(Duration::from_secs(3)));
        let (round, waited) = passed().await;
        assert!(waited >= Duration::from_secs(3), "{waited:?}");
        gate.failed(round, Some(Duration::from_hours(1)));
        let (round, waited) = passed().await;
        assert!(waited <= GRANTED + TICK, "{waited:?}");
        gate.heard(round - 1);
        gate.failed(round, None);
        let (round, waited) = passed().await;
        assert!(waited >= 4 * FIRST, "a late answer to what was asked before is no news: {waited:?}");
        gate.heard(round);
        assert_eq!(passed().await.1, Duration::ZERO);
        gate.failed(round, None);
        assert!(passed().await.1 <= FIRST + TICK, "it begins anew");
    }
}
