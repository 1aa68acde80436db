//! Slim records of the cluster objects that we read: only the fields that decide something.
//!
//! With feature `serde` they deserialise straight from the Kubernetes JSON; what we don't read is skipped while
//! parsing. A new kind is one line in `objects!` and one arm where the compiler then complains.

mod ip_pool;
mod machine;
mod meta;
mod network;
mod node;
mod pod;
mod selector;
mod subnet;
mod vpc;
mod workload;

pub use ip_pool::{IpPool, IpPoolSpec, IpPoolStatus};
pub use machine::{VirtualMachine, VirtualMachineInstance};
pub use meta::{Labels, Meta, Name};
pub use network::{Attachment, DEFAULT_NETWORK, NETWORKS, Networks};
pub use node::{Namespace, Node};
pub use pod::{Ip, IpSpec, Pod};
pub use selector::{Expression, Operator, Selector};
pub use subnet::{Condition, NatMatch, NatRule, NatRuleStatus, Subnet, SubnetAcl, SubnetSpec, SubnetStatus};
pub use vpc::{PolicyRoute, StaticRoute, Vpc, VpcPeering, VpcSpec, VpcStatus};
pub use workload::{STATEFUL_SET, StatefulSet, VIRTUAL_MACHINE, Workload, member};

macro_rules! objects {
    ($($(#[$doc:meta])* $kind:ident { name: $name:literal, namespaced: $namespaced:literal, group: $group:literal, plural: $plural:literal },)*) => {
        /// The kinds that we read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// Every kind, in the order in which they are best read at start: what others refer to first.
            pub const ALL: &[Kind] = &[$(Kind::$kind,)*];

            /// Its name in manifests.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }

            /// Plural name in URLs of the API.
            pub fn plural(self) -> &'static str {
                match self { $(Kind::$kind => $plural,)* }
            }

            /// API group, empty for the core group; the version is `v1` for all.
            pub fn group(self) -> &'static str {
                match self { $(Kind::$kind => $group,)* }
            }

            /// Lives in a namespace.
            pub fn namespaced(self) -> bool {
                match self { $(Kind::$kind => $namespaced,)* }
            }
        }

        /// An object of any kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Object { $($(#[$doc])* $kind($kind),)* }

        impl Object {
            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self { $(Object::$kind(_) => Kind::$kind,)* }
            }

            /// Its metadata.
            pub fn meta(&self) -> &Meta {
                match self { $(Object::$kind(o) => &o.meta,)* }
            }

            /// Its metadata, to change.
            pub fn meta_mut(&mut self) -> &mut Meta {
                match self { $(Object::$kind(o) => &mut o.meta,)* }
            }
        }
    };
}

objects! {
    /// A namespace.
    Namespace { name: "Namespace", namespaced: false, group: "", plural: "namespaces" },
    /// A node.
    Node { name: "Node", namespaced: false, group: "", plural: "nodes" },
    /// A VPC.
    Vpc { name: "Vpc", namespaced: false, group: "kubeovn.io", plural: "vpcs" },
    /// A subnet.
    Subnet { name: "Subnet", namespaced: false, group: "kubeovn.io", plural: "subnets" },
    /// A part of a subnet.
    IpPool { name: "IPPool", namespaced: false, group: "kubeovn.io", plural: "ippools" },
    /// A workload whose pods come back under their names.
    StatefulSet { name: "StatefulSet", namespaced: true, group: "apps", plural: "statefulsets" },
    /// A virtual machine of KubeVirt, running or not.
    VirtualMachine { name: "VirtualMachine", namespaced: true, group: "kubevirt.io", plural: "virtualmachines" },
    /// A virtual machine of KubeVirt that runs.
    VirtualMachineInstance { name: "VirtualMachineInstance", namespaced: true, group: "kubevirt.io", plural: "virtualmachineinstances" },
    /// An address record.
    Ip { name: "IP", namespaced: false, group: "kubeovn.io", plural: "ips" },
    /// A pod.
    Pod { name: "Pod", namespaced: true, group: "", plural: "pods" },
}

impl Kind {
    /// A cluster may be without it: it is somebody else's, who may come later or not at all.
    pub fn is_optional(self) -> bool {
        matches!(self, Kind::VirtualMachine | Kind::VirtualMachineInstance)
    }
}

/// Which object: kind, namespace (empty for cluster-scoped ones) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Kind.
    pub kind: Kind,
    /// Namespace, or empty.
    pub namespace: Name,
    /// Name.
    pub name: Name,
}

impl ObjectKey {
    /// A cluster-scoped object.
    pub fn cluster(kind: Kind, name: impl Into<Name>) -> Self {
        ObjectKey { kind, namespace: "".into(), name: name.into() }
    }

    /// The name, behind its namespace and a slash where it has one.
    pub fn full_name(&self) -> String {
        if self.namespace.is_empty() {
            self.name.to_string()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }
}

impl Object {
    /// Its key.
    pub fn key(&self) -> ObjectKey {
        let meta = self.meta();
        ObjectKey { kind: self.kind(), namespace: meta.namespace.clone(), name: meta.name.clone() }
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.full_name())
    }
}

#[cfg(test)]
mod tests;
