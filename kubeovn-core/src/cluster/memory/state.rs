//! The objects of a cluster in memory and what writes do to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::sync::mpsc::UnboundedSender;

use super::{NOTES, Told};
use crate::contract::cluster::{ClusterError, Event, FINALIZER, Note, Patch, Status};
use crate::index::objects::{
    IpPoolStatus, Kind, Labels, Meta, Name, Object, ObjectKey, SubnetStatus, VpcStatus,
};

#[derive(Debug)]
pub(super) struct State {
    objects: BTreeMap<ObjectKey, Stored>,
    /// Counts changes; the number of the last one.
    revision: u64,
    watchers: Vec<Watcher>,
    notes: VecDeque<Told>,
    /// All objects that exist have come in, so that watchers may be told so.
    complete: bool,
    /// Kinds that are not there yet.
    absent: BTreeSet<Kind>,
}

#[derive(Debug)]
struct Stored {
    object: Object,
    manifest: Manifest,
}

/// What of an object's metadata came by the last manifest, and goes when the next one lacks it.
#[derive(Debug, Default)]
struct Manifest {
    labels: BTreeSet<Name>,
    annotations: BTreeSet<Name>,
    finalizers: BTreeSet<Name>,
}

#[derive(Debug)]
struct Watcher {
    kinds: Vec<Kind>,
    events: UnboundedSender<Event>,
}

impl State {
    pub(super) fn new(complete: bool) -> Self {
        let (objects, notes) = (BTreeMap::new(), VecDeque::new());
        Self { objects, revision: 0, watchers: Vec::new(), notes, complete, absent: BTreeSet::new() }
    }

    pub(super) fn uninstall(&mut self, kinds: &[Kind]) {
        self.absent.extend(kinds.iter().filter(|kind| kind.is_optional()));
    }

    pub(super) fn install(&mut self, kind: Kind) {
        if self.absent.remove(&kind) && self.complete {
            self.tell(&Event::Listed(kind));
        }
    }

    /// What a watcher is told when it knows all that there is of a kind.
    fn end_of(&self, kind: Kind) -> Event {
        if self.absent.contains(&kind) { Event::Absent(kind) } else { Event::Listed(kind) }
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(key).map(|stored| &stored.object)
    }

    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.objects
            .range(ObjectKey::cluster(kind, "")..)
            .take_while(move |(key, _)| key.kind == kind)
            .map(|(_, stored)| &stored.object)
    }

    pub(super) fn create(&mut self, object: Object) -> Result<Name, ClusterError> {
        let key = object.key();
        if self.objects.contains_key(&key) {
            return Err(ClusterError::Exists { key });
        }
        Ok(self.insert(key, object, Manifest::default()))
    }

    pub(super) fn apply(&mut self, mut object: Object) -> Result<Name, ClusterError> {
        let key = object.key();
        let manifest = Manifest::of(object.meta());
        let Some(stored) = self.objects.get_mut(&key) else {
            return Ok(self.insert(key, object, manifest));
        };
        let old = stored.object.meta();
        let uid = &object.meta().uid;
        if !uid.is_empty() && *uid != old.uid {
            return Err(ClusterError::NotFound { key, uid: uid.clone() });
        }
        if old.deleting {
            let reason = "it is being deleted; it can be made again when its finalizers are gone";
            return Err(ClusterError::Unavailable { key, reason: reason.to_owned() });
        }
        merge(object.meta_mut(), old, &stored.manifest);
        keep_status(&mut object, &stored.object);
        stored.manifest = manifest;
        Ok(self.replace(&key, object))
    }

    pub(super) fn load(&mut self, object: Object) {
        if let Ok(revision) = object.meta().revision.parse() {
            self.revision = self.revision.max(revision);
        }
        self.tell(&Event::Applied(object.clone()));
        self.objects.insert(object.key(), Stored { object, manifest: Manifest::default() });
    }

    pub(super) fn patch(&mut self, patch: Patch) -> Result<Name, ClusterError> {
        let Patch { key, uid, annotations, labels, finalizer, ip } = patch;
        let mut object = self.expect(&key, &uid)?.clone();
        let meta = object.meta_mut();
        patch_map(&mut meta.annotations, annotations);
        patch_map(&mut meta.labels, labels);
        let held = meta.finalizers.iter().any(|name| &**name == FINALIZER);
        match finalizer {
            Some(true) if !held && meta.deleting => {
                return Err(refused(&key, "it is being deleted and takes no new finalizer"));
            }
            Some(true) if !held => meta.finalizers.push(FINALIZER.into()),
            Some(false) => meta.finalizers.retain(|name| &**name != FINALIZER),
            Some(true) | None => {}
        }
        match (ip, &mut object) {
            (Some(spec), Object::Ip(ip)) => ip.spec = spec,
            (Some(_), _) => return Err(refused(&key, "only an Ip has the spec of one")),
            (None, _) => {}
        }
        Ok(self.replace(&key, object))
    }

    pub(super) fn status(
        &mut self,
        key: &ObjectKey,
        uid: &str,
        status: Status,
    ) -> Result<Name, ClusterError> {
        let mut object = self.expect(key, uid)?.clone();
        match (status, &mut object) {
            (Status::Subnet(status), Object::Subnet(subnet)) => subnet.status = status,
            (Status::IpPool(status), Object::IpPool(pool)) => pool.status = status,
            (Status::Vpc(status), Object::Vpc(vpc)) => vpc.status = status,
            (Status::Node(status), Object::Node(node)) => node.network_unavailable = Some(status.unavailable),
            _ => return Err(refused(key, "this is the status of another kind")),
        }
        Ok(self.replace(key, object))
    }

    pub(super) fn delete(&mut self, key: &ObjectKey, uid: &str) -> Result<Name, ClusterError> {
        let mut object = self.expect(key, uid)?.clone();
        let meta = object.meta_mut();
        if !meta.deleting {
            meta.deleting = true;
            meta.generation += 1;
        }
        Ok(self.replace(key, object))
    }

    pub(super) fn note(&mut self, note: Note) {
        if let Some(told) = self.notes.iter_mut().find(|told| told.note == note) {
            told.times += 1;
            return;
        }
        if self.notes.len() >= NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(Told { note, times: 1 });
    }

    pub(super) fn notes(&self) -> Vec<Told> {
        self.notes.iter().cloned().collect()
    }

    pub(super) fn watch(&mut self, kinds: &[Kind], events: UnboundedSender<Event>) {
        let mut watched = Vec::with_capacity(kinds.len());
        for &kind in kinds {
            if watched.contains(&kind) {
                continue;
            }
            watched.push(kind);
            let existing = self.of(kind).cloned().map(Event::Applied);
            for event in existing.chain(self.complete.then(|| self.end_of(kind))) {
                // a send fails only when the receiver is gone, and this one is not handed out yet
                let _ = events.send(event);
            }
        }
        self.watchers.push(Watcher { kinds: watched, events });
    }

    pub(super) fn complete(&mut self) {
        if std::mem::replace(&mut self.complete, true) {
            return;
        }
        let mut watchers = std::mem::take(&mut self.watchers);
        watchers.retain(|watcher| {
            watcher.kinds.iter().all(|kind| watcher.events.send(self.end_of(*kind)).is_ok())
        });
        self.watchers = watchers;
    }

    #[cfg(test)]
    pub(super) fn watchers(&self) -> usize {
        self.watchers.len()
    }

    // ===== the two ways in which an object changes =====

    fn insert(&mut self, key: ObjectKey, mut object: Object, manifest: Manifest) -> Name {
        clear_status(&mut object);
        let revision = self.next_revision();
        let meta = object.meta_mut();
        if meta.uid.is_empty() {
            meta.uid = uid_of(&key);
        }
        if meta.created == 0 {
            meta.created = self.revision;
        }
        meta.deleting = false;
        meta.generation = 1;
        meta.revision = revision.clone();
        self.tell(&Event::Applied(object.clone()));
        self.objects.insert(key, Stored { object, manifest });
        revision
    }

    /// Puts `object` in the place of the one that exists, which may be its end.
    fn replace(&mut self, key: &ObjectKey, mut object: Object) -> Name {
        if self.get(key) == Some(&object) {
            return object.meta().revision.clone();
        }
        let revision = self.next_revision();
        let Some(stored) = self.objects.get_mut(key) else { return revision };
        let changed = spec_differs(&stored.object, &object);
        let meta = object.meta_mut();
        meta.generation += i64::from(changed);
        meta.revision = revision.clone();
        if meta.deleting && meta.finalizers.is_empty() {
            let uid = meta.uid.clone();
            self.objects.remove(key);
            self.tell(&Event::Deleted { key: key.clone(), uid });
        } else {
            stored.object = object.clone();
            self.tell(&Event::Applied(object));
        }
        revision
    }

    fn next_revision(&mut self) -> Name {
        self.revision += 1;
        self.revision.to_string().into()
    }

    fn expect(&self, key: &ObjectKey, uid: &str) -> Result<&Object, ClusterError> {
        self.get(key)
            .filter(|object| uid.is_empty() || *object.meta().uid == *uid)
            .ok_or_else(|| ClusterError::NotFound { key: key.clone(), uid: uid.into() })
    }

    fn tell(&mut self, event: &Event) {
        let kind = match event {
            Event::Applied(object) => object.kind(),
            Event::Deleted { key, .. } => key.kind,
            Event::Listed(kind) | Event::Absent(kind) => *kind,
        };
        self.watchers.retain(|watcher| {
            if watcher.kinds.contains(&kind) {
                watcher.events.send(event.clone()).is_ok()
            } else {
                !watcher.events.is_closed()
            }
        });
    }
}

impl Manifest {
    fn of(meta: &Meta) -> Self {
        Self {
            labels: meta.labels.keys().cloned().collect(),
            annotations: meta.annotations.keys().cloned().collect(),
            finalizers: meta.finalizers.iter().cloned().collect(),
        }
    }
}

fn refused(key: &ObjectKey, reason: &str) -> ClusterError {
    ClusterError::Refused { key: key.clone(), reason: reason.to_owned() }
}

fn patch_map(map: &mut Labels, changes: BTreeMap<Name, Option<Name>>) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}

/// Completes the metadata of a manifest by what the object has from elsewhere.
fn merge(new: &mut Meta, old: &Meta, last: &Manifest) {
    keep(&mut new.labels, &old.labels, &last.labels);
    keep(&mut new.annotations, &old.annotations, &last.annotations);
    // in the order in which they came, or the same manifest again looks like a change
    let asked = std::mem::take(&mut new.finalizers);
    new.finalizers.clone_from(&old.finalizers);
    new.finalizers.retain(|name| asked.contains(name) || !last.finalizers.contains(name));
    for name in asked {
        if !new.finalizers.contains(&name) {
            new.finalizers.push(name);
        }
    }
    if new.created == 0 {
        new.created = old.created;
    }
    new.uid = old.uid.clone();
    new.revision = old.revision.clone();
    new.generation = old.generation;
    new.deleting = old.deleting;
}

fn keep(new: &mut Labels, old: &Labels, last: &BTreeSet<Name>) {
    for (key, value) in old {
        if !last.contains(key) && !new.contains_key(key) {
            new.insert(key.clone(), value.clone());
        }
    }
}

// ===== what differs from kind to kind =====

/// Makes the status of kinds whose status is ours what it is now.
fn keep_status(new: &mut Object, old: &Object) {
    match (new, old) {
        (Object::Vpc(new), Object::Vpc(old)) => new.status.clone_from(&old.status),
        (Object::Subnet(new), Object::Subnet(old)) => new.status.clone_from(&old.status),
        (Object::IpPool(new), Object::IpPool(old)) => new.status.clone_from(&old.status),
        _ => {}
    }
}

fn clear_status(object: &mut Object) {
    match object {
        Object::Vpc(vpc) => vpc.status = VpcStatus::default(),
        Object::Subnet(subnet) => subnet.status = SubnetStatus::default(),
        Object::IpPool(pool) => pool.status = IpPoolStatus::default(),
        _ => {}
    }
}

fn spec_differs(old: &Object, new: &Object) -> bool {
    match (old, new) {
        (Object::Vpc(old), Object::Vpc(new)) => old.spec != new.spec,
        (Object::Subnet(old), Object::Subnet(new)) => old.spec != new.spec,
        (Object::Ip(old), Object::Ip(new)) => old.spec != new.spec,
        (Object::Pod(old), Object::Pod(new)) => {
            (&old.node, old.host_network) != (&new.node, new.host_network)
        }
        _ => false,
    }
}

/// An identity in the form of a UUID that follows from the key (FNV-1a over its text).
fn uid_of(key: &ObjectKey) -> Name {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let text = format!("{}/{}/{}", key.kind.name(), key.namespace, key.name);
    let hash = text.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    let [a, b, c, d] = [hash >> 96, hash >> 80, hash >> 64, hash >> 48];
    let (b, c, d) = (b & 0xffff, c & 0xffff, d & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{:012x}", hash & 0xffff_ffff_ffff).into()
}
