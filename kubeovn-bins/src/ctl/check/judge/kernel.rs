//! The kernel: what it can do, and how it is set.

use kubeovn_core::addr::Family;
use kubeovn_core::index::NetworkType;

use super::network::chosen;
use crate::ctl::check::facts::{Facts, Module, Setting, Tried, Wish};
use crate::ctl::check::finding::Finding;

const DATAPATH: &str = "CHECK-DATAPATH";
const TUNNEL: &str = "CHECK-TUNNEL";
const VETH: &str = "CHECK-VETH";
const FIREWALL: &str = "CHECK-FIREWALL";
const FORWARDING: &str = "CHECK-FORWARDING";
const RP_FILTER: &str = "CHECK-RP-FILTER";
const BRIDGE_NF: &str = "CHECK-BRIDGE-NF";

/// What the kernel can do.
pub(super) fn kernel(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    vec![datapath(facts), tunnel(facts, wish), veth(facts), firewall(facts)]
}

fn datapath(facts: &Facts) -> Finding {
    let (subject, kernel) = ("datapath", &facts.kernel);
    let next = "Install the modules of this kernel (often a package linux-modules-extra)";
    match (&facts.openvswitch, facts.tun) {
        (Module::Loaded, _) => {
            Finding::ok(DATAPATH, subject, format!("openvswitch is loaded, kernel {kernel}"))
        }
        (Module::Available, _) => {
            Finding::ok(DATAPATH, subject, format!("openvswitch is a module of kernel {kernel}"))
        }
        (Module::Absent, true) => Finding::warn(
            DATAPATH,
            subject,
            format!(
                "kernel {kernel} has no openvswitch: packets would go through OVS's userspace datapath, at a fraction \
                     of the speed"
            ),
            format!("{next}; or set ovn-bridge-datapath-type=netdev in external_ids of Open_vSwitch"),
        ),
        (Module::Absent, false) => Finding::fail(
            DATAPATH,
            subject,
            format!(
                "kernel {kernel} has no openvswitch, and without /dev/net/tun there is no userspace datapath either"
            ),
            format!("{next}, or its module tun"),
        ),
        (Module::Unknown(why), _) => Finding::warn(
            DATAPATH,
            subject,
            format!("openvswitch is not loaded, and it can't be told whether kernel {kernel} has it: {why}"),
            "Run modprobe openvswitch on the node, or mount its /lib/modules here",
        ),
    }
}

fn tunnel(facts: &Facts, wish: &Wish) -> Finding {
    let name = kind(wish.network);
    let subject = "tunnels";
    if wish.network == NetworkType::Stt {
        let next = "Use geneve";
        return Finding::fail(
            TUNNEL,
            subject,
            "no kernel of Linux, and no OVS since 3.6, makes stt tunnels",
            next,
        );
    }
    match &facts.tunnel {
        Tried::Works => Finding::ok(TUNNEL, subject, format!("{name} can be made")),
        // It does not ask the kernel for one.
        _ if facts.openvswitch == Module::Absent => {
            Finding::ok(TUNNEL, subject, format!("{name} is made by OVS itself on its userspace datapath"))
        }
        Tried::Refused(why) => Finding::fail(
            TUNNEL,
            subject,
            format!("the kernel makes no {name} link: {why}"),
            format!(
                "Load its module {name} (often in a package linux-modules-extra), or choose another --network-type"
            ),
        ),
        Tried::Untried(why) => untried(TUNNEL, subject, why),
    }
}

fn veth(facts: &Facts) -> Finding {
    let subject = "veth";
    match &facts.veth {
        Tried::Works => Finding::ok(VETH, subject, "pairs can be made"),
        Tried::Refused(why) => Finding::fail(
            VETH,
            subject,
            format!("the kernel makes no veth pairs, which are the interfaces of pods: {why}"),
            "Load its module veth",
        ),
        Tried::Untried(why) => untried(VETH, subject, why),
    }
}

fn untried(code: &'static str, subject: &str, why: &str) -> Finding {
    let next = "Run this as root, with CAP_SYS_ADMIN and CAP_NET_ADMIN";
    Finding::warn(code, subject, format!("it could not be tried in a network namespace: {why}"), next)
}

fn firewall(facts: &Facts) -> Finding {
    let subject = "packet filter";
    let both = [&facts.iptables, &facts.ipset];
    let legacy = both.iter().all(|tried| **tried == Tried::Works);
    match (facts.nft == Tried::Works, legacy) {
        (true, true) => {
            return Finding::ok(FIREWALL, subject, "nftables, and iptables with ipset: sets, conntrack, NAT");
        }
        (true, false) => return Finding::ok(FIREWALL, subject, "nftables: sets, conntrack, NAT"),
        (false, true) => return Finding::ok(FIREWALL, subject, "iptables with ipset: conntrack, NAT"),
        (false, false) => {}
    }
    let all = [("nft", &facts.nft), ("iptables", &facts.iptables), ("ipset", &facts.ipset)];
    let said = all.iter().filter_map(|(name, tried)| match tried {
        Tried::Works => None,
        Tried::Refused(why) | Tried::Untried(why) => Some(format!("{name}: {why}")),
    });
    let said = said.collect::<Vec<_>>().join("; ");
    if all.iter().any(|(_, tried)| matches!(tried, Tried::Refused(_))) {
        let next = "Load nf_tables, nf_conntrack and nft_masq; or ip_tables, ip_set and xt_set";
        let text = format!(
            "sets, conntrack and NAT are there neither by nftables nor by iptables with ipset: {said}"
        );
        return Finding::fail(FIREWALL, subject, text, next);
    }
    let next =
        "Install nftables, or iptables and ipset, and run this again; or run it in the image of the daemon";
    Finding::warn(FIREWALL, subject, format!("it could not be tried: {said}"), next)
}

/// What tunnels are called.
pub(super) fn kind(network: NetworkType) -> &'static str {
    match network {
        NetworkType::Geneve => "geneve",
        NetworkType::Vxlan => "vxlan",
        NetworkType::Stt => "stt",
    }
}

/// How the kernel is set.
pub(super) fn settings(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    let mut found = Vec::new();
    let has = |family| wish.prefixes().any(|(_, cidr)| Family::from(cidr) == family);
    for (family, key) in [(Family::V4, "net/ipv4/ip_forward"), (Family::V6, "net/ipv6/conf/all/forwarding")] {
        found.extend(has(family).then(|| forwarding(key, facts.settings.get(key))));
    }
    if has(Family::V4) {
        found.push(rp_filter(facts, wish));
    }
    found.push(bridge_nf(facts, wish));
    found
}

fn forwarding(key: &str, setting: Option<&Setting>) -> Finding {
    let subject = key.replace('/', ".");
    let next = format!("Set {subject}=1 on the host");
    match setting.and_then(|setting| Some((setting.value.as_deref()?, setting.writable))) {
        Some(("1", _)) => Finding::ok(FORWARDING, subject, "1"),
        Some((value, true)) => Finding::ok(FORWARDING, subject, format!("{value}; the daemon sets it to 1")),
        Some((value, false)) => {
            let text = format!(
                "it is {value}, and /proc/sys can't be written from here: the daemon could not set it either"
            );
            Finding::fail(FORWARDING, subject, text, next)
        }
        None => {
            let text = "this kernel has no such setting: the family is off, and a prefix of it is asked for";
            Finding::fail(FORWARDING, subject, text, "Turn the family on, or leave its prefixes out")
        }
    }
}

/// Of `all` and of the link the larger one counts; the daemon sets `all` to 0.
fn rp_filter(facts: &Facts, wish: &Wish) -> Finding {
    let subject = "rp_filter";
    let value = |key: &str| facts.settings.get(key).and_then(|setting| setting.value.as_deref());
    let stuck = facts.settings.get("net/ipv4/conf/all/rp_filter").filter(|all| !all.writable);
    let dev = chosen(facts, wish).map(|interface| interface.name.as_str()).unwrap_or_default();
    let own = format!("net/ipv4/conf/{dev}/rp_filter");
    let mut strict: Vec<String> = [own.as_str(), "net/ipv4/conf/default/rp_filter"]
        .iter()
        .filter(|key| value(key) == Some("1"))
        .map(|key| key.replace('/', "."))
        .collect();
    if stuck.is_some_and(|all| all.value.as_deref() == Some("1")) {
        strict.push("net.ipv4.conf.all.rp_filter (which can't be set from here)".to_owned());
    }
    if strict.is_empty() {
        return Finding::ok(RP_FILTER, subject, "not strict");
    }
    let text = format!(
        "strict (1) in {}: answers that come back by another link than the host itself would take are \
                        dropped",
        strict.join(", ")
    );
    Finding::warn(RP_FILTER, subject, text, "Set them to 0 or 2 in /etc/sysctl.d")
}

fn bridge_nf(facts: &Facts, wish: &Wish) -> Finding {
    let subject = "bridge-nf";
    let setting = facts.settings.get("net/bridge/bridge-nf-call-iptables");
    let on = setting.is_some_and(|setting| setting.value.as_deref() == Some("1"));
    let bridge = chosen(facts, wish).ok().filter(|interface| facts.bridges.contains(&interface.name));
    match (on, bridge) {
        (true, Some(bridge)) => Finding::warn(
            BRIDGE_NF,
            subject,
            format!(
                "frames on Linux bridges pass the packet filter (bridge-nf-call-iptables is 1), and tunnels would use the \
                     bridge {}",
                bridge.name
            ),
            "Set net.bridge.bridge-nf-call-iptables=0, or let what is bridged there through in FORWARD",
        ),
        (true, None) => {
            Finding::ok(BRIDGE_NF, subject, "on; no bridge of ours or of tunnels is one of Linux")
        }
        (false, _) => Finding::ok(BRIDGE_NF, subject, "off"),
    }
}
