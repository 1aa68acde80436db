//! One hash with fixed keys: the same calls leave the same memory.
//!
//! Not for input that wants to do harm: whoever can choose names can choose ones that collide. Here that makes
//! look-ups slower, as it would with any hash without a secret.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hash, Hasher},
};

/// A map that is never iterated where order could be seen.
pub type FixedMap<K, V> = HashMap<K, V, FixedState>;

/// The same as a set.
pub type FixedSet<T> = HashSet<T, FixedState>;

/// Makes the hashers of both.
type FixedState = BuildHasherDefault<Fold>;

/// The hash of a key.
#[must_use]
#[inline]
pub fn hash(key: impl Hash) -> u64 {
    let mut hasher = Fold::default();
    key.hash(&mut hasher);
    hasher.finish()
}

/// A 64-bit multiplication of which both halves are used: every bit of the arguments reaches every bit of the result.
#[must_use]
#[inline]
pub fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    #[allow(clippy::cast_possible_truncation, reason = "the two halves")]
    let halves = (wide as u64, (wide >> 64) as u64);
    halves.0 ^ halves.1
}

/// Sixteen bytes at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fold(u64);

/// Odd, and with as many ones as zeros: the fractions of the golden ratio and of the square root of 3.
const KEYS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xbb67_ae85_84ca_a73b];

impl Fold {
    #[inline]
    fn mix(&mut self, a: u64, b: u64) {
        self.0 = fold(self.0 ^ a ^ KEYS[1], b ^ KEYS[0]).wrapping_add(a);
    }
}

impl Hasher for Fold {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<16>();
        for block in blocks {
            let both = u128::from_le_bytes(*block);
            #[allow(clippy::cast_possible_truncation, reason = "the two halves")]
            self.mix(both as u64, (both >> 64) as u64);
        }
        // Two reads that may overlap have all of what is left; how much it is tells equal ones apart.
        let long = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        let short = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
        let (a, b) = if let (Some(first), Some(last)) = (rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
            (long(first), long(last))
        } else if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
            (short(first), short(last))
        } else {
            (rest.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0)
        };
        if !rest.is_empty() {
            self.mix(a, b ^ (rest.len() as u64) << 60);
        }
    }

    #[inline]
    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    #[inline]
    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    /// Small numbers go before or behind what [`Fold::write`] or [`Fold::finish`] mixes.
    #[inline]
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0 ^ n).wrapping_mul(KEYS[0]);
    }

    #[inline]
    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        fold(self.0 ^ KEYS[0], KEYS[1])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn similar_keys_have_hashes_that_differ_in_every_part() {
        let names: Vec<String> = (0..50_000).map(|i| format!("pod/default/web-7d4b9c-{i:06}")).collect();
        for shift in [0, 16, 32, 40] {
            let parts: BTreeSet<u64> = names.iter().map(|name| hash(name) >> shift & 0xff_ffff).collect();
            // 50 000 draws out of 2^24 meet about 75 times.
            assert!(parts.len() > 49_800, "{} at {shift}", parts.len());
            let numbers: BTreeSet<u64> =
                (0..50_000u32).map(|n| hash(0x0a00_0000 + n) >> shift & 0xff_ffff).collect();
            assert!(numbers.len() > 49_800, "{} at {shift}", numbers.len());
        }
    }
}
