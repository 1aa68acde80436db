//! What waits to be written to a client, and when that is too much.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Notify, mpsc};

/// The sending end, with the session.
#[derive(Debug)]
pub(super) struct Outbox {
    frames: mpsc::UnboundedSender<Vec<u8>>,
    backlog: Arc<Backlog>,
}

/// How much waits.
#[derive(Debug)]
pub(super) struct Backlog {
    bytes: AtomicUsize,
    limit: usize,
    /// Some of it was written.
    room: Notify,
    /// The client does not keep up and must go.
    full: Notify,
}

/// Outbox, the frames to be written, and the measure of both.
pub(super) fn outbox(limit: usize) -> (Outbox, mpsc::UnboundedReceiver<Vec<u8>>, Arc<Backlog>) {
    let (frames, queued) = mpsc::unbounded_channel();
    let backlog =
        Arc::new(Backlog { bytes: AtomicUsize::new(0), limit, room: Notify::new(), full: Notify::new() });
    (Outbox { frames, backlog: backlog.clone() }, queued, backlog)
}

impl Outbox {
    /// Queues what nobody asked for, or, when too much is queued already, gives the client up: without this frame
    /// nothing that follows makes sense to it.
    pub(super) fn send(&self, frame: Vec<u8>) {
        if self.backlog.bytes.load(Ordering::Relaxed) > self.backlog.limit {
            self.backlog.full.notify_one();
        } else {
            self.answer(frame);
        }
    }

    /// Queues an answer. There is no limit but that on requests: who has a backlog is not read.
    pub(super) fn answer(&self, frame: Vec<u8>) {
        self.backlog.bytes.fetch_add(frame.len(), Ordering::Relaxed);
        // a receiver that is gone needs nothing
        let _ = self.frames.send(frame);
    }
}

impl Backlog {
    /// A frame was written.
    pub(super) fn written(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.room.notify_one();
    }

    /// Waits until so little is queued that the client's next request may be answered.
    pub(super) async fn room(&self) {
        while self.bytes.load(Ordering::Relaxed) > self.limit / 2 {
            self.room.notified().await;
        }
    }

    /// Waits until the client is given up.
    pub(super) async fn full(&self) {
        self.full.notified().await;
    }
}
