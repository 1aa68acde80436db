//! What the daemon knows of the cluster: its node, the pods on it, and the subnets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use kubeovn_core::addr::DualStack;
use kubeovn_core::annotations::nic;
use kubeovn_core::contract::cluster::Event;
use kubeovn_core::index::objects::{Kind, Name, Node, Object, Pod, Subnet};

use super::in_force::Subnets;

/// The kinds of objects that a daemon must be fed with.
pub const KINDS: &[Kind] = &[Kind::Node, Kind::Subnet, Kind::Pod];

/// So many pods that are gone are remembered: a runtime that still works on one is told so at once.
const ENDED: usize = 256;

/// Of a pod that kubelet has from a file, the API server has an image with a uid of its own; here is that of the file.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";

/// The objects that concern one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    name: String,
    node: Option<Node>,
    /// Addresses of the other nodes.
    others: BTreeMap<Name, DualStack<IpAddr>>,
    pods: BTreeMap<(Name, Name), Pod>,
    /// Those that went last: namespace, name, uid.
    ended: VecDeque<(Name, Name, Name)>,
    subnets: Subnets,
    listed: BTreeSet<Kind>,
}

impl Facts {
    /// Facts about the node of this name.
    pub(super) fn new(node: &str) -> Self {
        Self { name: node.to_owned(), ..Self::default() }
    }

    /// Takes an event in; false when it does not concern this node.
    pub(super) fn apply(&mut self, event: Event) -> bool {
        match event {
            Event::Applied(Object::Node(node)) if *node.meta.name == self.name => {
                // Every few seconds kubelet writes that nothing has changed.
                let same = self.node.as_ref().is_some_and(|known| says_the_same(known, &node));
                self.node = Some(node);
                return !same;
            }
            Event::Applied(Object::Node(node)) => {
                return self.others.insert(node.meta.name, node.internal) != Some(node.internal);
            }
            Event::Applied(Object::Subnet(subnet)) => {
                self.subnets.apply(subnet);
            }
            Event::Applied(Object::Pod(pod)) => {
                let key = (pod.meta.namespace.clone(), pod.meta.name.clone());
                let uid = pod.meta.uid.clone();
                let is_here = pod.node.as_deref() == Some(&self.name) && !pod.host_network;
                let before =
                    if is_here { self.pods.insert(key.clone(), pod) } else { self.pods.remove(&key) };
                let was_here = before.is_some();
                // Another pod of this name is there: so the one before has gone, of which a relist does not tell.
                if let Some(gone) = before.filter(|before| before.meta.uid != uid) {
                    self.note_end(key, &gone);
                }
                return is_here || was_here;
            }
            // The node's own port stays as it is: that the object is gone does not say that the node is.
            Event::Deleted { key, uid } => match key.kind {
                Kind::Node => return self.others.remove(&key.name).is_some(),
                Kind::Subnet => return self.subnets.remove(&key.name),
                Kind::Pod => {
                    let key = (key.namespace, key.name);
                    // The news of a predecessor's end may come after its successor's beginning.
                    if self.pods.get(&key).is_none_or(|pod| pod.meta.uid != uid) {
                        return false;
                    }
                    if let Some(gone) = self.pods.remove(&key) {
                        self.note_end(key, &gone);
                    }
                }
                _ => return false,
            },
            Event::Listed(kind) => {
                self.listed.insert(kind);
            }
            Event::Applied(_) | Event::Absent(_) => return false,
        }
        true
    }

    /// A pod of this namespace and name is gone.
    fn note_end(&mut self, (namespace, name): (Name, Name), pod: &Pod) {
        // Of an image: kubelet runs the pod from its file all the same.
        if pod.meta.annotation(MIRROR).is_some() {
            return;
        }
        if self.ended.len() >= ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back((namespace, name, pod.meta.uid.clone()));
    }

    /// Every object of the kind has been told.
    pub(super) fn knows(&self, kind: Kind) -> bool {
        self.listed.contains(&kind)
    }

    /// Name of the node.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The node.
    pub(super) fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// The addresses of all other nodes.
    pub(super) fn others(&self) -> impl Iterator<Item = IpAddr> {
        self.others.values().flat_map(DualStack::iter).copied()
    }

    /// The pods on this node.
    pub(super) fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values()
    }

    /// A pod of this node.
    pub(super) fn pod(&self, namespace: &str, name: &str) -> Option<&Pod> {
        self.pods.get(&(namespace.into(), name.into()))
    }

    /// Whether the name stands for a pod of this node: as its own, or as that of its virtual machine in any network.
    pub(super) fn stands_for_one(&self, namespace: &str, name: &str) -> bool {
        let of_machine = |pod: &Pod| {
            let noted = |(key, value): (&Name, &Name)| is_machines_name(key) && value.trim() == name;
            pod.machine().is_some_and(|machine| **machine == *name) || pod.meta.annotations.iter().any(noted)
        };
        let mut here = self.pods.values().filter(|pod| *pod.meta.namespace == *namespace);
        self.pod(namespace, name).is_some() || here.any(of_machine)
    }

    /// Whether a pod of this node had this uid, and is gone.
    pub(super) fn has_ended(&self, uid: &str) -> bool {
        !uid.is_empty() && self.ended.iter().any(|(_, _, ended)| **ended == *uid)
    }

    /// Whether a pod of this name was here, and is gone; of one that kubelet has from a file nobody can tell. After many others have gone nobody knows any more.
    pub(super) fn was_seen_to_end(&self, namespace: &str, name: &str) -> bool {
        self.ended.iter().any(|(of, ended, _)| **of == *namespace && **ended == *name)
    }

    /// Whether a subnet, be it in force or not, is of this provider.
    pub(super) fn has_provider(&self, provider: &str) -> bool {
        self.subnets.all().any(|subnet| *subnet.spec.provider == *provider)
    }

    /// A subnet.
    pub(super) fn subnet(&self, name: &str) -> Option<&Subnet> {
        self.subnets.get(name)
    }

    /// The subnets of which something may be in force that is not known.
    pub(super) fn unseen_subnets(&self) -> impl Iterator<Item = &Subnet> {
        self.subnets.unseen()
    }

    /// The subnets that are in force, by name, with the specs that are.
    pub(super) fn subnets(&self) -> impl Iterator<Item = &Subnet> {
        self.subnets.in_force()
    }
}

fn is_machines_name(key: &str) -> bool {
    // Behind the prefix of any network: `NicKey::of` backwards.
    let name = nic::VIRTUAL_MACHINE.ovn().split_once('/').map(|(_, name)| name);
    key.split_once('/').is_some_and(|(of, rest)| of.ends_with(".kubernetes.io") && Some(rest) == name)
}

fn says_the_same(a: &Node, b: &Node) -> bool {
    let said = |node: &Node| (node.internal, node.network_unavailable, node.meta.uid.clone());
    said(a) == said(b) && a.meta.annotations == b.meta.annotations && a.meta.labels == b.meta.labels
}

#[cfg(test)]
mod tests {
    use kubeovn_core::index::objects::{Meta, ObjectKey};

    use super::*;

    fn pod(node: Option<&str>, uid: &str) -> Event {
        let meta = Meta { namespace: "default".into(), uid: uid.into(), ..Meta::named("web-0") };
        Event::Applied(Object::Pod(Pod { meta, node: node.map(Into::into), ..Pod::default() }))
    }

    fn gone(uid: &str) -> Event {
        let key = ObjectKey { kind: Kind::Pod, namespace: "default".into(), name: "web-0".into() };
        Event::Deleted { key, uid: uid.into() }
    }

    #[test]
    fn only_pods_of_this_node_are_kept() {
        let mut facts = Facts::new("n1");
        assert!(!facts.apply(pod(None, "u1")) && !facts.apply(pod(Some("n2"), "u1")));
        assert!(facts.apply(pod(Some("n1"), "u1")));
        assert!(facts.pod("default", "web-0").is_some());
        assert!(!facts.has_ended("u1"));
        assert!(facts.apply(gone("u1")) && !facts.apply(gone("u1")));
        assert!(facts.has_ended("u1") && !facts.has_ended("") && !facts.has_ended("u2"));
        assert!(facts.pod("default", "web-0").is_none());
    }

    #[test]
    fn the_end_of_a_predecessor_does_not_end_its_successor() {
        let mut facts = Facts::new("n1");
        facts.apply(pod(Some("n1"), "u1"));
        facts.apply(pod(Some("n1"), "u2"));
        assert!(!facts.apply(gone("u1")));
        assert_eq!(facts.pod("default", "web-0").map(|pod| &*pod.meta.uid), Some("u2"));
    }

    #[test]
    fn a_pod_that_another_replaces_has_ended() {
        let mut facts = Facts::new("n1");
        facts.apply(pod(Some("n1"), "u1"));
        facts.apply(pod(Some("n1"), "u1"));
        assert!(!facts.has_ended("u1"), "it was told of twice");
        assert!(facts.apply(pod(Some("n1"), "u2")));
        assert!(facts.has_ended("u1") && !facts.has_ended("u2"));
        assert!(facts.apply(pod(Some("n2"), "u3")), "here it is gone");
        assert!(facts.has_ended("u2") && !facts.has_ended("u3"));
        assert!(facts.pod("default", "web-0").is_none());
    }
}
