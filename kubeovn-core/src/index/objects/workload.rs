//! What pods belong to, as far as it outlives them.

use super::{Meta, Name};

/// A StatefulSet: its members come back under their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(from = "raw::Raw"))]
pub struct StatefulSet {
    /// Metadata.
    pub meta: Meta,
    /// How many members there shall be.
    pub replicas: u64,
    /// Ordinal of the first one.
    pub start: u64,
    /// The subnet that the pod template names, if it names one.
    pub subnet: Option<Name>,
}

impl StatefulSet {
    /// Says the same about its members' addresses as another version of it.
    pub fn means(&self, other: &StatefulSet) -> bool {
        let deciding = |set: &StatefulSet| {
            (set.meta.uid.clone(), set.meta.deleting, set.replicas, set.start, set.subnet.clone())
        };
        deciding(self) == deciding(other)
    }
}

/// What a pod belongs to that brings it back under another identity, with the address that it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A StatefulSet of the pod's namespace.
    StatefulSet {
        /// Its name.
        name: Name,
        /// Its identity.
        uid: Name,
    },
    /// A virtual machine of the pod's namespace. Its pods have names of their own, of which none comes back.
    VirtualMachine {
        /// Its name.
        name: Name,
    },
}

impl Workload {
    /// What an `IP` object says of its pod, in `spec.podType`.
    pub fn pod_type(&self) -> &'static str {
        match self {
            Workload::StatefulSet { .. } => STATEFUL_SET,
            Workload::VirtualMachine { .. } => VIRTUAL_MACHINE,
        }
    }
}

/// `spec.podType` of an `IP` object that belongs to a member of a StatefulSet.
pub const STATEFUL_SET: &str = "StatefulSet";

/// The same of one that belongs to a virtual machine.
pub const VIRTUAL_MACHINE: &str = "VirtualMachine";

/// Name of the set and number of the member, by the name of a pod that may be one: `web-2`.
pub fn member(pod: &str) -> Option<(&str, u64)> {
    let (set, digits) = pod.rsplit_once('-')?;
    let number = digits.bytes().all(|c| c.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some((set, number))
}

#[cfg(feature = "serde")]
pub(super) mod raw {
    //! The wire forms.

    use super::{Meta, Name, StatefulSet, Workload};
    use crate::annotations::nic;

    /// One of a pod's owners.
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(in super::super) struct OwnerReference {
        #[serde(default)]
        api_version: String,
        #[serde(default)]
        kind: String,
        #[serde(default)]
        name: Name,
        #[serde(default)]
        uid: Name,
    }

    impl OwnerReference {
        /// The workload, if it is one that brings a pod of this name back, or another one in its place.
        pub(in super::super) fn workload(&self, pod: &str) -> Option<Workload> {
            let group = self.api_version.split('/').next().unwrap_or_default();
            match (group, &*self.kind) {
                ("apps", "StatefulSet") => super::member(pod)
                    .is_some_and(|(set, _)| *set == *self.name)
                    .then(|| Workload::StatefulSet { name: self.name.clone(), uid: self.uid.clone() }),
                ("kubevirt.io", "VirtualMachineInstance") if !self.name.is_empty() => {
                    Some(Workload::VirtualMachine { name: self.name.clone() })
                }
                _ => None,
            }
        }
    }

    #[derive(serde::Deserialize)]
    pub(super) struct Raw {
        metadata: Meta,
        #[serde(default)]
        spec: Spec,
    }

    #[derive(serde::Deserialize, Default)]
    #[serde(default)]
    struct Spec {
        replicas: Option<u64>,
        ordinals: Option<Ordinals>,
        template: Template,
    }

    #[derive(serde::Deserialize, Default)]
    #[serde(default)]
    struct Ordinals {
        start: u64,
    }

    #[derive(serde::Deserialize, Default)]
    #[serde(default)]
    struct Template {
        metadata: Option<Meta>,
    }

    impl From<Raw> for StatefulSet {
        fn from(raw: Raw) -> Self {
            let template = raw.spec.template.metadata.unwrap_or_default();
            StatefulSet {
                meta: raw.metadata,
                replicas: raw.spec.replicas.unwrap_or(1),
                start: raw.spec.ordinals.unwrap_or_default().start,
                subnet: template.annotation(nic::LOGICAL_SWITCH.ovn()).map(Name::from),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::member;

    #[test]
    fn members_are_told_by_their_names() {
        let told = ["web-0", "web-a-12", "web", "web-", "web-1x", "web-99999999999999999999"].map(member);
        assert_eq!(told, [Some(("web", 0)), Some(("web-a", 12)), None, None, None, None]);
    }
}
