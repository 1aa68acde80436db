//! Which address is given next.

use kubeovn_core::{contract::ipam::Order, rows::Millis};

use super::Pool;
use crate::{segment::Shelf, table::fold};

/// So many draws that meet a held address, and the next free one above the last of them is given. Only in pools with
/// more than 2^24 addresses, of which so many are hardly ever held.
const MOST_DRAWS: u64 = 64;

type Skip<'a> = &'a dyn Fn(u128) -> bool;

impl Pool {
    /// The address that would be given now. Changes nothing.
    pub(crate) fn pick(&self, now: Millis, skip: Skip<'_>) -> Option<u128> {
        let picked = match self.order {
            Order::NextFit => self.next_fit(self.cursor, now, skip),
            Order::Random { seed } => self.random(seed, now, skip),
            _ => self.lowest(now, skip),
        };
        picked.or_else(|| self.resting.by_time().map(|(_, n)| n).find(|n| !skip(*n)))
    }

    /// The lowest fresh one, else the lowest released one.
    fn lowest(&self, now: Millis, skip: Skip<'_>) -> Option<u128> {
        self.shelved(Shelf::Fresh, self.fresh_hint, skip).or_else(|| self.unopened(skip)).or_else(|| {
            let released = self.shelved(Shelf::Released, self.released_hint, skip);
            released.into_iter().chain(self.rested(now).filter(|n| !skip(*n)).min()).min()
        })
    }

    /// The lowest free one from a place on, around the end.
    fn next_fit(&self, from: u128, now: Millis, skip: Skip<'_>) -> Option<u128> {
        self.free_from(from, now, skip).or_else(|| self.free_from(self.shape.first(), now, skip))
    }

    fn free_from(&self, from: u128, now: Millis, skip: Skip<'_>) -> Option<u128> {
        let open = |mut n: u128| {
            for segment in self
                .segments
                .iter()
                .skip(self.segments.partition_point(|s| s.base() <= n && s.offset(n).is_none()))
            {
                while let Some(found) = segment.next_from(n) {
                    if !skip(found) {
                        return Some(found);
                    }
                    n = found.checked_add(1)?;
                }
            }
            None
        };
        let rested = self.rested(now).filter(|n| *n >= from && !skip(*n)).min();
        let found = open(from).or_else(|| self.unopened_from(from, skip));
        found.into_iter().chain(rested).min()
    }

    /// Each free address with the same probability.
    fn random(&self, seed: u64, now: Millis, skip: Skip<'_>) -> Option<u128> {
        if self.frontier.is_none() {
            let free = self.segments.iter().map(|segment| u128::from(segment.free())).sum();
            let mut k = self.draw(seed, 0, free)?;
            for segment in &self.segments {
                if let Some(rest) = k.checked_sub(u128::from(segment.free())) {
                    k = rest;
                    continue;
                }
                let drawn = segment.select(u32::try_from(k).ok()?)?;
                return if skip(drawn) { self.next_fit(drawn, now, skip) } else { Some(drawn) };
            }
            return None;
        }
        let (first, last) = (self.shape.first(), self.shape.last());
        let eligible = || self.shape.blocked().gaps(first, last);
        let count =
            eligible().map(|(first, last)| (last - first).saturating_add(1)).fold(0, u128::saturating_add);
        let mut drawn = first;
        for attempt in 0..MOST_DRAWS {
            let mut k = self.draw(seed, attempt, count)?;
            for (first, last) in eligible() {
                if let Some(rest) = k.checked_sub((last - first).saturating_add(1)) {
                    k = rest;
                    continue;
                }
                drawn = first + k;
                break;
            }
            if self.is_free(drawn) && !skip(drawn) {
                return Some(drawn);
            }
        }
        self.next_fit(drawn, now, skip)
    }

    /// A number below `count`, each with the same probability.
    fn draw(&self, seed: u64, attempt: u64, count: u128) -> Option<u128> {
        let uppermost = u128::MAX - (u128::MAX.checked_rem(count)? + 1) % count;
        let half = |again: u64, which: u64| {
            let place = self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ attempt << 32 ^ again << 40 ^ which;
            fold(fold(seed ^ 0xbb67_ae85_84ca_a73b, place ^ 0x3c6e_f372_fe94_f82b), 0xa54f_f53a_5f1d_36f1)
        };
        let numbers = (0..).map(|again| u128::from(half(again, 1)) << 64 | u128::from(half(again, 2)));
        // Of the numbers above some results would come once more often than others.
        numbers.into_iter().find(|number| *number <= uppermost).map(|number| number % count)
    }

    /// Can it be given without being asked for by number, resting or not?
    fn is_free(&self, n: u128) -> bool {
        self.shape.contains(n)
            && !self.shape.is_excluded(n)
            && !self.foreign.contains(&n)
            && self.resting.until(n).is_none()
            && !self.is_used(n)
    }

    /// Addresses whose rest is over and that are on no shelf yet.
    fn rested(&self, now: Millis) -> impl Iterator<Item = u128> + '_ {
        self.resting.by_time().take_while(move |(until, _)| *until <= now).map(|(_, n)| n)
    }

    fn shelved(&self, which: Shelf, hint: usize, skip: Skip<'_>) -> Option<u128> {
        self.segments.iter().skip(hint).find_map(|segment| segment.lowest(which, skip))
    }

    /// The lowest address of the windows that are not open which could be given.
    pub(super) fn unopened(&self, skip: Skip<'_>) -> Option<u128> {
        self.unopened_from(self.shape.first(), skip)
    }

    fn unopened_from(&self, from: u128, skip: Skip<'_>) -> Option<u128> {
        let mut n = self.shape.eligible_from(self.frontier?.max(from))?;
        while self.scattered.contains(&n)
            || self.foreign.contains(&n)
            || self.resting.until(n).is_some()
            || skip(n)
        {
            n = self.shape.eligible_from(n.checked_add(1)?)?;
        }
        Some(n)
    }
}
