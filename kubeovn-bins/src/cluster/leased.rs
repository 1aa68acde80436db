//! A cluster that is written to only while a lease lasts.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use kubeovn_core::{
    contract::cluster::{Cluster, ClusterError, Event, Write},
    index::objects::{Kind, Name},
};
use tokio::{sync::watch, time::Instant};

use crate::run::lease::Hold;

/// Compares the clock with the end of the lease before each write: a process that was frozen for longer than that must
/// write nothing in the moment in which it wakes, before it has learned anything.
pub struct Leased<C> {
    cluster: Arc<C>,
    hold: watch::Receiver<Option<Hold>>,
}

impl<C: Cluster> Leased<C> {
    /// While the hold lasts.
    pub fn new(cluster: Arc<C>, hold: watch::Receiver<Option<Hold>>) -> Self {
        Leased { cluster, hold }
    }
}

/// Does the lease last?
pub(crate) fn lasts(hold: &watch::Receiver<Option<Hold>>) -> bool {
    hold.borrow().is_some_and(|hold| Instant::now() < hold.until)
}

#[async_trait]
impl<C: Cluster> Cluster for Leased<C> {
    fn watch(&self, kinds: &[Kind]) -> BoxStream<'static, Event> {
        self.cluster.watch(kinds)
    }

    async fn write(&self, write: Write) -> Result<Name, ClusterError> {
        if !lasts(&self.hold) {
            let reason = "the lease has run out, so that another one may write".to_owned();
            return Err(ClusterError::Unavailable { key: write.key(), reason });
        }
        self.cluster.write(write).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kubeovn_core::{
        cluster::memory::MemoryCluster,
        index::objects::{Meta, Object, Vpc},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_once_the_lease_has_run_out() {
        let (renew, hold) = watch::channel(None);
        let cluster = Leased::new(Arc::new(MemoryCluster::new()), hold);
        let create =
            |name: &str| Write::Create(Object::Vpc(Vpc { meta: Meta::named(name), ..Vpc::default() }));
        assert!(cluster.write(create("never")).await.is_err());
        let second = Duration::from_secs(1);
        renew.send_replace(Some(Hold { until: Instant::now() + second, handed_over: false }));
        cluster.write(create("in-time")).await.unwrap();
        tokio::time::advance(second).await;
        assert!(matches!(cluster.write(create("late")).await, Err(ClusterError::Unavailable { .. })));
        renew.send_replace(Some(Hold { until: Instant::now() + second, handed_over: false }));
        cluster.write(create("renewed")).await.unwrap();
        let names: Vec<_> =
            cluster.cluster.objects(Kind::Vpc).iter().map(|v: &Object| v.meta().name.clone()).collect();
        assert_eq!(names, ["in-time".into(), "renewed".into()]);
    }
}
