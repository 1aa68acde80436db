//! Keeps the gateway on the host as it should be.

use std::net::IpAddr;
use std::sync::Arc;

use kubeovn_core::addr::{Cidr, DualStack};
use kubeovn_core::annotations::{self, nic, node as key};
use kubeovn_core::decide::nat_exceptions;
use kubeovn_core::error::Problem;
use kubeovn_core::index::objects::{Kind, Node, Pod, Subnet, SubnetSpec};
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use super::facts::Facts;
use super::standing::{Part, Standing};
use crate::gateway::{self, Gateway, plan};
use crate::netlink::Netlink;
use crate::node_port::LINK;

/// How often the host is compared although nothing happened: somebody may have changed it by hand.
const AUDIT_EVERY: Duration = Duration::from_secs(10);
/// Changes that come together are written together.
const BREATH: Duration = Duration::from_millis(20);

/// The loop's inputs.
pub(super) struct Exit {
    pub(super) facts: watch::Receiver<Facts>,
    /// Something was changed on the host.
    pub(super) news: watch::Receiver<()>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) host: Arc<Netlink>,
    pub(super) vpc: String,
    pub(super) services: Vec<Cidr>,
    pub(super) standing: Standing,
    /// What the host was last made from; `None` when it is to be looked at anyway.
    pub(super) last: Option<gateway::Facts>,
    /// What was last said to be not in effect.
    pub(super) warned: watch::Sender<Vec<Problem>>,
}

impl Exit {
    /// Runs until the daemon ends.
    pub(super) async fn run(mut self) {
        let mut audit = Instant::now() + AUDIT_EVERY;
        loop {
            // It may have come together with other news.
            if self.news.has_changed().unwrap_or(false) {
                self.last = None;
                self.news.mark_unchanged();
            }
            let wrong = self.settle().await.err();
            if wrong.is_some() {
                self.last = None;
            }
            self.standing.tell(Part::Gateway, wrong);
            tokio::select! {
                Ok(()) = self.facts.changed() => sleep(BREATH).await,
                // With a link or an address the kernel drops the routes that need it.
                Ok(()) = self.news.changed() => {
                    self.last = None;
                    sleep(BREATH).await;
                }
                () = sleep_until(audit) => {
                    self.last = None;
                    audit = Instant::now() + AUDIT_EVERY;
                }
            }
        }
    }

    async fn settle(&mut self) -> Result<(), String> {
        let local = self.host.local_addresses().await.map_err(|error| error.to_string())?;
        let mut facts = {
            let known = self.facts.borrow_and_update();
            // What is not known yet would look as if it was not wanted.
            if ![Kind::Node, Kind::Subnet, Kind::Pod].into_iter().all(|kind| known.knows(kind)) {
                return Err("not all objects are known yet".to_owned());
            }
            let Some(node) = known.node() else {
                return Err(format!("there is no node {} in the cluster", known.name()));
            };
            facts_of(&known, node, &self.vpc, &self.services, local)?
        };
        // Most of what is told of pods and subnets is nothing to the host.
        let looked_at = facts.clone();
        if self.last.as_ref() == Some(&looked_at) {
            return Ok(());
        }
        facts.kube_proxy = self.gateway.kube_proxy().await.map_err(|error| error.to_string())?;
        let report = self.gateway.apply(&plan(&facts)).await.map_err(|error| error.to_string())?;
        for change in &report.changes {
            tracing::info!(%change, "the gateway on the host");
        }
        // What stands in the way on this host is for its operator; the node works.
        if report.problems != *self.warned.borrow() {
            for problem in &report.problems {
                tracing::warn!(error.code = problem.code, "{problem}");
            }
            self.warned.send_replace(report.problems);
        }
        self.last = Some(looked_at);
        Ok(())
    }
}

/// What the host has to do with, of all that is known.
fn facts_of(
    known: &Facts,
    node: &Node,
    vpc: &str,
    services: &[Cidr],
    local: Vec<IpAddr>,
) -> Result<gateway::Facts, String> {
    let read = |key: &str| node.meta.annotation(key).unwrap_or_default();
    if !annotations::is_true(read(key::ALLOCATED)) {
        return Err(format!(
            "node {} has no address in the join subnet yet; kube-ovn-controller gives it",
            known.name()
        ));
    }
    let join = gateway::Join {
        link: LINK.to_owned(),
        cidrs: read(key::CIDR).parse().map_err(|error| format!("annotation {}: {error}", key::CIDR))?,
        gateways: read(key::GATEWAY)
            .parse()
            .map_err(|error| format!("annotation {}: {error}", key::GATEWAY))?,
    };
    let connected = |subnet: &&Subnet| subnet.spec.vpc.is_empty() || subnet.spec.vpc == vpc;
    Ok(gateway::Facts {
        node: known.name().to_owned(),
        node_ips: node.internal,
        local,
        other_nodes: known.others().collect(),
        join,
        services: services.to_vec(),
        subnets: known.subnets().filter(connected).filter_map(|subnet| subnet_of(subnet, node)).collect(),
        unknown: known
            .unseen_subnets()
            .filter(|subnet| connected(subnet) && annotations::is_ovn(&subnet.spec.provider))
            .map(|subnet| subnet.meta.name.to_string())
            .collect(),
        pods: known.pods().filter_map(pod_of).collect(),
        kube_proxy: gateway::KubeProxy::default(),
    })
}

/// A subnet of OVN, of those in force.
fn subnet_of(subnet: &Subnet, node: &Node) -> Option<gateway::Subnet> {
    let spec = &subnet.spec;
    if !annotations::is_ovn(&spec.provider) {
        return None;
    }
    let cidrs: DualStack<Cidr> = spec.cidr_block.parse().ok()?;
    let egress = (!spec.external_egress_gateway.is_empty()).then(|| gateway::Egress {
        gateways: spec.external_egress_gateway.parse().unwrap_or_default(),
        priority: spec.policy_routing_priority,
        table: spec.policy_routing_table,
    });
    // What can't be in force the controller tells the subnet.
    let exceptions = nat_exceptions(subnet).in_force.into_iter();
    Some(gateway::Subnet {
        name: subnet.meta.name.to_string(),
        uid: subnet.meta.uid.to_string(),
        cidrs,
        carrier: carrier(spec),
        deleting: subnet.meta.deleting,
        nat_outgoing: spec.nat_outgoing,
        nat_rules: exceptions.map(|(_, exception)| exception).collect(),
        gateway: if spec.gateway_type.trim() == "centralized" {
            gateway::SubnetGateway::Centralized {
                nodes: spec.gateway_node.clone(),
                selected: spec.gateway_node_selectors.iter().any(|s| s.matches(&node.meta.labels)),
                all: spec.enable_ecmp,
                active: subnet.status.activateGateway.clone(),
            }
        } else {
            gateway::SubnetGateway::Distributed
        },
        egress,
    })
}

/// What carries its packets. Without a vlan the fields about it mean nothing.
fn carrier(spec: &SubnetSpec) -> gateway::Carrier {
    if spec.vlan.is_empty() {
        gateway::Carrier::Overlay
    } else if spec.logical_gateway {
        gateway::Carrier::LogicalGateway
    } else {
        gateway::Carrier::Underlay { connected: spec.u2o_interconnection && spec.enable_lb != Some(true) }
    }
}

fn pod_of(pod: &Pod) -> Option<gateway::Pod> {
    let told = |key: annotations::NicKey| pod.meta.annotation(key.ovn());
    let ips = told(nic::IP_ADDRESS).filter(|_| told(nic::ALLOCATED) == Some("true"))?.parse().ok()?;
    Some(gateway::Pod { subnet: told(nic::LOGICAL_SWITCH)?.to_owned(), ips })
}

#[cfg(test)]
mod tests;
