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

#[test]
fn entries_are_replayed_into_subnets_that_come_later() {
    let offer = spec("a", "v", "10.0.0.0/24", "10.0.0.1");
    let (mut live, mut log) = (ledger(std::slice::from_ref(&offer)), Vec::new());
    let (key, uid) = pod("p");
    for fixed in ["10.0.0.5", "10.0.0.6"] {
        let plan = live.plan(&key, &uid, &[want("", &["a"], fixed)], 1).unwrap();
        log.extend(plan.entry());
        live.commit(plan).unwrap();
    }
    let mut again = Ledger::new();
    log.iter().for_each(|entry| _ = again.apply(entry).unwrap());
    again.define(&offer).unwrap();
    assert_eq!(again.held(&key), live.held(&key));
    assert_eq!(again.usage("a"), live.usage("a"));
    assert!(matches!(get(&mut again, "q", "10.0.0.6"), Err(AddrError::Taken { .. })));
}

#[test]
fn an_address_rests_once_whatever_a_snapshot_says() {
    let offer = Offer { rest: 100, ..spec("a", "v", "10.0.0.0/29", "10.0.0.1") };
    let mut ledger = ledger(&[offer]);
    let shelved = |until| {
        crate::Entry::Shelved(crate::Shelves {
            subnet: "a".into(),
            pool: "".into(),
            family: Family::V4,
            released: vec![],
            resting: vec![(ip("10.0.0.2"), until)],
            closed_from: None,
            cursor: None,
            draws: 0,
        })
    };
    ledger.apply(&shelved(5)).unwrap();
    ledger.apply(&shelved(50)).unwrap();
    assert_eq!(get(&mut ledger, "p", "10.0.0.2"), Ok("10.0.0.2".into()));
    let (key, uid) = pod("q");
    for round in 0..4 {
        let wants: Vec<Want> = (0..=round).map(|i| want(&i.to_string(), &["a"], "")).collect();
        let settled = ledger.settle(&key, &uid, &wants, 60).unwrap();
        assert!(settled.grants.iter().all(|grant| grant.ips.v4 != Some(ip("10.0.0.2"))));
    }
}

#[test]
fn what_is_too_large_to_be_kept_is_cut_once_and_for_all() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/24", "")]);
    let stranger = Grant {
        nic: "".into(),
        subnet: "a".into(),
        space: "v".into(),
        ips: "10.0.0.200".parse().unwrap(),
        mac: None,
        role: Role::Active,
        generation: u64::MAX,
        since: u64::MAX,
    };
    ledger.restore(&pod("x").0, &pod("x").1, &stranger).unwrap();
    let (key, uid) = pod("p");
    let told = ledger.settle(&key, &uid, &[want("", &["a"], "")], u64::MAX).unwrap().grants.remove(0);
    assert_eq!(ledger.held(&key), std::slice::from_ref(&told));
    assert!(ledger.release(&key, "", told.generation, 2).changed);
    let next = ledger.settle(&key, &uid, &[want("", &["a"], "")], 3).unwrap().grants.remove(0);
    assert!(next.generation > told.generation && !ledger.release(&key, "", told.generation, 4).changed);
}

#[test]
fn a_refused_restore_raises_the_generation_and_a_plan_of_a_copy_is_refused() {
    let offer = spec("a", "v", "10.0.0.0/24", "");
    let mut ledger = ledger(std::slice::from_ref(&offer));
    get(&mut ledger, "p", "10.0.0.2").unwrap();
    let theirs = Grant { generation: 77, ..ledger.held(&pod("p").0).remove(0) };
    assert!(ledger.restore(&pod("q").0, &pod("q").1, &theirs).is_err());
    assert_eq!(settle(&mut ledger, "q", &[want("", &["a"], "")]).unwrap().grants[0].generation, 78);

    let mut copy = ledger.clone();
    get(&mut ledger, "r", "10.0.0.9").unwrap();
    copy.define(&spec("b", "v", "10.1.0.0/24", "")).unwrap();
    let (key, uid) = pod("s");
    let plan = copy.plan(&key, &uid, &[want("", &["a"], "10.0.0.9")], 1).unwrap();
    assert_eq!(ledger.commit(plan), Err(Stale));
    let nothing = ledger.plan_release(&key, "", None, 1);
    settle(&mut ledger, "p", &[want("", &["a"], "")]).unwrap();
    assert!(ledger.commit(nothing).is_ok(), "what changes nothing is never stale");
}

#[test]
fn a_prefix_that_grew_is_no_reason_to_open_all_that_lies_below() {
    let mut live = ledger(&[spec("a", "v", "fd00:0:0:1::/64", "")]);
    let (key, uid) = pod("p");
    let plan = live.plan(&key, &uid, &[want("", &["a"], "")], 1).unwrap();
    let entry = plan.entry().unwrap();
    live.commit(plan).unwrap();
    let mut wider = ledger(&[spec("a", "v", "fd00::/48", "")]);
    wider.apply(&entry).unwrap();
    assert_eq!(wider.held(&key), live.held(&key));
    assert_eq!(get(&mut wider, "q", ""), Ok("fd00::1".into()));
}

#[test]
fn an_entry_that_contradicts_itself_is_refused_whole() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/24", "")]);
    let mac = Some(Mac::local([1; 6]));
    let grant = |nic: &str, space: &str, ips: &str, mac| crate::Granted {
        grant: Grant {
            nic: nic.into(),
            subnet: "a".into(),
            space: space.into(),
            ips: ips.parse().unwrap(),
            mac,
            role: Role::Active,
            generation: 1,
            since: 1,
        },
        picked_v4: false,
        picked_v6: false,
    };
    let before = format!("{ledger:?}");
    for granted in [
        [grant("", "v", "10.0.0.4", None), grant("n", "v", "10.0.0.4", None)],
        [grant("", "v", "10.0.0.4", mac), grant("n", "w", "10.0.0.5", mac)],
        [grant("", "v", "10.0.0.4", None), grant("", "v", "", None)],
        [grant("", "v", "10.0.0.4", None), grant("", "v", "10.0.0.5", None)],
    ] {
        let (owner, uid) = pod("p");
        let (released, granted) = (vec![], granted.to_vec());
        let entry = crate::Entry::Settled(crate::Settlement { owner, uid, at: 1, released, granted });
        assert!(ledger.apply(&entry).is_err(), "{entry:?}");
        assert_eq!(format!("{ledger:?}"), before);
    }
}

#[test]
fn many_entries_at_once_are_what_they_are_one_by_one() {
    let offers = [spec("a", "v", "10.0.0.0/16", ""), spec("b", "w", "10.0.0.0/16,fd00::/64", "")];
    let (mut live, mut entries) = (ledger(&offers), Vec::new());
    for i in 0..200 {
        let (owner, uid) = pod(&format!("p{}", i % 150));
        let wants = [want("", &[["a", "b"][i / 5 % 2]], ""), want("n", &["b"], "")];
        let wants = if i % 7 == 6 { &[] } else { &wants[i % 2..] };
        let plan = live.plan(&owner, &uid, wants, 1).unwrap();
        entries.extend(plan.entry());
        live.commit(plan).unwrap();
    }
    let mut back = ledger(&offers);
    assert_eq!(back.apply_all(&entries), Ok(()));
    assert_eq!(back.snapshot(), live.snapshot());

    // The last one gives what another one holds.
    let last = entries.iter().rev().find_map(|entry| match entry {
        crate::Entry::Settled(settlement) if !settlement.granted.is_empty() => Some(settlement.clone()),
        _ => None,
    });
    entries.push(crate::Entry::Settled(crate::Settlement { owner: pod("thief").0, ..last.unwrap() }));
    entries.push(crate::Entry::Generation(1 << 20));
    let mut stopped = ledger(&offers);
    assert!(matches!(stopped.apply_all(&entries), Err(AddrError::Taken { .. })));
    assert_eq!(stopped.snapshot(), live.snapshot(), "those before it are made, those behind it are not");
}
