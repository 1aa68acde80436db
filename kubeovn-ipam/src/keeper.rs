//! A ledger for many threads, of which every change is durable before anybody is told of it.

mod recall;

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
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

/// So many entries after a failed compaction the next one is tried.
const PATIENCE: u64 = 1_000;

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
/// Those of [`Ledger`], within a space: an interface's grant in another space is another one. What [`Keeper::assign`],
/// [`Keeper::release`] and [`Keeper::release_all`] answered is durable; what the others tell may be on its way to the
/// disk. Generations rise over all spaces. Two subnets of different spaces never wait for each other, but for the disk; a
/// subnet that overlaps with no other may be a space of its own.
///
/// # Blocking
/// Calls that change something wait for the store. In an async program call them where blocking is allowed.
#[derive(Debug)]
pub struct Keeper<S> {
    store: S,
    directory: RwLock<Directory>,
    /// One definition at a time.
    defining: Mutex<()>,
    compacting: Mutex<()>,
    /// After a compaction that failed: not again before this ticket.
    not_before: AtomicU64,
    /// The last generation of all spaces.
    generation: AtomicU64,
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
    /// Opens a store: defines the subnets, and takes back what was granted. A subnet may have been given another space
    /// since.
    ///
    /// # Errors
    /// A subnet that can't be defined, a store that can't be read, or one of which the grants contradict each other.
    pub fn open(store: S, offers: &[Offer]) -> Result<Self, KeepError> {
        let keeper = Keeper {
            store,
            directory: RwLock::default(),
            defining: Mutex::default(),
            compacting: Mutex::default(),
            not_before: AtomicU64::new(0),
            generation: AtomicU64::new(0),
        };
        for offer in offers {
            keeper.define(offer)?;
        }
        let mut entries = Vec::new();
        keeper.store.load(&mut |entry| entries.push(entry))?;
        let space_of: FixedMap<&Arc<str>, &Arc<str>> =
            offers.iter().map(|offer| (&offer.subnet, &offer.space)).collect();
        let moved = |entry: &Entry| match entry {
            Entry::Settled(settlement) => settlement.granted.iter().any(|granted| {
                space_of.get(&granted.grant.subnet).is_some_and(|space| **space != granted.grant.space)
            }),
            _ => false,
        };
        if entries.iter().any(moved) {
            keeper.recall_moved(&entries)?;
        } else {
            keeper.recall(&entries)?;
        }
        // Somebody may have died between an entry and its being durable, and it is what we answer from.
        keeper.store.sync(keeper.store.tip())?;
        Ok(keeper)
    }

    /// Adds a subnet or changes what it offers; see [`Ledger::define`]. Not a part of the store: say it at every start.
    ///
    /// # Errors
    /// Those of [`Ledger::define`]; the subnet is what it was.
    pub fn define(&self, offer: &Offer) -> Result<(), AddrError> {
        let _turn = self.defining.lock().unwrap_or_else(PoisonError::into_inner);
        let from = self.read().spaces.get(&offer.subnet).filter(|from| **from != offer.space).cloned();
        let old = from.as_ref().and_then(|from| self.read().ledgers.get(from).cloned());
        if let (Some(from), Some(old)) = (from, &old)
            && let Some(held) =
                lock(old).ledger.usage(&offer.subnet).map(|usage| usage.owners).filter(|n| *n > 0)
        {
            let (subnet, to) = (offer.subnet.clone(), offer.space.clone());
            return Err(AddrError::SpaceFixed { subnet, from, to, held });
        }
        let kept = self.write().ledger(&offer.space);
        lock(&kept).ledger.define(offer)?;
        self.write().spaces.insert(offer.subnet.clone(), offer.space.clone());
        if let Some(old) = old {
            // Somebody may have come in meanwhile: then it goes with the last one.
            lock(&old).ledger.close(&offer.subnet);
        }
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
            // So that no other space gives this one.
            kept.ledger.raise(self.generation.fetch_add(1, Relaxed));
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

    /// Looks at the ledger of a subnet's space, which is locked meanwhile: don't call the keeper in there.
    pub fn look<T>(&self, subnet: &str, f: impl FnOnce(&Ledger) -> T) -> Option<T> {
        self.of(subnet).map(|kept| f(&lock(&kept).ledger))
    }

    /// Appends a plan's entry and makes the change in memory; answers what must be durable before anybody hears of it.
    fn keep(&self, kept: &mut Kept, plan: Plan) -> Result<Option<Ticket>, KeepError> {
        if let Some(entry) = plan.entry() {
            // In the store's order before the next one can be planned: who builds on this change comes behind it.
            kept.last = Some(self.store.append(&entry)?);
            let _: Settled = kept.ledger.carry_out(plan);
            self.generation.fetch_max(kept.ledger.generation(), Relaxed);
        }
        Ok(kept.last)
    }

    fn wait(&self, ticket: Option<Ticket>) -> Result<(), StoreError> {
        ticket.map_or(Ok(()), |ticket| self.store.sync(ticket))?;
        if self.store.is_wasteful()
            && self.store.tip().0 >= self.not_before.load(Relaxed)
            && let Ok(_turn) = self.compacting.try_lock()
            && self.compact().is_err()
        {
            // The store keeps its entries. Whatever hinders it may hinder it again.
            self.not_before.store(self.store.tip().0.saturating_add(PATIENCE), Relaxed);
        }
        Ok(())
    }

    fn compact(&self) -> Result<(), StoreError> {
        // Nobody adds a ledger meanwhile, whose entries would be missing in the snapshot.
        let directory = self.read();
        // All of them, in one order: nothing is appended meanwhile.
        let kept: Vec<_> = directory.in_order().map(|kept| lock(kept)).collect();
        let entries = kept.iter().flat_map(|kept| kept.ledger.snapshot());
        let last = Entry::Generation(self.generation.load(Relaxed));
        self.store.compact(&mut entries.chain([last]))
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
        self.read().in_order().cloned().collect()
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

    /// All ledgers, in the order of the spaces' names.
    fn in_order(&self) -> impl Iterator<Item = &Arc<Mutex<Kept>>> {
        let mut all: Vec<_> = self.ledgers.iter().collect();
        all.sort_unstable_by_key(|(space, _)| *space);
        all.into_iter().map(|(_, kept)| kept)
    }
}

/// No call leaves a ledger half changed, so one that panicked elsewhere leaves nothing to fear.
fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
