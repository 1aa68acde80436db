//! The ledger as the spine of Kube-OVN sees it.

use std::{collections::BTreeSet, sync::Arc};

use kubeovn_core::{
    contract::ipam::{AddrError, Grant, Ipam, Offer, Settled, Usage, Want},
    rows::{Millis, OwnerKey},
};

use crate::Ledger;

impl Ipam for Ledger {
    fn define(&mut self, offer: &Offer) -> Result<(), AddrError> {
        Ledger::define(self, offer)
    }

    fn close(&mut self, subnet: &str) -> bool {
        Ledger::close(self, subnet)
    }

    fn settle(
        &mut self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        wants: &[Want],
        now: Millis,
    ) -> Result<Settled, AddrError> {
        Ledger::settle(self, owner, uid, wants, now)
    }

    fn restore(&mut self, owner: &OwnerKey, uid: &Arc<str>, grant: &Grant) -> Result<(), AddrError> {
        Ledger::restore(self, owner, uid, grant)
    }

    fn held(&self, owner: &OwnerKey) -> Vec<Grant> {
        Ledger::held(self, owner)
    }

    fn owners(&self, f: &mut dyn FnMut(&OwnerKey, &Arc<str>)) {
        for (owner, uid) in Ledger::owners(self) {
            f(&owner, &uid);
        }
    }

    fn usage(&self, subnet: &str) -> Option<Usage> {
        Ledger::usage(self, subnet)
    }

    fn pool_usage(&self, subnet: &str, pool: &str) -> Option<Usage> {
        Ledger::pool_usage(self, subnet, pool)
    }

    fn take_changed(&mut self) -> BTreeSet<Arc<str>> {
        Ledger::take_changed(self)
    }

    fn fork(&self) -> Box<dyn Ipam> {
        Box::new(self.clone())
    }
}
