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
    let ended =
        || facts.pod(&pod.namespace, &pod.name).is_none() && facts.was_seen_to_end(&pod.namespace, &pod.name);
    port.iface_id.is_none() || ended()
}

#[cfg(test)]
mod tests {
    use kubeovn_core::addr::DualStack;
    use kubeovn_core::contract::cluster::Event;
    use kubeovn_core::index::objects::{Kind, Meta, Object, ObjectKey, Pod};
    use kubeovn_core::rows::OwnerKind;

    use super::*;
    use crate::ovs::Pod as PodBehind;

    fn state(pod: &str, iface_id: Option<&str>) -> PortState {
        let behind = PodBehind { name: pod.into(), namespace: "default".into(), netns: String::new() };
        let port = Port {
            link: format!("{pod}_h"),
            kind: PortKind::Plugged,
            iface_id: iface_id.map(str::to_owned),
            ips: DualStack::default(),
            pod: Some(behind),
        };
        PortState { port, written: true, connected: true, installed: true, error: None, problem: None }
    }

    fn pod(name: &str) -> Event {
        let meta = Meta { namespace: "default".into(), uid: name.into(), ..Meta::named(name) };
        Event::Applied(Object::Pod(Pod { meta, node: Some("n1".into()), ..Pod::default() }))
    }

    fn ended(name: &str) -> Event {
        let key = ObjectKey { kind: Kind::Pod, namespace: "default".into(), name: name.into() };
        Event::Deleted { key, uid: name.into() }
    }

    #[test]
    fn only_what_is_certain_to_be_of_no_use_for_long_is_named() {
        let mut facts = Facts::new("n1");
        let owner = |name: &str| OwnerKey::new(OwnerKind::Attachment, format!("{name}/eth0"));
        let port = |name: &str, iface_id| (owner(name), state(name, iface_id));
        let ports: BTreeMap<_, _> = [
            port("lives", Some("lives.default")),
            port("ends", Some("ends.default")),
            port("returns", Some("returns.default")),
            port("replaced", None),
            // As all would be for a daemon with a wrong name.
            port("never-seen", Some("never-seen.default")),
        ]
        .into();
        for name in ["lives", "ends", "returns", "replaced"] {
            facts.apply(pod(name));
        }
        let mut orphans = Orphans::default();
        let mut ripe = |facts: &Facts, seconds: u64, began: Instant| {
            let now = began + Duration::from_secs(seconds);
            let found = orphans.ripe(facts, &ports, now);
            found.into_iter().map(|(_, link)| link).collect::<Vec<_>>()
        };
        let began = Instant::now();
        assert!(ripe(&facts, 0, began).is_empty());
        facts.apply(ended("ends"));
        facts.apply(ended("returns"));
        assert!(ripe(&facts, 30, began).is_empty());
        facts.apply(pod("returns"));
        assert_eq!(ripe(&facts, 60, began), ["replaced_h"]);
        assert_eq!(ripe(&facts, 90, began), ["ends_h", "replaced_h"]);
        facts.apply(ended("returns"));
        assert_eq!(ripe(&facts, 149, began), ["ends_h", "replaced_h"], "its time begins anew");
    }
}
