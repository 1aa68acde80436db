//! Stands between a client and a server, and cuts the connection in the middle of a transaction.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    runtime::Handle,
};

/// Where to cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// After so many bytes of the request, counted from the name of its method.
    Request(usize),
    /// After the whole request and so many bytes of what the server says then.
    Answer(usize),
}

/// The next cut, which the first transaction takes, and when the last one was made.
#[derive(Default)]
pub(crate) struct Plan {
    next: Mutex<Option<Cut>>,
    made: Mutex<Option<Instant>>,
}

impl Plan {
    pub(crate) fn arm(&self, cut: Cut) {
        *self.made.lock().unwrap() = None;
        *self.next.lock().unwrap() = Some(cut);
    }

    /// When the cut was made.
    pub(crate) fn made(&self) -> Option<Instant> {
        *self.made.lock().unwrap()
    }
}

/// Serves at one path what is served at another.
pub(crate) fn serve(runtime: &Handle, at: PathBuf, target: PathBuf, plan: Arc<Plan>) {
    let _inside = runtime.enter();
    let listener = UnixListener::bind(at).unwrap();
    runtime.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            if let Ok(server) = UnixStream::connect(&target).await {
                tokio::spawn(pass(client, server, plan.clone()));
            }
        }
    });
}

/// Passes bytes on until one side is gone or it is time to cut.
async fn pass(client: UnixStream, server: UnixStream, plan: Arc<Plan>) -> Option<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut cut = None;
    let (mut asked, mut said) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            length = from_client.read(&mut asked) => {
                let chunk = some(&asked, length.ok()?)?;
                let mut begin = 0;
                if cut.is_none() && let Some(at) = find(chunk, b"\"transact\"") {
                    cut = plan.next.lock().unwrap().take();
                    begin = at;
                }
                let left = if let Some(Cut::Request(left)) = &mut cut { Some(left) } else { None };
                forward(&mut to_server, chunk, begin, left, &plan).await?;
            }
            length = from_server.read(&mut said) => {
                let chunk = some(&said, length.ok()?)?;
                let left = if let Some(Cut::Answer(left)) = &mut cut { Some(left) } else { None };
                forward(&mut to_client, chunk, 0, left, &plan).await?;
            }
        }
    }
}

/// Passes a chunk on, of which bytes count from `begin`, or as much as is left before the cut; then `None`.
async fn forward(
    to: &mut OwnedWriteHalf,
    chunk: &[u8],
    begin: usize,
    left: Option<&mut usize>,
    plan: &Plan,
) -> Option<()> {
    let Some(left) = left else { return to.write_all(chunk).await.ok() };
    let counted = chunk.len() - begin;
    if counted < *left {
        *left -= counted;
        return to.write_all(chunk).await.ok();
    }
    let _ = to.write_all(&chunk[..begin + *left]).await;
    *plan.made.lock().unwrap() = Some(Instant::now());
    None
}

fn some(chunk: &[u8], length: usize) -> Option<&[u8]> {
    (length > 0).then(|| &chunk[..length])
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}
