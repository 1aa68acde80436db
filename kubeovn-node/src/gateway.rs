//! The gateway on the host: how packets of pods leave the cluster, and how the host reaches pods.
//!
//! ```text
//!  Facts ──> plan ──> Plan ──┬─> HostFirewall ──> nftables, or iptables and ipset, or memory
//!                            ├─> routes and rules (rtnetlink)
//!                            └─> kernel settings
//! ```
//! [`plan`] is pure: what should be is one value. [`Gateway::apply`] makes it be so, again and again: what is as it should
//! be is not written, and what somebody changed is mended. A restart changes nothing, and no start begins by clearing.
//!
//! ```no_run
//! use kubeovn_node::gateway::{Facts, Gateway, Nft, plan};
//! use kubeovn_node::netns::NetNs;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let host = NetNs::current()?;
//! let gateway = Gateway::new(&host, Nft::new(&host))?;
//! let facts = Facts { node: "n1".to_owned(), ..Facts::default() };
//! let report = gateway.apply(&plan(&facts)).await?;
//! for change in &report.changes {
//!     tracing::info!("{change}");
//! }
//! # Ok(())
//! # }
//! ```

mod error;
mod facts;
mod firewall;
mod iptables;
mod kube_proxy;
mod nft;
mod plan;
mod routing;
#[cfg(test)]
mod samples;
mod takeover;
mod tool;

use kubeovn_core::addr::DualStack;
use kubeovn_core::error::Problem;
use tokio::sync::Mutex;

pub use self::error::GatewayError;
pub use self::facts::{
    Carrier, Egress, Facts, Gateway as SubnetGateway, Join, KubeProxy, NatAction, NatRule, Pod, Subnet,
};
pub use self::firewall::{Change, HostFirewall, MemoryFirewall, Side, Traffic, What};
pub use self::iptables::{Iptables, Programs};
pub use self::kube_proxy::kube_proxy;
pub use self::nft::{Nft, TABLE};
pub use self::plan::{
    Action, Chain, Mark, Match, Plan, PolicyJump, Protocol, Routing, Rule, Rules, Set, plan,
};
use self::takeover::Takeover;
pub use self::tool::ToolError;
use crate::netlink::Netlink;
use crate::netns::NetNs;
use crate::sysctl;

/// Makes a host be as planned.
#[derive(Debug)]
pub struct Gateway {
    ns: NetNs,
    wire: Netlink,
    firewall: Box<dyn HostFirewall>,
    takeover: Option<Takeover>,
    /// Two at once would each mend what the other does.
    turn: Mutex<()>,
}

/// What an apply did. Without changes nothing was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is different now, in the order in which it was done.
    pub changes: Vec<Change>,
    /// What is not in effect although it was asked for: those of the plan, and what stands in the way on the host.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Was nothing changed?
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl Gateway {
    /// The gateway of the host with this namespace. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// `GATEWAY-ROUTES` when the namespace can't be entered.
    pub fn new(ns: &NetNs, firewall: impl HostFirewall + 'static) -> Result<Self, GatewayError> {
        Ok(Gateway {
            ns: ns.clone(),
            wire: Netlink::new(ns)?,
            firewall: Box::new(firewall),
            takeover: None,
            turn: Mutex::default(),
        })
    }

    /// Takes away what other writers left, once ours are in effect: the chains and sets of Kube-OVN when ours is nftables,
    /// the tables `kube-ovn` when ours is iptables. Until that has gone well once, every apply tries.
    ///
    /// As long as the writer [warns](HostFirewall::warnings), the rules that accept stay: what the host would drop without
    /// them passes as before.
    pub fn with_takeover(mut self) -> Self {
        self.takeover = Some(Takeover::new(&self.ns));
        self
    }

    /// Makes the host be as planned. Calls wait for each other. A plan without any family is what comes of facts that are not
    /// known yet: everything stays as it is, and only its problems are repeated.
    ///
    /// # Errors
    /// The first failure, after everything was tried. The next apply does what is left.
    ///
    /// # Cancellation
    /// Every step leaves something that works; the next apply makes it right.
    pub async fn apply(&self, plan: &Plan) -> Result<Report, GatewayError> {
        let _turn = self.turn.lock().await;
        let mut report = Report { changes: Vec::new(), problems: plan.problems.clone() };
        if plan.rules.is_empty() {
            return Ok(report);
        }
        let mut failure = None;
        match self.settings(plan) {
            Ok(changes) => report.changes.extend(changes),
            Err(error) => failure = Some(error),
        }
        match self.firewall.apply(&plan.rules).await {
            Ok(changes) => {
                report.changes.extend(changes);
                let left = async {
                    let warnings = self.firewall.warnings().await?;
                    // What only others' rules let through would be dropped without them.
                    let spare = !warnings.is_empty();
                    report.problems.extend(warnings);
                    if let Some(takeover) = &self.takeover {
                        report.changes.extend(takeover.apply(&*self.firewall, spare).await?);
                    }
                    Ok(())
                };
                failure = failure.or(left.await.err());
            }
            Err(error) => failure = failure.or(Some(error)),
        }
        let routed = routing::apply(&self.wire, &plan.routing).await;
        report.changes.extend(routed.changes);
        report.problems.extend(routed.problems);
        match failure.or(routed.failure) {
            Some(error) => {
                // The next report knows nothing of them.
                report.changes.iter().for_each(|change| tracing::info!(%change, "changed on the host"));
                Err(error)
            }
            None => Ok(report),
        }
    }

    /// What kube-proxy keeps in kernel sets on this host: see [`kube_proxy()`].
    ///
    /// # Errors
    /// `GATEWAY-FIREWALL` when ipset does not answer.
    pub async fn kube_proxy(&self) -> Result<KubeProxy, GatewayError> {
        kube_proxy(&self.ns).await
    }

    /// What has passed the host per prefix of a subnet.
    ///
    /// # Errors
    /// `GATEWAY-FIREWALL`.
    pub async fn traffic(&self) -> Result<Vec<Traffic>, GatewayError> {
        self.firewall.traffic().await
    }

    /// Takes away all that is ours but kernel settings: packets of pods then leave with their own addresses.
    ///
    /// # Errors
    /// The first failure, after everything was tried.
    pub async fn remove(&self, link: &str) -> Result<Report, GatewayError> {
        let _turn = self.turn.lock().await;
        let nothing = Routing { link: link.to_owned(), ..Routing::default() };
        let routed = routing::apply(&self.wire, &nothing).await;
        let changes = self.firewall.apply(&DualStack::default()).await;
        match (changes, routed.failure) {
            (Ok(changes), None) => Ok(Report {
                changes: routed.changes.into_iter().chain(changes).collect(),
                problems: Vec::new(),
            }),
            (Err(error), _) | (_, Some(error)) => Err(error),
        }
    }

    /// Settings one by one, so that one that can't be set stops no other.
    fn settings(&self, plan: &Plan) -> Result<Vec<Change>, GatewayError> {
        let (mut changes, mut failure) = (Vec::new(), None);
        for (key, value) in &plan.settings {
            match self.setting(key, value) {
                Ok(false) => {}
                Ok(true) => changes.push(Change::new(format!("setting {key} = {value}"), What::Replaced)),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(changes), |error| Err(error.into()))
    }

    fn setting(&self, key: &str, value: &str) -> Result<bool, sysctl::SysctlError> {
        if sysctl::read(&self.ns, key)? == value {
            return Ok(false);
        }
        sysctl::write(&self.ns, &[(key, value)]).map(|()| true)
    }
}
