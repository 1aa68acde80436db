//! What stands against the node's network being as it should be, told by each part for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// A part of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The objects of the cluster.
    Objects,
    /// The Open_vSwitch database.
    Switch,
    /// The node's end of tunnels.
    Tunnel,
    /// The node's own port.
    NodePort,
    /// The way to the join subnet's gateway, and so into the overlay.
    JoinGateway,
    /// The gateway on the host.
    Gateway,
    /// What the node's object is told.
    Node,
}

impl Part {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Part::Objects => "the cluster's objects",
            Part::Switch => "the virtual switch",
            Part::Tunnel => "tunnels",
            Part::NodePort => "the node's port",
            Part::JoinGateway => "the way into the overlay",
            Part::Gateway => "the gateway on the host",
            Part::Node => "the node's object",
        }
    }
}

/// What is wrong, by part; a part that is not there is as it should be.
pub type Obstacles = BTreeMap<Part, String>;

/// Where parts tell how they stand.
#[derive(Clone, Debug)]
pub(super) struct Standing(Arc<watch::Sender<Obstacles>>);

impl Standing {
    /// These parts have not said anything yet.
    pub(super) fn new(parts: &[Part]) -> Self {
        let begun = parts.iter().map(|part| (*part, "it has not been looked at yet".to_owned()));
        Standing(Arc::new(watch::channel(begun.collect()).0))
    }

    pub(super) fn told(&self) -> watch::Receiver<Obstacles> {
        self.0.subscribe()
    }

    /// Says how a part stands; logged when it is news.
    pub(super) fn tell(&self, part: Part, wrong: Option<String>) {
        self.0.send_if_modified(|all| {
            if all.get(&part) == wrong.as_ref() {
                return false;
            }
            if let Some(wrong) = wrong {
                tracing::warn!(error = wrong, "{} is not as it should be", part.name());
                all.insert(part, wrong);
            } else {
                tracing::info!("{} is as it should be", part.name());
                all.remove(&part);
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_wake() {
        let standing = Standing::new(&[Part::Switch]);
        let mut told = standing.told();
        assert!(told.borrow_and_update().contains_key(&Part::Switch));
        standing.tell(Part::Switch, None);
        assert!(told.has_changed().unwrap() && told.borrow_and_update().is_empty());
        standing.tell(Part::Switch, None);
        assert!(!told.has_changed().unwrap());
        standing.tell(Part::Tunnel, Some("no address".into()));
        assert_eq!(told.borrow_and_update()[&Part::Tunnel], "no address");
    }
}
