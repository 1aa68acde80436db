#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn step(at: Millis, granted: bool, pod: &str, ip: &str) -> Move {
    Move {
        at,
        granted,
        owner: OwnerKey::pod("default", pod),
        subnet: "web".into(),
        vpc: "ovn-cluster".into(),
        ips: ip.parse().unwrap(),
        mac: None,
    }
}

fn there(pod: &str, ip: &str, source: &'static str, since: Option<Millis>, born: Option<Millis>) -> Present {
    let owner = OwnerKey::pod("default", pod);
    Present { owner, subnet: "web".into(), ips: ip.parse().unwrap(), mac: None, source, since, born }
}

/// Names, ends, and who says it.
fn told(moves: &[Move], present: &[Present]) -> Vec<(String, From, Until, String)> {
    let all = spans(moves, present).into_iter().map(|span| {
        let name = span.owner.name.split('/').next_back().unwrap_or_default().to_owned();
        let sources = span.sources.into_iter().collect::<Vec<_>>().join(" ");
        (name, span.from, span.until, sources)
    });
    all.collect()
}

#[test]
fn one_after_the_other_and_the_present_one() {
    let moves = [
        step(10, false, "a", "10.0.0.7"),
        step(20, true, "b", "10.0.0.7"),
        step(30, false, "b", "10.0.0.7"),
        step(40, true, "c", "10.0.0.7"),
    ];
    let present = [
        there("c", "10.0.0.7", "annotations", None, Some(39)),
        there("c", "10.0.0.7", "record", Some(41), Some(39)),
    ];
    let expected = [
        ("a".to_owned(), From::Unknown, Until::At(10), "log".to_owned()),
        ("b".to_owned(), From::At(20), Until::At(30), "log".to_owned()),
        ("c".to_owned(), From::At(40), Until::Still, "annotations log record".to_owned()),
    ];
    assert_eq!(told(&moves, &present), expected);
    let at = |time| {
        let all = spans(&moves, &present).into_iter().filter(|span| span.covers(time));
        all.map(|span| span.owner.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(at(5), ["default/a"]);
    assert_eq!(at(25), ["default/b"]);
    assert!(at(35).is_empty(), "nobody held it then");
    assert_eq!(at(99), ["default/c"]);
}

/// Somebody deleted the pod while no controller worked: nobody wrote down when it ended.
#[test]
fn an_end_that_nobody_saw_is_not_made_up() {
    let moves = [step(20, true, "b", "10.0.0.7"), step(40, true, "c", "10.0.0.7")];
    let expected = [
        ("b".to_owned(), From::At(20), Until::Before(40), "log".to_owned()),
        ("c".to_owned(), From::At(40), Until::Unknown, "log".to_owned()),
    ];
    assert_eq!(told(&moves, &[]), expected);
    // In another VPC the same address is another one.
    let apart = Move { vpc: "red".into(), ..moves[1].clone() };
    assert_eq!(told(&[moves[0].clone(), apart], &[])[0].2, Until::Unknown);
    // Dual stack: whoever holds one of both held both.
    let both = [step(20, true, "b", "10.0.0.7,fd00::7"), step(40, true, "c", "10.0.0.8,fd00::7")];
    assert_eq!(told(&both, &[])[0].2, Until::Before(40));
}

#[test]
fn without_a_log_only_what_stands_now_is_known() {
    let present = [
        there("db-0", "10.0.0.9", "record", Some(5), None),
        there("new", "10.0.0.8", "annotations", None, Some(7)),
    ];
    let expected = [
        ("db-0".to_owned(), From::At(5), Until::Kept, "record".to_owned()),
        ("new".to_owned(), From::After(7), Until::Still, "annotations".to_owned()),
    ];
    assert_eq!(told(&[], &present), expected);
}

#[test]
fn a_record_that_outlives_its_grant_is_no_holder() {
    let moves = [step(20, true, "a", "10.0.0.7"), step(30, false, "a", "10.0.0.7")];
    let stale = [there("a", "10.0.0.7", "record", Some(21), None)];
    assert_eq!(told(&moves, &stale).len(), 1, "given back, and not taken down yet");
    // One that came after the end of the log is.
    let anew = [there("a", "10.0.0.7", "record", Some(50), Some(49))];
    assert_eq!(told(&moves, &anew)[1].1, From::At(50));
}
