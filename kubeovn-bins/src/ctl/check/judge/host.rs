//! Programs, ports, and other networks.

use std::collections::BTreeMap;

use kubeovn_core::index::NetworkType;

use crate::ctl::check::facts::{Facts, Holder, Protocol, Wish};
use crate::ctl::check::finding::Finding;
use crate::ctl::cluster::text::counted;

const PROGRAM: &str = "CHECK-PROGRAM";
const PORT: &str = "CHECK-PORT";
const CONF: &str = "CHECK-CNI-CONF";
const OTHER: &str = "CHECK-OTHER-CNI";
const DROPS: &str = "CHECK-FORWARD-DROPS";

/// Programs of a node's data path, and the oldest version that is tested.
const PROGRAMS: [(&str, (u32, u32)); 3] =
    [("ovs-vswitchd", (3, 1)), ("ovsdb-server", (3, 1)), ("ovn-controller", (22, 3))];

/// Who may need a port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needed {
    /// Every node.
    Everywhere,
    /// Nodes of OVN's databases and of the controller.
    Central,
}

/// Ports, whose they are, and who may have them by then.
const PORTS: [(u16, &str, &[&str], Needed); 6] = [
    (6641, "the Northbound", &["ovsdb-server"], Needed::Central),
    (6642, "the Southbound", &["ovsdb-server"], Needed::Central),
    (6643, "members of the Northbound", &["ovsdb-server"], Needed::Central),
    (6644, "members of the Southbound", &["ovsdb-server"], Needed::Central),
    (10660, "the controller's probes", OURS, Needed::Central),
    (10665, "the daemon's probes", OURS, Needed::Everywhere),
];

/// How names of our programs begin, ours and those of Kube-OVN.
const OURS: &[&str] = &["kubeovn-", "kube-ovn-"];

/// All TCP ports that are looked at.
pub(in crate::ctl::check) fn tcp_ports() -> impl Iterator<Item = u16> {
    PORTS.iter().map(|(port, ..)| *port)
}

/// The port of tunnels, and the link that the kernel has for it when OVS made it.
pub(in crate::ctl::check) fn tunnel_port(network: NetworkType) -> (Protocol, u16, &'static str) {
    match network {
        NetworkType::Geneve => (Protocol::Udp, 6081, "genev_sys_6081"),
        NetworkType::Vxlan => (Protocol::Udp, 4789, "vxlan_sys_4789"),
        NetworkType::Stt => (Protocol::Tcp, 7471, "stt_sys_7471"),
    }
}

/// All programs that are asked for their version.
pub(in crate::ctl::check) fn program_names() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().map(|(name, _)| *name)
}

pub(super) fn programs(facts: &Facts) -> Vec<Finding> {
    let judged = PROGRAMS.iter().map(|(name, oldest)| {
        let Some(said) = facts.programs.get(name).cloned().flatten() else {
            let text = format!("{name} is not installed here");
            let next = "That is right where the node's pods bring it; else install it";
            return Finding::warn(PROGRAM, *name, text, next);
        };
        match version(&said) {
            Some(found) if found < *oldest => {
                let text = format!("{said}; the oldest that is tested is {}.{}", oldest.0, oldest.1);
                Finding::fail(PROGRAM, *name, text, "Install a newer one")
            }
            Some(_) => Finding::ok(PROGRAM, *name, said),
            None => {
                let text = format!("its version can't be told: it says {said:?}");
                Finding::warn(PROGRAM, *name, text, "Compare it with those in the manual")
            }
        }
    });
    judged.collect()
}

/// The first two numbers of the first word that looks like a version.
fn version(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut parts = word.trim_start_matches('v').split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    })
}

pub(super) fn ports(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    let (protocol, number, link) = tunnel_port(wish.network);
    let ours = facts.links.contains(link);
    let tcp = PORTS.iter().map(|(port, whose, who, needed)| (Protocol::Tcp, *port, *whose, *who, *needed));
    let all = tcp.chain([(protocol, number, "tunnels", &["ovs-vswitchd"][..], Needed::Everywhere)]);
    let mut found = Vec::new();
    let mut free = Vec::new();
    let mut held = Vec::new();
    for (protocol, port, whose, who, needed) in all {
        let subject = format!("{} {port}", protocol.name());
        let holders: Vec<&Holder> = facts.ports.get(&(protocol, port)).into_iter().flatten().collect();
        let is_ours = |holder: &&Holder| match holder {
            Holder::Process(name, _) => who.iter().any(|prefix| name.starts_with(prefix)),
            Holder::Unseen => whose == "tunnels" && ours,
        };
        let Some(stranger) = holders.iter().find(|holder| !is_ours(holder)) else {
            let list = if holders.is_empty() { &mut free } else { &mut held };
            list.push(subject);
            continue;
        };
        let by = match stranger {
            Holder::Process(name, pid) => format!("{name} (process {pid})"),
            Holder::Unseen => "no process that is seen from here: the kernel, for a tunnel of another network, or a process \
                               of another container"
                .to_owned(),
        };
        let text = format!("the port of {whose} is held by {by}");
        found.push(if needed == Needed::Central {
            let next = "Stop it, or let neither ovn-central nor the controller run on this node";
            Finding::warn(PORT, subject, text, next)
        } else {
            Finding::fail(PORT, subject, text, "Stop it, or give it another port")
        });
    }
    if !free.is_empty() {
        found.push(Finding::ok(PORT, "ports", format!("free: {}", free.join(", "))));
    }
    if !held.is_empty() {
        found.push(Finding::ok(PORT, "ports", format!("held by Kube-OVN itself: {}", held.join(", "))));
    }
    found
}

/// Container runtimes take the first file by name.
pub(super) fn confs(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    let subject = "CNI configuration";
    let confs = match &facts.confs {
        Ok(confs) => confs,
        Err(why) => {
            let text = format!("the folder of configurations can't be read: {why}");
            return vec![Finding::warn(CONF, subject, text, "Name it by --cni-conf-dir")];
        }
    };
    let ours = &wish.conf_name;
    let others: Vec<_> = confs.iter().filter(|conf| conf.file != *ours).collect();
    if others.is_empty() {
        return vec![Finding::ok(CONF, subject, "no other network's")];
    }
    let judged = others.iter().map(|conf| {
        let (file, plugin) = (&conf.file, &conf.plugin);
        if file < ours {
            let text = format!("{file} ({plugin}) comes before {ours} by name: the container runtime would use it for all pods");
            Finding::fail(CONF, subject, text, "Remove that network, and the file with it")
        } else {
            let text = format!("{file} ({plugin}) is another network's: it is used whenever {ours} is not there");
            Finding::warn(CONF, subject, text, "Remove it, unless it is wanted for that")
        }
    });
    judged.collect()
}

/// Whose links these are.
fn network_of(link: &str) -> Option<&'static str> {
    Some(match link {
        "cni0" => "Flannel or the bridge plugin",
        "vxlan.calico" | "vxlan-v6.calico" => "Calico",
        "weave" => "Weave Net",
        "antrea-gw0" => "Antrea",
        "kube-bridge" => "kube-router",
        "ovn-k8s-mp0" => "OVN-Kubernetes",
        name if name.starts_with("flannel.") || name.starts_with("flannel-") => "Flannel",
        name if name.starts_with("cilium_") => "Cilium",
        name if name.starts_with("cali") => "Calico",
        _ => return None,
    })
}

pub(super) fn other_links(facts: &Facts) -> Vec<Finding> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for link in &facts.links {
        if let Some(network) = network_of(link) {
            found.entry(network).or_default().push(link);
        }
    }
    if found.is_empty() {
        return vec![Finding::ok(OTHER, "other networks", "none of their links is here")];
    }
    let judged = found.iter().map(|(network, links)| {
        let few: Vec<&str> = links.iter().copied().take(4).collect();
        let more = if links.len() > few.len() { ", …" } else { "" };
        let text = format!("{} of {network}: {}{more}", counted(links.len(), "link"), few.join(", "));
        let next = "Remove that network, then its links (ip link delete) or start the node anew: its routes and rules may \
                    catch packets of pods";
        Finding::warn(OTHER, "other networks", text, next)
    });
    judged.collect()
}

pub(super) fn drops(facts: &Facts) -> Vec<Finding> {
    let subject = "forwarding";
    if facts.drops.is_empty() {
        return vec![Finding::ok(DROPS, subject, "no chain drops what it has no rule for")];
    }
    let text = format!("what it has no rule for is dropped by {}", facts.drops.join(", "));
    let next = "Set the policy to accept, or let the prefixes of pods through there: the daemon's rules can do that in \
                iptables' own chain FORWARD alone";
    vec![Finding::warn(DROPS, subject, text, next)]
}
