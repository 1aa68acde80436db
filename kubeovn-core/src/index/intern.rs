//! Texts that many objects have, held once; and what of an object is read at all.
//!
//! An object comes with strings of its own, each an allocation. Most of them say what thousands of others say: keys,
//! names of namespaces, nodes and subnets, prefixes, gateways. Of a pod with its record that is more than half.

use std::sync::Arc;

use super::objects::{Ip, Labels, Meta, Name, Pod};
use crate::{annotations::nic, contract::cluster::FINALIZER, hash::FixedSet};

/// With fewer words it is not worth looking for those that nobody has any more.
const FEW: usize = 1_024;

/// Words by content.
#[derive(Debug, Default)]
pub(super) struct Interner {
    words: FixedSet<Name>,
    /// How many there were when those that nobody had were last dropped.
    kept: usize,
}

impl Interner {
    /// The one text with this content.
    fn share(&mut self, text: &mut Name) {
        if let Some(word) = self.words.get(&**text) {
            *text = word.clone();
            return;
        }
        if self.words.len() >= self.kept.saturating_mul(2).max(FEW) {
            self.words.retain(|word| Arc::strong_count(word) > 1);
            self.kept = self.words.len();
        }
        self.words.insert(text.clone());
    }

    /// Keys and values, but for values that are said to be an object's own.
    fn share_all(&mut self, labels: &mut Labels, own: impl Fn(&str) -> bool) {
        let shared = std::mem::take(labels).into_iter().map(|(mut key, mut value)| {
            if !own(&key) {
                self.share(&mut value);
            }
            self.share(&mut key);
            (key, value)
        });
        *labels = shared.collect();
    }

    /// What of a pod is kept. Its name is that of its predecessor, by which it is found; name and addresses are those of
    /// its record, if that is there already.
    pub(super) fn pod(&mut self, pod: &mut Pod, old: Option<&Pod>, record: Option<&Ip>) {
        self.meta(&mut pod.meta, old.map(|old| &old.meta));
        if let Some(node) = &mut pod.node {
            self.share(node);
        }
        let Some(Ip { spec, .. }) = record else { return };
        same(&mut pod.meta.name, &spec.pod_name);
        for (key, theirs) in [(nic::IP_ADDRESS, &spec.ip_address), (nic::MAC_ADDRESS, &spec.mac_address)] {
            if let Some(ours) = pod.meta.annotations.get_mut(key.ovn()) {
                same(ours, theirs);
            }
        }
    }

    /// What of a record is kept. Name and addresses are those of its pod, if that is there already.
    pub(super) fn ip(&mut self, ip: &mut Ip, old: Option<&Ip>, pod: Option<&Pod>) {
        let mut ours = std::mem::take(&mut ip.meta.finalizers);
        self.meta(&mut ip.meta, old.map(|old| &old.meta));
        // Kube-OVN's records have it, and don't go before we take it off. Of any other we do nothing.
        ours.retain(|finalizer| **finalizer == *FINALIZER);
        ours.shrink_to_fit();
        ours.iter_mut().for_each(|finalizer| self.share(finalizer));
        ip.meta.finalizers = ours;
        let spec = &mut ip.spec;
        for text in [&mut spec.namespace, &mut spec.subnet, &mut spec.node_name, &mut spec.pod_type] {
            self.share(text);
        }
        if let Some(Pod { meta, .. }) = pod {
            same(&mut spec.pod_name, &meta.name);
            let told = |key: &str| meta.annotations.get(key);
            told(nic::IP_ADDRESS.ovn()).into_iter().for_each(|ip| same(&mut spec.ip_address, ip));
            told(nic::MAC_ADDRESS.ovn()).into_iter().for_each(|mac| same(&mut spec.mac_address, mac));
        }
        for family in [&mut spec.v4_ip_address, &mut spec.v6_ip_address] {
            if family.is_empty() {
                self.share(family);
            } else {
                same(family, &spec.ip_address);
            }
        }
    }

    /// The store's own book-keeping of pods and records decides nothing.
    fn meta(&mut self, meta: &mut Meta, old: Option<&Meta>) {
        if let Some(old) = old {
            same(&mut meta.name, &old.name);
            same(&mut meta.uid, &old.uid);
        }
        let Meta { namespace, generation, finalizers, labels, annotations, .. } = meta;
        // The revision stays: it tells an older version that comes late.
        (*generation, *finalizers) = (0, Vec::new());
        self.share(namespace);
        self.share_all(labels, |_| false);
        if annotations.keys().any(|key| !is_read(key)) {
            *annotations = std::mem::take(annotations).into_iter().filter(|(key, _)| is_read(key)).collect();
        }
        self.share_all(annotations, |key| key.ends_with("/ip_address") || key.ends_with("/mac_address"));
    }
}

/// Can the annotation be one of ours, for whatever provider, or of a virtual machine?
fn is_read(key: &str) -> bool {
    let ours = key.contains(".kubernetes.io/") || key.contains("ovn") || key.contains("kubevirt.io/");
    ours && !key.starts_with("kubectl.kubernetes.io/")
}

/// One allocation for two equal texts.
fn same(text: &mut Name, other: &Name) {
    if *text == *other {
        text.clone_from(other);
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops where something is not as expected"
    )]

    use super::*;
    use crate::index::objects::IpSpec;

    /// An object as it comes from a parser: no two of its strings are one.
    fn pod(name: &str, ip: &str) -> Pod {
        let annotations = [
            ("ovn.kubernetes.io/ip_address", ip),
            ("ovn.kubernetes.io/logical_switch", "lan"),
            ("net1.default.kubernetes.io/cidr", "10.9.0.0/16"),
            ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
            ("prometheus.io/scrape", "true"),
        ];
        let annotations = annotations.map(|(key, value)| (Name::from(key), Name::from(value))).into();
        let labels = [(Name::from("app"), Name::from("web"))].into();
        let meta = Meta {
            namespace: "default".into(),
            revision: "17".into(),
            labels,
            annotations,
            ..Meta::named(name)
        };
        Pod { meta, node: Some("n1".into()), ..Pod::default() }
    }

    fn record(name: &str, ip: &str) -> Ip {
        let spec = IpSpec {
            pod_name: name.into(),
            namespace: "default".into(),
            node_name: "n1".into(),
            ip_address: ip.into(),
            v4_ip_address: ip.into(),
            ..IpSpec::default()
        };
        Ip { meta: Meta::named(&format!("{name}.default")), spec }
    }

    #[test]
    fn what_pods_have_in_common_is_held_once() {
        let mut interner = Interner::default();
        let (mut a, mut b) = (pod("a", "10.0.0.2"), pod("b", "10.0.0.3"));
        let was = a.clone();
        interner.pod(&mut a, None, None);
        interner.pod(&mut b, None, None);
        assert!(Arc::ptr_eq(a.node.as_ref().unwrap(), b.node.as_ref().unwrap()));
        assert!(Arc::ptr_eq(&a.meta.namespace, &b.meta.namespace));
        for (x, y) in
            a.meta.annotations.iter().zip(&b.meta.annotations).chain(a.meta.labels.iter().zip(&b.meta.labels))
        {
            assert!(Arc::ptr_eq(x.0, y.0), "{x:?}");
            assert_eq!(Arc::ptr_eq(x.1, y.1), x.1 == y.1, "{x:?}");
        }
        let read = was.meta.annotations.iter().filter(|(key, _)| {
            key.contains("io/ip") || key.contains("lo") && !key.contains("kubectl") || key.contains("cidr")
        });
        assert!(a.meta.annotations.iter().eq(read), "{:?}", a.meta.annotations);
        let annotations = a.meta.annotations.clone();
        assert_eq!(a, Pod { meta: Meta { annotations, ..was.meta }, ..was });
    }

    #[test]
    fn a_pod_and_its_record_share_their_texts_whoever_comes_first() {
        for pod_first in [true, false] {
            let mut interner = Interner::default();
            let (mut pod, mut ip) = (pod("a", "10.0.0.2"), record("a", "10.0.0.2"));
            if pod_first {
                interner.pod(&mut pod, None, None);
                interner.ip(&mut ip, None, Some(&pod));
            } else {
                interner.ip(&mut ip, None, None);
                interner.pod(&mut pod, None, Some(&ip));
            }
            let told = pod.meta.annotations.get("ovn.kubernetes.io/ip_address").unwrap();
            assert!(Arc::ptr_eq(told, &ip.spec.ip_address) && Arc::ptr_eq(told, &ip.spec.v4_ip_address));
            assert!(Arc::ptr_eq(&pod.meta.name, &ip.spec.pod_name));
            assert_eq!(ip.spec, record("a", "10.0.0.2").spec);
        }
    }

    #[test]
    fn of_a_records_finalizers_ours_is_kept_once_for_all() {
        let mut interner = Interner::default();
        let with = |finalizers: &[&str]| {
            let mut ip = record("a", "10.0.0.2");
            ip.meta.finalizers = finalizers.iter().copied().map(Name::from).collect();
            ip
        };
        let (mut a, mut b) = (with(&["other/x", FINALIZER]), with(&[FINALIZER]));
        let (mut other, mut none) = (with(&["other/x"]), with(&[]));
        for ip in [&mut a, &mut b, &mut other, &mut none] {
            interner.ip(ip, None, None);
        }
        assert_eq!((&a.meta.finalizers, a.meta.finalizers.capacity()), (&vec![Name::from(FINALIZER)], 1));
        assert!(Arc::ptr_eq(&a.meta.finalizers[0], &b.meta.finalizers[0]));
        assert_eq!((other.meta.finalizers.capacity(), none.meta.finalizers.capacity()), (0, 0));
        let mut pod = pod("a", "10.0.0.2");
        pod.meta.finalizers = vec![FINALIZER.into()];
        interner.pod(&mut pod, None, None);
        assert_eq!(pod.meta.finalizers.capacity(), 0);
    }

    #[test]
    fn words_that_nobody_has_any_more_are_dropped() {
        let mut interner = Interner::default();
        let mut held: Vec<Name> = Vec::new();
        for n in 0..100 * FEW {
            let mut word: Name = n.to_string().into();
            interner.share(&mut word);
            if n < 10 {
                held.push(word);
            }
        }
        assert!(interner.words.len() <= FEW + 1, "{}", interner.words.len());
        assert!(held.iter().all(|word| interner.words.contains(word)));
    }
}
