//! A cluster as a controller sees it: objects with identities of their own, and writes that go wrong.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use futures_util::FutureExt;
use kubeovn_core::{
    annotations::nic,
    cluster::memory::MemoryCluster,
    contract::cluster::{Cluster, ClusterError, Write},
    index::objects::{Kind, Name, Object, ObjectKey},
};

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Luck {
    Done,
    /// Not done, and answered so.
    Failed,
    /// The same, and it would not be done at once either.
    Refused,
    /// Done, but answered as if not.
    DoneInSecret,
}

#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) cluster: Arc<MemoryCluster>,
    born: u64,
    /// Asked for by the controller, not done yet.
    asked: VecDeque<(ObjectKey, Write)>,
    /// Asked for by a controller that has died since.
    late: VecDeque<Write>,
    /// What was done, events left out.
    pub(crate) written: Vec<Write>,
    /// Addresses that pods were told, by identity: as long as no user says otherwise they never change.
    promised: BTreeMap<Name, Name>,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let cluster = Arc::new(MemoryCluster::new());
        Shop {
            cluster,
            born: 0,
            asked: VecDeque::new(),
            late: VecDeque::new(),
            written: Vec::new(),
            promised: BTreeMap::new(),
        }
    }

    /// A user brings an object. One that is new has an identity that none before it had.
    pub(crate) fn apply(&mut self, mut object: Object) {
        let key = object.key();
        let finished = |object: &Object| matches!(object, Object::Pod(pod) if pod.finished);
        if self.cluster.get(&key).is_some_and(|there| finished(&there)) && !finished(&object) {
            // What has run to its end does not start again: it is another one.
            let _ = self.cluster.delete(&key);
        }
        match self.cluster.get(&key) {
            Some(there) => drop(self.promised.remove(&there.meta().uid)),
            None => object.meta_mut().uid = self.uid(),
        }
        // One of that name may still be going; the user tries again, or doesn't.
        let _ = self.cluster.apply(object);
    }

    pub(crate) fn delete(&mut self, kind: Kind, namespace: &str, name: &str) {
        let key = ObjectKey { kind, namespace: namespace.into(), name: name.into() };
        let _ = self.cluster.delete(&key);
    }

    fn uid(&mut self) -> Name {
        self.born += 1;
        format!("uid-{}", self.born).into()
    }

    pub(crate) fn ask(&mut self, about: ObjectKey, write: Write) {
        // Nobody is asked again to tell people, and nothing depends on it.
        if !matches!(write, Write::Note(_)) {
            self.asked.push_back((about, write));
        }
    }

    /// Carries out one of the writes, the `nth` of those that are first in line for their object. Answers about what
    /// it was, and whether it was answered as done.
    pub(crate) fn write(&mut self, nth: usize, luck: Luck) -> Option<(ObjectKey, bool)> {
        // Those about one object in their order, and those to one.
        let mut before = BTreeSet::new();
        let mut first = Vec::new();
        for (at, (about, write)) in self.asked.iter().enumerate() {
            let (about, to) = (before.insert(about.clone()), write.key());
            let own = self.asked[at].0 == to;
            if about && (own || before.insert(to)) {
                first.push(at);
            }
        }
        let at = *first.get(nth % first.len().max(1))?;
        let (about, write) = self.asked.remove(at)?;
        let done = !matches!(luck, Luck::Failed | Luck::Refused) && self.carry_out(write).is_ok();
        Some((about, done && luck == Luck::Done))
    }

    fn carry_out(&mut self, mut write: Write) -> Result<Name, ClusterError> {
        if let Write::Create(object) = &mut write {
            object.meta_mut().uid = self.uid();
        }
        let answer = self.cluster.write(write.clone()).now_or_never().expect("memory never waits");
        if answer.is_ok() {
            self.keeps_promises(&write);
            self.written.push(write);
        }
        answer
    }

    /// A running pod is never renumbered.
    fn keeps_promises(&mut self, write: &Write) {
        let Write::Patch(patch) = write else { return };
        if patch.key.kind != Kind::Pod {
            return;
        }
        let told = patch.annotations.get(nic::IP_ADDRESS.ovn());
        let Some(told) = told else { return };
        let told = told.clone().unwrap_or_default();
        let before = self.promised.insert(patch.uid.clone(), told.clone());
        assert!(before.is_none_or(|before| before == told), "{} is renumbered: {patch:?}", patch.key);
    }

    /// The controller died. What it had just sent may still arrive.
    pub(crate) fn orphan(&mut self) {
        self.late.extend(self.asked.pop_front().map(|(_, write)| write));
        self.asked.clear();
    }

    /// A write of a controller that has died arrives.
    pub(crate) fn haunt(&mut self) {
        if let Some(write) = self.late.pop_front() {
            let _ = self.carry_out(write);
        }
    }
}
