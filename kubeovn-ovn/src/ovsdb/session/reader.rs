//! The reading task of a session: cuts the stream, decodes, answers echoes, asks for signs of life, watches deadlines.
//!
//! A long message is decoded on a thread of its own while reading goes on, so that a server that asks for a sign of life
//! right behind a dump of 100 MB gets it in time.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::oneshot,
    time::Instant,
};

use super::{
    CloseReason, Expected, Pending, SessionConfig, SessionEvent,
    queue::{Decoded, EventQueue, Outbox},
};
use crate::ovsdb::wire::{
    Message, MonitorReply, Notification, ServerError, Words, codec::Splitter, encode_reply, encode_request,
};

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// Messages longer than this are decoded on a thread of their own, since that takes longer than a runtime likes.
const LONG: usize = 1 << 20;

/// The id of probes. Requests count up from zero and never come here. (Servers read integers as signed.)
const PROBE_ID: u64 = 1 << 62;

/// Who stood still for so long has no right to call an answer late at once.
const STANDSTILL: Duration = Duration::from_secs(1);

pub(super) struct Reader<R> {
    stream: R,
    splitter: Splitter,
    /// While a long message is decoded it has these, and others do without.
    words: Arc<Mutex<Words>>,
    out: Outbox,
    pending: Arc<Pending>,
    events: EventQueue,
    probe: Duration,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(
        stream: R,
        out: Outbox,
        pending: Arc<Pending>,
        events: EventQueue,
        config: &SessionConfig,
    ) -> Self {
        let splitter = Splitter::new(config.max_message);
        Self {
            stream,
            splitter,
            words: Arc::new(Mutex::new(Words::new())),
            out,
            pending,
            events,
            probe: config.probe,
        }
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
        let _ = self.events.event(SessionEvent::Closed { reason }, None).await;
    }

    async fn read_all(&mut self) -> CloseReason {
        let mut chunk = vec![0; CHUNK];
        let mut since = Instant::now();
        let mut probed = false;
        // until when no answer is called late, because we stood still ourselves
        let mut lenient = since;
        loop {
            let patience = since + self.probe;
            let wake = self.pending.first_due().map_or(patience, |due| due.max(lenient).min(patience));
            let read = tokio::select! {
                biased;
                // what was received is looked at before anything is called late or silent
                read = self.stream.read(&mut chunk) => read,
                () = self.events.dropped() => return CloseReason::Dropped,
                () = self.pending.earlier() => continue,
                () = tokio::time::sleep_until(wake) => {
                    let now = Instant::now();
                    if now - wake > STANDSTILL {
                        lenient = now + self.probe;
                    }
                    if now >= lenient && let Some(reason) = self.pending.overdue(now, 0) {
                        return reason;
                    }
                    if now < patience {
                        continue;
                    }
                    if probed {
                        return CloseReason::Silent { seconds: (self.probe * 2).as_secs() };
                    }
                    // a probe has its time from when it is sent: it may be late because we stood still ourselves
                    (since, probed) = (now, true);
                    if let Err(reason) = self.send_probe() {
                        return reason;
                    }
                    continue;
                }
            };
            match read {
                Ok(0) => return CloseReason::Ended,
                Ok(length) => self.splitter.push(chunk.get(..length).unwrap_or_default()),
                Err(error) => return CloseReason::Failed { error: error.to_string() },
            }
            let received = Instant::now();
            let long = match self.take_frames().await {
                Ok(long) => long,
                Err(reason) => return reason,
            };
            // only now: time that passed because the consumer was busy is not the server's silence
            (since, probed) = (Instant::now(), false);
            if long || since - received > STANDSTILL {
                lenient = since + self.probe;
            }
            // a server that sends without end leaves no moment in which nothing is received
            if let Some(reason) = self.pending.overdue(since, 1) {
                return reason;
            }
        }
    }

    /// Answers whether one of them was long, and is still being decoded: it may be the answer to a request.
    async fn take_frames(&mut self) -> Result<bool, CloseReason> {
        let mut long = false;
        while let Some(frame) = self.splitter.next_frame().map_err(CloseReason::Framing)? {
            let (pending, out, words) = (self.pending.clone(), self.out.clone(), self.words.clone());
            let room = self.events.room(frame.len()).await;
            if frame.len() > LONG {
                let task = tokio::task::spawn_blocking(move || decode(&frame, &pending, &out, &words));
                self.events.decoding(task, room).await?;
                long = true;
            } else if let Some(event) = decode(&frame, &pending, &out, &words)? {
                self.events.event(event, room).await?;
            }
        }
        Ok(long)
    }

    fn send_probe(&self) -> Result<(), CloseReason> {
        self.pending.expect(PROBE_ID, "echo", Expected::Probe, self.probe, None);
        match encode_request(PROBE_ID, "echo", &[(); 0]) {
            Ok(frame) => put(&self.out, frame),
            Err(_) => Ok(()),
        }
    }
}

/// What we say of our own accord must find room, or the server does not read at all.
fn put(out: &Outbox, frame: Vec<u8>) -> Result<(), CloseReason> {
    out.push(frame).map_err(|stuck| CloseReason::Stuck { bytes: stuck.bytes })
}

/// Decodes with the words of the session, or without if another message has them just now.
fn sharing<T>(words: &Mutex<Words>, decode: impl FnOnce(&mut Words) -> T) -> T {
    match words.try_lock() {
        Ok(mut words) => decode(&mut words),
        Err(_) => decode(&mut Words::default()),
    }
}

/// What a frame means. Replies to calls are handed over here, and echoes answered; they need no order.
fn decode(frame: &[u8], pending: &Pending, out: &Outbox, words: &Mutex<Words>) -> Decoded {
    let broken = |error: serde_json::Error| CloseReason::Decoding {
        error: error.to_string(),
        begin: String::from_utf8_lossy(frame).chars().take(120).collect(),
    };
    match Message::decode(frame).map_err(broken)? {
        Message::Request { id, method: "echo", params } => {
            put(out, encode_reply(id, params).map_err(broken)?).map(|()| None)
        }
        // a request that we don't know, or a notification that we did not ask for (`locked`, `stolen`)
        Message::Request { .. } => Ok(None),
        Message::Notification { method: "monitor_canceled", params } => {
            Err(CloseReason::Canceled { params: params.get().to_owned() })
        }
        Message::Notification { method, params } => {
            let update = sharing(words, |words| Notification::decode_with(method, params.get(), words));
            Ok(update.map_err(broken)?.map(SessionEvent::Update))
        }
        Message::Reply { id, result, error } => {
            let error = error.map(ServerError::decode);
            let Some(expected) = id.and_then(|id| pending.take(id)) else { return Ok(None) };
            Ok(Some(match expected {
                Expected::Probe => return Ok(None),
                Expected::Call { answer } => {
                    // the caller may have gone
                    let _ = answer.send(error.map_or_else(|| Ok(result.get().to_owned()), Err));
                    return Ok(None);
                }
                Expected::Transact { id } => {
                    let result = match error {
                        Some(error) => Err(error),
                        None => Ok(serde_json::from_str(result.get()).map_err(broken)?),
                    };
                    SessionEvent::Reply { id, result }
                }
                Expected::Monitor { monitor, since } => {
                    let decode = |words: &mut Words| MonitorReply::decode_with(result.get(), since, words);
                    let reply = match error {
                        Some(error) => Err(error),
                        None => Ok(sharing(words, decode).map_err(broken)?),
                    };
                    SessionEvent::Monitored { monitor, reply }
                }
            }))
        }
    }
}
