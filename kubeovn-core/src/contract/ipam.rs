//! Addresses as desired state: the ledger that the spine settles owners against.

mod error;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

pub use error::AddrError;

use crate::{
    addr::{Cidr, DualStack, Family, IpRange, Mac},
    rows::{Millis, OwnerKey},
};

/// What a subnet offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Subnet name.
    pub subnet: Arc<str>,
    /// Address space: within it an address is live at most once, whatever the subnet (the VPC's name).
    pub space: Arc<str>,
    /// Prefixes, at most one per family; none for a subnet that gives MACs alone.
    pub cidrs: DualStack<Cidr>,
    /// Gateways: never given to anybody.
    pub gateways: DualStack<IpAddr>,
    /// The gateway's MAC: never given to anybody.
    pub gateway_mac: Option<Mac>,
    /// Not given by itself, but to whoever asks for the very address.
    pub excludes: Vec<IpRange>,
    /// Parts that are given only to who names them (IPPool objects). They share no address; what lies outside of the
    /// prefixes is left out.
    pub pools: Vec<NamedPool>,
    /// In which order addresses are given.
    pub order: Order,
    /// How long a freed address rests before it is given again, unless nothing else is left.
    pub rest: Millis,
}

/// A part of a subnet with a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedPool {
    /// Not empty.
    pub name: Arc<str>,
    /// Its addresses; excluded ones among them stay excluded.
    pub ranges: Vec<IpRange>,
}

/// In which order addresses are given that nobody asked for by number. Resting ones come last in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// The lowest that was never used; when none is left, a new round begins with those that were freed. Kube-OVN's.
    #[default]
    Lowest,
    /// The next one above the last given, around the end.
    NextFit,
    /// Each free one with the same probability, however full it is.
    Random {
        /// The same seed and the same calls give the same addresses.
        seed: u64,
    },
}

/// What an owner wants for one of its interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Want {
    /// Interface: empty for the main one, else the provider's name.
    pub nic: Arc<str>,
    /// Subnets in order of preference; a fixed address picks the first that can give it.
    pub subnets: Vec<Arc<str>>,
    /// Which addresses will do.
    pub from: Source,
    /// Only this family; else all that the subnet has.
    pub family: Option<Family>,
    /// Which MAC.
    pub mac: MacWish,
    /// Addresses that won't do (those of nodes), also if they are held already.
    pub skip: Arc<[IpAddr]>,
    /// Owners with whom address and MAC may be shared: the other side of a live migration. The newcomer stands by.
    pub share: Vec<OwnerKey>,
}

/// Which addresses will do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// What is held; else what no named pool has, in the subnet's order.
    #[default]
    Any,
    /// One of these, the first that can be had. A family that an item does not name gets a free address. An empty
    /// list is as [`Source::Any`].
    OneOf(Vec<DualStack<IpAddr>>),
    /// From one of these named pools, the first that has room; never from elsewhere.
    Pools(Vec<Arc<str>>),
}

impl From<DualStack<IpAddr>> for Source {
    /// Exactly these addresses; none named is [`Source::Any`].
    fn from(ips: DualStack<IpAddr>) -> Self {
        if ips.is_empty() { Source::Any } else { Source::OneOf(vec![ips]) }
    }
}

/// Which MAC an interface wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MacWish {
    /// The one it has, else one derived from the owner.
    #[default]
    Any,
    /// This one.
    Is(Mac),
    /// It needs none from here (another plugin makes the interface).
    Without,
}

/// Who of several holders of one address uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The only one, or the one that uses it now.
    #[default]
    Active,
    /// It takes over when told to, or when the active one is gone.
    Standby,
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
    pub mac: Option<Mac>,
    /// Does it use what it holds, or does it share it with one that does?
    pub role: Role,
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
/// In one space an address is held by at most one owner and interface, but for those that a want declares to share it
/// with. A refused request changes nothing. The same calls in the same order give the same answers. Dual stack is both
/// families or none.
pub trait Ipam: Send {
    /// Adds a subnet or changes what it offers. Grants that no longer fit stay.
    ///
    /// # Errors
    /// [`AddrError::SpaceFixed`] when it holds grants in another space, [`AddrError::PrefixesFixed`] when it would lose
    /// its prefixes, [`AddrError::PoolOverlap`].
    fn define(&mut self, offer: &Offer) -> Result<(), AddrError>;

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

    /// Numbers of a named pool of a subnet, `None` when there is none of that name.
    fn pool_usage(&self, subnet: &str, pool: &str) -> Option<Usage>;

    /// Names of the subnets of which the numbers may have changed since the last call; a grant in one can take an
    /// address from another of its space.
    fn take_changed(&mut self) -> BTreeSet<Arc<str>>;

    /// A copy for a dry run: changes of one are not seen by the other.
    fn fork(&self) -> Box<dyn Ipam>;
}
