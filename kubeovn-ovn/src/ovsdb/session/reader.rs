//! The reading task of a session: cuts the stream, decodes, answers echoes, asks for signs of life.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{CloseReason, Expected, Pending, SessionConfig, SessionEvent};
use crate::ovsdb::wire::{
    Message, MonitorReply, Notification, ServerError, Words, codec::Splitter, encode_reply, encode_request,
};

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// Messages longer than this are decoded on a thread of their own, since that takes longer than a runtime likes.
const LONG: usize = 1 << 20;

/// The id of probes. Requests count up from zero and never come here. (Servers read integers as signed.)
const PROBE_ID: u64 = 1 << 62;

pub(super) struct Reader<R> {
    stream: R,
    splitter: Splitter,
    words: Words,
    out: mpsc::UnboundedSender<Vec<u8>>,
    pending: Arc<Pending>,
    events: mpsc::Sender<SessionEvent>,
    probe: Duration,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(
        stream: R,
        out: mpsc::UnboundedSender<Vec<u8>>,
        pending: Arc<Pending>,
        events: mpsc::Sender<SessionEvent>,
        config: &SessionConfig,
    ) -> Self {
        let splitter = Splitter::new(config.max_message);
        Self { stream, splitter, words: Words::new(), out, pending, events, probe: config.probe }
    }

    /// Reads until the connection is over, and tells why as the last event.
    pub(super) async fn run(mut self, mut writer_failed: oneshot::Receiver<CloseReason>) {
        let reason = tokio::select! {
            biased;
            reason = self.read_all() => reason,
            Ok(reason) = &mut writer_failed => reason,
        };
        self.pending.close();
        // nobody may be there to hear it
        let _ = self.events.send(SessionEvent::Closed { reason }).await;
    }

    async fn read_all(&mut self) -> CloseReason {
        let mut chunk = vec![0; CHUNK];
        let mut since = Instant::now();
        let mut probed = false;
        loop {
            let patience = since + self.probe;
            let read = tokio::select! {
                biased;
                read = self.stream.read(&mut chunk) => read,
                () = tokio::time::sleep_until(patience) => {
                    if probed {
                        return CloseReason::Silent { seconds: (self.probe * 2).as_secs() };
                    }
                    if let Some(reason) = self.pending.overdue(Instant::now()) {
                        return reason;
                    }
                    // a probe has its time from when it is sent: it may be late because we stood still ourselves
                    (since, probed) = (Instant::now(), true);
                    self.send_probe();
                    continue;
                }
            };
            match read {
                Ok(0) => return CloseReason::Ended,
                Ok(length) => self.splitter.push(chunk.get(..length).unwrap_or_default()),
                Err(error) => return CloseReason::Failed { error: error.to_string() },
            }
            if let Err(reason) = self.take_frames().await {
                return reason;
            }
            // only now: time that passed because the consumer was busy is not the server's silence
            (since, probed) = (Instant::now(), false);
            if let Some(reason) = self.pending.overdue(since) {
                return reason;
            }
        }
    }

    async fn take_frames(&mut self) -> Result<(), CloseReason> {
        while let Some(frame) = self.splitter.next_frame().map_err(CloseReason::Framing)? {
            let pending = self.pending.clone();
            let decoded = if frame.len() > LONG {
                let mut words = std::mem::take(&mut self.words);
                let (decoded, words) =
                    tokio::task::spawn_blocking(move || (decode(&frame, &pending, &mut words), words))
                        .await
                        .map_err(|error| CloseReason::Failed { error: error.to_string() })?;
                self.words = words;
                decoded
            } else {
                decode(&frame, &pending, &mut self.words)
            };
            match decoded? {
                Decoded::Event(event) => {
                    self.events.send(event).await.map_err(|_| CloseReason::Dropped)?;
                }
                // the writer ends only with the session or with a failure that it tells itself
                Decoded::Answer(frame) => drop(self.out.send(frame)),
                Decoded::Nothing => {}
            }
        }
        Ok(())
    }

    fn send_probe(&self) {
        self.pending.expect(PROBE_ID, Expected::Probe, self.probe);
        if let Ok(frame) = encode_request(PROBE_ID, "echo", &[(); 0]) {
            let _ = self.out.send(frame);
        }
    }
}

enum Decoded {
    Event(SessionEvent),
    Answer(Vec<u8>),
    Nothing,
}

/// What a frame means. Replies to calls are handed over here; they need no order.
fn decode(frame: &[u8], pending: &Pending, words: &mut Words) -> Result<Decoded, CloseReason> {
    let broken = |error: serde_json::Error| CloseReason::Decoding {
        error: error.to_string(),
        begin: String::from_utf8_lossy(frame).chars().take(120).collect(),
    };
    match Message::decode(frame).map_err(broken)? {
        Message::Request { id, method: "echo", params } => {
            encode_reply(id, params).map(Decoded::Answer).map_err(broken)
        }
        // a request that we don't know, or a notification that we did not ask for (`locked`, `stolen`)
        Message::Request { .. } => Ok(Decoded::Nothing),
        Message::Notification { method: "monitor_canceled", params } => {
            Err(CloseReason::Canceled { params: params.get().to_owned() })
        }
        Message::Notification { method, params } => Ok(Notification::decode(method, params.get(), words)
            .map_err(broken)?
            .map_or(Decoded::Nothing, |update| Decoded::Event(SessionEvent::Update(update)))),
        Message::Reply { id, result, error } => {
            let error = error.map(ServerError::decode);
            let Some(expected) = id.and_then(|id| pending.take(id)) else {
                return Ok(Decoded::Nothing);
            };
            Ok(Decoded::Event(match expected {
                Expected::Probe => return Ok(Decoded::Nothing),
                Expected::Call { answer } => {
                    // the caller may have gone
                    let _ = answer.send(error.map_or_else(|| Ok(result.get().to_owned()), Err));
                    return Ok(Decoded::Nothing);
                }
                Expected::Transact { id } => {
                    let result = match error {
                        Some(error) => Err(error),
                        None => Ok(serde_json::from_str(result.get()).map_err(broken)?),
                    };
                    SessionEvent::Reply { id, result }
                }
                Expected::Monitor { monitor, since } => {
                    let reply = match error {
                        Some(error) => Err(error),
                        None => Ok(MonitorReply::decode(result.get(), since, words).map_err(broken)?),
                    };
                    SessionEvent::Monitored { monitor, reply }
                }
            }))
        }
    }
}
