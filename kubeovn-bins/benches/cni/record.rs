//! What the daemon tells of the time that requests take.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use kubeovn_core::cni::AttachmentId;
use kubeovn_node::cni::protocol::PATH_ADD;
use kubeovn_node::cni::timing::{Observer, Stages};

/// One ADD.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub(crate) stages: Stages,
}

/// All ADDs, by container; and how long it took to answer the last one.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    added: HashMap<String, Added>,
    answered: Option<Duration>,
}

impl Record {
    pub(crate) fn added(&self, container: &str) -> Added {
        self.0.lock().unwrap().added[container].clone()
    }

    /// Of an ADD beside which there was no other.
    pub(crate) fn last(&self, container: &str) -> (Duration, Added) {
        let answered = loop {
            // It is told after the plugin has its answer.
            if let Some(answered) = self.0.lock().unwrap().answered.take() {
                break answered;
            }
            std::thread::yield_now();
        };
        (answered, self.added(container))
    }
}

impl Observer for Record {
    fn answered(&self, path: &'static str, status: u16, took: Duration) {
        if path == PATH_ADD {
            assert_eq!(status, 200);
            self.0.lock().unwrap().answered = Some(took);
        }
    }

    fn added(&self, id: &AttachmentId, stages: &Stages) {
        let mut kept = self.0.lock().unwrap();
        kept.answered = None;
        kept.added.insert(id.container_id.clone(), Added { stages: stages.clone() });
    }
}
