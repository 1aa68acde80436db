//! Pods and the records of their addresses.

use super::{Meta, Name, Networks, Workload};
use crate::rows::OwnerKey;

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(from = "raw::Raw"))]
pub struct Pod {
    /// Metadata.
    pub meta: Meta,
    /// The node it runs on, once scheduled.
    pub node: Option<Name>,
    /// Uses the node's network: nothing of it is ours.
    pub host_network: bool,
    /// Has run to its end and will not start again: it needs no address any more.
    pub finished: bool,
    /// What brings it back with its address.
    pub workload: Option<Box<Workload>>,
    /// The networks that it asks for beside or instead of the cluster's own.
    pub networks: Option<Box<Networks>>,
}

impl Pod {
    /// Needs a network of ours: not on the node's, and not finished.
    pub fn needs_network(&self) -> bool {
        !self.host_network && !self.finished
    }

    /// The virtual machine that its addresses belong to.
    pub fn machine(&self) -> Option<&Name> {
        match self.workload.as_deref() {
            Some(Workload::VirtualMachine { name }) => Some(name),
            Some(Workload::StatefulSet { .. }) | None => None,
        }
    }

    /// Whose its addresses and ports are: its own, or those of its virtual machine, by the name of that.
    pub fn owner(&self) -> OwnerKey {
        OwnerKey::pod(&self.meta.namespace, self.machine().unwrap_or(&self.meta.name))
    }
}

/// An `IP` object: the durable record of what a pod or node was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct Ip {
    /// Metadata; the name is the logical switch port's.
    #[cfg_attr(feature = "serde", serde(rename = "metadata"))]
    pub meta: Meta,
    /// What was given.
    #[cfg_attr(feature = "serde", serde(default))]
    pub spec: IpSpec,
}

/// The fields of an `IP` object that we write and read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase", default))]
pub struct IpSpec {
    /// Pod name, or the node's for a node's address.
    pub pod_name: Name,
    /// Pod's namespace; empty for a node.
    pub namespace: Name,
    /// Subnet.
    pub subnet: Name,
    /// Node.
    pub node_name: Name,
    /// `v4`, `v6` or `v4,v6`.
    pub ip_address: Name,
    /// IPv4 address or empty.
    pub v4_ip_address: Name,
    /// IPv6 address or empty.
    pub v6_ip_address: Name,
    /// MAC.
    pub mac_address: Name,
    /// Kind of the workload: empty for a plain pod.
    pub pod_type: Name,
}

impl Default for IpSpec {
    fn default() -> Self {
        let empty: Name = "".into();
        IpSpec {
            pod_name: empty.clone(),
            namespace: empty.clone(),
            subnet: empty.clone(),
            node_name: empty.clone(),
            ip_address: empty.clone(),
            v4_ip_address: empty.clone(),
            v6_ip_address: empty.clone(),
            mac_address: empty.clone(),
            pod_type: empty,
        }
    }
}

#[cfg(feature = "serde")]
mod raw {
    use super::{
        super::{meta::raw::Raw as Metadata, workload::raw::OwnerReference},
        Name, Networks, Pod,
    };

    #[derive(serde::Deserialize)]
    pub(super) struct Raw {
        metadata: Metadata<OwnerReference>,
        #[serde(default)]
        spec: Spec,
        #[serde(default)]
        status: Status,
    }

    #[derive(serde::Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Spec {
        node_name: Option<Name>,
        host_network: Option<bool>,
        restart_policy: Option<String>,
    }

    #[derive(serde::Deserialize, Default)]
    #[serde(default)]
    struct Status {
        phase: Option<String>,
        reason: Option<String>,
    }

    impl From<Raw> for Pod {
        fn from(raw: Raw) -> Self {
            let policy = raw.spec.restart_policy.as_deref().unwrap_or("Always");
            let finished = match raw.status.phase.as_deref() {
                Some("Succeeded") => policy != "Always",
                Some("Failed") => policy == "Never" || raw.status.reason.as_deref() == Some("Evicted"),
                _ => false,
            };
            let (meta, owners) = raw.metadata.split();
            let workload = owners.iter().find_map(|owner| owner.workload(&meta.name)).map(Box::new);
            let networks = Networks::read(&meta.namespace, &meta.annotations);
            Pod {
                meta,
                workload,
                networks,
                node: raw.spec.node_name.filter(|n| !n.is_empty()),
                host_network: raw.spec.host_network.unwrap_or(false),
                finished,
            }
        }
    }
}
