//! What a change of a ledger is, as a value: what is made durable before it counts, and what a ledger is rebuilt from.

use std::{net::IpAddr, sync::Arc};

use kubeovn_core::{
    addr::{Family, IpRange},
    contract::ipam::Grant,
    rows::{Millis, OwnerKey},
};

/// One change. A ledger that takes the same entries in the same order ([`Ledger::apply`](crate::Ledger::apply)) is the
/// same ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// An owner gave something back, was given something, or both.
    Settled(Settlement),
    /// Of those that share an address, this one uses it from now on.
    Activated {
        /// Who.
        owner: OwnerKey,
        /// For which interface.
        nic: Arc<str>,
    },
    /// No grant from here on has this generation or a lower one. Stands in snapshots.
    Generation(u64),
    /// What the order of a subnet's addresses depends on beside the grants. Stands in snapshots.
    Shelved(Shelves),
}

/// A change of what one owner holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Who.
    pub owner: OwnerKey,
    /// Which object of that name.
    pub uid: Arc<str>,
    /// When.
    pub at: Millis,
    /// Grants that go. First, so that what they free can be granted in the same change.
    pub released: Vec<Released>,
    /// Grants that come.
    pub granted: Vec<Granted>,
}

/// A grant that goes, by what tells it from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Subnet that it is from.
    pub subnet: Arc<str>,
    /// Interface.
    pub nic: Arc<str>,
    /// Generation.
    pub generation: u64,
}

/// A grant that comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The grant.
    pub grant: Grant,
    /// Was the IPv4 address the next one in order, or was it asked for by number?
    pub picked_v4: bool,
    /// The same of the IPv6 address.
    pub picked_v6: bool,
}

/// How the free addresses of one pool lie: in which order they will be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelves {
    /// Subnet.
    pub subnet: Arc<str>,
    /// Named pool; empty for what no named pool has.
    pub pool: Arc<str>,
    /// Family.
    pub family: Family,
    /// Used and freed since the round began.
    pub released: Vec<IpRange>,
    /// Freed a short while ago, and until when they rest.
    pub resting: Vec<(IpAddr, Millis)>,
    /// The lowest address that is given in windows that are not open yet; none when all are open.
    pub closed_from: Option<IpAddr>,
    /// Where [`Order::NextFit`](crate::Order::NextFit) goes on.
    pub cursor: Option<IpAddr>,
    /// How many addresses [`Order::Random`](crate::Order::Random) has drawn.
    pub draws: u64,
}
