use super::*;
use crate::lab::manifest::ProbeSpec;

fn pod(name: &str) -> PodName {
    PodName { namespace: "web".to_owned(), name: name.to_owned() }
}

/// Two pods and a node; all in the test's own namespace, since nothing is sent.
fn places() -> Places {
    let netns = NetNs::current().unwrap();
    let place = |ips: &[&str]| Place {
        netns: netns.clone(),
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
    };
    Places {
        pods: BTreeMap::from([
            (pod("dual"), place(&["10.0.0.2", "fd00::2"])),
            (pod("twin"), place(&["10.0.0.3", "fd00::3"])),
            (pod("v4"), place(&["10.0.0.4"])),
            (pod("copy"), place(&["10.0.0.4"])),
            (pod("v6"), place(&["fd00::6"])),
        ]),
        nodes: BTreeMap::from([("n1".to_owned(), place(&["100.64.0.2"]))]),
    }
}

fn probe(from: Source, to: Target, family: Option<Family>) -> Probe {
    let spec = ProbeSpec { from, to, traffic: Traffic::Icmp, family, expect: Expect::Deny };
    Probe { name: "p".to_owned(), file: "x.yaml".to_owned(), line: 1, spec }
}

fn names(from: &str, to: Target, family: Option<Family>) -> Vec<(String, Option<Family>, Option<IpAddr>)> {
    let checks = expand(&probe(Source::Pod(pod(from)), to, family), &places());
    checks
        .into_iter()
        .map(|check| (check.name, check.family, check.route.ok().map(|route| route.to)))
        .collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn every_family_both_ends_have() {
    let both = names("dual", Target::Pod(pod("twin")), None);
    let wanted = [
        ("p/v4".to_owned(), Some(Family::V4), Some(ip("10.0.0.3"))),
        ("p/v6".to_owned(), Some(Family::V6), Some(ip("fd00::3"))),
    ];
    assert_eq!(both, wanted);
    assert_eq!(
        names("dual", Target::Pod(pod("v4")), None),
        [("p".to_owned(), Some(Family::V4), Some(ip("10.0.0.4")))]
    );
    let named = names("dual", Target::Pod(pod("twin")), Some(Family::V6));
    assert_eq!(named, [("p".to_owned(), Some(Family::V6), Some(ip("fd00::3")))]);
    let node = names("dual", Target::Node("n1".to_owned()), None);
    assert_eq!(node, [("p".to_owned(), Some(Family::V4), Some(ip("100.64.0.2")))]);
}

#[test]
fn an_address_is_answered_for_by_all_that_have_it() {
    let checks = expand(&probe(Source::Pod(pod("dual")), Target::Ip(ip("10.0.0.4")), None), &places());
    assert_eq!(checks[0].route.as_ref().unwrap().at.len(), 2);
    let checks = expand(&probe(Source::Pod(pod("dual")), Target::Ip(ip("192.0.2.1")), None), &places());
    assert!(checks[0].route.as_ref().unwrap().at.is_empty());
}

#[tokio::test]
async fn what_cannot_be_sent_is_neither_allowed_nor_denied() {
    let stuck = [
        probe(Source::Pod(pod("v6")), Target::Pod(pod("v4")), None),
        probe(Source::Pod(pod("dual")), Target::Pod(pod("v4")), Some(Family::V6)),
        probe(Source::Pod(pod("gone")), Target::Pod(pod("v4")), None),
        probe(Source::Node("n9".to_owned()), Target::Pod(pod("v4")), None),
    ];
    let outcomes = run(&stuck, places, Duration::ZERO, |good, all| assert_eq!((good, all), (0, 4))).await;
    let notes: Vec<&str> = outcomes.iter().filter_map(|outcome| outcome.note.as_deref()).collect();
    let wanted = [
        "the two ends have no addresses in common",
        "the two ends have no addresses of family v6 in common",
        "pod web/gone has no network",
        "node n9 is not up",
    ];
    assert_eq!(notes, wanted);
    assert!(outcomes.iter().all(|outcome| outcome.seen == Seen::Unknown && !outcome.is_good()));
}
