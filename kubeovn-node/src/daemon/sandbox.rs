//! Whose a port is: interfaces of sandboxes, some of which have links of one name.

use kubeovn_core::cni::AttachmentId;
use kubeovn_core::rows::OwnerKey;

use crate::cni::protocol::PodRequest;
use crate::ovs::{Pod, Port, attachment_of};

/// The interface of a sandbox, and what else a port of Kube-OVN's tells of whose it is; empty where it is not known.
#[derive(Clone, Debug)]
pub(super) struct Sandbox {
    pub(super) id: AttachmentId,
    namespace: String,
    netns: String,
}

impl Sandbox {
    pub(super) fn of(request: &PodRequest) -> Self {
        let (namespace, netns) = (request.pod_namespace.clone(), request.net_ns.clone());
        Self { id: id_of(request), namespace, netns }
    }

    /// Of one whose runtime has forgotten it nothing else is known.
    pub(super) fn forgotten(id: AttachmentId) -> Self {
        Self { id, namespace: String::new(), netns: String::new() }
    }

    /// Is a port with the name that its link has this one's? It may be that of a sandbox whose id begins alike.
    pub(super) fn has(&self, owner: &OwnerKey, port: &Port) -> bool {
        if let Some(id) = attachment_of(owner) {
            return id == self.id;
        }
        let alike = |a: &str, b: &str| a.is_empty() || b.is_empty() || a == b;
        let same = |pod: &Pod| alike(&pod.namespace, &self.namespace) && alike(&pod.netns, &self.netns);
        port.pod.as_ref().is_none_or(same)
    }
}

/// The interface that is asked for.
pub(super) fn id_of(request: &PodRequest) -> AttachmentId {
    AttachmentId { container_id: request.container_id.clone(), if_name: request.if_name.clone() }
}
