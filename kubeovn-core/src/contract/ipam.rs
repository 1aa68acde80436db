//! Addresses as desired state: the ledger that the spine settles owners against.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use thiserror::Error;

use crate::{
    addr::{AddrParseError, Cidr, DualStack, Family, IpRange, Mac},
    error::Problem,
    rows::{Millis, OwnerKey},
    time::rfc3339,
};

/// What a subnet offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Subnet name.
    pub subnet: Arc<str>,
    /// Address space: within it an address is live at most once, whatever the subnet (the VPC's name).
    pub space: Arc<str>,
    /// Prefixes, at most one per family.
    pub cidrs: DualStack<Cidr>,
    /// Gateways: never given to anybody.
    pub gateways: DualStack<IpAddr>,
    /// Not given by itself, but to whoever asks for the very address.
    pub excludes: Vec<IpRange>,
    /// How long a freed address rests before it is given again, unless nothing else is left.
    pub rest: Millis,
}

/// What an owner wants for one of its interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Interface: empty for the main one, else the provider's name.
    pub nic: Arc<str>,
    /// Subnets in order of preference; a fixed address picks the first that can give it.
    pub subnets: Vec<Arc<str>>,
    /// Addresses asked for by number. A family that is not named gets a free one, if the subnet has that family.
    pub fixed: DualStack<IpAddr>,
    /// MAC asked for; else the one held, else one derived from the owner.
    pub mac: Option<Mac>,
}

/// What an owner holds for one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Interface, as in [`Want::nic`].
    pub nic: Arc<str>,
    /// Subnet it is from.
    pub subnet: Arc<str>,
    /// Address space in which its addresses and MAC are unique: that of the subnet when they were granted.
    pub space: Arc<str>,
    /// Addresses.
    pub ips: DualStack<IpAddr>,
    /// MAC, unique in the address space.
    pub mac: Mac,
    /// Rises with every grant of the ledger: a release that names an older one changes nothing.
    pub generation: u64,
    /// When it was granted.
    pub since: Millis,
}

/// The answer to [`Ipam::settle`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// What the owner holds now, in the order of its wants.
    pub grants: Vec<Grant>,
    /// It holds something else than before.
    pub changed: bool,
    /// Subnets in which an address became free: who waits there may try again.
    pub freed: Vec<Arc<str>>,
}

/// Exact numbers of a subnet. Per family, always: `total = (used - outside) + available + reserved`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Addresses that hosts may have: those of the prefix without network and broadcast address.
    pub total: DualStack<u128>,
    /// Addresses granted.
    pub used: DualStack<u128>,
    /// How many of these lie outside of what the subnet offers now (its prefix was changed, or it is not defined).
    pub outside: DualStack<u128>,
    /// Addresses that can be granted without being asked for by number, resting ones included.
    pub available: DualStack<u128>,
    /// The others, not granted: excluded, the gateway, or held in the same space from another subnet.
    pub reserved: DualStack<u128>,
    /// The used ones as `a-b,c` in rising order, as Subnet.status writes it; those outside too.
    pub used_ranges: DualStack<String>,
    /// The available ones in the same form.
    pub available_ranges: DualStack<String>,
    /// Owners that hold something here.
    pub owners: usize,
}

/// An address ledger.
///
/// # Guarantees
/// In one space an address is held by at most one owner and interface. A refused request changes nothing. The same
/// calls in the same order give the same answers. Dual stack is both families or none.
pub trait Ipam: Send {
    /// Adds a subnet or changes what it offers. Grants that no longer fit stay.
    ///
    /// # Errors
    /// [`AddrError::SpaceFixed`] when it holds grants in another space.
    fn define(&mut self, pool: &PoolSpec) -> Result<(), AddrError>;

    /// Closes a subnet: nothing new is granted. It is forgotten, and `true` answered, once nothing is held in it;
    /// until then call again.
    fn close(&mut self, subnet: &str) -> bool;

    /// Makes the owner hold exactly `wants`; no wants release all. Idempotent: what is held and still fits stays,
    /// with its generation. An owner known under another `uid` is another object: its grants are released first,
    /// but kept if this one is refused.
    fn settle(
        &mut self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        wants: &[Want],
        now: Millis,
    ) -> Result<Settled, AddrError>;

    /// Takes back a grant that was durable before a restart, also into a subnet that is not (or no longer) defined
    /// and outside of its prefix. The same grant again is no error. The generation is raised to above all seen.
    ///
    /// # Errors
    /// [`AddrError::Taken`], [`AddrError::MacTaken`] when another holds it: the first one restored wins.
    fn restore(&mut self, owner: &OwnerKey, uid: &Arc<str>, grant: &Grant) -> Result<(), AddrError>;

    /// What an owner holds, by interface.
    fn held(&self, owner: &OwnerKey) -> Vec<Grant>;

    /// Calls `f` for each owner that holds something, with its uid, in the order of the keys.
    fn owners(&self, f: &mut dyn FnMut(&OwnerKey, &Arc<str>));

    /// Numbers of a subnet, `None` when it is not known.
    fn usage(&self, subnet: &str) -> Option<Usage>;

    /// Names of the subnets of which the numbers may have changed since the last call; a grant in one can take an
    /// address from another of its space.
    fn take_changed(&mut self) -> BTreeSet<Arc<str>>;

    /// A copy for a dry run: changes of one are not seen by the other.
    fn fork(&self) -> Box<dyn Ipam>;
}

/// Why addresses were not granted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddrError {
    /// Nothing free.
    #[error(
        "subnet {subnet} has no free {family} address: {used} of {total} are in use, {reserved} are gateways or excluded; \
         most are held by {holders}. Delete pods, widen cidrBlock, or shorten excludeIps"
    )]
    Exhausted {
        /// Subnet.
        subnet: Arc<str>,
        /// Family that is full.
        family: Family,
        /// Addresses that hosts may use.
        total: u128,
        /// Granted.
        used: u128,
        /// Excluded and not granted.
        reserved: u128,
        /// The biggest holders with their numbers, like `default (200), shop (31)`.
        holders: String,
    },
    /// Somebody else holds it.
    #[error(
        "{ip} (subnet {subnet}) is held by {holder} since {} (generation {generation}). \
         Choose another address, or delete {holder}", rfc3339(*since)
    )]
    Taken {
        /// The address.
        ip: IpAddr,
        /// Subnet it was asked from.
        subnet: Arc<str>,
        /// Who holds it.
        holder: OwnerKey,
        /// Since when.
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
    /// A subnet with grants can't move to another space.
    #[error(
        "subnet {subnet} can't move from {from} to {to} while {held} addresses are held in it. Delete their owners first"
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

impl AddrError {
    /// Stable code; Kube-OVN's own identifier in brackets behind it where it has one.
    pub fn code(&self) -> &'static str {
        match self {
            AddrError::Exhausted { .. } => "IPAM-POOL-EXHAUSTED",
            AddrError::Taken { .. } => "IPAM-ADDR-TAKEN",
            AddrError::MacTaken { .. } => "IPAM-MAC-TAKEN",
            AddrError::OutOfRange { .. } => "IPAM-ADDR-OUT-OF-RANGE",
            AddrError::Gateway { .. } => "IPAM-ADDR-GATEWAY",
            AddrError::NoSubnet { .. } => "IPAM-NO-SUBNET",
            AddrError::SpaceFixed { .. } => "IPAM-SPACE-FIXED",
            AddrError::Unreadable(_) => "IPAM-ADDR-UNREADABLE",
        }
    }

    /// Kube-OVN's identifier for the same, which tools and tests look for.
    pub fn kube_ovn(&self) -> Option<&'static str> {
        Some(match self {
            AddrError::Exhausted { .. } => "NoAvailableAddress",
            AddrError::Taken { .. } | AddrError::MacTaken { .. } | AddrError::Gateway { .. } => {
                "AddressConflict"
            }
            AddrError::OutOfRange { .. } => "AddressOutOfRange",
            AddrError::NoSubnet { .. } => "NoSubnet",
            AddrError::SpaceFixed { .. } | AddrError::Unreadable(_) => return None,
        })
    }

    /// Would another owner's release help?
    pub fn waits_for_release(&self) -> bool {
        matches!(self, AddrError::Exhausted { .. } | AddrError::Taken { .. } | AddrError::MacTaken { .. })
    }
}

impl From<&AddrError> for Problem {
    fn from(error: &AddrError) -> Self {
        let message = match error.kube_ovn() {
            Some(name) => format!("({name}) {error}"),
            None => error.to_string(),
        };
        Problem::new(error.code(), message)
    }
}
