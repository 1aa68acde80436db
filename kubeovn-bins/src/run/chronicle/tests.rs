#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use kubeovn_core::{contract::ipam::Offer, rows::OwnerKey};
use kubeovn_ipam::Ledger;
use tracing::{level_filters::LevelFilter, subscriber::with_default};

use super::*;

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Behind the time, which is always another.
    fn told(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.split_once(TARGET).unwrap().1.to_owned()).collect()
    }
}

/// What is logged, of this level and above, while somebody works with a ledger.
fn logged(level: LevelFilter, work: impl FnOnce(&mut Chronicle)) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_writer(move || writer.clone()).finish();
    let mut ledger = Ledger::new();
    let offer = Offer {
        subnet: "web".into(),
        space: "red".into(),
        cidrs: "10.0.0.0/24".parse().unwrap(),
        ..Offer::default()
    };
    ledger.define(&offer).unwrap();
    with_default(subscriber, || work(&mut Chronicle::new(Box::new(ledger))));
    lines.told()
}

fn want(ip: &str) -> Want {
    let ips: kubeovn_core::addr::DualStack<std::net::IpAddr> = ip.parse().unwrap();
    Want { subnets: vec!["web".into()], from: ips.into(), ..Want::default() }
}

fn work(chronicle: &mut Chronicle) {
    let (owner, uid): (OwnerKey, Arc<str>) = (OwnerKey::pod("default", "a"), "u-1".into());
    chronicle.settle(&owner, &uid, &[want("10.0.0.7")], 1).unwrap();
    chronicle.settle(&owner, &uid, &[want("10.0.0.7")], 2).unwrap();
    chronicle.settle(&owner, &uid, &[want("10.0.0.8")], 3).unwrap();
    chronicle.settle(&owner, &"u-2".into(), &[want("10.0.0.8")], 4).unwrap();
    chronicle.settle(&OwnerKey::pod("default", "b"), &"u-3".into(), &[want("10.0.0.8")], 5).unwrap_err();
    chronicle.settle(&owner, &"".into(), &[], 6).unwrap();
}

#[test]
fn every_change_of_holder_or_address_is_a_line() {
    let told = logged(LevelFilter::INFO, work);
    let short: Vec<String> = told
        .iter()
        .map(|line| {
            let kept = ["granted", "released", "uid=", "ips="];
            let words = line.split(' ').filter(|word| kept.iter().any(|kept| word.starts_with(kept)));
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    let expected = [
        "granted uid=u-1 ips=10.0.0.7",
        "released ips=10.0.0.7",
        "granted uid=u-1 ips=10.0.0.8",
        "released ips=10.0.0.8",
        "granted uid=u-2 ips=10.0.0.8",
        "released ips=10.0.0.8",
    ];
    assert_eq!(short, expected, "{told:#?}");
    let mac = told[0].split_once(" mac=").unwrap().1;
    assert_eq!(
        told[0],
        format!(": granted owner=pod/default/a uid=u-1 subnet=web vpc=red ips=10.0.0.7 mac={mac}")
    );
}

#[test]
fn who_does_not_want_to_know_is_told_nothing() {
    assert!(logged(LevelFilter::WARN, work).is_empty());
}

#[test]
fn what_is_taken_back_after_a_restart_is_no_news() {
    let told = logged(LevelFilter::INFO, |chronicle| {
        let (owner, uid): (OwnerKey, Arc<str>) = (OwnerKey::pod("default", "a"), "u-1".into());
        let held = chronicle.settle(&owner, &uid, &[want("10.0.0.7")], 1).unwrap().grants;
        let mut next = Chronicle::new(chronicle.fork());
        next.restore(&owner, &uid, &held[0]).unwrap();
        next.settle(&owner, &uid, &[want("10.0.0.7")], 2).unwrap();
    });
    assert_eq!(told.len(), 1, "{told:#?}");
}
