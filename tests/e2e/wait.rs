//! Waiting for what should come soon.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// How long, on a machine that does other things, too.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

const PAUSE: Duration = Duration::from_millis(50);

/// Waits for an answer. Panics with what the last refusal said.
pub(crate) async fn until<T>(what: &str, mut answer: impl AsyncFnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match answer().await {
            Ok(answer) => return answer,
            Err(why) => assert!(began.elapsed() < PATIENCE, "waited in vain for {what}: {why}"),
        }
        sleep(PAUSE).await;
    }
}
