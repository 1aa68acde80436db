//! A pool against a naive one, on prefixes small enough to run full, and what it promises about order.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::addr::{Cidr, IpRange, number};
use proptest::prelude::*;

use super::*;

fn shape(cidr: &str, gateway: &str, excludes: &[&str]) -> Shape {
    let excludes: Vec<IpRange> = excludes.iter().map(|range| range.parse().unwrap()).collect();
    Shape::new(cidr.parse().unwrap(), gateway.parse().ok(), &excludes)
}

fn n(text: &str) -> u128 {
    number(text.parse().unwrap())
}

fn pick(pool: &mut Pool) -> Option<u128> {
    let picked = pool.pick(&|_| false)?;
    pool.take_picked(picked);
    Some(picked)
}

/// What a pool must be: the state of every address, one by one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Fresh,
    Released,
    Resting(Millis),
    Used,
    Foreign,
    /// Excluded and not used.
    Reserved,
}

struct Naive {
    shape: Shape,
    places: BTreeMap<u128, Place>,
}

impl Naive {
    fn new(shape: Shape) -> Self {
        let place = |n| if shape.is_excluded(n) { Place::Reserved } else { Place::Fresh };
        Naive { places: (shape.first()..=shape.last()).map(|n| (n, place(n))).collect(), shape }
    }

    fn all(&self, is: impl Fn(Place) -> bool) -> Vec<u128> {
        self.places.iter().filter(|(_, place)| is(**place)).map(|(n, _)| *n).collect()
    }

    fn pick(&self) -> Option<u128> {
        let resting = self.places.iter().filter_map(|(n, place)| match place {
            Place::Resting(until) => Some((*until, *n)),
            _ => None,
        });
        let fresh = self.all(|place| place == Place::Fresh).first().copied();
        let released = self.all(|place| place == Place::Released).first().copied();
        fresh.or(released).or(resting.min().map(|(_, n)| n))
    }

    fn begin_round(&mut self) {
        if !self.places.values().any(|place| *place == Place::Fresh) {
            for place in self.places.values_mut().filter(|place| **place == Place::Released) {
                *place = Place::Fresh;
            }
        }
    }

    fn give_back(&mut self, n: u128, until: Option<Millis>) {
        let excluded = self.shape.is_excluded(n);
        let place = if excluded { Place::Reserved } else { until.map_or(Place::Released, Place::Resting) };
        self.places.insert(n, place);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Pick,
    Take(u8),
    GiveBack(u8, Option<Millis>),
    Block(u8),
    Unblock(u8),
    Expire(Millis),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => Just(Op::Pick),
        1 => any::<u8>().prop_map(Op::Take),
        5 => (any::<u8>(), prop::option::of(0u64..50)).prop_map(|(i, until)| Op::GiveBack(i, until)),
        1 => any::<u8>().prop_map(Op::Block),
        1 => any::<u8>().prop_map(Op::Unblock),
        1 => (0u64..50).prop_map(Op::Expire),
    ]
}

fn nth(among: &[u128], i: u8) -> Option<u128> {
    among.get(usize::from(i).checked_rem(among.len())?).copied()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn behaves_as_the_naive_pool(
        prefix in 0usize..8, gateway in 0u32..20, excludes in prop::collection::vec((0u32..70, 0u32..4), 0..4),
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let cidr = ["10.0.0.0/32", "10.0.0.0/31", "10.0.0.0/30", "10.0.0.0/29", "10.0.0.0/26",
                    "10.0.0.0/25", "fd00::/127", "fd00::/122"][prefix];
        let cidr: Cidr = cidr.parse().unwrap();
        let base = number(cidr.net().addr());
        let at = |offset: u32| cidr.family().address(base + u128::from(offset)).unwrap();
        let excludes: Vec<_> = excludes.iter().map(|(a, len)| IpRange::new(at(*a), at(a + len)).unwrap()).collect();
        let shape = Shape::new(cidr, Some(at(gateway)), &excludes);
        let (mut pool, mut naive) = (Pool::new(shape.clone()), Naive::new(shape));
        for op in ops {
            let held = naive.all(|place| place == Place::Used);
            let idle = naive.all(|place| !matches!(place, Place::Used | Place::Foreign));
            let foreign = naive.all(|place| place == Place::Foreign);
            match op {
                Op::Pick => {
                    let expected = naive.pick();
                    prop_assert_eq!(pick(&mut pool), expected);
                    if let Some(n) = expected {
                        naive.begin_round();
                        naive.places.insert(n, Place::Used);
                    }
                }
                Op::Take(i) => if let Some(n) = nth(&idle, i) {
                    pool.take(n);
                    naive.places.insert(n, Place::Used);
                },
                Op::GiveBack(i, until) => if let Some(n) = nth(&held, i) {
                    pool.give_back(n, until);
                    naive.give_back(n, until);
                },
                Op::Block(i) => if let Some(n) = nth(&idle, i) {
                    pool.block(n);
                    naive.places.insert(n, Place::Foreign);
                },
                Op::Unblock(i) => if let Some(n) = nth(&foreign, i) {
                    prop_assert!(pool.unblock(n, None) && !pool.unblock(n, None));
                    naive.give_back(n, None);
                },
                Op::Expire(now) => {
                    pool.expire(now);
                    for place in naive.places.values_mut() {
                        if matches!(place, Place::Resting(until) if *until <= now) {
                            *place = Place::Released;
                        }
                    }
                }
            }
            let used: BTreeSet<u128> = pool.used_runs().flat_map(|(a, b)| a..=b).collect();
            prop_assert_eq!(used.into_iter().collect::<Vec<_>>(), naive.all(|place| place == Place::Used));
            let free = naive.all(|place| matches!(place, Place::Fresh | Place::Released | Place::Resting(_)));
            prop_assert_eq!(pool.available(), free.len() as u128);
            prop_assert_eq!(pool.available_runs().runs().flat_map(|(a, b)| a..=b).collect::<Vec<_>>(), free);
            prop_assert_eq!(pool.total(), pool.used() + pool.available() + pool.reserved());
        }
    }
}

#[test]
fn a_freed_address_comes_back_only_after_all_others() {
    let mut pool = Pool::new(shape("10.0.0.0/29", "10.0.0.1", &[]));
    assert_eq!(pick(&mut pool), Some(n("10.0.0.2")));
    pool.give_back(n("10.0.0.2"), None);
    let order: Vec<_> = (0..4).map_while(|_| pick(&mut pool)).collect();
    assert_eq!(order, ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"].map(n));
    // The next round: .4 and .2 are what is left; .3, freed after the round began, waits for the one after.
    pool.give_back(n("10.0.0.4"), None);
    assert_eq!(pick(&mut pool), Some(n("10.0.0.2")));
    pool.give_back(n("10.0.0.3"), None);
    assert_eq!(
        (pick(&mut pool), pick(&mut pool), pick(&mut pool)),
        (Some(n("10.0.0.4")), Some(n("10.0.0.3")), None)
    );
}

#[test]
fn resting_is_the_last_choice_and_no_exhaustion() {
    let mut pool = Pool::new(shape("10.0.0.0/30", "", &[]));
    pick(&mut pool);
    pick(&mut pool);
    pool.give_back(n("10.0.0.1"), Some(200));
    pool.give_back(n("10.0.0.2"), Some(100));
    pool.expire(99);
    assert_eq!((pool.available(), pool.rests_until(n("10.0.0.1"))), (2, Some(200)));
    assert_eq!(pick(&mut pool), Some(n("10.0.0.2")), "the one that has rested longest");
    assert_eq!((pick(&mut pool), pick(&mut pool)), (Some(n("10.0.0.1")), None));
}

#[test]
fn scattered_addresses_of_a_64_open_no_windows() {
    let mut pool = Pool::new(shape("fd00::/64", "fd00::1", &["fd00::1:0..fd00::2:ffff"]));
    for scattered in ["fd00::7:0:0:1", "fd00::dead:beef", "fd00::3:1"] {
        pool.take(n(scattered));
    }
    assert_eq!((pool.segments.len(), pool.used()), (0, 3));
    assert_eq!(pool.total(), (1 << 64) - 2);
    assert_eq!(pool.reserved(), 1 + 0x2_0000);
    for _ in 2..0x1_0000 {
        pick(&mut pool);
    }
    assert_eq!(pick(&mut pool), Some(n("fd00::3:0")), "the excluded windows are jumped over");
    assert_eq!(
        pick(&mut pool),
        Some(n("fd00::3:2")),
        "what was taken before its window was opened stays taken"
    );
    assert_eq!((pool.segments.len(), pool.scattered.len()), (2, 2));
    pool.give_back(n("fd00::dead:beef"), None);
    pool.give_back(n("fd00::3:1"), None);
    let runs: BTreeSet<_> = pool.used_runs().collect();
    assert!(runs.contains(&(n("fd00::7:0:0:1"), n("fd00::7:0:0:1"))) && runs.len() == 4, "{runs:x?}");
}

#[test]
fn a_window_full_of_scattered_addresses_is_passed() {
    let mut pool = Pool::new(shape("fd00::/104", "", &["fd00::1..fd00::ffff"]));
    let second: Vec<u128> = (n("fd00::2:0")..=n("fd00::2:ffff")).collect();
    for n in &second {
        pool.block(*n);
    }
    (n("fd00::1:0")..=n("fd00::1:ffff")).for_each(|n| pool.take(n));
    assert_eq!(pick(&mut pool), Some(n("fd00::3:0")));
    assert!(pool.unblock(second[7], None));
    pool.give_back(n("fd00::1:9"), None);
    assert_eq!(pool.available(), pool.available_runs().count());
    assert_eq!(pick(&mut pool), Some(n("fd00::3:1")));
}

#[test]
fn the_ends_of_the_address_space_are_no_edge() {
    for (cidr, total) in
        [("::/0", u128::MAX - 1), ("ffff:ffff:ffff:ffff::/64", (1 << 64) - 2), ("0.0.0.0/0", (1 << 32) - 2)]
    {
        let mut pool = Pool::new(shape(cidr, "", &[]));
        let (first, last) = (pool.shape.first(), pool.shape.last());
        pool.take(last);
        assert_eq!(
            (pick(&mut pool), pool.total(), pool.available()),
            (Some(first), total, total - 2),
            "{cidr}"
        );
        assert_eq!(pool.available_runs().runs().collect::<Vec<_>>(), [(first + 1, last - 1)]);
    }
}

#[test]
fn a_class_a_pool_is_one_window() {
    let mut pool = Pool::new(shape("10.0.0.0/8", "10.0.0.1", &[]));
    assert_eq!((pick(&mut pool), pool.segments.len()), (Some(n("10.0.0.2")), 1));
    assert_eq!((pool.available(), pool.frontier), ((1 << 24) - 4, None));
}
