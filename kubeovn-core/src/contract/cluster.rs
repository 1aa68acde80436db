//! A source of objects that also takes writes: a Kubernetes API server, a folder of manifests, or memory.

use std::collections::BTreeMap;

#[cfg(feature = "cluster")]
use async_trait::async_trait;
#[cfg(feature = "cluster")]
use futures_util::stream::BoxStream;
use thiserror::Error;

use crate::index::objects::{IpPoolStatus, IpSpec, Kind, Name, Object, ObjectKey, SubnetStatus, VpcStatus};

/// Something happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is there, new or changed.
    Applied(Object),
    /// It is gone.
    Deleted {
        /// Which.
        key: ObjectKey,
        /// Identity of the one that is gone.
        uid: Name,
    },
    /// Every object of the kind that existed when watching began has been told. Comes once per kind and watch.
    Listed(Kind),
    /// The cluster does not have the kind, or does not let us read it: nobody waits for it, and nothing is known of its
    /// objects. Only of [optional](Kind::is_optional) kinds, once at most and before [`Listed`](Event::Listed), which comes
    /// when the kind can be read.
    Absent(Kind),
}

/// A change that we ask of the cluster. A `uid` that is not empty must be the object's, else nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A new object. Only for kinds that we make: Vpc, Subnet (the built-in ones) and Ip.
    Create(Object),
    /// Changes of metadata and of an IP's spec, in one request.
    Patch(Patch),
    /// The whole of the status fields that we write; others stay.
    Status {
        /// Which.
        key: ObjectKey,
        /// Its identity.
        uid: Name,
        /// What to write.
        status: Status,
    },
    /// Removes an object (or marks it as deleting while it has finalizers).
    Delete {
        /// Which.
        key: ObjectKey,
        /// Its identity.
        uid: Name,
    },
    /// Tells people; repeated ones are counted, not stored again.
    Note(Note),
}

/// Changes of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Which.
    pub key: ObjectKey,
    /// Its identity.
    pub uid: Name,
    /// Annotations: a new value, or `None` to remove.
    pub annotations: BTreeMap<Name, Option<Name>>,
    /// Labels: a new value, or `None` to remove.
    pub labels: BTreeMap<Name, Option<Name>>,
    /// Our finalizer: set, removed, or left as it is.
    pub finalizer: Option<bool>,
    /// A new spec, for an IP object.
    pub ip: Option<IpSpec>,
}

impl Patch {
    /// A patch that changes nothing yet.
    pub fn new(key: ObjectKey, uid: Name) -> Self {
        Patch { key, uid, annotations: BTreeMap::new(), labels: BTreeMap::new(), finalizer: None, ip: None }
    }

    /// Changes nothing.
    pub fn is_empty(&self) -> bool {
        self.annotations.is_empty() && self.labels.is_empty() && self.finalizer.is_none() && self.ip.is_none()
    }
}

/// The finalizer that keeps an object until all of it is gone. Kube-OVN's.
pub const FINALIZER: &str = "kubeovn.io/kube-ovn-controller";

/// Status of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Of a subnet.
    Subnet(SubnetStatus),
    /// Of a VPC.
    Vpc(VpcStatus),
    /// Of a pool.
    IpPool(IpPoolStatus),
    /// Of a node: whether its network works. Written by the node's daemon.
    Node(NodeNetwork),
}

impl Status {
    /// Of which kind of objects it is the status.
    pub fn kind(&self) -> Kind {
        match self {
            Status::Subnet(_) => Kind::Subnet,
            Status::Vpc(_) => Kind::Vpc,
            Status::IpPool(_) => Kind::IpPool,
            Status::Node(_) => Kind::Node,
        }
    }
}

/// What a node's condition `NetworkUnavailable` is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeNetwork {
    /// It does not work: no pod should be sent there.
    pub unavailable: bool,
    /// In one word.
    pub reason: Name,
    /// In a sentence.
    pub message: Name,
}

/// An event for people, about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// About which object.
    pub key: ObjectKey,
    /// Its identity.
    pub uid: Name,
    /// Something is wrong.
    pub warning: bool,
    /// One word: the code of a problem, or what was done.
    pub reason: Name,
    /// The sentence.
    pub message: Name,
}

/// Why a write did not happen.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// No such object, or it is another one by now.
    #[error("{key} with uid {uid:?} is not there")]
    NotFound {
        /// Which.
        key: ObjectKey,
        /// Identity that was asked for.
        uid: Name,
    },
    /// It exists already.
    #[error("{key} exists already")]
    Exists {
        /// Which.
        key: ObjectKey,
    },
    /// The cluster could not be asked, or refused for now: try again. It may have been done all the same.
    #[error("{key}: {reason}")]
    Unavailable {
        /// Which.
        key: ObjectKey,
        /// The cause.
        reason: String,
    },
    /// The cluster does not take it, and would not at once: it is invalid there, or forbidden to us.
    #[error("{key}: {reason}")]
    Refused {
        /// Which.
        key: ObjectKey,
        /// The cause.
        reason: String,
    },
}

impl Write {
    /// Which object it is about.
    pub fn key(&self) -> ObjectKey {
        match self {
            Write::Create(object) => object.key(),
            Write::Patch(patch) => patch.key.clone(),
            Write::Status { key, .. } | Write::Delete { key, .. } => key.clone(),
            Write::Note(note) => note.key.clone(),
        }
    }
}

/// A cluster.
///
/// # Guarantees
/// One ordered stream per watcher: what was written is seen later, deletions included, none twice in a row. A watch that
/// had to begin again may tell what it told before, and tells of what vanished meanwhile as deleted. Older versions of
/// an object are ignored where revisions are numbers; kinds need not be in order among each other.
#[cfg(feature = "cluster")]
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Objects of these kinds from now on, beginning with those that exist.
    fn watch(&self, kinds: &[Kind]) -> BoxStream<'static, Event>;

    /// Carries a change out, and answers the object's new revision (empty where there is none).
    ///
    /// # Errors
    /// See [`ClusterError`].
    async fn write(&self, write: Write) -> Result<Name, ClusterError>;
}
