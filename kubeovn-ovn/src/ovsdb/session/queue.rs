//! What lies between the wire and the two sides that use it: events that wait to be taken, bytes that wait to be written.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
};

use super::{CloseReason, SessionConfig, SessionEvent};

/// What a frame became: an event, nothing, or the end of the connection.
pub(super) type Decoded = Result<Option<SessionEvent>, CloseReason>;

/// The receiving side of a connection. Dropping it ends the connection too: updates would have nowhere to go.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<Queued>,
    /// The first in the queue, while it is being decoded.
    head: Option<Queued>,
    end: Option<CloseReason>,
}

/// The reader's side of [`Events`].
pub(super) struct EventQueue {
    queue: mpsc::Sender<Queued>,
    /// A permit per byte that may wait.
    room: Arc<Semaphore>,
    limit: u32,
}

#[derive(Debug)]
struct Queued {
    what: What,
    _room: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum What {
    Event(SessionEvent),
    Decoding(JoinHandle<Decoded>),
}

pub(super) fn events(config: &SessionConfig) -> (EventQueue, Events) {
    let (sender, receiver) = mpsc::channel(config.max_events.max(1));
    let limit = u32::try_from(config.max_event_bytes).unwrap_or(u32::MAX).max(1);
    let room = Arc::new(Semaphore::new(usize::try_from(limit).unwrap_or(Semaphore::MAX_PERMITS)));
    (EventQueue { queue: sender, room, limit }, Events { queue: receiver, head: None, end: None })
}

impl EventQueue {
    /// Waits until a message of so many bytes may be queued. One that is longer than all room there is may be, alone.
    pub(super) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.limit);
        // the semaphore is never closed
        self.room.clone().acquire_many_owned(bytes).await.ok()
    }

    /// Puts in an event.
    pub(super) async fn event(
        &self,
        event: SessionEvent,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<(), CloseReason> {
        self.put(Queued { what: What::Event(event), _room: room }).await
    }

    /// Puts in an event that is still being decoded.
    pub(super) async fn decoding(
        &self,
        task: JoinHandle<Decoded>,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<(), CloseReason> {
        self.put(Queued { what: What::Decoding(task), _room: room }).await
    }

    /// Ready when nobody takes events any more.
    pub(super) async fn dropped(&self) {
        self.queue.closed().await;
    }

    async fn put(&self, queued: Queued) -> Result<(), CloseReason> {
        self.queue.send(queued).await.map_err(|_| CloseReason::Dropped)
    }
}

impl Events {
    /// The next event; after [`SessionEvent::Closed`] that again.
    ///
    /// # Cancellation
    /// Safe: no event is lost when the future is dropped.
    pub async fn next(&mut self) -> SessionEvent {
        loop {
            if let Some(reason) = &self.end {
                return SessionEvent::Closed { reason: reason.clone() };
            }
            if self.head.is_none() {
                self.head = self.queue.recv().await;
            }
            // stays in place while it is waited for
            let decoded = match &mut self.head {
                Some(Queued { what: What::Decoding(task), .. }) => Some(
                    task.await.unwrap_or_else(|error| Err(CloseReason::Failed { error: error.to_string() })),
                ),
                _ => None,
            };
            let decoded = match (decoded, self.head.take()) {
                (Some(decoded), _) => decoded,
                (None, Some(Queued { what: What::Event(event), .. })) => Ok(Some(event)),
                (None, _) => Err(CloseReason::Dropped),
            };
            match decoded {
                Ok(Some(SessionEvent::Closed { reason })) | Err(reason) => {
                    // what comes after a message that can't be understood must not be seen; the reader ends with this
                    self.queue.close();
                    self.end = Some(reason);
                }
                Ok(Some(event)) => return event,
                Ok(None) => {}
            }
        }
    }
}

/// The way to the writing task. Counts what the server does not take.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    frames: mpsc::UnboundedSender<Vec<u8>>,
    bytes: Arc<AtomicUsize>,
    limit: usize,
}

/// Too many bytes wait to be written.
pub(super) struct Stuck {
    pub(super) bytes: usize,
}

/// The other end of an [`Outbox`].
pub(super) struct Frames {
    frames: mpsc::UnboundedReceiver<Vec<u8>>,
    bytes: Arc<AtomicUsize>,
}

pub(super) fn outbox(config: &SessionConfig) -> (Outbox, Frames) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let bytes = Arc::new(AtomicUsize::new(0));
    let limit = config.max_unwritten.max(1);
    (Outbox { frames: sender, bytes: bytes.clone(), limit }, Frames { frames: receiver, bytes })
}

impl Outbox {
    /// Hands over a frame to be written: the last one accepted may go beyond the limit, since one may be of any length.
    pub(super) fn push(&self, frame: Vec<u8>) -> Result<(), Stuck> {
        let bytes = self.bytes.load(Ordering::Relaxed);
        if bytes >= self.limit {
            return Err(Stuck { bytes });
        }
        self.bytes.fetch_add(frame.len(), Ordering::Relaxed);
        // fails only when the writer is gone; then `Closed` is on its way and clears what is pending
        let _ = self.frames.send(frame);
        Ok(())
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.limit
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }
}

impl Frames {
    /// The writing task: ends when the session is dropped, or with the failure that it reports.
    pub(super) async fn write_to(
        mut self,
        mut writer: impl AsyncWrite + Unpin,
        failed: oneshot::Sender<CloseReason>,
    ) {
        while let Some(frame) = self.frames.recv().await {
            let written = async {
                writer.write_all(&frame).await?;
                writer.flush().await
            };
            if let Err(error) = written.await {
                // a reader that is gone knows already
                let _ = failed.send(CloseReason::Failed { error: error.to_string() });
                return;
            }
            self.bytes.fetch_sub(frame.len(), Ordering::Relaxed);
        }
    }
}
