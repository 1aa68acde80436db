//! Ports that nobody will ever delete.
//!
//! A runtime that is killed after an ADD, but before it has noted the sandbox, knows nothing of it later: its namespace
//! stays, and so would the link and the port. Whether a pod ought to be here only the cluster can tell, and a daemon that
//! was told another node's name must not take all pods of this one for strangers; so only a port counts whose pod was seen
//! to end, or whose logical port a later sandbox has.

use std::collections::BTreeMap;

use kubeovn_core::rows::OwnerKey;
use tokio::time::{Duration, Instant};

use super::facts::Facts;
use crate::ovs::{Port, PortKind, PortState};

/// So long a port must have been of no use: a runtime that knows of it deletes it within seconds.
const REST: Duration = Duration::from_mins(1);

/// Since when which ports are of no use.
#[derive(Debug, Default)]
pub(super) struct Orphans(BTreeMap<OwnerKey, Instant>);

impl Orphans {
    /// Those that have been of no use for long enough, with their links. Must be asked again and again.
    pub(super) fn ripe(
        &mut self,
        facts: &Facts,
        ports: &BTreeMap<OwnerKey, PortState>,
        now: Instant,
    ) -> Vec<(OwnerKey, String)> {
        let is_useless =
            |owner: &OwnerKey| ports.get(owner).is_some_and(|state| is_useless(facts, &state.port));
        self.0.retain(|owner, _| is_useless(owner));
        let mut ripe = Vec::new();
        for (owner, state) in ports.iter().filter(|(owner, _)| is_useless(owner)) {
            let since = *self.0.entry(owner.clone()).or_insert(now);
            if now.duration_since(since) >= REST {
                ripe.push((owner.clone(), state.port.link.clone()));
            }
        }
        ripe
    }
}

fn is_useless(facts: &Facts, port: &Port) -> bool {
    let Some(pod) = port.pod.as_ref().filter(|_| port.kind == PortKind::Plugged) else { return false };
    let (namespace, name) = (&pod.namespace, &pod.name);
    let ended = || !facts.stands_for_one(namespace, name) && facts.was_seen_to_end(namespace, name);
    port.iface_id.is_none() || ended()
}

#[cfg(test)]
mod tests;
