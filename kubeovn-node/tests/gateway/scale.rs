//! How long it takes with many: 1 000 subnets, half of them masqueraded, and 10 000 pods that leave by a gateway of theirs.

use std::time::{Duration, Instant};

use kubeovn_core::addr::DualStack;
use kubeovn_node::gateway::{Egress, Facts, Pod, Subnet, What, plan};

use crate::town::{Town, Writer, for_each_writer};

for_each_writer![many_subnets_are_one_change_and_one_more_is_small];

const SUBNETS: u8 = 250;
const PODS: usize = 10_000;

/// Four times 250 subnets; the pods are in the last two.
fn many() -> Facts {
    let mut facts = Town::facts();
    let egress = Egress { gateways: "172.18.0.100".parse().expect("gateways"), priority: 100, table: 1000 };
    for i in 0..4 * u16::from(SUBNETS) {
        let (second, third) = (20 + i / 250, i % 250);
        facts.subnets.push(Subnet {
            name: format!("s{i}"),
            uid: format!("00000000-0000-0000-0000-{i:012}"),
            cidrs: format!("10.{second}.{third}.0/24,fd20:{i:x}::/112").parse().expect("prefixes"),
            nat_outgoing: i % 2 == 0 && i < 998,
            egress: (i >= 998).then_some(egress),
            ..Subnet::default()
        });
    }
    facts
}

fn with_pods(facts: &mut Facts) {
    // More than a subnet of these would hold, but what counts here is how many there are.
    facts.pods = (0..PODS)
        .map(|i| {
            let ip = format!("10.{}.{}.{}", 40 + i / 65_536, i / 256 % 256, i % 256);
            let ips = DualStack { v4: ip.parse().ok(), v6: None };
            Pod { subnet: format!("s{}", 998 + i % 2), ips }
        })
        .collect();
}

async fn many_subnets_are_one_change_and_one_more_is_small(writer: Writer) {
    let town = Town::new(writer).await;
    let firewall = writer.firewall(&town.node);
    let timed = async |facts: &Facts| {
        let rules = plan(facts).rules;
        let start = Instant::now();
        let changes = firewall.apply(&rules).await.expect("apply");
        (start.elapsed(), changes)
    };
    let mut facts = many();
    let (all, changes) = timed(&facts).await;
    assert!(!changes.is_empty());
    let (nothing, changes) = timed(&facts).await;
    assert_eq!(changes, []);
    let mut one = facts.subnets[1].clone();
    "one".clone_into(&mut one.name);
    one.cidrs = "10.30.0.0/24,fd30::/112".parse().expect("prefixes");
    facts.subnets.push(one);
    let (more, changes) = timed(&facts).await;
    let limit = if writer == Writer::Nft { 1 } else { 2 };
    for change in &changes {
        assert!(matches!(change.what, What::Edited { added, removed: 0 } if added <= limit), "{change}");
    }

    let (wire, plan_time) = {
        with_pods(&mut facts);
        let start = Instant::now();
        let plan = plan(&facts);
        let planned = start.elapsed();
        let start = Instant::now();
        town.gateway.apply(&plan).await.expect("apply");
        (start.elapsed(), planned)
    };
    let start = Instant::now();
    let again = town.gateway.apply(&plan(&facts)).await.expect("apply");
    let idle = start.elapsed();
    assert!(again.is_empty());
    facts.pods.pop();
    let start = Instant::now();
    let report = town.gateway.apply(&plan(&facts)).await.expect("apply");
    let one_pod = start.elapsed();
    assert_eq!(report.changes.len(), 1, "{:#?}", report.changes);
    println!(
        "{writer:?}: 1 000 subnets {all:.2?}, nothing new {nothing:.2?}, one more {more:.2?}; planning 10 000 pods \
         {plan_time:.2?}, their rules and all routes {wire:.2?}, nothing new {idle:.2?}, one pod less {one_pod:.2?}"
    );
    // Generous, since other tests run at the same time; the figures are above.
    assert!(all < Duration::from_secs(20) && wire < Duration::from_mins(1), "{all:?} {wire:?}");
}
