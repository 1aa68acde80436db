//! Sends the packets that probes speak of, and says what became of them.
//!
//! Sockets are made inside the namespaces where probes start and arrive, on threads of their own; from then on
//! they are driven by the runtime like any other, so hundreds of checks wait side by side. A check is repeated
//! while it is not as expected, since a fabric takes a moment to settle; in the end all are done once more
//! together, and that is what counts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use kubeovn_node::netns::NetNs;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use self::listen::Listeners;
use super::manifest::{Expect, Family, PodName, Probe, Source, Target, Traffic};

mod listen;
mod send;

/// How many checks are under way at once.
const AT_ONCE: usize = 64;

/// One attempt waits this long for an answer.
const ATTEMPT: Duration = Duration::from_millis(300);

/// Attempts without an answer until traffic counts as denied: one lost packet proves nothing.
const ATTEMPTS_DENIED: u32 = 3;

/// Attempts where an answer is expected; the first answer ends them.
const ATTEMPTS_ALLOWED: u32 = 10;

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(200);

/// Where probes can start and arrive, at the moment.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The pods that have a network.
    pub pods: BTreeMap<PodName, Place>,
    /// The nodes that are up, with their addresses on the join subnet.
    pub nodes: BTreeMap<String, Place>,
}

/// One end of a probe.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its namespace.
    pub netns: NetNs,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
}

/// What became of a probe's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// They were answered.
    Allow,
    /// They were not answered.
    Deny,
    /// None could be sent.
    Unknown,
}

/// A probe in one address family, and what was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The probe's name, with `/v4` or `/v6` behind it where the probe is about both families.
    pub name: String,
    /// The family; none if no packet could be sent and the probe names none.
    pub family: Option<Family>,
    /// What must become of the packets.
    pub expected: Expect,
    /// What became of them.
    pub seen: Seen,
    /// How long the answer took, or how long it was waited for, in milliseconds.
    pub ms: f64,
    /// Why no packet could be sent.
    pub note: Option<String>,
}

impl Outcome {
    /// Whether it is as expected.
    pub fn is_good(&self) -> bool {
        matches!((self.expected, self.seen), (Expect::Allow, Seen::Allow) | (Expect::Deny, Seen::Deny))
    }
}

/// One probe in one address family, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Check {
    name: String,
    family: Option<Family>,
    expected: Expect,
    /// Or why it cannot be sent.
    route: Result<Route, String>,
}

#[derive(Debug, Clone)]
struct Route {
    from: NetNs,
    to: IpAddr,
    /// The places that have the address `to`: several, where networks that know nothing of each other use it.
    at: Vec<NetNs>,
    traffic: Traffic,
}

/// Does all probes: those not as expected again and again for `patience`, then all once more.
///
/// `places` is asked anew for each round; `progress` hears after each how many are as expected, and of how many.
pub async fn run(
    probes: &[Probe],
    places: impl Fn() -> Places,
    patience: Duration,
    progress: impl Fn(usize, usize),
) -> Vec<Outcome> {
    let deadline = Instant::now() + patience;
    let mut bad: Vec<Probe> = probes.to_vec();
    let mut listeners = Listeners::default();
    while !bad.is_empty() {
        let outcomes = round(&bad, &places(), &mut listeners).await;
        let good: Vec<bool> = outcomes.iter().map(|of_probe| of_probe.iter().all(Outcome::is_good)).collect();
        let mut good = good.into_iter();
        bad.retain(|_| !good.next().unwrap_or(false));
        progress(probes.len() - bad.len(), probes.len());
        if Instant::now() >= deadline {
            break;
        }
        if !bad.is_empty() {
            sleep(PAUSE).await;
        }
    }
    let outcomes = round(probes, &places(), &mut listeners).await;
    listeners.listen(&[]).await;
    outcomes.into_iter().flatten().collect()
}

/// Sends one echo request and waits a second for its answer. Returns whether it came.
pub(super) async fn touch(from: NetNs, to: Ipv4Addr) -> bool {
    send::echo(&from, IpAddr::V4(to), 1, Duration::from_secs(1)).await.is_ok_and(|answer| answer.is_some())
}

/// Does all checks of these probes at once: the outcomes of each probe, in the same order.
async fn round(probes: &[Probe], places: &Places, listeners: &mut Listeners) -> Vec<Vec<Outcome>> {
    let checks: Vec<Vec<Check>> = probes.iter().map(|probe| expand(probe, places)).collect();
    let routes = checks.iter().flatten().filter_map(|check| check.route.as_ref().ok());
    let asked: Vec<(&NetNs, IpAddr, Traffic)> =
        routes.flat_map(|route| route.at.iter().map(|netns| (netns, route.to, route.traffic))).collect();
    listeners.listen(&asked).await;
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    join_all(
        checks.into_iter().map(|of_probe| join_all(of_probe.into_iter().map(|check| check.perform(&slots)))),
    )
    .await
}

impl Check {
    async fn perform(self, slots: &Semaphore) -> Outcome {
        // Fails only when closed, which nobody does; without a slot it is merely done at once.
        let _slot = slots.acquire().await;
        let started = Instant::now();
        let attempts = if self.expected == Expect::Allow { ATTEMPTS_ALLOWED } else { ATTEMPTS_DENIED };
        let seen = match &self.route {
            Ok(route) => send::send(&route.from, route.to, route.traffic, attempts, ATTEMPT).await,
            Err(why) => Err(why.clone()),
        };
        let (seen, took, note) = match seen {
            Ok(Some(took)) => (Seen::Allow, took, None),
            Ok(None) => (Seen::Deny, started.elapsed(), None),
            Err(why) => (Seen::Unknown, Duration::ZERO, Some(why)),
        };
        let ms = (took.as_secs_f64() * 100_000.0).round() / 100.0;
        Outcome { name: self.name, family: self.family, expected: self.expected, seen, ms, note }
    }
}

/// One check per family that both ends have, or for the one that the probe names.
fn expand(probe: &Probe, places: &Places) -> Vec<Check> {
    let check = |name: String, family, route| Check { name, family, expected: probe.spec.expect, route };
    let stuck = |why: String| vec![check(probe.name.clone(), probe.spec.family, Err(why))];
    let (from, targets, at) = match ends(probe, places) {
        Ok(ends) => ends,
        Err(why) => return stuck(why),
    };
    let mut targets: Vec<IpAddr> =
        targets.into_iter().filter(|to| from.ips.iter().any(|ip| family(*ip) == family(*to))).collect();
    targets.retain(|to| probe.spec.family.is_none_or(|wanted| wanted == family(*to)));
    targets.sort_by_key(|to| family(*to));
    targets.dedup_by_key(|to| family(*to));
    if targets.is_empty() {
        let wanted = probe.spec.family.map_or(String::new(), |family| format!(" of family {family}"));
        return stuck(format!("the two ends have no addresses{wanted} in common"));
    }
    let several = targets.len() > 1;
    let make = |to: IpAddr| {
        let family = family(to);
        let name = if several { format!("{}/{family}", probe.name) } else { probe.name.clone() };
        let at = at.iter().filter(|place| place.ips.contains(&to)).map(|place| place.netns.clone()).collect();
        let route = Route { from: from.netns.clone(), to, at, traffic: probe.spec.traffic };
        check(name, Some(family), Ok(route))
    };
    targets.into_iter().map(make).collect()
}

/// Where a probe starts, the addresses it goes to, and the places that might have them.
fn ends<'a>(probe: &Probe, places: &'a Places) -> Result<(&'a Place, Vec<IpAddr>, Vec<&'a Place>), String> {
    let pod = |name: &PodName| places.pods.get(name).ok_or_else(|| format!("pod {name} has no network"));
    let node = |name: &String| places.nodes.get(name).ok_or_else(|| format!("node {name} is not up"));
    let from = match &probe.spec.from {
        Source::Pod(name) => pod(name)?,
        Source::Node(name) => node(name)?,
    };
    let target = match &probe.spec.to {
        Target::Pod(name) => pod(name)?,
        Target::Node(name) => node(name)?,
        Target::Ip(ip) => {
            return Ok((from, vec![*ip], places.pods.values().chain(places.nodes.values()).collect()));
        }
    };
    Ok((from, target.ips.clone(), vec![target]))
}

fn family(ip: IpAddr) -> Family {
    if ip.is_ipv4() { Family::V4 } else { Family::V6 }
}

#[cfg(test)]
mod tests;
