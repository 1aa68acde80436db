//! How far a pod is, and what it waits for.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not there yet, and why not.
    Waits(String),
    /// Its container runs; its addresses.
    Runs(Vec<IpAddr>),
    /// It ended well; its report.
    Ended(String),
    /// It will not come any more, and why.
    Failed(String),
}

/// Reads a pod's status.
pub(super) fn stage(pod: &Pod) -> Stage {
    let Some(status) = &pod.status else { return Stage::Waits(no_kubelet(pod)) };
    let container = status.container_statuses.iter().flatten().next();
    let state = container.and_then(|container| container.state.as_ref());
    match status.phase.as_deref() {
        Some("Succeeded") => return Stage::Ended(report(state)),
        Some("Failed") => {
            let reason = status.reason.clone().or_else(|| state?.terminated.as_ref()?.reason.clone());
            let message = status.message.clone().or_else(|| exit(state));
            let words: Vec<String> = reason.into_iter().chain(message).collect();
            return Stage::Failed(format!("the pod on {} failed: {}", node(pod), words.join(": ")));
        }
        _ => {}
    }
    let ips = status.pod_ips.iter().flatten().filter_map(|ip| ip.ip.parse().ok());
    let ips: Vec<IpAddr> = ips.collect();
    if state.is_some_and(|state| state.running.is_some()) && !ips.is_empty() {
        return Stage::Runs(ips);
    }
    Stage::Waits(match container {
        Some(container) => held_up(pod, container),
        // The kubelet writes when it took it.
        None if status.start_time.is_some() => format!("the pod on {} has no container yet", node(pod)),
        None => no_kubelet(pod),
    })
}

fn node(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("no node")
}

fn no_kubelet(pod: &Pod) -> String {
    format!("no kubelet started the pod on {}", node(pod))
}

fn held_up(pod: &Pod, container: &ContainerStatus) -> String {
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    let words: Vec<&str> = waiting
        .into_iter()
        .flat_map(|waiting| [waiting.reason.as_deref(), waiting.message.as_deref()])
        .flatten()
        .collect();
    format!(
        "the pod on {} is not up: {}",
        node(pod),
        if words.is_empty() { "no reason is told".to_owned() } else { words.join(": ") }
    )
}

fn report(state: Option<&ContainerState>) -> String {
    let ended = state.and_then(|state| state.terminated.as_ref());
    ended.and_then(|ended| ended.message.clone()).unwrap_or_default()
}

fn exit(state: Option<&ContainerState>) -> Option<String> {
    let ended = state?.terminated.as_ref()?;
    let said = ended.message.clone().unwrap_or_default();
    Some(format!("exit code {} {said}", ended.exit_code).trim().to_owned())
}

#[cfg(test)]
mod tests;
