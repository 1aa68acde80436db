//! What allocating and releasing costs: the bitmap alone, the whole ledger, and beside them, in the same run, sorted
//! lists of ranges as Kube-OVN keeps them.
//!
//! `cargo bench -p kubeovn-ipam`; prints tables, exits with 0. Plain `std` timing, the best of some runs: look at
//! ratios, not at digits. The lists have no owners and no MACs, so compare them with the bitmap; they are also far
//! quicker than the peer's own, which works on slices of bytes and big integers.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a bench prints, stops at the first surprise, and computes with rounded numbers"
)]

#[path = "alloc/lists.rs"]
mod lists;

use std::{hint::black_box, sync::Arc, time::Instant};

use kubeovn_ipam::{Bitmap, DualStack, Family, Grant, Ledger, Mac, OwnerKey, PoolSpec, Want};
use lists::Lists;

/// First address of the /16 and of the /64.
const V4: u128 = 0x0a00_0000;
const V6: u128 = 0xfd00 << 112;
const SIZE_16: u32 = 1 << 16;

fn main() {
    println!(
        "{:<48}{:>9}{:>13}{:>9}{:>9}{:>9}",
        "ns per operation", "bitmap", "range lists", "ratio", "ledger", "ratio"
    );
    empty_pool();
    fragmented_pool();
    ipv6();
    scattered_ipv6();
    println!();
    restore(150_000);
    memory(1_000_000);
}

/// Nanoseconds per operation; no core figure where the bitmap alone can't do it.
struct Columns {
    core: Option<f64>,
    lists: f64,
    ledger: f64,
}

/// The best of some runs of `sample`.
fn rows<const N: usize>(what: [&str; N], sample: impl Fn() -> [Columns; N]) {
    let samples: Vec<_> = (0..5).map(|_| sample()).collect();
    for (i, what) in what.into_iter().enumerate() {
        let best =
            |of: fn(&Columns) -> f64| samples.iter().map(|sample| of(&sample[i])).fold(f64::MAX, f64::min);
        let (lists, ledger) = (best(|c| c.lists), best(|c| c.ledger));
        let core = samples.iter().filter_map(|sample| sample[i].core).reduce(f64::min);
        let (core, core_ratio) = core.map_or(("-".to_owned(), "-".to_owned()), |ns| {
            (format!("{ns:.1}"), format!("{:.1}x", lists / ns))
        });
        println!("{what:<48}{core:>9}{lists:>13.0}{core_ratio:>9}{ledger:>9.0}{:>8.2}x", lists / ledger);
    }
}

/// Nanoseconds per call of `f` over `0..n`.
fn time(n: u32, mut f: impl FnMut(u32)) -> f64 {
    let start = Instant::now();
    (0..n).for_each(&mut f);
    start.elapsed().as_nanos() as f64 / f64::from(n)
}

/// A ledger of one subnet, owners `0..n` for it, and what they want.
struct Setting {
    ledger: Ledger,
    owners: Vec<(OwnerKey, Arc<str>)>,
    want: [Want; 1],
}

impl Setting {
    fn new(cidr: &str, n: u32) -> Self {
        let mut ledger = Ledger::new();
        let spec = PoolSpec {
            subnet: "net".into(),
            space: "vpc".into(),
            cidrs: cidr.parse().unwrap(),
            gateways: DualStack::default(),
            excludes: Vec::new(),
            rest: 0,
        };
        ledger.define(&spec).unwrap();
        let owner =
            |i| (OwnerKey::pod("default", &format!("web-7d4b9c-{i:06}")), format!("6f1a8c32-{i:08x}").into());
        let want =
            Want { nic: "".into(), subnets: vec!["net".into()], fixed: DualStack::default(), mac: None };
        Setting { ledger, owners: (0..n).map(owner).collect(), want: [want] }
    }

    fn allocate(&mut self, i: u32) {
        let (owner, uid) = &self.owners[i as usize];
        black_box(self.ledger.settle(owner, uid, &self.want, 0).unwrap());
    }

    fn release(&mut self, i: u32) {
        let (owner, uid) = &self.owners[i as usize];
        black_box(self.ledger.settle(owner, uid, &[], 0).unwrap());
    }
}

fn full_bitmap() -> Bitmap {
    let mut bits = Bitmap::new(SIZE_16);
    bits.put_range(1, SIZE_16 - 2);
    bits
}

fn take_lowest(bits: &mut Bitmap) {
    let n = bits.lowest().unwrap();
    black_box(bits.take(n));
}

fn empty_pool() {
    rows(["/16 empty: allocate 10 000", "/16: release them, every second one first"], || {
        let n = 10_000;
        let (mut bits, mut setting) = (full_bitmap(), Setting::new("10.0.0.0/16", n));
        let mut lists = Lists::new(V4 + 1, V4 + u128::from(SIZE_16) - 2);
        let allocate = Columns {
            core: Some(time(n, |_| take_lowest(&mut bits))),
            lists: time(n, |_| _ = black_box(lists.allocate())),
            ledger: time(n, |i| setting.allocate(i)),
        };
        let at = |i: u32| if i < n / 2 { i * 2 } else { (i - n / 2) * 2 + 1 };
        let release = Columns {
            core: Some(time(n, |i| _ = black_box(bits.put(1 + at(i))))),
            lists: time(n, |i| lists.release(V4 + 2 + u128::from(at(i)))),
            ledger: time(n, |i| setting.release(at(i))),
        };
        [allocate, release]
    });
}

/// Every second address of a full /16 is free.
fn fragmented_pool() {
    rows(["/16, 32 k fragments: allocate", "/16, 32 k fragments: release"], || {
        let all = SIZE_16 - 2;
        let (mut bits, mut setting) = (full_bitmap(), Setting::new("10.0.0.0/16", all));
        (0..all).for_each(|i| setting.allocate(i));
        for i in (1..all).step_by(2) {
            bits.take(i);
            setting.release(i);
        }
        let mut lists = Lists::fragmented(V4 + 1, V4 + u128::from(all));
        let allocate = Columns {
            core: Some(time(10_000, |_| take_lowest(&mut bits))),
            lists: time(200, |_| _ = black_box(lists.allocate())),
            ledger: time(10_000, |i| setting.allocate(i * 2 + 1)),
        };
        let release = Columns {
            core: Some(time(10_000, |i| _ = black_box(bits.put(i * 2 + 2)))),
            lists: time(200, |i| lists.release(V4 + 2 + u128::from(i) * 2)),
            ledger: time(10_000, |i| setting.release(i * 2 + 1)),
        };
        [allocate, release]
    });
}

fn ipv6() {
    rows(["IPv6 /64: allocate 50 000", "IPv6 /64: release every second one"], || {
        let n = 50_000;
        let mut setting = Setting::new("fd00::/64", n);
        let mut lists = Lists::new(V6 + 1, V6 + u128::from(u64::MAX) - 1);
        let allocate = Columns {
            core: None,
            lists: time(n, |_| _ = black_box(lists.allocate())),
            ledger: time(n, |i| setting.allocate(i)),
        };
        let release = Columns {
            core: None,
            lists: time(n / 2, |i| lists.release(V6 + 2 + u128::from(i) * 2)),
            ledger: time(n / 2, |i| setting.release(i * 2)),
        };
        [allocate, release]
    });
}

fn scattered_ipv6() {
    rows(["IPv6 /64: by number, scattered, 40-50 k live"], || {
        let (n, warm) = (50_000_u32, 40_000_u32);
        let address = |i: u32| V6 + u128::from(u64::from(i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1);
        let mut setting = Setting::new("fd00::/64", n);
        let mut take = |i: u32| {
            setting.want[0].fixed.v6 = Family::V6.address(address(i));
            setting.allocate(i);
        };
        (0..warm).for_each(&mut take);
        let ledger = time(n - warm, |i| take(warm + i));
        let mut lists = Lists::new(V6 + 1, V6 + u128::from(u64::MAX) - 1);
        (0..warm).for_each(|i| lists.take(address(i)));
        let lists = time(1_000, |i| lists.take(address(warm + i)));
        [Columns { core: None, lists, ledger }]
    });
}

/// Grants as they were durable, in an order that is not that of the addresses.
fn durable(setting: &Setting, n: u32) -> Vec<Grant> {
    let grant = |i: u32| {
        let scrambled = u128::from((u64::from(i) * 7_919 % u64::from(n)) as u32);
        let [_, _, mac @ ..] = u64::from(i).to_be_bytes();
        Grant {
            nic: "".into(),
            subnet: setting.want[0].subnets[0].clone(),
            space: "vpc".into(),
            ips: DualStack { v4: Family::V4.address(V4 + 2 + scrambled), v6: None },
            mac: Mac::local(mac),
            generation: u64::from(i) + 1,
            since: 1,
        }
    };
    (0..n).map(grant).collect()
}

fn restore(n: u32) {
    let mut setting = Setting::new("10.0.0.0/8", n);
    let grants = durable(&setting, n);
    let start = Instant::now();
    for ((owner, uid), grant) in setting.owners.iter().zip(&grants) {
        setting.ledger.restore(owner, uid, grant).unwrap();
    }
    println!(
        "{:<44}{:>11.1} ms",
        format!("restore {n} grants into a /8"),
        start.elapsed().as_secs_f64() * 1e3
    );
    let start = Instant::now();
    let fork = black_box(setting.ledger.clone());
    println!("{:<44}{:>11.1} ms", "fork that ledger", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    black_box(fork.usage("net"));
    println!("{:<44}{:>11.1} ms", "its usage with range texts", start.elapsed().as_secs_f64() * 1e3);
}

/// By what the process grew, without the owners' names, which the caller holds too.
fn memory(n: u32) {
    let mut setting = Setting::new("10.0.0.0/8", n);
    let Some(before) = resident_bytes() else { return };
    (0..n).for_each(|i| setting.allocate(i));
    let grown = resident_bytes().unwrap_or(before).saturating_sub(before);
    println!("{:<44}{:>11.0} bytes per grant", format!("memory, {n} grants"), grown as f64 / f64::from(n));
}

fn resident_bytes() -> Option<u64> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
