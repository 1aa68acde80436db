//! Time that only goes forward.

use crate::rows::Millis;

/// The caller's clock, but for its steps back: where it is set back, time here goes on from where it was. What waits for
/// its time would else wait an hour longer because somebody corrected the clock by an hour.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: Millis,
    ahead: Millis,
}

impl Clock {
    /// What the time is here when the caller's clock says this.
    pub(super) fn at(&mut self, given: Millis) -> Millis {
        self.ahead = self.ahead.saturating_add(self.last.saturating_sub(given));
        self.last = given;
        given.saturating_add(self.ahead)
    }

    /// What the caller's clock will say at this time of ours.
    pub(super) fn given(&self, at: Millis) -> Millis {
        at.saturating_sub(self.ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_when_the_clock_is_set_back() {
        let mut clock = Clock::default();
        let at = |clock: &mut Clock, given| (clock.at(given), clock.given(10_000));
        assert_eq!(at(&mut clock, 5_000), (5_000, 10_000));
        assert_eq!(at(&mut clock, 1_000), (5_000, 6_000));
        assert_eq!(at(&mut clock, 1_500), (5_500, 6_000));
        assert_eq!(at(&mut clock, 500), (5_500, 5_000));
        // A step forward is taken as it is, and the end of time is no overflow.
        assert_eq!(clock.at(Millis::MAX), Millis::MAX);
    }
}
