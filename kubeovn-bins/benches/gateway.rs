//! What the gateway on a host costs with many: 1 000 subnets of both families, half of them masqueraded, and 10 000 pods on
//! the node; then all of these pods leave by a gateway of theirs. In a namespace of its own, with nftables and with iptables
//! and ipset.
//!
//! `cargo bench -p kubeovn-bins --bench gateway`, as root. Sizes by environment: `GATEWAY_SUBNETS`, `GATEWAY_PODS`. Beside
//! each figure stands what the kernel's own programs take for the same, made by hand in the same run.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a bench prints, stops at the first surprise, and computes with rounded numbers"
)]

#[path = "support/aims.rs"]
mod aims;
#[path = "../../kubeovn-node/tests/live/guard.rs"]
mod guard;
#[path = "gateway/host.rs"]
mod host;

use std::time::{Duration, Instant};

use kubeovn_node::gateway::{Change, Facts, Gateway, HostFirewall, Iptables, Nft, What, plan};

use aims::single;
use host::Host;

fn size(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::main]
async fn main() {
    let (subnets, pods) = (size("GATEWAY_SUBNETS", 1000), size("GATEWAY_PODS", 10_000));
    println!("{subnets} subnets of two families, {pods} pods\n");
    println!("{:<52}{:>9}{:>9}  aim", "milliseconds", "", "");
    let host = Host::new().await;
    let nft = Nft::new(&host.node.ns);
    // What a person would write, or a program that knows nothing of what is there.
    let by_hand = |host: &Host| {
        let text = host.said("nft", &["list", "ruleset"]);
        host.said("nft", &["flush", "ruleset"]);
        let took = host.fed("nft", &["-f", "-"], &text);
        host.said("nft", &["flush", "ruleset"]);
        took
    };
    rules("nftables", &host, &nft, (subnets, pods), 1, by_hand).await;
    println!();
    routes(&host, subnets, pods).await;
    println!();

    let host = Host::new().await;
    let by_hand = |host: &Host| {
        let sets = host.said("ipset", &["save"]);
        let text = ["iptables-save", "ip6tables-save"].map(|program| host.said(program, &[]));
        for program in ["iptables", "ip6tables"] {
            for table in ["nat", "mangle", "filter"] {
                host.said(program, &["-t", table, "-F"]);
                host.said(program, &["-t", table, "-X"]);
            }
        }
        host.said("ipset", &["destroy"]);
        let mut took = host.fed("ipset", &["restore"], &sets);
        for (program, text) in ["iptables-restore", "ip6tables-restore"].iter().zip(&text) {
            took += host.fed(program, &[], text);
        }
        took
    };
    rules("iptables", &host, &Iptables::new(&host.node.ns), (subnets, pods), 2, by_hand).await;
}

async fn applied(firewall: &dyn HostFirewall, facts: &Facts) -> (Duration, Vec<Change>) {
    let rules = plan(facts).rules;
    let began = Instant::now();
    let changes = firewall.apply(&rules).await.unwrap();
    (began.elapsed(), changes)
}

/// The packet filter. Of a set or a chain, one subnet more changes at most so many parts.
async fn rules(
    name: &str,
    host: &Host,
    firewall: &dyn HostFirewall,
    (subnets, pods): (usize, usize),
    parts: usize,
    by_hand: impl Fn(&Host) -> Duration,
) {
    let mut facts = Host::facts(subnets);
    facts.pods = Host::pods("s1", pods);
    let (all, changes) = applied(firewall, &facts).await;
    assert!(!changes.is_empty());
    single(&format!("{name}: all there is, one change"), all, Some(1000.0));
    let hand = by_hand(host);
    single("  the same by hand, by the program alone", hand, None);
    println!("{:<52}{:>8.2}x", "  ours to that", all.as_secs_f64() / hand.as_secs_f64());
    applied(firewall, &facts).await;
    let (nothing, changes) = applied(firewall, &facts).await;
    assert_eq!(changes, []);
    single("  nothing new", nothing, None);
    facts.pods.pop();
    assert_eq!(applied(firewall, &facts).await.1, [], "a pod is of its subnet: nothing is written for it");
    facts.subnets.push(Host::one_more(subnets));
    let (more, changes) = applied(firewall, &facts).await;
    for change in &changes {
        let small = matches!(change.what, What::Edited { added, removed: 0 } if added <= parts);
        assert!(small, "{change}");
    }
    single("  one subnet more", more, None);
    let elements: usize = changes
        .iter()
        .map(|change| match change.what {
            What::Edited { added, .. } => added,
            _ => 0,
        })
        .sum();
    println!("{:<52}{elements:>9}  in {} sets or chains", "    new elements or rules", changes.len());
}

/// Routes to subnets, and rules of pods that leave by a gateway of theirs. Those are Kube-OVN's, one by one: the kernel looks
/// for the place of each among all that there are.
async fn routes(host: &Host, subnets: usize, pods: usize) {
    let gateway = Gateway::new(&host.node.ns, Nft::new(&host.node.ns)).unwrap();
    let facts = Host::facts(subnets);
    let began = Instant::now();
    gateway.apply(&plan(&facts)).await.unwrap();
    single("rules, and routes to all subnets", began.elapsed(), None);
    let mut facts = Host::with_pods(facts, pods);
    let began = Instant::now();
    let planned = plan(&facts);
    single(&format!("{pods} pods: the plan"), began.elapsed(), None);
    let began = Instant::now();
    let report = gateway.apply(&planned).await.unwrap();
    let all = began.elapsed();
    assert_eq!(report.changes.len(), pods + 1, "a rule for each pod, and their gateway");
    single(&format!("{pods} pods leave by a gateway: a rule for each"), all, None);
    let hand = host.rules_by_hand(pods);
    single("  the same by hand, ip -batch", hand, None);
    println!("{:<52}{:>8.2}x", "  ours to that", all.as_secs_f64() / hand.as_secs_f64());
    let began = Instant::now();
    assert!(gateway.apply(&planned).await.unwrap().is_empty());
    single("  nothing new", began.elapsed(), None);
    facts.pods.pop();
    let began = Instant::now();
    let report = gateway.apply(&plan(&facts)).await.unwrap();
    assert_eq!(report.changes.len(), 1, "{:#?}", report.changes);
    single("  one pod less, one change", began.elapsed(), None);
}
