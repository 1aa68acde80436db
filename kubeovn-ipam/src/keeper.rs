//! A ledger for many threads, of which every change is durable before anybody is told of it.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use kubeovn_core::{
    contract::ipam::{AddrError, Grant, Offer, Settled, Usage, Want},
    rows::{Millis, OwnerKey},
};
use thiserror::Error;

use crate::{
    AddressState, Entry, Ledger, Plan,
    store::{Store, StoreError, Ticket},
    table::FixedMap,
};

/// Why a change was not made, or is not known to be durable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeepError {
    /// Refused: nothing changed.
    #[error(transparent)]
    Addr(#[from] AddrError),
    /// The store failed. Whether the change survives is not known: open the store anew and ask again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The subnets of one want lie in different spaces.
    #[error("subnets {first} and {other} lie in different address spaces. Ask for each by itself")]
    Spaces {
        /// The first one.
        first: Arc<str>,
        /// One of another space.
        other: Arc<str>,
    },
}

/// Ledgers behind locks, one for each address space, over a [`Store`].
///
/// # Guarantees
/// Those of [`Ledger`]. What [`Keeper::assign`] and [`Keeper::release`] answered is durable. Two subnets of different
/// spaces never wait for each other, but for the disk; a subnet that overlaps with no other may be a space of its own.
///
/// # Blocking
/// Calls that change something wait for the store. In an async program call them where blocking is allowed.
#[derive(Debug)]
pub struct Keeper<S> {
    store: S,
    directory: RwLock<Directory>,
    compacting: Mutex<()>,
}

#[derive(Debug, Default)]
struct Directory {
    ledgers: FixedMap<Arc<str>, Arc<Mutex<Kept>>>,
    /// The space of each subnet.
    spaces: FixedMap<Arc<str>, Arc<str>>,
}

#[derive(Debug, Default)]
struct Kept {
    ledger: Ledger,
    /// The last change: nothing may be told before it is durable.
    last: Option<Ticket>,
}

impl<S: Store> Keeper<S> {
    /// Opens a store: defines the subnets, and takes back what was granted.
    ///
    /// # Errors
    /// A subnet that can't be defined, a store that can't be read, or one of which the entries contradict each other.
    pub fn open(store: S, offers: &[Offer]) -> Result<Self, KeepError> {
        let keeper = Keeper { store, directory: RwLock::default(), compacting: Mutex::default() };
        for offer in offers {
            keeper.define(offer)?;
        }
        let mut refused = None;
        keeper.store.load(&mut |entry| {
            if refused.is_none() {
                refused = keeper.recall(&entry).err();
            }
        })?;
        if let Some(error) = refused {
            return Err(error.into());
        }
        // Somebody may have died between an entry and its being durable, and it is what we answer from.
        keeper.store.sync(keeper.store.tip())?;
        Ok(keeper)
    }

    /// Adds a subnet or changes what it offers; see [`Ledger::define`]. Not a part of the store: say it at every start.
    pub fn define(&self, offer: &Offer) -> Result<(), AddrError> {
        let mut directory = self.write();
        if let Some(from) = directory.spaces.get(&offer.subnet).filter(|from| **from != offer.space)
            && let Some(kept) = directory.ledgers.get(from)
        {
            let ledger = &mut lock(kept).ledger;
            if let Some(held) = ledger.usage(&offer.subnet).map(|usage| usage.owners).filter(|held| *held > 0)
            {
                let (subnet, to) = (offer.subnet.clone(), offer.space.clone());
                return Err(AddrError::SpaceFixed { subnet, from: from.clone(), to, held });
            }
            ledger.close(&offer.subnet);
        }
        let kept = directory.ledger(&offer.space);
        lock(&kept).ledger.define(offer)?;
        directory.spaces.insert(offer.subnet.clone(), offer.space.clone());
        Ok(())
    }

    /// Makes one interface of an owner hold what it wants, and answers what that is once it is durable. Asked again, it
    /// answers the same.
    pub fn assign(
        &self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        want: &Want,
        now: Millis,
    ) -> Result<Grant, KeepError> {
        let kept = self.space_of(want)?;
        let (grant, ticket) = {
            let mut kept = lock(&kept);
            let plan = kept.ledger.plan_nic(owner, uid, want, now)?;
            let grant = plan.grants().next().cloned();
            (grant, self.keep(&mut kept, plan)?)
        };
        self.wait(ticket)?;
        grant.ok_or_else(|| {
            AddrError::NoSubnet { subnet: want.subnets.first().cloned().unwrap_or_default() }.into()
        })
    }

    /// Releases what one interface of an owner holds in a subnet's space, if it is of that generation; whatever it is,
    /// when none is given. Answers whether there was something, once it is durable.
    pub fn release(
        &self,
        subnet: &str,
        owner: &OwnerKey,
        nic: &str,
        generation: Option<u64>,
        now: Millis,
    ) -> Result<bool, KeepError> {
        let Some(kept) = self.of(subnet) else { return Ok(false) };
        let (released, ticket) = {
            let mut kept = lock(&kept);
            let plan = kept.ledger.plan_release(owner, nic, generation, now);
            (!plan.is_empty(), self.keep(&mut kept, plan)?)
        };
        self.wait(ticket)?;
        Ok(released)
    }

    /// Releases all that an owner holds, in every space. Answers whether there was something, once it is durable.
    pub fn release_all(&self, owner: &OwnerKey, now: Millis) -> Result<bool, KeepError> {
        let (mut released, mut last) = (false, None);
        for kept in self.all() {
            let mut kept = lock(&kept);
            let uid = kept.ledger.uid(owner).unwrap_or_default();
            let plan = kept.ledger.plan(owner, &uid, &[], now)?;
            released |= !plan.is_empty();
            last = last.max(self.keep(&mut kept, plan)?);
        }
        self.wait(last)?;
        Ok(released)
    }

    /// What an owner holds, by space and interface.
    pub fn held(&self, owner: &OwnerKey) -> Vec<Grant> {
        self.all().iter().flat_map(|kept| lock(kept).ledger.held(owner)).collect()
    }

    /// Numbers of a subnet; see [`Ledger::usage`].
    pub fn usage(&self, subnet: &str) -> Option<Usage> {
        self.of(subnet).and_then(|kept| lock(&kept).ledger.usage(subnet))
    }

    /// What is with an address; see [`Ledger::explain`].
    pub fn explain(&self, subnet: &str, ip: IpAddr) -> AddressState {
        self.of(subnet).map_or(AddressState::Outside, |kept| lock(&kept).ledger.explain(subnet, ip))
    }

    /// Looks at the ledger of a subnet's space.
    pub fn look<T>(&self, subnet: &str, f: impl FnOnce(&Ledger) -> T) -> Option<T> {
        self.of(subnet).map(|kept| f(&lock(&kept).ledger))
    }

    /// Appends a plan's entry and makes the change in memory; answers what must be durable before anybody hears of it.
    fn keep(&self, kept: &mut Kept, plan: Plan) -> Result<Option<Ticket>, KeepError> {
        if let Some(entry) = plan.entry() {
            // In the store's order before the next one can be planned: who builds on this change comes behind it.
            kept.last = Some(self.store.append(&entry)?);
            let _: Settled = kept.ledger.carry_out(plan);
        }
        Ok(kept.last)
    }

    fn wait(&self, ticket: Option<Ticket>) -> Result<(), StoreError> {
        ticket.map_or(Ok(()), |ticket| self.store.sync(ticket))?;
        if self.store.is_wasteful()
            && let Ok(_turn) = self.compacting.try_lock()
        {
            // The store keeps its entries if this fails; the next change tries again.
            let _ = self.compact();
        }
        Ok(())
    }

    fn compact(&self) -> Result<(), StoreError> {
        let all = self.all();
        // All of them, in one order: nothing is appended meanwhile.
        let kept: Vec<_> = all.iter().map(|kept| lock(kept)).collect();
        let mut entries = kept.iter().flat_map(|kept| kept.ledger.snapshot());
        self.store.compact(&mut entries)
    }

    /// Takes an entry of the store.
    fn recall(&self, entry: &Entry) -> Result<(), AddrError> {
        let (subnet, space) = match entry {
            Entry::Settled(settlement) => {
                let granted = settlement.granted.first().map(|granted| &granted.grant);
                let released = settlement.released.first().map(|released| &released.subnet);
                (granted.map(|grant| &grant.subnet).or(released), granted.map(|grant| &grant.space))
            }
            Entry::Shelved(shelves) => (Some(&shelves.subnet), None),
            _ => (None, None),
        };
        let Some(subnet) = subnet else {
            return self.all().iter().try_for_each(|kept| lock(kept).ledger.apply(entry).map(|_| ()));
        };
        let mut directory = self.write();
        let known = directory.spaces.get(subnet).or(space).cloned();
        let Some(space) = known else { return Ok(()) };
        directory.spaces.entry(subnet.clone()).or_insert_with(|| space.clone());
        let kept = directory.ledger(&space);
        drop(directory);
        lock(&kept).ledger.apply(entry).map(|_| ())
    }

    fn space_of(&self, want: &Want) -> Result<Arc<Mutex<Kept>>, KeepError> {
        let directory = self.read();
        let mut spaces =
            want.subnets.iter().filter_map(|subnet| Some((subnet, directory.spaces.get(subnet)?)));
        let none = || AddrError::NoSubnet { subnet: want.subnets.first().cloned().unwrap_or_default() };
        let (first, space) = spaces.next().ok_or_else(none)?;
        if let Some((other, _)) = spaces.find(|(_, other)| *other != space) {
            return Err(KeepError::Spaces { first: first.clone(), other: other.clone() });
        }
        Ok(directory.ledgers.get(space).cloned().ok_or_else(none)?)
    }

    fn of(&self, subnet: &str) -> Option<Arc<Mutex<Kept>>> {
        let directory = self.read();
        directory.ledgers.get(directory.spaces.get(subnet)?).cloned()
    }

    /// All ledgers, in the order of the spaces' names.
    fn all(&self) -> Vec<Arc<Mutex<Kept>>> {
        let directory = self.read();
        let mut all: Vec<_> = directory.ledgers.iter().collect();
        all.sort_unstable_by_key(|(space, _)| *space);
        all.into_iter().map(|(_, kept)| kept.clone()).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    fn ledger(&mut self, space: &Arc<str>) -> Arc<Mutex<Kept>> {
        self.ledgers.entry(space.clone()).or_default().clone()
    }
}

/// No call leaves a ledger half changed, so one that panicked elsewhere leaves nothing to fear.
fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
