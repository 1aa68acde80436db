//! The suite on the cluster in memory.

use std::sync::Arc;

use async_trait::async_trait;
use kubeovn_core::{
    cluster::memory::MemoryCluster,
    contract::cluster::Cluster,
    index::objects::{Object, ObjectKey},
};

use crate::{backend::Backend, suite};

struct Memory(Arc<MemoryCluster>);

#[async_trait]
impl Backend for Memory {
    fn cluster(&self) -> Arc<dyn Cluster> {
        self.0.clone()
    }

    async fn apply(&self, object: Object) {
        self.0.apply(object).unwrap();
    }

    async fn delete(&self, key: &ObjectKey) {
        self.0.delete(key).unwrap();
    }

    async fn get(&self, key: &ObjectKey) -> Option<Object> {
        self.0.get(key)
    }
}

#[tokio::test]
async fn the_cluster_in_memory_keeps_the_contract() {
    suite::all(&Memory(Arc::new(MemoryCluster::new()))).await;
}
