//! A pool against a naive one, on prefixes small enough to run full, and what it promises about order.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::addr::{Cidr, IpRange, number};
use proptest::prelude::*;

use super::*;
use crate::shape::Prefix;

fn shape(cidr: &str, gateway: &str, excludes: &[&str]) -> Shape {
    let excludes: Vec<IpRange> = excludes.iter().map(|range| range.parse().unwrap()).collect();
    let prefix = Prefix::new(cidr.parse().unwrap(), gateway.parse().ok(), &excludes);
    Shape::new(&prefix, prefix.whole()).unwrap()
}

fn pool(cidr: &str, gateway: &str, excludes: &[&str]) -> Pool {
    Pool::new(shape(cidr, gateway, excludes), Order::Lowest)
}

fn n(text: &str) -> u128 {
    number(text.parse().unwrap())
}

fn pick(pool: &mut Pool) -> Option<u128> {
    let picked = pool.pick(0, &|_| false)?;
    pool.take_picked(picked, 0);
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
    order: Order,
    cursor: u128,
    places: BTreeMap<u128, Place>,
}

impl Naive {
    fn new(shape: Shape, order: Order) -> Self {
        let place = |n| if shape.is_excluded(n) { Place::Reserved } else { Place::Fresh };
        let own = (shape.first()..=shape.last()).filter(|n| shape.contains(*n));
        Naive { places: own.map(|n| (n, place(n))).collect(), order, cursor: shape.first(), shape }
    }

    fn all(&self, is: impl Fn(Place) -> bool) -> Vec<u128> {
        self.places.iter().filter(|(_, place)| is(**place)).map(|(n, _)| *n).collect()
    }

    /// What may be given now.
    fn pick(&self, now: Millis) -> Vec<u128> {
        let resting = self.places.iter().filter_map(|(n, place)| match place {
            Place::Resting(until) => Some((*until, *n)),
            _ => None,
        });
        let fresh = self.all(|place| place == Place::Fresh);
        let rested = |place| matches!(place, Place::Resting(until) if until <= now);
        let used = self.all(|place| place == Place::Released || rested(place));
        let on_shelves = self.all(|place| matches!(place, Place::Fresh | Place::Released));
        let free: BTreeSet<u128> = fresh.iter().chain(&used).copied().collect();
        let choice = match self.order {
            Order::Lowest => fresh.first().or(used.first()).into_iter().copied().collect(),
            Order::NextFit => {
                free.range(self.cursor..).next().or(free.first()).into_iter().copied().collect()
            }
            _ => on_shelves,
        };
        if choice.is_empty() { resting.min().map(|(_, n)| n).into_iter().collect() } else { choice }
    }

    fn picked(&mut self, n: u128, now: Millis) {
        for place in self.places.values_mut() {
            if matches!(place, Place::Resting(until) if *until <= now) {
                *place = Place::Released;
            }
        }
        if self.order == Order::Lowest && !self.places.values().any(|place| *place == Place::Fresh) {
            for place in self.places.values_mut().filter(|place| **place == Place::Released) {
                *place = Place::Fresh;
            }
        }
        self.cursor = n + 1;
        self.places.insert(n, Place::Used);
    }

    fn give_back(&mut self, n: u128, until: Option<Millis>) {
        let excluded = self.shape.is_excluded(n);
        let place = if excluded { Place::Reserved } else { until.map_or(Place::Released, Place::Resting) };
        self.places.insert(n, place);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Pick(Millis),
    Take(u8),
    GiveBack(u8, Option<Millis>),
    Block(u8),
    Unblock(u8),
    Recall,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u64..50).prop_map(Op::Pick),
        1 => any::<u8>().prop_map(Op::Take),
        5 => (any::<u8>(), prop::option::of(0u64..50)).prop_map(|(i, until)| Op::GiveBack(i, until)),
        1 => any::<u8>().prop_map(Op::Block),
        1 => any::<u8>().prop_map(Op::Unblock),
        1 => Just(Op::Recall),
    ]
}

fn nth(among: &[u128], i: u8) -> Option<u128> {
    among.get(usize::from(i).checked_rem(among.len())?).copied()
}

/// A pool of the same shape, rebuilt from what is held and what is written down of the rest.
fn rebuilt(pool: &Pool, shape: &Shape, order: Order, foreign: &[u128]) -> Pool {
    let mut again = Pool::new(shape.clone(), order);
    foreign.iter().for_each(|n| again.block(*n));
    pool.used_runs().flat_map(|(a, b)| a..=b).for_each(|n| again.take(n));
    pool.resting().for_each(|(until, n)| again.rest(n, until));
    let (closed_from, cursor, draws) = pool.progress();
    again.open_below(closed_from);
    again.recall(&pool.released_runs().collect(), Some(cursor), draws);
    again
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn behaves_as_the_naive_pool(
        prefix in 0usize..8, gateway in 0u32..20, excludes in prop::collection::vec((0u32..70, 0u32..4), 0..4),
        part in prop::option::of((0u32..70, 0u32..40)), order in 0usize..3,
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let cidr = ["10.0.0.0/32", "10.0.0.0/31", "10.0.0.0/30", "10.0.0.0/29", "10.0.0.0/26",
                    "10.0.0.0/25", "fd00::/127", "fd00::/122"][prefix];
        let order = [Order::Lowest, Order::NextFit, Order::Random { seed: 7 }][order];
        let cidr: Cidr = cidr.parse().unwrap();
        let base = number(cidr.net().addr());
        let at = |offset: u32| cidr.family().address(base + u128::from(offset)).unwrap();
        let range = |(a, len): (u32, u32)| IpRange::new(at(a), at(a + len)).unwrap();
        let excludes: Vec<_> = excludes.into_iter().map(range).collect();
        let prefix = Prefix::new(cidr, Some(at(gateway)), &excludes);
        let own = part.map_or(prefix.whole(), |part| prefix.whole().without(&prefix.part(&[range(part)])));
        let Some(shape) = Shape::new(&prefix, own) else { return Ok(()) };
        let (mut pool, mut naive) = (Pool::new(shape.clone(), order), Naive::new(shape.clone(), order));
        for op in ops {
            let held = naive.all(|place| place == Place::Used);
            let idle = naive.all(|place| !matches!(place, Place::Used | Place::Foreign));
            let foreign = naive.all(|place| place == Place::Foreign);
            match op {
                Op::Pick(now) => {
                    let choice = naive.pick(now);
                    let picked = pool.pick(now, &|_| false);
                    prop_assert_eq!(picked.is_some(), !choice.is_empty());
                    if let Some(n) = picked {
                        prop_assert!(choice.contains(&n), "{:x} of {:x?}", n, choice);
                        let other = pool.pick(now, &|skipped| skipped == n);
                        prop_assert!(other.is_none_or(|other| other != n && idle.contains(&other)));
                        pool.take_picked(n, now);
                        naive.picked(n, now);
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
                Op::Recall => pool = rebuilt(&pool, &shape, order, &foreign),
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
    let mut pool = pool("10.0.0.0/29", "10.0.0.1", &[]);
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
    let mut pool = pool("10.0.0.0/30", "", &[]);
    pick(&mut pool);
    pick(&mut pool);
    pool.give_back(n("10.0.0.1"), Some(200));
    pool.give_back(n("10.0.0.2"), Some(100));
    assert_eq!((pool.available(), pool.rests_until(n("10.0.0.1"))), (2, Some(200)));
    assert_eq!(pool.pick(250, &|_| false), Some(n("10.0.0.1")), "both have rested, and it is the lower one");
    assert_eq!(pick(&mut pool), Some(n("10.0.0.2")), "the one that has rested longest");
    assert_eq!((pick(&mut pool), pick(&mut pool)), (Some(n("10.0.0.1")), None));
}

#[test]
fn scattered_addresses_of_a_64_open_no_windows() {
    let mut pool = pool("fd00::/64", "fd00::1", &["fd00::1:0..fd00::2:ffff"]);
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
    let mut pool = pool("fd00::/104", "", &["fd00::1..fd00::ffff"]);
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
        let mut pool = pool(cidr, "", &[]);
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
fn a_class_a_pool_opens_its_windows_as_they_are_needed() {
    let mut pool = pool("10.0.0.0/8", "10.0.0.1", &[]);
    assert_eq!((pick(&mut pool), pool.segments.len()), (Some(n("10.0.0.2")), 1));
    assert_eq!((pool.available(), pool.frontier), ((1 << 24) - 4, Some(n("10.16.0.0"))));
    (3..1 << 20).for_each(|i| pool.take(n("10.0.0.0") + i));
    assert_eq!((pick(&mut pool), pick(&mut pool)), (Some(n("10.16.0.0")), Some(n("10.16.0.1"))));
    let mut random = Pool::new(shape("10.0.0.0/8", "10.0.0.1", &[]), Order::Random { seed: 5 });
    let drawn: BTreeSet<u128> = (0..400).map_while(|_| pick(&mut random)).collect();
    let upper = drawn.iter().filter(|drawn| **drawn >= n("10.128.0.0")).count();
    assert_eq!((drawn.len(), random.segments.len()), (400, 16));
    assert!((160..240).contains(&upper), "{upper}");
}

#[test]
fn random_is_uniform_also_when_nearly_full() {
    for (cidr, held) in [("10.0.0.0/24", 246), ("10.0.0.0/16", 65_526), ("fd00::/112", 65_526)] {
        let shape = shape(cidr, "", &[]);
        let mut counts = BTreeMap::new();
        let mut pool = Pool::new(shape.clone(), Order::Random { seed: 11 });
        (0..held).for_each(|i| pool.take(shape.first() + i));
        for draw in 0..8_000 {
            pool.draws = draw;
            *counts.entry(pool.pick(0, &|_| false).unwrap()).or_insert(0) += 1;
        }
        let expected = 8_000 / counts.len();
        assert_eq!(counts.len() as u128, shape.count() - held, "{cidr}");
        assert!(counts.values().all(|n| (expected * 8 / 10..expected * 12 / 10).contains(n)), "{counts:?}");
    }
}

#[test]
fn random_in_a_64_is_scattered_and_opens_no_windows() {
    let order = Order::Random { seed: 3 };
    let mut pool = Pool::new(shape("fd00::/64", "fd00::1", &["fd00::..fd00::7fff:ffff:ffff:ffff"]), order);
    let drawn: BTreeSet<u128> = (0..2_000).map_while(|_| pick(&mut pool)).collect();
    assert_eq!((drawn.len(), pool.segments.len()), (2_000, 0));
    assert!(
        drawn.iter().all(|drawn| *drawn > n("fd00::7fff:ffff:ffff:ffff")),
        "the excluded half is not drawn"
    );
    assert!(drawn.iter().filter(|drawn| **drawn > n("fd00::c000:0:0:0")).count().abs_diff(1_000) < 150);
    let few = shape("fd00::/64", "", &["fd00::4..fd00::ffff:ffff:ffff:fffe"]);
    let mut pool = Pool::new(few, order);
    let all: BTreeSet<_> = (0..4).map(|_| pick(&mut pool)).collect();
    assert_eq!(all, ["fd00::1", "fd00::2", "fd00::3"].map(n).into_iter().map(Some).chain([None]).collect());
}

#[test]
fn next_fit_goes_around() {
    let mut pool = Pool::new(shape("10.0.0.0/29", "10.0.0.1", &[]), Order::NextFit);
    let first: Vec<_> = (0..3).map_while(|_| pick(&mut pool)).collect();
    assert_eq!(first, ["10.0.0.2", "10.0.0.3", "10.0.0.4"].map(n));
    pool.give_back(n("10.0.0.2"), None);
    let then: Vec<_> = (0..4).map_while(|_| pick(&mut pool)).collect();
    assert_eq!(then, ["10.0.0.5", "10.0.0.6", "10.0.0.2"].map(n));
}
