//! Nodes and namespaces.

use std::net::IpAddr;

use super::{Labels, Meta, Name};
use crate::addr::DualStack;

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct Namespace {
    /// Metadata.
    #[cfg_attr(feature = "serde", serde(rename = "metadata"))]
    pub meta: Meta,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(from = "raw::Raw"))]
pub struct Node {
    /// Metadata.
    pub meta: Meta,
    /// Its InternalIP addresses, the first of each family.
    pub internal: DualStack<IpAddr>,
    /// `Ready`, and its network is not said to be unavailable. A node of which nobody says how it is, as in a manifest by
    /// hand, counts as ready.
    pub ready: bool,
    /// What its condition `NetworkUnavailable` says, which the node's daemon writes.
    pub network_unavailable: Option<bool>,
}

impl Default for Node {
    fn default() -> Self {
        Node { meta: Meta::default(), internal: DualStack::default(), ready: true, network_unavailable: None }
    }
}

impl Node {
    /// Do both say the same to us? Every few seconds a kubelet writes that nothing has changed, which is another revision.
    pub(crate) fn says_the_same(&self, other: &Node) -> bool {
        let meta = |node: &Node| Meta {
            revision: Name::default(),
            generation: 0,
            labels: Labels::default(),
            annotations: Labels::default(),
            ..node.meta.clone()
        };
        (self.ready, self.internal) == (other.ready, other.internal)
            && self.meta.labels == other.meta.labels
            && self.meta.annotations == other.meta.annotations
            && meta(self) == meta(other)
    }
}

#[cfg(feature = "serde")]
mod raw {
    use super::{DualStack, IpAddr, Meta, Node};

    #[derive(serde::Deserialize)]
    pub(super) struct Raw {
        metadata: Meta,
        #[serde(default)]
        status: Status,
    }

    #[derive(serde::Deserialize, Default)]
    struct Status {
        #[serde(default)]
        addresses: Vec<Address>,
        #[serde(default)]
        conditions: Vec<Condition>,
    }

    /// Only these two are looked at, and not when they were last written.
    #[derive(serde::Deserialize)]
    struct Condition {
        r#type: String,
        #[serde(default)]
        status: String,
    }

    #[derive(serde::Deserialize)]
    struct Address {
        r#type: String,
        address: String,
    }

    impl From<Raw> for Node {
        fn from(raw: Raw) -> Self {
            let mut internal = DualStack::default();
            let addresses = raw.status.addresses.iter().filter(|a| a.r#type == "InternalIP");
            for ip in addresses.filter_map(|a| a.address.parse::<IpAddr>().ok()) {
                internal.slot(crate::addr::Family::of(ip)).get_or_insert(ip);
            }
            let conditions = &raw.status.conditions;
            let is = |kind: &str| conditions.iter().any(|c| c.r#type == kind && c.status == "True");
            let ready = conditions.is_empty() || is("Ready") && !is("NetworkUnavailable");
            let network = conditions.iter().find(|c| c.r#type == "NetworkUnavailable");
            let network_unavailable = network.map(|c| c.status == "True");
            Node { meta: raw.metadata, internal, ready, network_unavailable }
        }
    }
}
