//! Many plugins at once, each a process of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use kubeovn_ipam::{
    Ledger,
    store::{Journal, Options, Store},
};
use serde_json::{Value, json};

use crate::{
    machine::{Machine, bare},
    packets,
    pods::{Pod, Said, addresses, after},
};

const PLUGIN: &str = "kubeovn-ipam";

/// Starts a plugin for each of the pods, and lets all of them go when the last one is there.
fn at_once<'p>(
    machine: &Machine,
    calls: impl IntoIterator<Item = (&'static str, &'p Pod)>,
    plugin: &str,
    conf: &Value,
) -> Vec<Said> {
    let mut all: Vec<_> = calls.into_iter().map(|(verb, pod)| machine.start(plugin, verb, pod)).collect();
    all.iter_mut().for_each(|started| started.feed(conf));
    all.into_iter().map(super::pods::Started::said).collect()
}

/// Who holds what, by container, read from the ledger itself. That it can be read says that nothing is held twice.
pub(crate) fn held(machine: &Machine) -> BTreeMap<Arc<str>, BTreeSet<IpAddr>> {
    let journal = Journal::open(machine.ledger(), Options::default()).unwrap();
    let mut ledger = Ledger::new();
    journal.load(&mut |entry| drop(ledger.apply(&entry).unwrap())).unwrap();
    let mut held: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (owner, container) in ledger.owners() {
        let ips =
            ledger.held(&owner).into_iter().flat_map(|grant| grant.ips.iter().copied().collect::<Vec<_>>());
        held.entry(container).or_default().extend(ips);
    }
    held.retain(|_, ips| !ips.is_empty());
    held
}

/// That exactly these pods have exactly what they were told, and nothing twice.
pub(crate) fn all_have_their_own(machine: &Machine, told: &[(&Pod, Value)]) {
    let ips = |result: &Value| addresses(result).iter().map(|net| bare(net)).collect::<BTreeSet<_>>();
    let wanted: BTreeMap<Arc<str>, _> =
        told.iter().map(|(pod, result)| (pod.container.as_str().into(), ips(result))).collect();
    let all: BTreeSet<_> = wanted.values().flatten().collect();
    assert_eq!(all.len(), wanted.values().map(BTreeSet::len).sum::<usize>(), "{wanted:?}");
    assert_eq!(held(machine), wanted);
}

fn crowd(count: usize) -> Vec<Pod> {
    (0..count).map(|n| Pod::new(&n.to_string())).collect()
}

#[test]
fn fifty_adds_at_once_have_fifty_addresses() {
    let machine = Machine::new();
    let conf = machine
        .macvlan(json!([{"name": "net1", "cidrBlock": "10.9.8.0/26,fd09:8::/64", "gateway": "10.9.8.1"}]));
    let pods = crowd(50);
    let add = |pod| ("ADD", pod);
    let results: Vec<_> =
        at_once(&machine, pods.iter().map(add), PLUGIN, &conf).into_iter().map(Said::result).collect();
    let told: Vec<_> = pods.iter().zip(results.clone()).collect();
    assert!(results.iter().all(|result| addresses(result).len() == 2));
    all_have_their_own(&machine, &told);
    let again = at_once(&machine, pods.iter().map(add), PLUGIN, &conf).into_iter().map(Said::result);
    assert_eq!(again.collect::<Vec<_>>(), results, "twice is the same");

    // Every second one goes, ten come: there is room for them only if all is kept in order.
    let (go, stay): (Vec<_>, Vec<_>) = told.into_iter().enumerate().partition(|(n, _)| n % 2 == 0);
    let come: Vec<_> = (50..60).map(|n| Pod::new(&n.to_string())).collect();
    let calls = go.iter().map(|(_, (pod, _))| ("DEL", *pod)).chain(come.iter().map(add));
    let mut said = at_once(&machine, calls, PLUGIN, &conf);
    let results: Vec<_> = said.split_off(go.len()).into_iter().map(Said::result).collect();
    said.into_iter().for_each(Said::nothing);
    let there: Vec<_> = stay.into_iter().map(|(_, told)| told).chain(come.iter().zip(results)).collect();
    all_have_their_own(&machine, &there);
}

#[test]
fn fifty_pods_are_wired_by_macvlan_at_once() {
    let machine = Machine::new();
    let conf = machine.macvlan(
        json!([{"name": "net1", "cidrBlock": "10.9.9.0/24,fd09:9::/64", "gateway": "10.9.9.1,fd09:9::1"}]),
    );
    let pods = crowd(50);
    let said = at_once(&machine, pods.iter().map(|pod| ("ADD", pod)), "macvlan", &conf);
    let told: Vec<_> = pods.iter().zip(said.into_iter().map(Said::result)).collect();
    for (pod, result) in &told {
        assert_eq!(pod.shown(), addresses(result));
    }
    all_have_their_own(&machine, &told);
    for pair in pods.windows(2).step_by(10) {
        packets::pass(&pair[0], &pair[1]);
    }
    let (first, result) = &told[0];
    machine.call("CHECK", first, &after(&conf, result)).nothing();
    for said in at_once(&machine, pods.iter().map(|pod| ("DEL", pod)), "macvlan", &conf) {
        said.nothing();
    }
    assert!(held(&machine).is_empty());
    assert!(pods.iter().all(|pod| pod.ns.links().is_empty()));
}
