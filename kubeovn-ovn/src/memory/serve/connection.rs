//! Sockets: connections are taken in, frames read, and what is queued is written.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc::UnboundedReceiver,
    task::JoinSet,
    time::{Duration, Instant, sleep},
};

use super::{
    ServeConfig,
    methods::Unreadable,
    outbox::{Backlog, outbox},
};
use crate::{
    memory::hub::{Shared, lock},
    ovsdb::wire::codec::{FrameError, Splitter},
};

/// How long to rest when no connection can be taken in, as when the process has no file descriptor left.
const REST: Duration = Duration::from_millis(100);

/// A session that ends with its connection, however that ends.
struct Session {
    hub: Shared,
    number: u64,
}

/// Why a connection is ended by this side.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("it does not take what it is told")]
    Backlog,
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Takes connections in until it is aborted, and all connections with it.
pub(super) async fn listen(listener: UnixListener, hub: Shared, config: ServeConfig) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) if connections.len() < config.max_connections => {
                connections.spawn(connection(stream, hub.clone(), config.clone()));
            }
            Ok(_) => tracing::warn!(limit = config.max_connections, "a connection too many was closed"),
            Err(error) => {
                tracing::warn!(%error, "no connection could be taken in");
                sleep(REST).await;
            }
        }
    }
}

async fn connection(stream: UnixStream, hub: Shared, config: ServeConfig) {
    let (outbox, frames, backlog) = outbox(config.max_backlog);
    let number = lock(&hub).service.enter(outbox, config.max_held);
    let session = Session { hub, number };
    let (reader, writer) = stream.into_split();
    let ended = tokio::select! {
        ended = read(reader, &session, &backlog, config.max_message) => ended,
        ended = write(writer, frames, &backlog) => ended,
        () = backlog.full() => Err(Broken::Backlog),
    };
    if let Err(reason) = ended {
        tracing::info!(session = session.number, %reason, "connection ended");
    }
}

async fn read(
    mut reader: OwnedReadHalf,
    session: &Session,
    backlog: &Arc<Backlog>,
    max_message: usize,
) -> Result<(), Broken> {
    let mut splitter = Splitter::new(max_message);
    let mut bytes = vec![0; 64 << 10];
    loop {
        let count = reader.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        splitter.push(bytes.get(..count).unwrap_or_default());
        while let Some(frame) = splitter.next_frame()? {
            backlog.room().await;
            lock(&session.hub).receive(session.number, &frame, Instant::now())?;
        }
    }
}

async fn write(
    mut writer: OwnedWriteHalf,
    mut frames: UnboundedReceiver<Vec<u8>>,
    backlog: &Arc<Backlog>,
) -> Result<(), Broken> {
    while let Some(frame) = frames.recv().await {
        writer.write_all(&frame).await?;
        backlog.written(frame.len());
    }
    Ok(())
}

impl Drop for Session {
    fn drop(&mut self) {
        lock(&self.hub).leave(self.number);
    }
}
