//! Who was given an address and who gave it back, a line each in the log: what happened before is kept nowhere else.
//!
//! ```text
//! 2026-11-28T05:44:16.120000Z  INFO kubeovn_bins::addresses: granted owner=pod/default/web-0 uid=5f… subnet=ovn-default vpc=ovn-cluster ips=10.16.0.7 mac=a6:36:24:72:c5:d9
//! 2026-11-28T06:10:02.734000Z  INFO kubeovn_bins::addresses: released owner=pod/default/web-0 subnet=ovn-default vpc=ovn-cluster ips=10.16.0.7 mac=a6:36:24:72:c5:d9
//! ```
//!
//! The words and fields are for programs too and stay as they are: `kubeovn-ctl ipam history` reads them. What is taken back
//! after a restart was granted before and is told by no line. Whoever has these lines turned off pays nothing for them.

use std::{collections::BTreeSet, sync::Arc};

use kubeovn_core::{
    contract::ipam::{AddrError, Grant, Ipam, Offer, Settled, Usage, Want},
    rows::{Millis, OwnerKey},
};
use tracing::{Level, enabled, info};

/// Who speaks in the log. Filters of the program's own name let it through.
pub const TARGET: &str = "kubeovn_bins::addresses";
/// The word of a line on what somebody was given.
pub const GRANTED: &str = "granted";
/// The word of a line on what somebody gave back.
pub const RELEASED: &str = "released";

/// A ledger that tells the log of what changes.
pub struct Chronicle {
    ledger: Box<dyn Ipam>,
}

impl Chronicle {
    /// Tells of this ledger.
    pub fn new(ledger: Box<dyn Ipam>) -> Self {
        Chronicle { ledger }
    }
}

impl Ipam for Chronicle {
    fn define(&mut self, offer: &Offer) -> Result<(), AddrError> {
        self.ledger.define(offer)
    }

    fn close(&mut self, subnet: &str) -> bool {
        self.ledger.close(subnet)
    }

    fn settle(
        &mut self,
        owner: &OwnerKey,
        uid: &Arc<str>,
        wants: &[Want],
        now: Millis,
    ) -> Result<Settled, AddrError> {
        if !enabled!(target: TARGET, Level::INFO) {
            return self.ledger.settle(owner, uid, wants, now);
        }
        let before = self.ledger.held(owner);
        let settled = self.ledger.settle(owner, uid, wants, now)?;
        if settled.changed {
            tell(owner, uid, &before, &settled.grants);
        }
        Ok(settled)
    }

    fn restore(&mut self, owner: &OwnerKey, uid: &Arc<str>, grant: &Grant) -> Result<(), AddrError> {
        self.ledger.restore(owner, uid, grant)
    }

    fn held(&self, owner: &OwnerKey) -> Vec<Grant> {
        self.ledger.held(owner)
    }

    fn owners(&self, f: &mut dyn FnMut(&OwnerKey, &Arc<str>)) {
        self.ledger.owners(f);
    }

    fn usage(&self, subnet: &str) -> Option<Usage> {
        self.ledger.usage(subnet)
    }

    fn pool_usage(&self, subnet: &str, pool: &str) -> Option<Usage> {
        self.ledger.pool_usage(subnet, pool)
    }

    fn take_changed(&mut self) -> BTreeSet<Arc<str>> {
        self.ledger.take_changed()
    }

    /// A copy for a dry run, of which nothing is told.
    fn fork(&self) -> Box<dyn Ipam> {
        self.ledger.fork()
    }
}

/// The difference. A grant of another generation is another one, also if it is the same address: then the holder is.
fn tell(owner: &OwnerKey, uid: &Arc<str>, before: &[Grant], after: &[Grant]) {
    let among = |grant: &Grant, these: &[Grant]| {
        these.iter().any(|other| (&other.nic, other.generation) == (&grant.nic, grant.generation))
    };
    for grant in before.iter().filter(|grant| !among(grant, after)) {
        line(RELEASED, owner, None, grant);
    }
    for grant in after.iter().filter(|grant| !among(grant, before)) {
        line(GRANTED, owner, Some(uid), grant);
    }
}

/// None of the values has a blank in it.
fn line(word: &'static str, owner: &OwnerKey, uid: Option<&Arc<str>>, grant: &Grant) {
    info!(
        target: TARGET,
        owner = %owner,
        uid = uid.filter(|uid| !uid.is_empty()).map(tracing::field::display),
        nic = (!grant.nic.is_empty()).then(|| tracing::field::display(&grant.nic)),
        subnet = %grant.subnet,
        vpc = %grant.space,
        ips = %grant.ips,
        mac = grant.mac.map(tracing::field::display),
        "{word}"
    );
}

#[cfg(test)]
mod tests;
