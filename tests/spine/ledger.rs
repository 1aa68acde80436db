//! A ledger that can be looked at while the spine has it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use kubeovn_core::{
    contract::ipam::{AddrError, Grant, Ipam, Offer, Settled, Usage, Want},
    rows::{Millis, OwnerKey},
};
use kubeovn_ipam::Ledger;

/// The same ledger for all clones.
#[derive(Clone)]
pub(crate) struct Shared {
    ledger: Arc<Mutex<Ledger>>,
    /// How often somebody was settled.
    asked: Arc<AtomicUsize>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Shared { ledger: Arc::new(Mutex::new(Ledger::new())), asked: Arc::default() }
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn open(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }
}

impl Ipam for Shared {
    fn define(&mut self, offer: &Offer) -> Result<(), AddrError> {
        self.open().define(offer)
    }

    fn close(&mut self, subnet: &str) -> bool {
        self.open().close(subnet)
    }

    fn settle(
        &mut self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        wants: &[Want],
        now: Millis,
    ) -> Result<Settled, AddrError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.open().settle(owner, uid, wants, now)
    }

    fn restore(&mut self, owner: &OwnerKey, uid: &Arc<str>, grant: &Grant) -> Result<(), AddrError> {
        self.open().restore(owner, uid, grant)
    }

    fn held(&self, owner: &OwnerKey) -> Vec<Grant> {
        self.open().held(owner)
    }

    fn owners(&self, f: &mut dyn FnMut(&OwnerKey, &Arc<str>)) {
        Ipam::owners(&*self.open(), f);
    }

    fn usage(&self, subnet: &str) -> Option<Usage> {
        self.open().usage(subnet)
    }

    fn pool_usage(&self, subnet: &str, pool: &str) -> Option<Usage> {
        self.open().pool_usage(subnet, pool)
    }

    fn take_changed(&mut self) -> BTreeSet<Arc<str>> {
        self.open().take_changed()
    }

    fn fork(&self) -> Box<dyn Ipam> {
        self.open().fork()
    }
}
