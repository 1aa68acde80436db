//! One request at a time per attachment: a DEL must not run beside the ADD that the runtime gave up on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use kubeovn_core::cni::AttachmentId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Whose turn it is, by attachment.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<BTreeMap<AttachmentId, Weak<AsyncMutex<()>>>>);

impl Turns {
    /// Waits for the turn of a request; it lasts until the guard is dropped.
    pub(super) async fn take(&self, id: &AttachmentId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let known = turns.get(id).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let fresh = Arc::new(AsyncMutex::new(()));
                turns.insert(id.clone(), Arc::downgrade(&fresh));
                fresh
            })
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn requests_for_one_attachment_wait_for_each_other() {
        let id = |name: &str| AttachmentId { container_id: name.into(), if_name: "eth0".into() };
        let turns = Turns::default();
        let first = turns.take(&id("a")).await;
        assert!(turns.take(&id("b")).now_or_never().is_some());
        assert!(turns.take(&id("a")).now_or_never().is_none());
        drop(first);
        assert!(turns.take(&id("a")).now_or_never().is_some());
    }
}
