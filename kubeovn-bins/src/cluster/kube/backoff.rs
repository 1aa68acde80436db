//! Pauses that grow, less a random part so that not all come back together.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// A number from 0 up to, not including, 1. The standard library seeds every hasher at random.
pub(crate) fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or(0)) / 4_294_967_296.0
}

/// How long to wait after the next failure.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Backoff { first, longest, failures: 0 }
    }

    /// It works again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed: the pause, half of which is certain.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.longest).mul_f64(0.5 + 0.5 * random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for most in [100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.next();
            assert!(pause <= Duration::from_millis(most) && pause >= Duration::from_millis(most / 2));
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(100));
        let drawn: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(
            drawn.iter().all(|drawn| (0.0..1.0).contains(drawn))
                && drawn.windows(2).any(|two| two[0] < two[1])
        );
    }
}
