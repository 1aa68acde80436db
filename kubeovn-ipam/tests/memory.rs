//! What a million grants take, by an allocator that counts. Alone in its file: others would be counted too.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "a surprise is a failed test; bytes are far below the limits of the casts"
)]

use std::alloc::System;

use kubeovn_ipam::{Ledger, MacWish, Offer, OwnerKey, Want};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const GRANTS: u32 = 1_000_000;
/// `default/` and 16 letters and digits.
const NAME: usize = 24;

/// Bytes per grant that a ledger keeps, besides what the caller keeps.
fn bytes_per_grant(mac: MacWish) -> f64 {
    let cidrs = "10.0.0.0/12".parse().unwrap();
    let want = Want { subnets: vec!["net".into()], mac, ..Want::default() };
    let region = Region::new(ALLOCATOR);
    let mut ledger = Ledger::new();
    let offer = Offer { subnet: "net".into(), space: "vpc".into(), cidrs, ..Offer::default() };
    ledger.define(&offer).unwrap();
    for i in 0..GRANTS {
        let owner = OwnerKey::pod("default", &format!("web-{i:012}"));
        assert_eq!(owner.name.len(), NAME);
        let uid = format!("6f1a8c32-00aa-4bcd-8e9f-{i:012x}").into();
        ledger.settle(&owner, &uid, std::slice::from_ref(&want), 1_700_000_000_000).unwrap();
    }
    let stats = region.change();
    assert_eq!(ledger.usage("net").unwrap().owners, GRANTS as usize);
    let live = stats.bytes_allocated as i64 - stats.bytes_deallocated as i64;
    live as f64 / f64::from(GRANTS)
}

/// What the holder's identity takes: name, uid (a UUID, 16 bytes) and their lengths, in units of 8 bytes.
const IDENTITY: f64 = ((NAME + 16 + 10).next_multiple_of(8)) as f64;

/// With the look-ups by address, by MAC and by owner.
#[test]
fn a_grant_takes_at_most_64_bytes_besides_its_owners_identity() {
    for (what, mac) in [("with a MAC", MacWish::Any), ("without", MacWish::Without)] {
        let bytes = bytes_per_grant(mac);
        println!(
            "{what}: {bytes:.1} bytes per grant, {:.1} besides the holder's name and uid",
            bytes - IDENTITY
        );
        assert!(bytes - IDENTITY <= 64.0 && bytes <= 128.0, "{what}: {bytes}");
    }
}
