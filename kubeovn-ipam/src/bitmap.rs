//! A set of small numbers as a 64-ary tree of words: the core of every allocation.
//!
//! Level 0 has one bit per number; a bit of a higher level says that the word below it is not zero. The lowest
//! number is then one word read per level (4 levels for 16 M numbers), whatever the fragmentation.

/// A set of numbers `0..size`.
///
/// Every operation but [`Bitmap::put_range`] and the iteration touches at most one word per level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    /// Leaf level first; the last level is a single word.
    levels: Vec<Vec<u64>>,
    /// How many numbers lie below each word of a level above the leaves.
    sums: Vec<Vec<u32>>,
    size: u32,
    count: u32,
}

impl Bitmap {
    /// The empty set over `0..size`: about 2.05 MiB for 2^24 numbers.
    pub fn new(size: u32) -> Self {
        let (mut levels, mut sums) = (Vec::new(), Vec::new());
        let mut words = (size as usize).div_ceil(64).max(1);
        loop {
            levels.push(vec![0; words]);
            if words == 1 {
                return Bitmap { levels, sums, size, count: 0 };
            }
            words = words.div_ceil(64);
            sums.push(vec![0; words]);
        }
    }

    /// How many numbers the set can hold.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// How many are in it.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Is it empty?
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Is `n` in it?
    pub fn contains(&self, n: u32) -> bool {
        let (word, bit) = place(n as usize);
        self.levels.first().and_then(|leaf| leaf.get(word)).is_some_and(|w| w & bit != 0)
    }

    /// Adds `n`; `false` when it was in, or is not below the size.
    pub fn put(&mut self, n: u32) -> bool {
        if n >= self.size || self.contains(n) {
            return false;
        }
        let mut at = n as usize;
        for level in &mut self.levels {
            let (word, bit) = place(at);
            let Some(w) = level.get_mut(word) else { break };
            let was = *w;
            *w |= bit;
            if was != 0 {
                break;
            }
            at = word;
        }
        self.sums_over(n).for_each(|sum| *sum += 1);
        self.count += 1;
        true
    }

    /// Removes `n`; `false` when it was not in.
    pub fn take(&mut self, n: u32) -> bool {
        if !self.contains(n) {
            return false;
        }
        let mut at = n as usize;
        for level in &mut self.levels {
            let (word, bit) = place(at);
            let Some(w) = level.get_mut(word) else { break };
            *w &= !bit;
            if *w != 0 {
                break;
            }
            at = word;
        }
        self.sums_over(n).for_each(|sum| *sum -= 1);
        self.count -= 1;
        true
    }

    /// The sums that count a number.
    fn sums_over(&mut self, n: u32) -> impl Iterator<Item = &mut u32> {
        let mut at = n as usize / 64;
        self.sums.iter_mut().filter_map(move |level| {
            at /= 64;
            level.get_mut(at)
        })
    }

    /// Adds all of `first..=last`, 64 at a time. What lies beyond the size is left out.
    pub fn put_range(&mut self, first: u32, last: u32) {
        let last = last.min(self.size.saturating_sub(1));
        if first > last || self.size == 0 {
            return;
        }
        let (mut lo, mut hi) = (first as usize, last as usize);
        for (height, level) in self.levels.iter_mut().enumerate() {
            let (first_word, last_word) = (lo / 64, hi / 64);
            let span = level.iter_mut().enumerate().take(last_word + 1).skip(first_word);
            for (i, word) in span {
                let mut mask = u64::MAX;
                if i == first_word {
                    mask &= u64::MAX << (lo % 64);
                }
                if i == last_word {
                    mask &= u64::MAX >> (63 - hi % 64);
                }
                if height == 0 {
                    self.count += (mask & !*word).count_ones();
                }
                *word |= mask;
            }
            (lo, hi) = (first_word, last_word);
        }
        self.sum_up(first as usize / 64, last as usize / 64);
    }

    /// Counts anew what lies above some of the leaf words.
    fn sum_up(&mut self, mut first: usize, mut last: usize) {
        for height in 0..self.sums.len() {
            (first, last) = (first / 64, last / 64);
            for word in first..=last {
                let below = word * 64..word * 64 + 64;
                let sum: u32 = match height.checked_sub(1).and_then(|lower| self.sums.get(lower)) {
                    Some(lower) => lower.iter().take(below.end).skip(below.start).sum(),
                    None => self
                        .levels
                        .first()
                        .into_iter()
                        .flatten()
                        .take(below.end)
                        .skip(below.start)
                        .map(|w| w.count_ones())
                        .sum(),
                };
                if let Some(place) = self.sums.get_mut(height).and_then(|level| level.get_mut(word)) {
                    *place = sum;
                }
            }
        }
    }

    /// The number of which `k` lower ones are in the set: [`Bitmap::lowest`] for 0.
    pub fn select(&self, mut k: u32) -> Option<u32> {
        if k >= self.count {
            return None;
        }
        let mut at = 0;
        for height in (1..self.levels.len()).rev() {
            let mut bits = *self.levels.get(height)?.get(at)?;
            loop {
                let child = at * 64 + bits.trailing_zeros() as usize;
                let below = match height {
                    1 => self.levels.first()?.get(child)?.count_ones(),
                    _ => *self.sums.get(height - 2)?.get(child)?,
                };
                if k < below {
                    at = child;
                    break;
                }
                k -= below;
                bits &= bits - 1;
            }
        }
        let mut bits = *self.levels.first()?.get(at)?;
        (0..k).for_each(|_| bits &= bits - 1);
        u32::try_from(at * 64 + bits.trailing_zeros() as usize).ok()
    }

    /// The lowest number.
    pub fn lowest(&self) -> Option<u32> {
        if self.count == 0 { None } else { self.descend(self.levels.len(), 0) }
    }

    /// The lowest number that is `from` or above.
    pub fn next_from(&self, from: u32) -> Option<u32> {
        let mut at = from as usize;
        for (height, level) in self.levels.iter().enumerate() {
            let word = at / 64;
            let rest = level.get(word)? & (u64::MAX << (at % 64));
            if rest != 0 {
                return self.descend(height, word * 64 + rest.trailing_zeros() as usize);
            }
            at = word + 1;
        }
        None
    }

    /// The numbers as maximal runs `(first, last)`, rising.
    pub fn runs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut from = Some(0);
        std::iter::from_fn(move || {
            let first = self.next_from(from?)?;
            let last = self.run_end(first);
            from = last.checked_add(1);
            Some((first, last))
        })
    }

    /// The last number of the run that `first` is in.
    fn run_end(&self, first: u32) -> u32 {
        let Some(leaf) = self.levels.first() else { return first };
        let (mut word, mut gaps_from) = ((first / 64) as usize, u64::MAX << (first % 64));
        while let Some(w) = leaf.get(word) {
            let gaps = !w & gaps_from;
            if gaps != 0 {
                // A word index is at most 2^26, so the number fits; the gap is above `first`, so it is not 0.
                return u32::try_from(word * 64).map_or(self.size, |base| base + gaps.trailing_zeros()) - 1;
            }
            (word, gaps_from) = (word + 1, u64::MAX);
        }
        self.size - 1
    }

    /// Follows the lowest bits from the item `at` of level `height` down to a number.
    fn descend(&self, height: usize, mut at: usize) -> Option<u32> {
        for level in self.levels.iter().take(height).rev() {
            at = at * 64 + level.get(at)?.trailing_zeros() as usize;
        }
        u32::try_from(at).ok()
    }
}

/// Word and bit of a number.
fn place(n: usize) -> (usize, u64) {
    (n / 64, 1 << (n % 64))
}

#[cfg(test)]
mod tests;
