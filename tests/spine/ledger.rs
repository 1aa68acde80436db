//! A ledger that can be looked at while the spine has it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
};

use kubeovn_core::{
    contract::ipam::{AddrError, Grant, Ipam, Offer, Settled, Usage, Want},
    rows::{Millis, OwnerKey},
};
use kubeovn_ipam::Ledger;

/// The same ledger for all clones.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    pub(crate) fn new() -> Self {
        Shared(Arc::new(Mutex::new(Ledger::new())))
    }

    fn open(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap()
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
