//! Nodes and namespaces.

use std::net::IpAddr;

use super::Meta;
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(from = "raw::Raw"))]
pub struct Node {
    /// Metadata.
    pub meta: Meta,
    /// Its InternalIP addresses, the first of each family.
    pub internal: DualStack<IpAddr>,
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
            Node { meta: raw.metadata, internal }
        }
    }
}
