//! What the plugin is told instead of an answer.

use kubeovn_core::error::Problem;
use kubeovn_core::rows::OwnerKey;

use super::given::NotGiven;
use crate::attach::{AttachError, PodNic};
use crate::cni::protocol::PodRequest;
use crate::cni::server::Refusal;
use crate::netns::NetNsError;

pub(super) fn nobody_waits() -> Refusal {
    let text = "whoever asked for the interface has gone, and what was done for it is undone";
    failed(&Problem::new("CNI-CALLER-GONE", text))
}

pub(super) fn replaced(request: &PodRequest) -> Refusal {
    let text = format!(
        "the runtime has made another sandbox of pod {}/{}, or deletes this one",
        request.pod_namespace, request.pod_name
    );
    failed(&Problem::new("CNI-SANDBOX-REPLACED", text))
}

pub(super) fn taken(nic: &PodNic, other: &OwnerKey) -> Refusal {
    let text = format!(
        "link {} of the node is that of another sandbox ({other}): its name has room for so little of a container's id \
         that both begin alike. The runtime tries again with another sandbox; a shorter interface name than {} leaves \
         more room",
        nic.names.host, nic.if_name
    );
    failed(&Problem::new("CNI-LINK-TAKEN", text))
}

pub(super) fn not_given(error: NotGiven) -> Refusal {
    match error {
        NotGiven::Wait(text) => Refusal::Failed(text),
        NotGiven::Refused(text) => Refusal::BadRequest(text),
    }
}

pub(super) fn not_attached(error: impl Into<AttachError>) -> Refusal {
    let error = error.into();
    match &error {
        AttachError::NetNs(NetNsError::BadName { .. }) => bad(&Problem::from(&error)),
        _ => failed(&Problem::from(&error)),
    }
}

pub(super) fn bad(problem: &Problem) -> Refusal {
    Refusal::BadRequest(problem.to_string())
}

pub(super) fn failed(problem: &Problem) -> Refusal {
    Refusal::Failed(problem.to_string())
}
