//! The verbs: from the entries of a store to one change of them, and to what is answered.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use kubeovn_core::{
    cni::{AttachmentId, CniError, CniResult, PluginCode},
    error::Problem,
    rows::Millis,
};

use super::{
    Answer, Call, NOT_AS_ADDED, Verb, Who,
    call::nic_of,
    error::{of_addr, of_store},
};
use crate::{
    AddrError, Grant, Ledger, OwnerKey, OwnerKind, Plan, Source, Want,
    store::{Store, StoreError, Ticket},
};

/// Does what a call asks for, with a store that nobody else has until `unlock` is called.
///
/// What is answered is durable, and whoever has the lock next sees it: `unlock` comes after the change was appended,
/// and before it is waited for the disk.
///
/// # Errors
/// By the codes of the specification: 5 (the store failed), 7 (the configuration is refused by the ledger), 11 (a
/// release or time may mend it), [`NOT_AS_ADDED`] (CHECK).
pub fn serve<S: Store>(
    store: &S,
    call: &Call,
    now: Millis,
    unlock: impl FnOnce(&S) -> Result<(), StoreError>,
) -> Result<Option<CniResult>, CniError> {
    let mut desk = Desk::open(store, call)?;
    let result = match &call.verb {
        Verb::Add { who, want, answer } => Some(desk.add(who, want, answer, now)?),
        Verb::Del(who) => desk.del(who, now).map(|()| None)?,
        Verb::Check { who, told } => desk.check(who, told).map(|()| None)?,
        Verb::Gc { network, valid } => desk.gc(network, valid, now).map(|()| None)?,
        Verb::Status(want) => desk.status(want, now).map(|()| None)?,
    };
    desk.close(unlock)?;
    Ok(result)
}

/// A ledger, the store that it was read from, and how far that was written to since.
struct Desk<'s, S> {
    store: &'s S,
    ledger: Ledger,
    last: Option<Ticket>,
    /// A snapshot tells the order of free addresses in defined subnets only.
    defined: bool,
}

impl<'s, S: Store> Desk<'s, S> {
    fn open(store: &'s S, call: &Call) -> Result<Self, CniError> {
        let mut ledger = Ledger::new();
        for offer in &call.offers {
            ledger.define(offer).map_err(|error| of_addr(&error))?;
        }
        let mut refused = None;
        let mut apply = |entry| {
            if refused.is_none() {
                refused = ledger.apply(&entry).err();
            }
        };
        store.load(&mut apply).map_err(|error| of_store(&error))?;
        match refused {
            None => Ok(Self { store, ledger, last: None, defined: !call.offers.is_empty() }),
            Some(error) => Err(contradiction(&error, call)),
        }
    }

    fn add(&mut self, who: &Who, want: &Want, answer: &Answer, now: Millis) -> Result<CniResult, CniError> {
        let plan = self.plan_add(who, want, now).map_err(|error| of_addr(&error))?;
        let result = answer.result(plan.grants());
        if plan.is_empty() {
            // Whoever appended this may have died before it was durable.
            self.last = Some(self.store.tip());
        }
        self.carry_out(plan)?;
        Ok(result)
    }

    /// A pod's next container gets what the one before has: the pod keeps its addresses, and the end of the earlier
    /// container, told late, frees nothing.
    fn plan_add(&self, who: &Who, want: &Want, now: Millis) -> Result<Plan, AddrError> {
        let before = self.ledger.uid(&who.owner).filter(|uid| *uid != who.uid);
        if before.is_some() && want.from == Source::Any {
            let held = self.ledger.held(&who.owner);
            let kept = held.into_iter().find(|grant| grant.nic == who.nic).map(|grant| grant.ips);
            let same = Want { from: kept.unwrap_or_default().into(), ..want.clone() };
            if let Ok(plan) = self.ledger.plan_nic(&who.owner, &who.uid, &same, now) {
                return Ok(plan);
            }
        }
        self.ledger.plan_nic(&who.owner, &who.uid, want, now)
    }

    /// Whoever holds something as this container, if the runtime names the pod or not. A pod's next container is left
    /// alone.
    fn del(&mut self, who: &Who, now: Millis) -> Result<(), CniError> {
        for owner in self.owners_as(&who.uid) {
            self.carry_out(self.ledger.plan_release(&owner, &who.nic, None, now))?;
        }
        Ok(())
    }

    fn check(&self, who: &Who, told: &BTreeSet<IpAddr>) -> Result<(), CniError> {
        let grants = self.owners_as(&who.uid).into_iter().flat_map(|owner| self.ledger.held(&owner));
        let held: BTreeSet<IpAddr> =
            grants.filter(|grant| grant.nic == who.nic).flat_map(addresses).collect();
        if held == *told {
            return Ok(());
        }
        let text = format!(
            "interface {} of container {} holds {}, and prevResult says {}. Delete the pod to have it wired again",
            who.nic.rsplit_once('/').map_or("", |(_, if_name)| if_name),
            who.uid,
            listed(&held),
            listed(told)
        );
        let msg = Problem::new("CNI-ADDR-DIFFERS", text).to_string();
        Err(CniError { code: NOT_AS_ADDED, msg, details: String::new() })
    }

    fn gc(&mut self, network: &str, valid: &BTreeSet<AttachmentId>, now: Millis) -> Result<(), CniError> {
        let prefix = nic_of(network, "");
        for (owner, uid) in self.ledger.owners() {
            for grant in self.ledger.held(&owner) {
                let Some(if_name) = grant.nic.strip_prefix(&prefix) else { continue };
                let id = AttachmentId { container_id: uid.to_string(), if_name: if_name.to_owned() };
                if !valid.contains(&id) {
                    let plan = self.ledger.plan_release(&owner, &grant.nic, Some(grant.generation), now);
                    self.carry_out(plan)?;
                }
            }
        }
        Ok(())
    }

    /// Plans an ADD of somebody who holds nothing, and leaves it at that.
    fn status(&self, want: &Want, now: Millis) -> Result<(), CniError> {
        let nobody = OwnerKey::new(OwnerKind::Pod, "");
        match self.ledger.plan_nic(&nobody, &Arc::default(), want, now) {
            Ok(_) => Ok(()),
            Err(error) => Err(of_addr(&error)),
        }
    }

    fn owners_as(&self, uid: &Arc<str>) -> Vec<OwnerKey> {
        let owners = self.ledger.owners().into_iter();
        owners.filter(|(_, theirs)| theirs == uid).map(|(owner, _)| owner).collect()
    }

    fn carry_out(&mut self, plan: Plan) -> Result<(), CniError> {
        let Some(entry) = plan.entry() else { return Ok(()) };
        self.last = Some(self.store.append(&entry).map_err(|error| of_store(&error))?);
        // Nobody else has this ledger, so it is as it was when the plan was made.
        let stale = |_| CniError::new(PluginCode::TryAgainLater, "the ledger changed meanwhile", "");
        self.ledger.commit(plan).map(|_| ()).map_err(stale)
    }

    /// Gives the lock back, then waits for the disk: the next process need not wait for it, too.
    fn close(self, unlock: impl FnOnce(&S) -> Result<(), StoreError>) -> Result<(), CniError> {
        if self.last.is_some() && self.defined && self.store.is_wasteful() {
            // If it fails, the entries are still there, and the next change tries it again.
            _ = self.store.compact(&mut self.ledger.snapshot().into_iter());
        }
        unlock(self.store).map_err(|error| of_store(&error))?;
        match self.last {
            Some(ticket) => self.store.sync(ticket).map_err(|error| of_store(&error)),
            None => Ok(()),
        }
    }
}

fn addresses(grant: Grant) -> Vec<IpAddr> {
    grant.ips.iter().copied().collect()
}

fn listed(ips: &BTreeSet<IpAddr>) -> String {
    let texts: Vec<_> = ips.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "nothing".to_owned() } else { texts.join(",") }
}

/// Entries that can't have been written by one ledger.
fn contradiction(error: &AddrError, call: &Call) -> CniError {
    let text = format!(
        "the ledger in {} contradicts itself: {error}. Move it away when no pod of these subnets runs on the node",
        call.dir.display()
    );
    CniError::new(PluginCode::Io, Problem::new("CNI-LEDGER-BROKEN", text).to_string(), "")
}
