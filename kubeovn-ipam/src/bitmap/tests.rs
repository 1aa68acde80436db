//! The bitmap against a `BTreeSet`, on sizes around the borders of words and levels.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Put(u32),
    Take(u32),
    PutRange(u32, u32),
}

fn op() -> impl Strategy<Value = Op> {
    let n = prop_oneof![0u32..140, 4000u32..4300];
    prop_oneof![
        n.clone().prop_map(Op::Put),
        n.clone().prop_map(Op::Take),
        (n.clone(), n).prop_map(|(a, b)| Op::PutRange(a, b)),
    ]
}

fn size() -> impl Strategy<Value = u32> {
    prop_oneof![1u32..=10, Just(63), Just(64), Just(65), 127u32..=129, 4094u32..=4098, Just(4225)]
}

proptest! {
    #[test]
    fn answers_as_a_sorted_set_does(size in size(), ops in prop::collection::vec(op(), 0..60), probe in 0u32..4300) {
        let (mut bitmap, mut set) = (Bitmap::new(size), BTreeSet::new());
        for op in ops {
            match op {
                Op::Put(n) => prop_assert_eq!(bitmap.put(n), n < size && set.insert(n)),
                Op::Take(n) => prop_assert_eq!(bitmap.take(n), set.remove(&n)),
                Op::PutRange(a, b) => {
                    bitmap.put_range(a, b);
                    set.extend((a..=b).filter(|n| *n < size));
                }
            }
            prop_assert_eq!(bitmap.lowest(), set.first().copied());
            prop_assert_eq!(bitmap.next_from(probe), set.range(probe..).next().copied());
            prop_assert_eq!(bitmap.contains(probe), set.contains(&probe));
            prop_assert_eq!(bitmap.count() as usize, set.len());
            let k = probe % (bitmap.count() + 1);
            prop_assert_eq!(bitmap.select(k), set.iter().nth(k as usize).copied());
        }
        let listed: Vec<u32> = bitmap.runs().flat_map(|(a, b)| a..=b).collect();
        prop_assert_eq!(listed, set.into_iter().collect::<Vec<_>>());
        let runs: Vec<_> = bitmap.runs().collect();
        prop_assert!(runs.windows(2).all(|w| w[0].1 + 1 < w[1].0), "runs are maximal: {:?}", runs);
    }
}

#[test]
fn tail_bits_of_the_last_word_are_never_given() {
    for size in [1, 6, 63, 64, 65, 4095, 4096, 4097] {
        let mut all = Bitmap::new(size);
        all.put_range(0, u32::MAX);
        assert_eq!(all.count(), size);
        for n in 0..size {
            assert_eq!(all.lowest(), Some(n));
            assert!(all.take(n));
        }
        assert_eq!((all.lowest(), all.put(size), all.count()), (None, false, 0));
    }
}

#[test]
fn a_class_a_network_fits() {
    let mut all = Bitmap::new(1 << 24);
    all.put_range(1, (1 << 24) - 2);
    assert_eq!((all.count(), all.lowest(), all.next_from((1 << 24) - 1)), ((1 << 24) - 2, Some(1), None));
    assert_eq!(all.runs().collect::<Vec<_>>(), [(1, (1 << 24) - 2)]);
    all.take(70_000);
    assert_eq!(
        (all.select(69_998), all.select(69_999), all.select(1 << 23)),
        (Some(69_999), Some(70_001), Some((1 << 23) + 2))
    );
}
