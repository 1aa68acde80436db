//! Metadata that all objects have.

use std::sync::Arc;

use crate::sorted::SortedMap;

/// A shared string.
pub type Name = Arc<str>;

/// Labels or annotations: a few, on each of many objects.
pub type Labels = SortedMap<Name, Name>;

/// What we read of `metadata`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(from = "raw::Raw<serde::de::IgnoredAny>"))]
pub struct Meta {
    /// Name.
    pub name: Name,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: Name,
    /// Identity: a successor of the same name has another.
    pub uid: Name,
    /// Creation time in milliseconds since the epoch. Of two that contradict each other the older stays.
    pub created: u64,
    /// Version of the object in the cluster's store. Compared only where it is a number, as Kubernetes' are.
    pub revision: Name,
    /// Rises with every change of the spec.
    pub generation: i64,
    /// Deletion was asked for; the object goes when its finalizers do.
    pub deleting: bool,
    /// Finalizers.
    pub finalizers: Vec<Name>,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
}

impl Default for Meta {
    fn default() -> Self {
        let empty: Name = "".into();
        Meta {
            name: empty.clone(),
            namespace: empty.clone(),
            uid: empty.clone(),
            created: 0,
            revision: empty,
            generation: 0,
            deleting: false,
            finalizers: Vec::new(),
            labels: Labels::default(),
            annotations: Labels::default(),
        }
    }
}

impl Meta {
    /// Metadata of a cluster-scoped object with just a name.
    pub fn named(name: &str) -> Self {
        Meta { name: name.into(), ..Meta::default() }
    }

    /// The value of an annotation; an empty one counts as absent, as in Kube-OVN.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(|v| v.trim()).filter(|v| !v.is_empty())
    }

    /// Is this an older version than the other? Not where revisions are no numbers: then what comes last counts.
    pub fn is_before(&self, other: &Meta) -> bool {
        let number = |meta: &Meta| meta.revision.parse::<u64>().ok();
        number(self).zip(number(other)).is_some_and(|(this, other)| this < other)
    }

    /// Seniority: of two claims on one thing the smaller wins.
    pub fn seniority(&self) -> (u64, &Name, &Name) {
        (self.created, &self.namespace, &self.name)
    }
}

#[cfg(feature = "serde")]
pub(super) mod raw {
    //! The wire form.

    use super::{Labels, Meta, Name};

    /// Metadata, and owner references for kinds that need them.
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(in super::super) struct Raw<O> {
        name: Option<Name>,
        namespace: Option<Name>,
        uid: Option<Name>,
        creation_timestamp: Option<String>,
        resource_version: Option<Name>,
        generation: Option<i64>,
        deletion_timestamp: Option<String>,
        finalizers: Option<Vec<Name>>,
        labels: Option<Labels>,
        annotations: Option<Labels>,
        owner_references: Option<Vec<O>>,
    }

    impl<O> Raw<O> {
        /// What all objects have, and the owners.
        pub(in super::super) fn split(self) -> (Meta, Vec<O>) {
            let meta = Meta {
                name: self.name.unwrap_or_default(),
                namespace: self.namespace.unwrap_or_default(),
                uid: self.uid.unwrap_or_default(),
                created: self.creation_timestamp.as_deref().and_then(crate::time::millis).unwrap_or(0),
                revision: self.resource_version.unwrap_or_default(),
                generation: self.generation.unwrap_or(0),
                deleting: self.deletion_timestamp.is_some(),
                finalizers: self.finalizers.unwrap_or_default(),
                labels: self.labels.unwrap_or_default(),
                annotations: self.annotations.unwrap_or_default(),
            };
            (meta, self.owner_references.unwrap_or_default())
        }
    }

    impl<O> From<Raw<O>> for Meta {
        fn from(raw: Raw<O>) -> Self {
            raw.split().0
        }
    }
}
