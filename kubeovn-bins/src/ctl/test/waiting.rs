//! How far a pod is, and what it waits for.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not there yet: what has not come to be, and why not, if that is told.
    Waits(String, Option<String>),
    /// Its container runs; its addresses.
    Runs(Vec<IpAddr>),
    /// It ended well; its report.
    Ended(String),
    /// It will not come any more, and why.
    Failed(String),
}

/// Reads a pod's status.
pub(super) fn stage(pod: &Pod) -> Stage {
    let Some(status) = &pod.status else { return no_kubelet(pod) };
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
    match container {
        Some(container) => Stage::Waits(format!("the pod on {} was not up", node(pod)), held_up(container)),
        // The kubelet writes when it took it.
        None if status.start_time.is_some() => {
            Stage::Waits(format!("the pod on {} had no container", node(pod)), None)
        }
        None => no_kubelet(pod),
    }
}

fn node(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("no node")
}

fn no_kubelet(pod: &Pod) -> Stage {
    Stage::Waits(format!("no kubelet started the pod on {}", node(pod)), None)
}

fn held_up(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let words: Vec<&str> = waiting.reason.as_deref().into_iter().chain(waiting.message.as_deref()).collect();
    Some(words.join(": ")).filter(|words| !words.is_empty())
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
