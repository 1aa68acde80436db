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
            self.standing.tell(Part::Node, failed);
            if let Some(pause) = pause {
                // Whatever happens to pods meanwhile: what was refused is most likely refused again.
                sleep(*pause).await;
                continue;
            }
            tokio::select! {
                Ok(()) = self.facts.changed() => {}
                Ok(()) = self.view.changed() => {}
                Ok(()) = self.reach.changed() => {}
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::StreamExt;
    use futures_util::stream::{self, BoxStream};
    use kubeovn_core::contract::cluster::{ClusterError, Event};
    use kubeovn_core::index::objects::{Meta, Name, Object};
    use tokio::time::Instant;

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

    /// Refuses all, and counts.
    #[derive(Default)]
    struct Refusing(AtomicUsize);

    #[async_trait]
    impl Cluster for Refusing {
        fn watch(&self, _kinds: &[Kind]) -> BoxStream<'static, Event> {
            stream::pending().boxed()
        }

        async fn write(&self, _write: Write) -> Result<Name, ClusterError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let key = ObjectKey::cluster(Kind::Node, "n1");
            Err(ClusterError::Unavailable { key, reason: "no rights".to_owned() })
        }
    }

    #[tokio::test]
    async fn what_is_refused_is_not_written_at_the_rate_of_events() {
        let cluster = Arc::new(Refusing::default());
        let mut known = Facts::new("n1");
        known.apply(Event::Applied(Object::Node(node(None, None))));
        let (tell, facts) = watch::channel(known);
        let chassis = SwitchView { system_id: Some("c1".into()), ..SwitchView::default() };
        let (_view, view) = watch::channel(chassis);
        let (_reach, reach) = watch::channel(None);
        let standing = Standing::new(&[]);
        let told = NodeObject { facts, view, reach, cluster: cluster.clone(), standing };
        let began = Instant::now();
        let task = tokio::spawn(told.run());
        for _ in 0..50 {
            tell.send_modify(|_| {});
            sleep(Duration::from_millis(10)).await;
        }
        task.abort();
        let (writes, took) = (cluster.0.load(Ordering::Relaxed), began.elapsed());
        // As many as there is time for: on a slow machine it is more than what the sleeps say.
        let mut next = Duration::ZERO;
        let has_come = |pause: &&Duration| {
            next += **pause;
            next <= took
        };
        let most = 1 + PAUSES.iter().take_while(has_come).count();
        assert!((1..=most).contains(&writes), "{writes} writes in {took:?}");
    }

    #[test]
    fn a_network_that_fails_is_told_with_the_reason() {
        let writes = due(&node(Some("c1"), Some(false)), Some("c1"), Some(&Err("no answer".into())));
        let [Write::Status { status: Status::Node(network), .. }] = &writes[..] else { panic!("{writes:?}") };
        assert!(network.unavailable && &*network.message == "no answer");
        assert_eq!(&*network.reason, "JoinSubnetGatewayUnreachable");
    }
}
