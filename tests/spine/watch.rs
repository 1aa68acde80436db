//! What a cluster tells, by one watch for each kind, and what may go wrong on the way.
//!
//! The kinds are not in order among each other. A watch may tell a thing twice, begin again a little earlier than it
//! had come, or lose what it had not told yet; then the kind is listed anew, and what has vanished meanwhile is told as
//! deleted, as the contract of a cluster wants it.

use std::collections::{BTreeMap, VecDeque};

use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use kubeovn_core::{
    cluster::memory::MemoryCluster,
    contract::cluster::{Cluster, Event},
    index::objects::{Kind, Name, ObjectKey},
};

/// How far back a watch that begins again can go.
const BACK: usize = 12;

pub(crate) struct Watch {
    stream: BoxStream<'static, Event>,
    lines: Vec<Line>,
}

/// One kind.
struct Line {
    kind: Kind,
    /// Still to be told.
    queue: VecDeque<Event>,
    /// The last that was told.
    told: VecDeque<Event>,
    /// What the other end takes for being there.
    there: BTreeMap<ObjectKey, Name>,
}

impl Watch {
    /// Begins with what is there.
    pub(crate) fn new(cluster: &MemoryCluster) -> Self {
        let line = |kind: &Kind| Line {
            kind: *kind,
            queue: VecDeque::new(),
            told: VecDeque::new(),
            there: BTreeMap::new(),
        };
        Watch { stream: cluster.watch(Kind::ALL), lines: Kind::ALL.iter().map(line).collect() }
    }

    /// The next thing told of this kind.
    pub(crate) fn next(&mut self, kind: usize) -> Option<Event> {
        self.pull();
        let line = &mut self.lines[kind];
        let event = line.queue.pop_front()?;
        match &event {
            Event::Applied(object) => {
                line.there.insert(object.key(), object.meta().uid.clone());
            }
            Event::Deleted { key, uid } => {
                if line.there.get(key) == Some(uid) {
                    line.there.remove(key);
                }
            }
            Event::Listed(_) | Event::Absent(_) => {}
        }
        if line.told.len() == BACK {
            line.told.pop_front();
        }
        line.told.push_back(event.clone());
        Some(event)
    }

    /// Kinds of which there is something to tell.
    pub(crate) fn waiting(&mut self) -> Vec<usize> {
        self.pull();
        (0..self.lines.len()).filter(|at| !self.lines[*at].queue.is_empty()).collect()
    }

    /// The last thing is told again.
    pub(crate) fn repeat(&mut self, kind: usize) {
        self.again(kind, 1);
    }

    /// The watch begins again where it was `back` events ago: old versions are told, then the newer ones again.
    pub(crate) fn again(&mut self, kind: usize, back: usize) {
        self.pull();
        let line = &mut self.lines[kind];
        for _ in 0..back {
            let Some(event) = line.told.pop_back() else { return };
            line.queue.push_front(event);
        }
    }

    /// An old version of something that is still there comes late, and nothing after it.
    pub(crate) fn late(&mut self, kind: usize, nth: usize) {
        let line = &self.lines[kind];
        let old = line.told.iter().filter(|event| match event {
            Event::Applied(object) => line.there.get(&object.key()) == Some(&object.meta().uid),
            _ => false,
        });
        let old: Vec<Event> = old.cloned().collect();
        if !old.is_empty() {
            self.lines[kind].queue.push_front(old[nth % old.len()].clone());
        }
    }

    /// What was not told yet is lost, and the kind is listed anew.
    pub(crate) fn relist(&mut self, cluster: &MemoryCluster, kind: usize) {
        self.pull();
        let line = &mut self.lines[kind];
        line.queue.clear();
        let objects = cluster.objects(line.kind);
        // Also of a predecessor whose successor is told of above.
        let lives =
            |key: &ObjectKey, uid: &Name| objects.iter().any(|o| o.key() == *key && o.meta().uid == *uid);
        let gone = line.there.iter().filter(|(key, uid)| !lives(key, uid));
        let gone = gone.map(|(key, uid)| Event::Deleted { key: key.clone(), uid: uid.clone() });
        let gone: Vec<Event> = gone.collect();
        line.queue.extend(objects.into_iter().map(Event::Applied));
        line.queue.extend(gone);
        line.queue.push_back(Event::Listed(line.kind));
    }

    fn pull(&mut self) {
        while let Some(Some(event)) = self.stream.next().now_or_never() {
            let kind = match &event {
                Event::Applied(object) => object.kind(),
                Event::Deleted { key, .. } => key.kind,
                Event::Listed(kind) | Event::Absent(kind) => *kind,
            };
            self.lines[kind as usize].queue.push_back(event);
        }
    }
}
