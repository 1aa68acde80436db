//! `kubeovn-ctl check`: is this node fit to run Kube-OVN?
//!
//! ```text
//!   this node ──> collect (behind Host) ──┐
//!                                         ├──> Facts ──> judge (pure) ──> Findings ──> table, JSON, exit code
//!   API server, if it is named ───────────┘
//! ```
//!
//! Nothing of the node is changed. What has to be tried (links, rules, sets) is made in a network namespace of its own that
//! is gone with the process; the kernel may load a module for it.

mod collect;
mod facts;
mod finding;
mod host;
mod judge;
mod members;

use std::path::PathBuf;

use clap::{Args as Group, ValueEnum};
use kubeovn_core::addr::Cidr;
use kubeovn_core::index::NetworkType;
use nix::unistd::Uid;
use serde_json::json;

use self::facts::Wish;
use self::finding::{Finding, Severity};
use self::host::ThisNode;
use super::cluster::args::{Printed, Server};
use super::cluster::show;
use super::cluster::text::{counted, table};
use super::error::CtlError;
use super::outcome::Found;
use super::paint::Paint;

/// What stands behind `check`.
#[derive(Debug, Group)]
#[allow(clippy::struct_field_names, reason = "they are named as the options")]
pub struct Args {
    /// Prefixes of pods: IPv4, IPv6, or both with a comma between
    #[arg(long, value_name = "CIDR", value_delimiter = ',', default_value = "10.16.0.0/16")]
    pod_cidr: Vec<Cidr>,
    /// Those of the subnet that connects nodes
    #[arg(long, value_name = "CIDR", value_delimiter = ',', default_value = "100.64.0.0/16")]
    join_cidr: Vec<Cidr>,
    /// Those of Services
    #[arg(long, value_name = "CIDR", value_delimiter = ',', default_value = "10.96.0.0/12")]
    service_cidr: Vec<Cidr>,
    /// Interface of tunnels, as the daemon's flag; without it that of the node's address
    #[arg(long, value_name = "NAME", default_value = "")]
    iface: String,
    /// MTU of pods; without it what the interface leaves
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    mtu: u32,
    /// What tunnels are made of
    #[arg(long, value_enum, default_value_t)]
    network_type: Network,
    /// Folder of the container runtime's networks
    #[arg(long, value_name = "DIR", default_value = "/etc/cni/net.d")]
    cni_conf_dir: PathBuf,
    /// Our file in it
    #[arg(long, value_name = "FILE", default_value = "01-kube-ovn.conflist")]
    cni_conf_name: String,
    /// Name of this node in the cluster; without it the host's name
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
    /// Exit code 1 if there are warnings and no failures
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    printed: Printed,
}

/// What tunnels are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Network {
    /// Geneve, UDP port 6081.
    #[default]
    Geneve,
    /// VXLAN, UDP port 4789.
    Vxlan,
}

impl Args {
    fn wish(&self) -> Wish {
        let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        Wish {
            pods: self.pod_cidr.clone(),
            join: self.join_cidr.clone(),
            services: self.service_cidr.clone(),
            iface: self.iface.clone(),
            mtu: self.mtu,
            network: match self.network_type {
                Network::Geneve => NetworkType::Geneve,
                Network::Vxlan => NetworkType::Vxlan,
            },
            conf_name: self.cni_conf_name.clone(),
            // Kubernetes knows names in small letters alone.
            node: self.node_name.clone().or_else(host).unwrap_or_default().trim().to_lowercase(),
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// Why it can't be told: not root, or the cluster that was named does not answer.
pub async fn run(args: Args) -> Result<Found, CtlError> {
    if !Uid::effective().is_root() {
        return Err(CtlError::NotRoot);
    }
    let wish = args.wish();
    // First, for it fails at once if it is named wrong.
    let cluster = if args.server.is_named() { Some(members::ask(&args.server).await?) } else { None };
    let node = ThisNode::new().map_err(|reason| CtlError::NoNamespace { reason })?;
    let mut facts = collect::collect(&node, &wish, &args.cni_conf_dir).await;
    facts.cluster = cluster;
    let found = judge::judge(&facts, &wish);
    show(args.printed.json(), || to_json(&found), || to_text(&found, args.printed.paint()));
    Ok(verdict(&found, args.strict))
}

fn verdict(found: &[Finding], strict: bool) -> Found {
    match found.iter().map(|finding| finding.severity).max() {
        Some(Severity::Fail) => Found::Something,
        Some(Severity::Warn) if strict => Found::Warnings,
        _ => Found::Nothing,
    }
}

fn count(found: &[Finding], severity: Severity) -> usize {
    found.iter().filter(|finding| finding.severity == severity).count()
}

fn to_json(found: &[Finding]) -> serde_json::Value {
    let findings: Vec<_> = found.iter().map(Finding::to_json).collect();
    let (failures, warnings) = (count(found, Severity::Fail), count(found, Severity::Warn));
    json!({ "fit": failures == 0, "failures": failures, "warnings": warnings, "findings": findings })
}

fn to_text(found: &[Finding], paint: Paint) -> String {
    let rows = found.iter().map(|finding| {
        let said = if finding.severity == Severity::Ok { &finding.text } else { finding.code };
        vec![finding.severity.name().to_owned(), finding.subject.clone(), said.to_owned()]
    });
    let mut out = table(&["STATE", "WHAT", "FOUND"], &[], &rows.collect::<Vec<_>>());
    out.push('\n');
    let (failures, warnings) = (count(found, Severity::Fail), count(found, Severity::Warn));
    // What keeps it from working stands first.
    for severity in [Severity::Fail, Severity::Warn] {
        for finding in found.iter().filter(|finding| finding.severity == severity) {
            out += &finding.to_text(paint);
        }
    }
    let verdict = if failures == 0 { "fit" } else { "unfit" };
    out + &format!("{verdict}: {}, {}\n", counted(failures, "failure"), counted(warnings, "warning"))
}

#[cfg(test)]
mod tests;
