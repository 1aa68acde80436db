//! Whether gateways answer: in rounds, while the driver goes on.
//!
//! Every five seconds each address that the facts name is asked up to five times, a second each; the first answer is
//! enough. What many rounds say together is [decided](kubeovn_core::decide::Hearing) elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use kubeovn_core::{
    addr::Family,
    decide::{self, Hearing},
    index::World,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};
use tracing::{info, warn};

use crate::icmp;

/// Asks addresses whether they answer.
///
/// # Cancellation
/// Safe.
#[async_trait]
pub trait Prober: Send + Sync {
    /// Asks once.
    ///
    /// # Errors
    /// With `TimedOut` when no answer comes within this time; the system's when it could not be asked.
    async fn ask(&self, ip: IpAddr, within: Duration) -> io::Result<()>;
}

/// Asks by echo requests, from the namespace of the runtime's threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Icmp;

#[async_trait]
impl Prober for Icmp {
    async fn ask(&self, ip: IpAddr, within: Duration) -> io::Result<()> {
        let deadline = Instant::now() + within;
        let (socket, question) = icmp::open(ip)?;
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        socket.connect((ip, 0)).await?;
        socket.send(&question.request(1)).await?;
        let mut packet = [0; 256];
        loop {
            let length = timeout_at(deadline, socket.recv(&mut packet)).await??;
            if packet.get(..length).is_some_and(|packet| question.is_answer(packet)) {
                return Ok(());
            }
        }
    }
}

/// A network of addresses of which some don't answer, in memory.
#[derive(Debug, Default)]
pub struct MemoryProber(Mutex<BTreeSet<IpAddr>>);

impl MemoryProber {
    /// From now on these do not answer, and all others do.
    pub fn silence(&self, ips: impl IntoIterator<Item = IpAddr>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ips.into_iter().collect();
    }
}

#[async_trait]
impl Prober for MemoryProber {
    async fn ask(&self, ip: IpAddr, _: Duration) -> io::Result<()> {
        let silent = self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&ip);
        if silent { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

/// How it is asked.
#[derive(Clone)]
pub struct Asking {
    /// Who asks.
    pub prober: Arc<dyn Prober>,
    /// From one round to the next.
    pub every: Duration,
    /// So often in a round.
    pub times: u32,
    /// So long for each answer.
    pub within: Duration,
}

impl Asking {
    /// As Kube-OVN does.
    pub fn new(prober: Arc<dyn Prober>) -> Self {
        Asking { prober, every: Duration::from_secs(5), times: 5, within: Duration::from_secs(1) }
    }
}

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Asking { prober: _, every, times, within } = self;
        f.debug_struct("Asking").field("every", every).field("times", times).field("within", within).finish()
    }
}

/// What there is to do.
#[derive(Debug)]
pub(super) enum Turn {
    /// A round is due: [`Rounds::begin`].
    Due,
    /// One is over: [`Rounds::end`].
    Over(Answers),
}

/// What became of the questions of a round.
type Answers = Vec<(IpAddr, io::Result<()>)>;

/// The rounds, one at a time.
pub(super) struct Rounds {
    asking: Option<Asking>,
    round: JoinSet<Answers>,
    next: Instant,
    hearing: Hearing,
    blind: BTreeSet<Family>,
}

impl Rounds {
    pub(super) fn new(asking: Option<Asking>) -> Self {
        let next = Instant::now();
        Rounds { asking, round: JoinSet::new(), next, hearing: Hearing::default(), blind: BTreeSet::new() }
    }

    /// Waits for something to do; for ever when nobody asks.
    ///
    /// # Cancellation
    /// Safe.
    pub(super) async fn next(&mut self) -> Turn {
        if self.asking.is_none() {
            std::future::pending::<()>().await;
        }
        match self.round.join_next().await {
            Some(Ok(answers)) => Turn::Over(answers),
            // Who panicked heard nothing.
            Some(Err(_)) => Turn::Over(Vec::new()),
            None => {
                sleep_until(self.next).await;
                Turn::Due
            }
        }
    }

    /// Begins a round among those of whom the facts want to know.
    pub(super) fn begin(&mut self, world: &World) {
        let Some(asking) = self.asking.clone() else { return };
        self.next = Instant::now() + asking.every;
        let asked = decide::asked(world);
        self.round.spawn(async move {
            join_all(asked.into_iter().map(|ip| {
                let asking = asking.clone();
                async move { (ip, insist(&asking, ip).await) }
            }))
            .await
        });
    }

    /// Takes a round in. Answers who is silent, if that is news.
    pub(super) fn end(&mut self, answers: Answers, world: &World) -> Option<BTreeSet<IpAddr>> {
        let heard: BTreeMap<IpAddr, bool> =
            answers.iter().map(|(ip, answer)| (*ip, answer.is_ok())).collect();
        let before = world.silent();
        let mut silent = self.hearing.round(&heard, before);
        // Who is silent by what the rows say, and was not asked yet when the round began.
        let unheard =
            decide::asked(world).into_iter().filter(|ip| before.contains(ip) && !heard.contains_key(ip));
        silent.extend(unheard);
        self.tell_of_blindness(&answers);
        for ip in silent.difference(before) {
            warn!(%ip, "a gateway does not answer: others are used instead, where there are some");
        }
        for ip in before.difference(&silent).filter(|ip| heard.contains_key(ip)) {
            info!(%ip, "a gateway is used again");
        }
        (silent != *before).then_some(silent)
    }

    /// Said once, and once when it is over.
    fn tell_of_blindness(&mut self, answers: &Answers) {
        let blind: BTreeSet<Family> = self.hearing.blind().collect();
        for family in blind.difference(&self.blind) {
            let of_family = answers.iter().filter(|(ip, _)| Family::of(*ip) == *family);
            let reason = of_family.filter_map(|(_, answer)| answer.as_ref().err()).next_back();
            let reason = reason.map(ToString::to_string).unwrap_or_default();
            warn!(
                %family,
                reason,
                "no gateway answers to this controller: whether nodes are ready decides alone. Let it ping (CAP_NET_RAW, or \
                 its group in net.ipv4.ping_group_range), and give it a route to the join subnet"
            );
        }
        for family in self.blind.difference(&blind) {
            info!(%family, "gateways answer to this controller");
        }
        self.blind = blind;
    }

    /// The families in which no gateway answers, so that nothing is known of them.
    pub(super) fn blind(&self) -> &BTreeSet<Family> {
        &self.blind
    }
}

/// Asks again until an answer comes, as often as a round does. What can't be sent is tried again no sooner than what gets no
/// answer.
async fn insist(asking: &Asking, ip: IpAddr) -> io::Result<()> {
    let mut answer = Ok(());
    for _ in 0..asking.times {
        let over = Instant::now() + asking.within;
        answer = asking.prober.ask(ip, asking.within).await;
        if answer.is_ok() {
            break;
        }
        sleep_until(over).await;
    }
    answer
}

#[cfg(test)]
mod tests;
