//! What allocating and releasing costs: the bitmap alone, the whole ledger, and beside them, in the same run, sorted
//! lists of ranges as Kube-OVN keeps them.
//!
//! `cargo bench -p kubeovn-ipam --bench allocate`. The lists have no owners and no MACs, so compare them with the
//! bitmap; they are also far quicker than the peer's own, which works on slices of bytes and big integers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench stops at the first surprise")]

mod lists;
mod setting;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use kubeovn_ipam::{Bitmap, DualStack, Family, Order, Source, Want};
use lists::Lists;
use setting::Setting;

const SIZE: u32 = 1 << 16;
/// The lowest and the highest address of the /16, and the lowest of the /64.
const FIRST: u128 = 0x0a00_0001;
const LAST: u128 = 0x0a00_fffe;
const V6: u128 = (0xfd00 << 112) + 1;
/// So many are allocated, then given back: only one of the two is timed.
const BATCH: u32 = 64;

/// A /16 in which so many addresses are held.
#[derive(Clone, Copy)]
enum Fill {
    Empty,
    Half,
    NearlyFull,
    Fragments,
}

impl Fill {
    const ALL: [(&str, Fill); 4] = [
        ("empty", Fill::Empty),
        ("50 %", Fill::Half),
        ("99.9 %", Fill::NearlyFull),
        ("32 k fragments", Fill::Fragments),
    ];

    /// Is the n-th address held? The holes are spread evenly.
    fn holds(self, n: u32) -> bool {
        match self {
            Fill::Empty => false,
            Fill::Half => n < SIZE / 2,
            Fill::NearlyFull => n % 1_000 != 999,
            Fill::Fragments => n.is_multiple_of(2),
        }
    }

    fn held(self) -> impl Iterator<Item = u32> {
        (1..SIZE - 2).filter(move |n| self.holds(*n))
    }
}

/// Times `allocate`, but not the `release` that undoes it, or the other way round.
fn alternate(
    iterations: u64,
    mut allocate: impl FnMut(u32),
    mut release: impl FnMut(u32),
    time_allocate: bool,
) -> Duration {
    let (mut took, mut left) = (Duration::ZERO, iterations);
    while left > 0 {
        let n = u32::try_from(left.min(u64::from(BATCH))).unwrap();
        let start = Instant::now();
        (0..n).for_each(&mut allocate);
        let between = Instant::now();
        (0..n).for_each(&mut release);
        took += if time_allocate { between - start } else { between.elapsed() };
        left -= u64::from(n);
    }
    took
}

fn v4(c: &mut Criterion) {
    for (name, fill) in Fill::ALL {
        for (verb, allocating) in [("allocate", true), ("release", false)] {
            let mut group = c.benchmark_group(format!("{verb}, /16, {name}"));
            group.bench_function("bitmap", |b| {
                let mut bits = Bitmap::new(SIZE);
                bits.put_range(1, SIZE - 2);
                fill.held().for_each(|n| _ = bits.take(n));
                let taken = std::cell::RefCell::new((bits, Vec::new()));
                let allocate = |_| {
                    let (bits, taken) = &mut *taken.borrow_mut();
                    let n = bits.lowest().unwrap();
                    bits.take(n);
                    taken.push(n);
                };
                let release = |_| {
                    let (bits, taken) = &mut *taken.borrow_mut();
                    _ = black_box(bits.put(taken.pop().unwrap()));
                };
                b.iter_custom(|n| alternate(n, allocate, release, allocating));
            });
            group.bench_function("ledger", |b| {
                let setting = Setting::new("10.0.0.0/16", Order::Lowest, SIZE + BATCH);
                let setting = std::cell::RefCell::new(setting);
                fill.held().for_each(|n| {
                    setting.borrow_mut().take(n, Family::V4.address(FIRST + u128::from(n) - 1));
                });
                let allocate = |i| setting.borrow_mut().allocate(SIZE + i);
                let release = |i| setting.borrow_mut().release(SIZE + i);
                b.iter_custom(|n| alternate(n, allocate, release, allocating));
            });
            group.sample_size(10).bench_function("range lists", |b| {
                let lists = Lists::with(FIRST, LAST, fill.held().map(|n| FIRST + u128::from(n) - 1));
                let taken = std::cell::RefCell::new((lists, Vec::new()));
                let allocate = |_| {
                    let (lists, taken) = &mut *taken.borrow_mut();
                    taken.push(lists.allocate().unwrap());
                };
                let release = |_| {
                    let (lists, taken) = &mut *taken.borrow_mut();
                    lists.release(taken.pop().unwrap());
                };
                b.iter_custom(|n| alternate(n, allocate, release, allocating));
            });
        }
    }
}

fn random(c: &mut Criterion) {
    let mut group = c.benchmark_group("allocate at random, /16, 99.9 %");
    group.bench_function("ledger", |b| {
        let setting = Setting::new("10.0.0.0/16", Order::Random { seed: 1 }, SIZE + BATCH);
        let setting = std::cell::RefCell::new(setting);
        Fill::NearlyFull
            .held()
            .for_each(|n| setting.borrow_mut().take(n, Family::V4.address(FIRST + u128::from(n) - 1)));
        let allocate = |i| setting.borrow_mut().allocate(SIZE + i);
        let release = |i| setting.borrow_mut().release(SIZE + i);
        b.iter_custom(|n| alternate(n, allocate, release, true));
    });
}

/// Addresses by number all over a /64, of which 50 000 are held.
fn scattered(c: &mut Criterion) {
    let held = 50_000;
    let address = |i: u32| V6 + u128::from(u64::from(i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1);
    let mut group = c.benchmark_group("IPv6 by number, 50 k scattered in a /64");
    group.bench_function("ledger", |b| {
        let mut setting = Setting::new("fd00::/64", Order::Lowest, held + BATCH);
        (0..held).for_each(|i| setting.take(i, Family::V6.address(address(i))));
        let fixed = |i: u32| DualStack { v4: None, v6: Family::V6.address(address(i)) };
        let want = |i: u32| Want { from: Source::from(fixed(i)), ..setting.want.clone() };
        let wants: Vec<Want> = (held..held + BATCH).map(want).collect();
        let setting = std::cell::RefCell::new(setting);
        let allocate = |i: u32| setting.borrow_mut().ask(held + i, &wants[i as usize]);
        let release = |i| setting.borrow_mut().release(held + i);
        b.iter_custom(|n| alternate(n, allocate, release, true));
    });
    group.sample_size(10).bench_function("range lists", |b| {
        let lists = Lists::with(V6, V6 + u128::from(u64::MAX) - 2, (0..held).map(address));
        let lists = std::cell::RefCell::new(lists);
        let allocate = |i| lists.borrow_mut().take(address(held + i));
        let release = |i| lists.borrow_mut().release(address(held + i));
        b.iter_custom(|n| alternate(n, allocate, release, true));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = v4, random, scattered
}
criterion_main!(benches);
