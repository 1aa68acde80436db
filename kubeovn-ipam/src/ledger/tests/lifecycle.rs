//! Subnets that are edited, come late, or go.

use super::*;

#[test]
fn an_edited_subnet_keeps_its_grants() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/24", "10.0.0.1")]);
    get(&mut ledger, "p", "10.0.0.200").unwrap();
    get(&mut ledger, "q", "").unwrap();
    ledger.define(&spec("a", "v", "10.0.0.0/25,fd00::/64", "10.0.0.2,fd00::1")).unwrap();
    let as_before = Want { family: Some(Family::V4), ..want("", &["a"], "") };
    assert!(!settle(&mut ledger, "p", &[as_before]).unwrap().changed);
    let why: Vec<_> = ledger.misfits("a").into_iter().map(|(owner, _, why)| (owner, why)).collect();
    assert_eq!(why, [(pod("p").0, Misfit::Outside), (pod("q").0, Misfit::Gateway)]);
    let usage = ledger.usage("a").unwrap();
    assert_eq!((usage.used.v4, usage.outside.v4, usage.total.v4), (Some(2), Some(1), Some(126)));
    assert_eq!(
        (usage.available.v4, usage.reserved.v4),
        (Some(125), Some(0)),
        "the new gateway was held already"
    );
    assert_eq!(usage.used_ranges.to_string(), "10.0.0.2,10.0.0.200,");
    assert_eq!(usage.available_ranges.v6.as_deref(), Some("fd00::2-fd00::ffff:ffff:ffff:fffe"));
    // The next one lives in what is left of the space, and gets both families.
    assert_eq!(get(&mut ledger, "r", ""), Ok("10.0.0.1,fd00::2".into()));
    assert_eq!(get(&mut ledger, "p", ""), Ok("10.0.0.200,fd00::3".into()), "what it lacks is added, no more");
    ledger.define(&spec("b", "v", "10.0.0.200/32", "")).unwrap();
    assert!(matches!(
        settle(&mut ledger, "s", &[want("", &["b"], "")]),
        Err(AddrError::Exhausted { reserved: 1, .. })
    ));
    let freed = settle(&mut ledger, "p", &[]).unwrap().freed;
    assert_eq!(freed, [Arc::from("a"), Arc::from("b")], "who waits in either is told");
    assert_eq!(
        settle(&mut ledger, "s", &[want("", &["b"], "")]).unwrap().grants[0].ips.to_string(),
        "10.0.0.200"
    );
}

#[test]
fn a_change_of_the_rest_alone_forgets_no_order() {
    let mut pool = spec("a", "v", "10.0.0.0/24", "10.0.0.1");
    let mut ledger = ledger(std::slice::from_ref(&pool));
    get(&mut ledger, "p", "").unwrap();
    settle(&mut ledger, "p", &[]).unwrap();
    pool.rest = 1_000;
    ledger.define(&pool).unwrap();
    assert_eq!(get(&mut ledger, "q", ""), Ok("10.0.0.3".into()), "10.0.0.2 was used already");
}

#[test]
fn grants_are_restored_before_their_subnet_is_known() {
    let (key, uid) = pod("p");
    let grant = Grant {
        nic: "".into(),
        subnet: "a".into(),
        space: "v".into(),
        ips: DualStack { v4: Some(ip("10.0.0.2")), v6: None },
        mac: Some(Mac::local([0; 6])),
        role: Role::Active,
        generation: 41,
        since: 3,
    };
    let mut ledger = Ledger::new();
    ledger.restore(&key, &uid, &grant).unwrap();
    ledger.restore(&key, &uid, &grant).unwrap();
    let usage = ledger.usage("a").unwrap();
    assert_eq!((usage.used.v4, usage.outside.v4, usage.total.v4), (Some(1), Some(1), Some(0)));

    let (other, rival) = (pod("q").0, Grant { mac: Some(Mac::local([1; 6])), ..grant.clone() });
    let taken = ledger.restore(&other, &uid, &rival);
    assert!(matches!(taken, Err(AddrError::Taken { holder, generation: 41, .. }) if holder == key));
    let rival = Grant { ips: DualStack::default(), ..grant.clone() };
    assert!(matches!(ledger.restore(&other, &uid, &rival), Err(AddrError::MacTaken { .. })));
    assert!(ledger.restore(&key, &"new".into(), &grant).is_err(), "the first one restored wins");

    assert!(
        !settle(&mut ledger, "p", &[want("", &["a"], "")]).unwrap().changed,
        "kept while it can't be granted"
    );
    ledger.define(&spec("a", "v", "10.0.0.0/24", "10.0.0.1")).unwrap();
    assert_eq!(ledger.usage("a").unwrap().outside.v4, Some(0));
    let settled = settle(&mut ledger, "q", &[want("", &["a"], "")]).unwrap();
    assert_eq!((settled.grants[0].ips.to_string(), settled.grants[0].generation), ("10.0.0.3".into(), 42));
    settle(&mut ledger, "q", &[]).unwrap();

    let mut unknown = Ledger::new();
    unknown.restore(&key, &uid, &grant).unwrap();
    settle(&mut unknown, "p", &[]).unwrap();
    assert_eq!(unknown.usage("a"), None, "nobody defined it, nobody holds it");
}

#[test]
fn a_closed_subnet_lives_as_long_as_its_grants() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/24", "10.0.0.1")]);
    get(&mut ledger, "p", "").unwrap();
    assert!(!ledger.close("a"));
    assert!(!settle(&mut ledger, "p", &[want("", &["a"], "")]).unwrap().changed);
    assert_eq!(get(&mut ledger, "q", ""), Err(AddrError::NoSubnet { subnet: "a".into() }));
    settle(&mut ledger, "p", &[]).unwrap();
    assert!(ledger.close("a") && ledger.close("a") && ledger.usage("a").is_none());
    assert!(ledger.spaces.iter().next().is_none());
}

#[test]
fn an_edit_ends_no_rest() {
    let mut pool = spec("a", "v", "10.0.0.0/29", "10.0.0.1");
    pool.rest = 100;
    let mut ledger = ledger(std::slice::from_ref(&pool));
    get(&mut ledger, "p", "").unwrap();
    settle(&mut ledger, "p", &[]).unwrap();
    pool.cidrs = "10.0.0.0/28".parse().unwrap();
    ledger.define(&pool).unwrap();
    assert_eq!(ledger.explain("a", ip("10.0.0.2")), AddressState::Resting { until: 107 });
    assert_eq!(get(&mut ledger, "q", ""), Ok("10.0.0.3".into()));
    let (key, uid) = pod("r");
    ledger.settle(&key, &uid, &[want("", &["a"], "")], 107).unwrap();
    assert_eq!(ledger.explain("a", ip("10.0.0.2")), AddressState::Free, "its rest is over");
}
