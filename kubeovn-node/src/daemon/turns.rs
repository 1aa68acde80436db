//! One request at a time per link, and one sandbox per pod: a DEL must not run beside the ADD that the runtime gave up on,
//! nor an ADD beside that of a later sandbox, or of one whose link would have the same name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use kubeovn_core::cni::AttachmentId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};

use crate::cni::nic::nic_names;

/// Whose turn it is, by link.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<BTreeMap<String, Weak<AsyncMutex<()>>>>);

impl Turns {
    /// Waits for the turn of a request; it lasts until the guard is dropped.
    pub(super) async fn take(&self, id: &AttachmentId) -> OwnedMutexGuard<()> {
        let link = match nic_names(&id.container_id, &id.if_name) {
            Ok(names) => names.host,
            // Another plugin makes the interface, if anybody does.
            Err(_) => format!("{}/{}", id.container_id, id.if_name),
        };
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let known = turns.get(&link).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let fresh = Arc::new(AsyncMutex::new(()));
                turns.insert(link, Arc::downgrade(&fresh));
                fresh
            })
        };
        turn.lock_owned().await
    }
}

/// Which sandbox of an interface of a pod came last: it alone may have the logical port. An earlier one that still waits
/// is of no use to anybody, and must not take the port from the later one when it is done.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<BTreeMap<Interface, (AttachmentId, watch::Sender<()>)>>);

/// An interface of a pod: namespace, pod, and its name in the pod.
type Interface = (String, String, String);

/// That a sandbox is the latest one of its pod.
#[derive(Debug)]
pub(super) struct Place(watch::Receiver<()>);

impl Latest {
    /// A sandbox comes, and lasts as long as its place is not dropped.
    pub(super) fn come(&self, namespace: &str, pod: &str, id: &AttachmentId) -> Place {
        let interface = (namespace.to_owned(), pod.to_owned(), id.if_name.clone());
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.retain(|_, (_, place)| !place.is_closed());
        if let Some((known, place)) = latest.get(&interface)
            && known == id
        {
            return Place(place.subscribe());
        }
        let (place, lost) = watch::channel(());
        latest.insert(interface, (id.clone(), place));
        Place(lost)
    }

    /// A sandbox goes.
    pub(super) fn go(&self, id: &AttachmentId) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.retain(|_, (known, _)| known != id);
    }
}

impl Place {
    /// Comes when a later sandbox took the place, or this one goes.
    pub(super) async fn lost(&mut self) {
        // Nothing is ever sent: it ends when the sender is dropped.
        while self.0.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_later_sandbox_takes_the_place_of_an_earlier_one() {
        let id = |name: &str| AttachmentId { container_id: name.into(), if_name: "eth0".into() };
        let latest = Latest::default();
        let is_lost = |place: &mut Place| place.lost().now_or_never().is_some();
        let mut first = latest.come("default", "web-0", &id("a"));
        let mut other = latest.come("default", "web-1", &id("b"));
        let mut twice = latest.come("default", "web-0", &id("a"));
        assert!(!is_lost(&mut first) && !is_lost(&mut twice));
        let mut second = latest.come("default", "web-0", &id("c"));
        assert!(is_lost(&mut first) && is_lost(&mut twice));
        assert!(!is_lost(&mut second) && !is_lost(&mut other));
        latest.go(&id("a"));
        assert!(!is_lost(&mut second));
        latest.go(&id("c"));
        assert!(is_lost(&mut second));
        drop((first, twice, second, other));
        let _last = latest.come("default", "web-2", &id("d"));
        assert_eq!(latest.0.lock().unwrap().len(), 1, "who is gone is forgotten");
    }

    #[tokio::test]
    async fn requests_for_one_link_wait_for_each_other() {
        let id = |name: &str| AttachmentId { container_id: name.into(), if_name: "eth0".into() };
        let turns = Turns::default();
        let first = turns.take(&id("a")).await;
        assert!(turns.take(&id("b")).now_or_never().is_some());
        assert!(turns.take(&id("a")).now_or_never().is_none());
        drop(first);
        assert!(turns.take(&id("a")).now_or_never().is_some());
        let long = |name: &str| AttachmentId { container_id: name.into(), if_name: "ethernet9".into() };
        let _first = turns.take(&long("abc1")).await;
        assert!(turns.take(&long("abc2")).now_or_never().is_none(), "their links would have one name");
        assert!(turns.take(&long("abd2")).now_or_never().is_some());
    }
}
