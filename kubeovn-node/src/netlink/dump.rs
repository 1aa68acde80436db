//! Lists of the kernel: one at a time per connection, and whole.
//!
//! The kernel refuses a second list on a socket while it is still writing the first (`EBUSY`). And a list during which
//! something changed is marked as such: it may lack what was there all the time, or tell of it twice. Such a list is asked
//! for again.

use std::fmt::Display;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

use super::{Netlink, NetlinkError};

/// So long a list that is torn is asked for again: while many pods come at once, one may be torn many times.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before it is asked for again. Each pause is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(2);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

type Answer = NetlinkMessage<RouteNetlinkMessage>;
/// What of an answer is wanted.
type Pick<T> = fn(RouteNetlinkMessage) -> Option<T>;

/// What came of asking once.
enum Asked<T> {
    Whole(Vec<T>),
    /// It is worth asking again.
    Torn(Errno),
    Failed(Errno),
}

impl Netlink {
    /// All that the kernel answers to a request, as far as `pick` takes it.
    ///
    /// # Errors
    /// The kernel's; `EINTR` or `EBUSY` when it is torn each time for some seconds.
    pub(super) async fn dump<T: Send>(
        &self,
        request: RouteNetlinkMessage,
        pick: Pick<T>,
        op: &'static str,
        object: &(impl Display + Sync),
    ) -> Result<Vec<T>, NetlinkError> {
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let _turn = self.dumping.lock().await;
        let mut handle = self.handle.clone();
        // The connection is gone when its driver ended with the runtime.
        let ask = || handle.request(message.clone()).map_err(|_| Errno::ENOTCONN);
        whole(ask, pick, PATIENCE).await.map_err(|errno| NetlinkError::new(op, object, errno))
    }
}

/// Asks until an answer is whole, or `patience` is at its end.
async fn whole<T: Send, S>(
    mut ask: impl FnMut() -> Result<S, Errno> + Send,
    pick: Pick<T>,
    patience: Duration,
) -> Result<Vec<T>, Errno>
where
    S: Stream<Item = Answer> + Send,
{
    let deadline = Instant::now() + patience;
    let mut pause = PAUSE;
    loop {
        let torn = match collect(ask()?, pick).await {
            Asked::Whole(found) => return Ok(found),
            Asked::Failed(errno) => return Err(errno),
            Asked::Torn(errno) => errno,
        };
        if Instant::now() >= deadline {
            return Err(torn);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Reads an answer to its end.
async fn collect<T>(answers: impl Stream<Item = Answer> + Send, pick: Pick<T>) -> Asked<T> {
    let mut answers = std::pin::pin!(answers);
    let (mut found, mut torn, mut ended) = (Vec::new(), false, false);
    while let Some(answer) = answers.next().await {
        torn |= answer.header.flags & NLM_F_DUMP_INTR != 0;
        match answer.payload {
            NetlinkPayload::InnerMessage(message) => found.extend(pick(message)),
            NetlinkPayload::Error(error) => return refused(error.raw_code()),
            NetlinkPayload::Done(done) if done.code < 0 => return refused(done.code),
            NetlinkPayload::Done(_) => ended = true,
            // Answers were lost for want of room.
            NetlinkPayload::Overrun(_) => torn = true,
            _ => {}
        }
    }
    match (torn, ended) {
        (true, _) => Asked::Torn(Errno::EINTR),
        (false, true) => Asked::Whole(found),
        // The connection went while the kernel was still writing.
        (false, false) => Asked::Failed(Errno::ENOTCONN),
    }
}

fn refused<T>(code: i32) -> Asked<T> {
    match Errno::from_raw(code.saturating_neg()) {
        errno @ (Errno::EBUSY | Errno::EINTR | Errno::EAGAIN) => Asked::Torn(errno),
        errno => Asked::Failed(errno),
    }
}
