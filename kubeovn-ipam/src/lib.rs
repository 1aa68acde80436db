//! An address ledger to embed: IPv4, IPv6 and dual stack, no I/O, no clock, no randomness, no double grants.
//!
//! ```text
//!  settle(owner, wants) ──> plan ──> refused: nothing changed
//!                             │
//!                             └────> commit ──> grants (subnet, addresses, MAC, generation)
//!
//!  Ledger ── space (addresses unique) ── subnet ── pool per family ── segments ── bitmaps
//!     └───── owners ── grants                         └ lowest never used, then released, then resting
//! ```
//!
//! You say what an owner should hold, not how to get there: asking again changes nothing, asking for something else
//! is a change made whole or not at all, asking for nothing releases. Times are whatever milliseconds you hand in.
//!
//! ```
//! use kubeovn_ipam::{Ledger, Offer, OwnerKey, Source, Want};
//!
//! let mut ledger = Ledger::new();
//! ledger.define(&Offer {
//!     subnet: "net1".into(),
//!     space: "vpc1".into(),
//!     cidrs: "10.0.0.0/24,fd00::/64".parse()?,
//!     gateways: "10.0.0.1,fd00::1".parse()?,
//!     excludes: vec!["10.0.0.2..10.0.0.9".parse()?],
//!     rest: 5_000,
//!     ..Offer::default()
//! })?;
//!
//! let (web, uid) = (OwnerKey::pod("shop", "web-0"), "6f1a".into());
//! let want = Want { subnets: vec!["net1".into()], ..Want::default() };
//! let now = 1_000;
//! let settled = ledger.settle(&web, &uid, &[want.clone()], now)?;
//! assert_eq!(settled.grants[0].ips.to_string(), "10.0.0.10,fd00::2");
//! assert!(!ledger.settle(&web, &uid, &[want.clone()], now)?.changed);
//!
//! // An excluded address is given to who asks for it; both families or none.
//! let moved = Want { from: Source::OneOf(vec!["10.0.0.5".parse()?]), ..want };
//! let settled = ledger.settle(&web, &uid, &[moved], now)?;
//! assert_eq!(settled.grants[0].ips.to_string(), "10.0.0.5,fd00::2");
//!
//! assert_eq!(ledger.explain("net1", "10.0.0.5".parse()?).to_string().split(" since").next(),
//!     Some("held by pod/shop/web-0 from subnet net1"));
//! ledger.settle(&web, &uid, &[], now)?;
//! assert_eq!(ledger.usage("net1").map(|usage| usage.used.v4), Some(Some(0)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Ledger`] implements [`Ipam`], the contract by which Kube-OVN's spine uses it. [`Bitmap`] and [`RangeSet`] are
//! there for those who build something else.

mod adapter;
mod bitmap;
#[cfg(feature = "cni")]
pub mod cni;
mod entry;
mod keeper;
mod ledger;
mod mac;
mod pool;
mod pools;
mod range_set;
mod resting;
mod segment;
mod shape;
pub mod store;
mod subnet;
mod table;

pub use bitmap::Bitmap;
pub use entry::{Entry, Granted, Released, Settlement, Shelves};
pub use keeper::{KeepError, Keeper};
pub use kubeovn_core::{
    addr::{AddrParseError, Cidr, DualStack, Family, IpRange, Mac},
    contract::ipam::{
        AddrError, Grant, Ipam, MacWish, NamedPool, Offer, Order, Role, Settled, Source, Usage, Want,
    },
    rows::{Millis, OwnerKey, OwnerKind},
};
pub use ledger::{AddressState, Ledger, Misfit, Plan, Stale, Tenancy};
pub use range_set::RangeSet;

/// The example of the README is compiled and run with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
