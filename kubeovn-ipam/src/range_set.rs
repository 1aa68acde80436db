//! Sets of numbers as sorted runs: for what is configured or reported, never for what is allocated from.

use kubeovn_core::addr::Family;

/// Inclusive runs, sorted, apart from each other by at least one number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet(Vec<(u128, u128)>);

impl RangeSet {
    /// Is `n` in it?
    pub fn contains(&self, n: u128) -> bool {
        self.covering(n).is_some()
    }

    /// The lowest number from `n` on that is *not* in it; `None` when all up to the end of `u128` are.
    pub fn next_gap(&self, n: u128) -> Option<u128> {
        match self.covering(n) {
            None => Some(n),
            Some((_, last)) => last.checked_add(1),
        }
    }

    /// How many numbers.
    pub fn count(&self) -> u128 {
        self.0.iter().map(|(first, last)| (last - first).saturating_add(1)).fold(0, u128::saturating_add)
    }

    /// The runs, rising.
    pub fn runs(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        self.0.iter().copied()
    }

    /// What of `first..=last` is not in it, as rising runs.
    pub fn gaps(&self, first: u128, last: u128) -> impl Iterator<Item = (u128, u128)> + '_ {
        let mut from = Some(first);
        std::iter::from_fn(move || {
            let start = self.next_gap(from?).filter(|start| *start <= last)?;
            let after = self.0.get(self.0.partition_point(|run| run.0 <= start));
            from = after.filter(|run| run.0 <= last).map(|run| run.0);
            Some((start, from.map_or(last, |next| next - 1)))
        })
    }

    /// `a-b,c` in rising order, the numbers written as addresses of the family: the form of Subnet.status.
    pub fn text(&self, family: Family) -> String {
        let mut text = String::new();
        for (first, last) in self.runs() {
            let (Some(first), Some(last)) = (family.address(first), family.address(last)) else { continue };
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(&first.to_string());
            if first != last {
                text.push('-');
                text.push_str(&last.to_string());
            }
        }
        text
    }

    /// The lowest and the highest number.
    pub fn span(&self) -> Option<(u128, u128)> {
        Some((self.0.first()?.0, self.0.last()?.1))
    }

    /// What both have.
    pub fn common(&self, other: &RangeSet) -> RangeSet {
        let inside = |(first, last): (u128, u128)| {
            let from = other.0.partition_point(|run| run.1 < first);
            let met = other.0.iter().skip(from).take_while(move |run| run.0 <= last);
            met.map(move |run| (run.0.max(first), run.1.min(last)))
        };
        self.runs().flat_map(inside).collect()
    }

    /// What the other one has not.
    pub fn without(&self, other: &RangeSet) -> RangeSet {
        self.runs().flat_map(|(first, last)| other.gaps(first, last)).collect()
    }

    /// The run that `n` lies in.
    fn covering(&self, n: u128) -> Option<(u128, u128)> {
        let before = self.0.partition_point(|run| run.0 <= n).checked_sub(1)?;
        self.0.get(before).copied().filter(|run| n <= run.1)
    }
}

impl FromIterator<(u128, u128)> for RangeSet {
    /// Runs in any order, overlapping or touching; those that go downwards are empty.
    fn from_iter<I: IntoIterator<Item = (u128, u128)>>(runs: I) -> Self {
        let mut runs: Vec<_> = runs.into_iter().filter(|run| run.0 <= run.1).collect();
        runs.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(runs.len());
        for (first, last) in runs {
            match merged.last_mut() {
                Some(end) if end.1.checked_add(1).is_none_or(|next| first <= next) => end.1 = end.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        merged.shrink_to_fit();
        RangeSet(merged)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn answers_as_a_sorted_set_does(
            runs in prop::collection::vec((0u128..60, 0u128..60), 0..12), first in 0u128..60, len in 0u128..60,
        ) {
            let set: RangeSet = runs.iter().copied().collect();
            let naive: BTreeSet<u128> = runs.iter().flat_map(|(a, b)| *a..=*b).collect();
            let last = first + len;
            prop_assert_eq!(set.count(), naive.len() as u128);
            prop_assert_eq!(set.contains(first), naive.contains(&first));
            prop_assert_eq!(set.next_gap(first), (first..200).find(|n| !naive.contains(n)));
            let gaps: Vec<u128> = set.gaps(first, last).flat_map(|(a, b)| a..=b).collect();
            prop_assert_eq!(gaps, (first..=last).filter(|n| !naive.contains(n)).collect::<Vec<_>>());
            let listed = |set: &RangeSet| set.runs().flat_map(|(a, b)| a..=b).collect::<BTreeSet<_>>();
            let other: RangeSet = [(first, last), (first / 2, first / 2 + 3)].into_iter().collect();
            prop_assert_eq!(listed(&set.common(&other)), &naive & &listed(&other));
            prop_assert_eq!(listed(&set.without(&other)), &naive - &listed(&other));
            prop_assert_eq!(set.span(), naive.first().copied().zip(naive.last().copied()));
        }
    }

    #[test]
    fn the_end_of_the_number_line_is_no_edge() {
        let set: RangeSet = [(u128::MAX - 1, u128::MAX), (0, 0)].into_iter().collect();
        assert_eq!((set.next_gap(u128::MAX), set.count()), (None, 3));
        assert_eq!(set.gaps(0, u128::MAX).collect::<Vec<_>>(), [(1, u128::MAX - 2)]);
        let all: RangeSet = [(0, u128::MAX), (5, 6)].into_iter().collect();
        assert_eq!((all.gaps(0, u128::MAX).count(), all.count()), (0, u128::MAX));
    }

    #[test]
    fn text_is_that_of_subnet_status() {
        let set: RangeSet =
            [(0x0a00_0005, 0x0a00_0005), (0x0a00_0001, 0x0a00_0002), (0x0a00_0003, 0x0a00_0003)]
                .into_iter()
                .collect();
        assert_eq!(set.text(Family::V4), "10.0.0.1-10.0.0.3,10.0.0.5");
        assert_eq!(RangeSet::default().text(Family::V6), "");
    }
}
