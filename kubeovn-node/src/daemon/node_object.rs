//! Tells the node's object what only the node knows: OVN's name of it, and whether its network works.

use std::sync::Arc;

use kubeovn_core::annotations::node as key;
use kubeovn_core::contract::cluster::{Cluster, NodeNetwork, Patch, Status, Write};
use kubeovn_core::index::objects::{Kind, Node, ObjectKey};
use tokio::sync::watch;
use tokio::time::{Duration, sleep};

use super::facts::Facts;
use super::standing::{Part, Standing};
use crate::ovs::SwitchView;

/// Whether packets reach the overlay; `None` as long as nothing is known of it.
pub(super) type Reach = Option<Result<(), String>>;

/// After a write that failed.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10), Duration::from_secs(30)];

/// The loop's inputs.
pub(super) struct NodeObject {
    pub(super) facts: watch::Receiver<Facts>,
    pub(super) view: watch::Receiver<SwitchView>,
    pub(super) reach: watch::Receiver<Reach>,
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) standing: Standing,
}

impl NodeObject {
    /// Runs until the daemon ends.
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let mut failed = None;
            for write in self.due() {
                if let Err(error) = self.cluster.write(write).await {
                    failed = Some(error.to_string());
                }
            }
            failures = if failed.is_some() { failures + 1 } else { 0 };
            let pause = failed.as_ref().and_then(|_| PAUSES.get(failures - 1).or(PAUSES.last()));
            let again = async {
                match pause {
                    Some(pause) => sleep(*pause).await,
                    None => std::future::pending().await,
                }
            };
            self.standing.tell(Part::Node, failed);
            tokio::select! {
                Ok(()) = self.facts.changed() => {}
                Ok(()) = self.view.changed() => {}
                Ok(()) = self.reach.changed() => {}
                () = again => {}
            }
        }
    }

    /// What the object should say and does not.
    fn due(&mut self) -> Vec<Write> {
        let facts = self.facts.borrow_and_update();
        let Some(node) = facts.node() else { return Vec::new() };
        let chassis = self.view.borrow_and_update().system_id.clone();
        let reach = self.reach.borrow_and_update();
        due(node, chassis.as_deref(), reach.as_ref())
    }
}

fn due(node: &Node, chassis: Option<&str>, reach: Option<&Result<(), String>>) -> Vec<Write> {
    let object = ObjectKey::cluster(Kind::Node, node.meta.name.clone());
    let mut writes = Vec::new();
    if let Some(chassis) = chassis.filter(|chassis| node.meta.annotation(key::CHASSIS) != Some(chassis)) {
        let mut patch = Patch::new(object.clone(), node.meta.uid.clone());
        patch.annotations.insert(key::CHASSIS.into(), Some(chassis.into()));
        writes.push(Write::Patch(patch));
    }
    let network = reach.map(|reach| match reach {
        Ok(()) => NodeNetwork {
            unavailable: false,
            reason: "JoinSubnetGatewayReachable".into(),
            message: "the join subnet's gateway answers".into(),
        },
        Err(why) => NodeNetwork {
            unavailable: true,
            reason: "JoinSubnetGatewayUnreachable".into(),
            message: why.as_str().into(),
        },
    });
    // Only what it says is compared: the sentence alone is no news.
    if let Some(network) = network.filter(|network| node.network_unavailable != Some(network.unavailable)) {
        let status = Status::Node(network);
        writes.push(Write::Status { key: object, uid: node.meta.uid.clone(), status });
    }
    writes
}

#[cfg(test)]
mod tests {
    use kubeovn_core::index::objects::Meta;

    use super::*;

    fn node(chassis: Option<&str>, network_unavailable: Option<bool>) -> Node {
        let mut meta = Meta::named("n1");
        meta.annotations = chassis.map(|id| (key::CHASSIS.into(), id.into())).into_iter().collect();
        Node { meta, network_unavailable, ..Node::default() }
    }

    #[test]
    fn what_the_object_says_already_is_not_written() {
        assert_eq!(due(&node(Some("c1"), Some(false)), Some("c1"), Some(&Ok(()))), []);
        assert_eq!(due(&node(None, None), None, None), [], "nothing is known yet");
        let writes = due(&node(Some("c0"), None), Some("c1"), Some(&Ok(())));
        assert!(matches!(&writes[..], [Write::Patch(_), Write::Status { .. }]), "{writes:?}");
    }

    #[test]
    fn a_network_that_fails_is_told_with_the_reason() {
        let writes = due(&node(Some("c1"), Some(false)), Some("c1"), Some(&Err("no answer".into())));
        let [Write::Status { status: Status::Node(network), .. }] = &writes[..] else { panic!("{writes:?}") };
        assert!(network.unavailable && &*network.message == "no answer");
        assert_eq!(&*network.reason, "JoinSubnetGatewayUnreachable");
    }
}
