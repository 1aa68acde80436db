//! What was granted before a restart, from all that is durable: rows of the database, annotations, IP objects.

use std::{collections::BTreeMap, sync::Arc};

use super::{Effect, Spine};
use crate::{
    addr::{DualStack, Mac},
    annotations::{NicKey, nic},
    contract::{
        cluster::{Note, Write},
        ipam::{AddrError, Grant, Role},
        model::{Recovered, exclusive_address},
    },
    decide,
    error::Problem,
    hash::FixedMap,
    index::{
        ip_name, ip_owner,
        objects::{Ip, IpSpec, Kind, Meta, Name, ObjectKey},
    },
    rows::{Millis, OwnerKey, OwnerKind, Replica, RowKey},
};

/// Code of an address that two had when the controller started.
const RECOVERY_CONFLICT: &str = "IPAM-RECOVERY-CONFLICT";

/// What the database has of an owner.
#[derive(Default)]
struct Found {
    rows: Vec<RowKey>,
    exclusive: Vec<Arc<str>>,
}

impl Spine {
    /// Everything has been told: take back what was granted, then look at everything once. What ports have comes
    /// first, for that is what is live; then records, and what running pods were told of the same.
    pub(super) fn open_gates(&mut self, now: Millis, have: &dyn Replica, out: &mut Vec<Effect>) {
        let vpcs: Vec<Name> = self.world.vpcs().map(|v| v.meta.name.clone()).collect();
        self.world.dirty.vpcs.extend(vpcs);
        // What is taken back below is taken back for those that are there now.
        self.world.dirty.successors.clear();
        for Recovered { owner, uid, grant, .. } in self.find(have) {
            // Who has no uid was wired by Kube-OVN, which left the port to the next pod of the name.
            if let Some(uid) = uid.or_else(|| self.world.uid(&owner)) {
                self.take_back(&owner, &uid, &grant, "its port", out);
            }
        }
        let owners = self.world.owners();
        let further = self.further();
        for owner in owners.iter().filter(|o| matches!(o.kind, OwnerKind::Pod | OwnerKind::Node)) {
            self.restore(now, owner, "", out);
            for nic in further.get(owner).into_iter().flatten() {
                self.restore(now, owner, nic, out);
            }
            self.world.dirty.addresses.insert(owner.clone());
        }
        self.world.dirty.rows.extend(owners);
        self.audit_due = true;
    }

    /// The database has been read again, and may be an old backup: somebody who is gone may have a port there, with an
    /// address that is another's by now. That one waits until it is free.
    pub(super) fn find_again(&mut self, have: &dyn Replica) {
        self.find(have);
    }

    /// What the database has of owners is theirs until it is decided what they want. Answers the grants among it.
    fn find(&mut self, have: &dyn Replica) -> Vec<Recovered> {
        let mut found: FixedMap<OwnerKey, Found> = FixedMap::default();
        have.ours(&mut |row, owner| {
            if let Some(owner) = owner {
                found.entry(owner.clone()).or_default().rows.push(row.clone());
            }
        });
        let mut grants = self.model.recover(have);
        for Recovered { owner, grant, row, .. } in &mut grants {
            if grant.space.is_empty() {
                grant.space = self.space(&grant.subnet);
            }
            let found = found.entry(owner.clone()).or_default();
            found.exclusive.extend(grant.ips.iter().map(|ip| exclusive_address(&grant.space, *ip)));
            found.rows.push(row.clone());
        }
        for (owner, Found { rows, exclusive }) in found {
            self.engine.found(&owner, rows, exclusive, have);
        }
        grants
    }

    /// The interfaces in further networks that records name, by pod.
    fn further(&self) -> BTreeMap<OwnerKey, Vec<Name>> {
        let mut all: BTreeMap<OwnerKey, Vec<Name>> = BTreeMap::new();
        for ip in self.world.ips() {
            let IpSpec { pod_name, namespace, .. } = &ip.spec;
            let rest = ip.meta.name.strip_prefix(&**pod_name).and_then(|rest| rest.strip_prefix('.'));
            let nic = rest.and_then(|rest| rest.strip_prefix(&**namespace)?.strip_prefix('.'));
            if let (Some(nic), Some(owner)) = (nic, ip_owner(ip).filter(|owner| owner.kind == OwnerKind::Pod))
            {
                all.entry(owner).or_default().push(nic.into());
            }
        }
        all
    }

    /// What the objects say of an owner's interface. Whoever may edit a pod may write into its annotations what was never given; so
    /// what they say is taken back only where the record, which tenants can't write, says the same. Without a record they
    /// are what a user asks for, and are granted as that, or not.
    fn restore(&mut self, now: Millis, owner: &OwnerKey, nic: &str, out: &mut Vec<Effect>) {
        // Its port has told already.
        if self.world.grants(owner).iter().any(|grant| *grant.nic == *nic) {
            return;
        }
        let Some(uid) = self.world.uid(owner) else { return };
        let meta = match owner.kind {
            OwnerKind::Node => self.world.node(&owner.name).map(|n| &n.meta),
            _ => self.world.pod_of(owner).filter(|p| p.needs_network()).map(|p| &p.meta),
        };
        let annotated = meta.and_then(|meta| annotated(meta, nic, now));
        let record = self.world.ip(&ip_name(owner, nic)).filter(|ip| ip_owner(ip).as_ref() == Some(owner));
        let recorded = record.and_then(|ip| recorded(ip, nic, now));
        let found = match (annotated, recorded) {
            // A node's are written by nobody else.
            (Some(annotated), None) if owner.kind == OwnerKind::Node => Some((annotated, "its annotations")),
            // It knows the VPC, too.
            (Some(annotated), Some(recorded)) if is_same(&annotated, &recorded) => {
                Some((annotated, "its annotations"))
            }
            (_, recorded) => recorded.map(|grant| (grant, "its IP object")),
        };
        if let Some((mut grant, source)) = found {
            if grant.space.is_empty() {
                grant.space = self.space(&grant.subnet);
            }
            self.take_back(owner, &uid, &grant, source, out);
        }
    }

    /// The address space of a subnet, also of one that is refused now.
    fn space(&self, subnet: &Name) -> Name {
        self.world
            .subnet(subnet)
            .map_or_else(|| self.world.settings().vpc.clone(), |s| self.world.space_of(s))
    }

    /// A grant of an owner that is gone, or of its predecessor, is not taken back: its rows go and its record is
    /// removed. One that another holds already can't be: that is counted, and told to the owner.
    fn take_back(
        &mut self,
        owner: &OwnerKey,
        uid: &Name,
        grant: &Grant,
        source: &str,
        out: &mut Vec<Effect>,
    ) {
        let alive = self.world.uid(owner).is_some_and(|known| known == *uid);
        let runs =
            owner.kind != OwnerKind::Pod || self.world.pod_of(owner).is_some_and(|p| p.needs_network());
        let wanted = runs || decide::is_kept(&self.world, owner, grant);
        let known = self.ipam.held(owner).iter().any(|g| g.nic == grant.nic);
        if !alive || !wanted || known {
            return;
        }
        match self.ipam.restore(owner, uid, grant) {
            Ok(()) => {
                let grants = self.ipam.held(owner);
                self.world.grant(owner, grants, None);
            }
            // Said once, however many places have it.
            Err(error) if self.recovery_conflicts.insert(owner.clone()) => {
                self.unsettled.insert(owner.clone());
                out.extend(self.conflict(owner, grant, source, &error));
            }
            Err(_) => {}
        }
    }

    /// The event that tells an owner what could not be taken back. Where the owner is not there its record is told.
    fn conflict(&self, owner: &OwnerKey, grant: &Grant, source: &str, error: &AddrError) -> Option<Effect> {
        let record = ObjectKey::cluster(Kind::Ip, ip_name(owner, &grant.nic));
        let mut keys = self.world.objects_of(owner).chain([record]);
        let (key, uid) = keys.find_map(|key| self.world.uid_of(&key).cloned().map(|uid| (key, uid)))?;
        let message = format!(
            "{owner}: at its start the controller could not take back {} in subnet {}, as {source} has it: {}. It goes by what \
             else is known of it, or gives it another address; if something still uses the old one, make it anew",
            grant.ips,
            grant.subnet,
            Problem::from(error)
        );
        let note = Note {
            key: key.clone(),
            uid,
            warning: true,
            reason: RECOVERY_CONFLICT.into(),
            message: message.as_str().into(),
        };
        Some(Effect::Write { about: key, write: Write::Note(note) })
    }
}

/// The same addresses of the same subnet.
fn is_same(one: &Grant, other: &Grant) -> bool {
    (&one.subnet, one.ips, one.mac) == (&other.subnet, other.ips, other.mac)
}

/// What the annotations of a pod or node say that it was given.
fn annotated(meta: &Meta, nic: &str, now: Millis) -> Option<Grant> {
    let told = |key: NicKey| meta.annotation(&key.of(nic));
    (told(nic::ALLOCATED) == Some("true")).then_some(())?;
    let subnet = told(nic::LOGICAL_SWITCH)?.into();
    let space = told(nic::LOGICAL_ROUTER).unwrap_or("").into();
    grant(nic, subnet, told(nic::IP_ADDRESS)?, told(nic::MAC_ADDRESS)?, now)
        .map(|grant| Grant { space, ..grant })
}

/// What an IP object says.
fn recorded(ip: &Ip, nic: &str, now: Millis) -> Option<Grant> {
    grant(nic, ip.spec.subnet.clone(), &ip.spec.ip_address, &ip.spec.mac_address, now)
}

/// Only in further networks there are interfaces without a hardware address of ours: other plugins make them.
fn grant(nic: &str, subnet: Name, ips: &str, mac: &str, now: Millis) -> Option<Grant> {
    let ips: DualStack<std::net::IpAddr> = ips.parse().ok()?;
    let mac: Option<Mac> = if mac.is_empty() && !nic.is_empty() { None } else { Some(mac.parse().ok()?) };
    (!ips.is_empty()).then(|| Grant {
        nic: nic.into(),
        subnet,
        space: Name::default(),
        ips,
        mac,
        role: Role::Active,
        generation: 0,
        since: now,
    })
}
