//! Why addresses were not granted: each refusal with its numbers, the object in the way, and the next step.

use std::{net::IpAddr, sync::Arc};

use thiserror::Error;

use crate::{
    addr::{AddrParseError, Family, IpRange, Mac},
    error::{POOL_EXHAUSTED, Problem},
    rows::{Millis, OwnerKey},
    time::rfc3339,
};

/// Why addresses were not granted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddrError {
    /// Nothing free. The numbers stand behind the colon, see [`Problem::says_same`].
    #[error(
        "{} has no{} {family} address: {used} of {total} are in use, {reserved} are gateways or excluded; \
         most are held by {holders}. {}",
        place(subnet, pool), if *total == 0 { "" } else { " free" }, more(*total, pool)
    )]
    Exhausted {
        /// Subnet.
        subnet: Arc<str>,
        /// Named pool of it that was asked for; empty for what no named pool has.
        pool: Arc<str>,
        /// Family that is full.
        family: Family,
        /// Addresses that hosts may use.
        total: u128,
        /// Granted.
        used: u128,
        /// Excluded and not granted.
        reserved: u128,
        /// The biggest holders in the subnet with their numbers, like `default (200), shop (31)`.
        holders: String,
    },
    /// What is free is among the addresses that the request says to skip.
    #[error(
        "all free {family} addresses of {} are among the {skipped} that must be skipped (addresses of nodes). \
         Exclude them from the subnet, or widen it",
        place(subnet, pool)
    )]
    Skipped {
        /// Subnet.
        subnet: Arc<str>,
        /// Named pool of it that was asked for; empty for what no named pool has.
        pool: Arc<str>,
        /// Family of which nothing else is free.
        family: Family,
        /// How many addresses the request skips.
        skipped: usize,
    },
    /// Somebody else holds it.
    #[error(
        "{ip} (subnet {subnet}) is held by {holder}{}. Choose another address, or delete {holder}",
        held_since(*since, *generation)
    )]
    Taken {
        /// The address.
        ip: IpAddr,
        /// Subnet it was asked from.
        subnet: Arc<str>,
        /// Who holds it.
        holder: OwnerKey,
        /// Since when; 0 where that is not known.
        since: Millis,
        /// Of the holder's grant.
        generation: u64,
    },
    /// Somebody else has this MAC in the same space.
    #[error("MAC {mac} (subnet {subnet}) is held by {holder}. Choose another, or leave mac_address out")]
    MacTaken {
        /// The MAC.
        mac: Mac,
        /// Subnet it was asked from.
        subnet: Arc<str>,
        /// Who has it.
        holder: OwnerKey,
    },
    /// The gateway's MAC is never given.
    #[error("MAC {mac} is that of the gateway of subnet {subnet}. Choose another, or leave mac_address out")]
    GatewayMac {
        /// The MAC.
        mac: Mac,
        /// Subnet it was asked from.
        subnet: Arc<str>,
    },
    /// Not one that the subnet can give.
    #[error(
        "{ip} is not among the usable addresses of subnet {subnet} ({cidr}). Choose one inside, or another subnet"
    )]
    OutOfRange {
        /// The address.
        ip: IpAddr,
        /// Subnet.
        subnet: Arc<str>,
        /// Its prefixes.
        cidr: String,
    },
    /// The gateway is never given.
    #[error("{ip} is the gateway of subnet {subnet}. Choose another address")]
    Gateway {
        /// The address.
        ip: IpAddr,
        /// Subnet.
        subnet: Arc<str>,
    },
    /// No such subnet, or it offers nothing now.
    #[error(
        "subnet {subnet} offers no addresses: it does not exist, is being deleted, or is refused. See its status"
    )]
    NoSubnet {
        /// Subnet.
        subnet: Arc<str>,
    },
    /// A family was asked for that the subnet has not.
    #[error("subnet {subnet} has no {family} prefix. Ask for the other family, or add a prefix to cidrBlock")]
    NoFamily {
        /// Subnet.
        subnet: Arc<str>,
        /// The family asked for.
        family: Family,
    },
    /// Address and family of one request don't go together.
    #[error("{ip} is no {family} address, and only {family} was asked for. Correct ip_family or the address")]
    WrongFamily {
        /// The address.
        ip: IpAddr,
        /// The family asked for.
        family: Family,
    },
    /// None of the subnets asked from has a pool of that name.
    #[error("no subnet that may be used has a pool {pool}. Create the IPPool, or correct ip_pool")]
    NoPool {
        /// The name.
        pool: Arc<str>,
    },
    /// The list of addresses has none for this member of a StatefulSet.
    #[error("ip_pool lists {listed} addresses and has none for ordinal {ordinal}. Lengthen the list")]
    ListEnds {
        /// Of the pod.
        ordinal: u64,
        /// Items of the list.
        listed: usize,
    },
    /// Two named pools of a subnet share addresses.
    #[error("pools {pool} and {other} of subnet {subnet} both have {shared}. Take it out of one of them")]
    PoolOverlap {
        /// Subnet.
        subnet: Arc<str>,
        /// The later one by name.
        pool: Arc<str>,
        /// The earlier one.
        other: Arc<str>,
        /// What both have, or the first of it.
        shared: IpRange,
    },
    /// A named pool without a name, or two of one name.
    #[error(
        "pool {pool:?} of subnet {subnet}: the names of its pools must not be empty and differ. Rename it"
    )]
    PoolName {
        /// Subnet.
        subnet: Arc<str>,
        /// The name.
        pool: Arc<str>,
    },
    /// A subnet with prefixes can't become one that gives MACs alone.
    #[error("subnet {subnet} has prefixes and can't lose them all. Create another subnet without cidrBlock")]
    PrefixesFixed {
        /// Subnet.
        subnet: Arc<str>,
    },
    /// A subnet with grants can't move to another space.
    #[error(
        "subnet {subnet} can't move from {from} to {to} while {held} addresses are held in it. Delete their owners first, or make spec.vpc what it was: empty, where it was left out"
    )]
    SpaceFixed {
        /// Subnet.
        subnet: Arc<str>,
        /// Space of its grants.
        from: Arc<str>,
        /// Space asked for.
        to: Arc<str>,
        /// Grants.
        held: usize,
    },
    /// A request that can't be read.
    #[error("{0}")]
    Unreadable(#[from] AddrParseError),
}

/// A subnet, or a named pool of it.
fn place(subnet: &str, pool: &str) -> String {
    if pool.is_empty() { format!("subnet {subnet}") } else { format!("pool {pool} of subnet {subnet}") }
}

/// How there can be more addresses.
fn more(total: u128, pool: &str) -> &'static str {
    match (total, pool.is_empty()) {
        (0, _) => "Add ranges of this family, or ask for the other one alone",
        (_, true) => "Delete pods, widen cidrBlock, or shorten excludeIps",
        (_, false) => "Delete pods, widen the pool, or shorten excludeIps",
    }
}

impl AddrError {
    /// Stable code; Kube-OVN's own identifier in brackets behind it where it has one.
    pub fn code(&self) -> &'static str {
        match self {
            AddrError::Exhausted { .. } => POOL_EXHAUSTED,
            AddrError::Skipped { .. } => "IPAM-POOL-SKIPPED",
            AddrError::Taken { .. } => "IPAM-ADDR-TAKEN",
            AddrError::MacTaken { .. } => "IPAM-MAC-TAKEN",
            AddrError::GatewayMac { .. } => "IPAM-MAC-GATEWAY",
            AddrError::OutOfRange { .. } => "IPAM-ADDR-OUT-OF-RANGE",
            AddrError::Gateway { .. } => "IPAM-ADDR-GATEWAY",
            AddrError::NoSubnet { .. } => "IPAM-NO-SUBNET",
            AddrError::NoFamily { .. } => "IPAM-NO-FAMILY",
            AddrError::WrongFamily { .. } => "IPAM-WRONG-FAMILY",
            AddrError::NoPool { .. } => "IPAM-NO-POOL",
            AddrError::ListEnds { .. } => "IPAM-LIST-ENDS",
            AddrError::PoolOverlap { .. } => "IPAM-POOL-OVERLAP",
            AddrError::PoolName { .. } => "IPAM-POOL-NAME",
            AddrError::PrefixesFixed { .. } => "IPAM-PREFIXES-FIXED",
            AddrError::SpaceFixed { .. } => "IPAM-SPACE-FIXED",
            AddrError::Unreadable(_) => "IPAM-ADDR-UNREADABLE",
        }
    }

    /// Kube-OVN's identifier for the same, which tools and tests look for.
    pub fn kube_ovn(&self) -> Option<&'static str> {
        Some(match self {
            AddrError::Exhausted { .. } | AddrError::NoPool { .. } | AddrError::ListEnds { .. } => {
                "NoAvailableAddress"
            }
            AddrError::Taken { .. }
            | AddrError::MacTaken { .. }
            | AddrError::GatewayMac { .. }
            | AddrError::Skipped { .. }
            | AddrError::Gateway { .. } => "AddressConflict",
            AddrError::OutOfRange { .. } => "AddressOutOfRange",
            AddrError::NoSubnet { .. } => "NoSubnet",
            AddrError::NoFamily { .. } | AddrError::WrongFamily { .. } => "InvalidIPFamily",
            AddrError::PrefixesFixed { .. } | AddrError::Unreadable(AddrParseError::Cidr { .. }) => {
                "CIDRInvalid"
            }
            AddrError::PoolOverlap { .. }
            | AddrError::PoolName { .. }
            | AddrError::SpaceFixed { .. }
            | AddrError::Unreadable(_) => {
                return None;
            }
        })
    }

    /// Would another owner's release help?
    pub fn waits_for_release(&self) -> bool {
        matches!(
            self,
            AddrError::Exhausted { .. }
                | AddrError::Skipped { .. }
                | AddrError::Taken { .. }
                | AddrError::MacTaken { .. }
        )
    }
}

/// Since when something is held, where that is known.
fn held_since(since: Millis, generation: u64) -> String {
    if since == 0 { String::new() } else { format!(" since {} (generation {generation})", rfc3339(since)) }
}

impl From<&AddrError> for Problem {
    /// A problem stands in an object's status as long as it lasts, so it says nothing that another process, which has
    /// read all of it back, would say otherwise: not since when.
    fn from(error: &AddrError) -> Self {
        let mut error = error.clone();
        if let AddrError::Taken { since, .. } = &mut error {
            *since = 0;
        }
        let message = match error.kube_ovn() {
            Some(name) => format!("({name}) {error}"),
            None => error.to_string(),
        };
        Problem::new(error.code(), message)
    }
}
