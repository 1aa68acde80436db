//! What the cluster's objects say, as the report and the picture show it.

use std::collections::BTreeMap;

use kubeovn_core::annotations::{self, nic};
use kubeovn_core::cluster::memory::MemoryCluster;
use kubeovn_core::index::objects::{Condition, Kind, Node, Object, ObjectKey, Pod, Subnet, Vpc};

use super::manifest::PodName;
use super::report::{NodeLine, PodLine, Problem, RejectedLine, Report, SubnetLine};
use super::svg::{PodBox, SubnetBox, Topology, VpcBox};
use crate::cluster::folder::{Findings, Rejected, Severity};

/// The VPC of subnets that name none.
const DEFAULT_VPC: &str = "ovn-cluster";

/// The objects of a cluster at one moment.
#[derive(Debug, Default)]
pub struct View {
    /// By name.
    pub nodes: Vec<Node>,
    /// By name.
    pub vpcs: Vec<Vpc>,
    /// By name.
    pub subnets: Vec<Subnet>,
    /// Those that need a network, by namespace and name.
    pub pods: Vec<Pod>,
}

/// What only the lab knows.
#[derive(Debug, Default)]
pub struct Machines {
    /// The nodes whose machine is up.
    pub up: Vec<String>,
    /// What is wrong with pods, as their container runtime saw it.
    pub trouble: BTreeMap<PodName, Problem>,
}

impl View {
    /// Looks at a cluster.
    pub fn of(cluster: &MemoryCluster) -> Self {
        let mut view = Self::default();
        for kind in [Kind::Node, Kind::Vpc, Kind::Subnet, Kind::Pod] {
            for object in cluster.objects(kind) {
                match object {
                    Object::Node(node) => view.nodes.push(node),
                    Object::Vpc(vpc) => view.vpcs.push(vpc),
                    Object::Subnet(subnet) => view.subnets.push(subnet),
                    Object::Pod(pod) if pod.needs_network() => view.pods.push(pod),
                    _ => {}
                }
            }
        }
        view
    }

    /// What the controller has not come to yet, for people; none if it has seen everything as it is now.
    pub fn undecided(&self) -> Option<String> {
        let vpcs = self.vpcs.iter().map(|vpc| (&vpc.meta, &vpc.status.conditions, "VPC"));
        let subnets = self.subnets.iter().map(|subnet| (&subnet.meta, &subnet.status.conditions, "subnet"));
        for (meta, conditions, kind) in vpcs.chain(subnets) {
            let done = |condition: &Condition| {
                *condition.r#type == *"Ready"
                    && condition.observed_generation >= meta.generation
                    && (*condition.status == *"True" || !condition.message.is_empty())
            };
            if !conditions.iter().any(done) {
                return Some(format!("{kind} {}", meta.name));
            }
        }
        let waits = |node: &&Node| node.meta.annotation(annotations::node::ALLOCATED).is_none();
        if let Some(node) = self.nodes.iter().find(waits) {
            return Some(format!("the address of node {}", node.meta.name));
        }
        let waits = |pod: &&Pod| {
            pod.node.is_some() && !pod.meta.deleting && given(pod).is_none() && error(pod).is_none()
        };
        self.pods.iter().find(waits).map(|pod| format!("the addresses of pod {}", name(pod)))
    }

    /// The report, without probes.
    pub fn report(&self, findings: &Findings, machines: &Machines) -> Report {
        let nodes = self.nodes.iter().map(|node| NodeLine {
            name: node.meta.name.to_string(),
            ready: machines.up.iter().any(|up| **up == *node.meta.name)
                && node.meta.annotation(annotations::node::ALLOCATED).is_some_and(annotations::is_true),
        });
        let pods = self.pods.iter().map(|pod| {
            let said = |key: annotations::NicKey| pod.meta.annotation(key.ovn()).unwrap_or_default();
            let allocated = given(pod).is_some();
            PodLine {
                namespace: pod.meta.namespace.to_string(),
                name: pod.meta.name.to_string(),
                node: pod.node.as_deref().unwrap_or_default().to_owned(),
                subnet: said(nic::LOGICAL_SWITCH).to_owned(),
                ips: given(pod)
                    .map(|ips| annotations::items(ips).map(str::to_owned).collect())
                    .unwrap_or_default(),
                mac: if allocated { said(nic::MAC_ADDRESS).to_owned() } else { String::new() },
                error: error(pod)
                    .or_else(|| machines.trouble.get(&name(pod)).cloned())
                    .or_else(|| unscheduled(pod)),
            }
        });
        let of = |severity| findings.rejected.iter().filter(move |found| found.severity == severity);
        Report {
            nodes: nodes.collect(),
            subnets: self.subnets.iter().map(subnet_line).collect(),
            pods: pods.collect(),
            probes: Vec::new(),
            rejected: of(Severity::Error).map(rejected_line).chain(self.refused(findings)).collect(),
            warnings: of(Severity::Warning).map(ToString::to_string).collect(),
        }
    }

    /// Objects that can be read and are not in effect, with the place where they stand.
    fn refused(&self, findings: &Findings) -> impl Iterator<Item = RejectedLine> {
        let vpcs = self.vpcs.iter().map(|vpc| (Kind::Vpc, &vpc.meta, refusal(&vpc.status.conditions)));
        let subnets = self.subnets.iter().map(|s| (Kind::Subnet, &s.meta, refusal(&s.status.conditions)));
        let pods = self.pods.iter().map(|pod| (Kind::Pod, &pod.meta, error(pod)));
        vpcs.chain(subnets).chain(pods).filter_map(|(kind, meta, problem)| {
            let Problem { code, message } = problem?;
            let key = ObjectKey { kind, namespace: meta.namespace.clone(), name: meta.name.clone() };
            let (file, line) = findings.places.get(&key).cloned().unwrap_or_default();
            let (kind, name) = (Some(kind.name().to_owned()), Some(key.full_name()));
            Some(RejectedLine { file, line, kind, name, code, message })
        })
    }

    /// The picture.
    pub fn topology(&self, report: &Report) -> Topology {
        let pods_of = |subnet: &Subnet| {
            let here = report.pods.iter().filter(|pod| *pod.subnet == *subnet.meta.name);
            here.map(|pod| PodBox {
                name: format!("{}/{}", pod.namespace, pod.name),
                node: pod.node.clone(),
                ips: pod.ips.clone(),
                broken: pod.error.is_some(),
            })
            .collect()
        };
        let subnets_of = |vpc: &Vpc| {
            let here = self.subnets.iter().filter(|subnet| vpc_of(subnet) == &*vpc.meta.name);
            here.map(|subnet| SubnetBox {
                name: subnet.meta.name.to_string(),
                cidr: subnet.spec.cidr_block.clone(),
                remark: remark(subnet),
                pods: pods_of(subnet),
            })
            .collect()
        };
        let boxes =
            self.vpcs.iter().map(|vpc| VpcBox { name: vpc.meta.name.to_string(), subnets: subnets_of(vpc) });
        let mut vpcs: Vec<VpcBox> = boxes.collect();
        // What everybody has comes first.
        vpcs.sort_by_key(|vpc| vpc.name != DEFAULT_VPC);
        Topology {
            nodes: report.nodes.iter().map(|node| node.name.clone()).collect(),
            vpcs,
            peerings: Vec::new(),
        }
    }
}

/// The name by which the lab knows a pod.
pub fn name(pod: &Pod) -> PodName {
    PodName { namespace: pod.meta.namespace.to_string(), name: pod.meta.name.to_string() }
}

/// The addresses that a pod was given.
pub fn given(pod: &Pod) -> Option<&str> {
    pod.meta.annotation(nic::ALLOCATED.ovn()).filter(|yes| annotations::is_true(yes))?;
    pod.meta.annotation(nic::IP_ADDRESS.ovn())
}

/// Why a pod has no addresses.
pub fn error(pod: &Pod) -> Option<Problem> {
    let text = pod.meta.annotation(nic::ERROR.ovn())?;
    Some(Problem::new(text.split(':').next().unwrap_or_default(), text))
}

/// There is no scheduler here.
fn unscheduled(pod: &Pod) -> Option<Problem> {
    let text = "it is on no node, and the lab has no scheduler; set spec.nodeName to one of the nodes";
    pod.node.is_none().then(|| Problem::new("LAB-POD-UNSCHEDULED", text))
}

fn vpc_of(subnet: &Subnet) -> &str {
    if subnet.spec.vpc.is_empty() { DEFAULT_VPC } else { &subnet.spec.vpc }
}

fn subnet_line(subnet: &Subnet) -> SubnetLine {
    let status = &subnet.status;
    // Of a dual-stack subnet IPv4 is the family that runs out.
    let v4 = subnet.spec.cidr_block.contains('.');
    let (used, available) = if v4 {
        (status.v4usingIPs.0, status.v4availableIPs.0)
    } else {
        (status.v6usingIPs.0, status.v6availableIPs.0)
    };
    SubnetLine {
        name: subnet.meta.name.to_string(),
        vpc: vpc_of(subnet).to_owned(),
        cidr: subnet.spec.cidr_block.clone(),
        used,
        available,
        error: refusal(&status.conditions),
        warning: remark_of(&status.conditions),
    }
}

fn remark(subnet: &Subnet) -> String {
    match (subnet.spec.private, subnet.spec.allow_subnets.as_slice()) {
        (false, _) => String::new(),
        (true, []) => "private".to_owned(),
        (true, allowed) => format!("private, allows {}", allowed.join(", ")),
    }
}

/// Why an object is not in effect.
fn refusal(conditions: &[Condition]) -> Option<Problem> {
    let ready = conditions.iter().find(|condition| *condition.r#type == *"Ready")?;
    (*ready.status != *"True" && !ready.message.is_empty())
        .then(|| Problem::new(&ready.reason, &ready.message))
}

/// What of an object has no effect although the rest has.
fn remark_of(conditions: &[Condition]) -> Option<String> {
    let ready = conditions.iter().find(|condition| *condition.r#type == *"Ready")?;
    (*ready.status == *"True" && !ready.message.is_empty()).then(|| ready.message.to_string())
}

fn rejected_line(found: &Rejected) -> RejectedLine {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    RejectedLine {
        file: found.file.clone(),
        line: found.line,
        kind: some(&found.kind),
        name: some(&found.name),
        code: found.code.to_owned(),
        message: found.message.clone(),
    }
}

#[cfg(test)]
mod tests;
