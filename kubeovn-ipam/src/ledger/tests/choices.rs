//! What a request may ask for beside an address: a family, a pool, a list, what to skip.

use kubeovn_core::contract::ipam::{NamedPool, Order};

use super::*;

fn pooled() -> Ledger {
    let pool = |name: &str, ranges: &[&str]| NamedPool {
        name: name.into(),
        ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
    };
    let mut a = spec("a", "v", "10.0.0.0/28,fd00::/124", "10.0.0.1,fd00::1");
    a.excludes = vec!["10.0.0.4".parse().unwrap()];
    a.pools =
        vec![pool("web", &["10.0.0.3..10.0.0.5", "fd00::8..fd00::9"]), pool("db", &["10.0.0.14..10.0.0.30"])];
    ledger(&[a, spec("b", "v", "10.1.0.0/29", "10.1.0.1")])
}

fn from(subnets: &[&str], from: Source) -> Want {
    Want { from, ..want("", subnets, "") }
}

fn pools(names: &[&str]) -> Source {
    Source::Pools(names.iter().map(|name| Arc::from(*name)).collect())
}

fn ips(ledger: &mut Ledger, name: &str, want: Want) -> Result<String, AddrError> {
    settle(ledger, name, &[want]).map(|settled| settled.grants[0].ips.to_string())
}

#[test]
fn one_family_when_one_is_asked_for() {
    let mut ledger = pooled();
    let only = |family| Want { family: Some(family), ..want("", &["a"], "") };
    assert_eq!(ips(&mut ledger, "p", only(Family::V4)), Ok("10.0.0.2".into()));
    assert_eq!(ips(&mut ledger, "q", only(Family::V6)), Ok("fd00::2".into()));
    assert_eq!(
        ips(&mut ledger, "p", want("", &["a"], "")),
        Ok("10.0.0.2,fd00::3".into()),
        "the other is added"
    );
    assert_eq!(ips(&mut ledger, "p", only(Family::V6)), Ok("fd00::3".into()), "another family is a change");
    let on_b = Want { family: Some(Family::V6), ..want("", &["b"], "") };
    assert_eq!(
        ips(&mut ledger, "r", on_b),
        Err(AddrError::NoFamily { subnet: "b".into(), family: Family::V6 })
    );
    let crossed = Want { family: Some(Family::V6), ..want("", &["a"], "10.0.0.9") };
    let wrong = AddrError::WrongFamily { ip: ip("10.0.0.9"), family: Family::V6 };
    assert_eq!(ips(&mut ledger, "r", crossed), Err(wrong));
}

#[test]
fn a_named_pool_is_given_to_who_names_it_and_to_nobody_else() {
    let mut ledger = pooled();
    let all: Vec<_> = (0..9).map_while(|i| get(&mut ledger, &format!("any{i}"), "").ok()).collect();
    let v4: Vec<_> = all.iter().filter_map(|ips| ips.split(',').next()).collect();
    let rest =
        ["10.0.0.2", "10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9", "10.0.0.10", "10.0.0.11", "10.0.0.12"];
    assert_eq!(v4, [&rest[..], &["10.0.0.13"]].concat());
    let full = get(&mut ledger, "late", "").unwrap_err();
    assert!(
        matches!(&full, AddrError::Exhausted { pool, total: 10, reserved: 1, .. } if pool.is_empty()),
        "{full:?}"
    );

    assert_eq!(ips(&mut ledger, "w", from(&["a"], pools(&["web"]))), Ok("10.0.0.3,fd00::8".into()));
    assert_eq!(
        ips(&mut ledger, "x", from(&["a"], pools(&["web"]))),
        Ok("10.0.0.5,fd00::9".into()),
        "4 is excluded"
    );
    let full = ips(&mut ledger, "y", from(&["a"], pools(&["web"]))).unwrap_err();
    assert!(
        full.to_string()
            .starts_with("pool web of subnet a has no free IPv4 address: 2 of 3 are in use, 1 are")
    );
    let none = ips(&mut ledger, "z", from(&["a"], pools(&["db"]))).unwrap_err().to_string();
    assert!(
        none.contains("pool db of subnet a has no IPv6 address: 0 of 0")
            && none.ends_with("the other one alone"),
        "{none}"
    );
    let only_v4 = Want { family: Some(Family::V4), ..from(&["a"], pools(&["web", "db"])) };
    assert_eq!(ips(&mut ledger, "y", only_v4), Ok("10.0.0.14".into()), "the next pool");
    let nowhere = ips(&mut ledger, "z", from(&["a"], pools(&["web", "db"]))).unwrap_err();
    assert!(matches!(nowhere, AddrError::Exhausted { .. }), "never from elsewhere: {nowhere}");
    assert_eq!(
        ips(&mut ledger, "z", from(&["a", "b"], pools(&["none"]))),
        Err(AddrError::NoPool { pool: "none".into() })
    );
    let mut bare = spec("m", "v", "", "");
    bare.pools = vec![NamedPool { name: "web".into(), ranges: vec![] }];
    ledger.define(&bare).unwrap();
    let none = ips(&mut ledger, "m", from(&["m"], pools(&["web"])));
    assert!(
        matches!(none, Err(AddrError::Exhausted { total: 0, .. })),
        "no address is none from the pool: {none:?}"
    );
    let usage = ledger.pool_usage("a", "web").unwrap();
    assert_eq!((usage.used.to_string(), usage.available.to_string()), ("2,2".into(), "0,0".into()));
    assert_eq!((ledger.pool_usage("a", "none"), ledger.pool_usage("none", "")), (None, None));
}

#[test]
fn naming_another_pool_is_a_change_and_naming_none_is_not() {
    let mut ledger = pooled();
    assert_eq!(ips(&mut ledger, "p", from(&["a"], pools(&["web"]))), Ok("10.0.0.3,fd00::8".into()));
    assert_eq!(ips(&mut ledger, "p", want("", &["a"], "")), Ok("10.0.0.3,fd00::8".into()));
    let db = Want { family: Some(Family::V4), ..from(&["a"], pools(&["db"])) };
    assert_eq!(ips(&mut ledger, "p", db), Ok("10.0.0.14".into()));
    assert_eq!(
        ips(&mut ledger, "p", want("", &["a"], "10.0.0.3")),
        Ok("10.0.0.3,fd00::2".into()),
        "by number"
    );
    assert_eq!(ledger.explain("a", ip("10.0.0.5")), AddressState::InPool { pool: "web".into() });
}

#[test]
fn of_a_list_the_first_that_can_be_had() {
    let mut ledger = pooled();
    let list = |items: &str| Source::OneOf(items.split(' ').map(|item| item.parse().unwrap()).collect());
    let wanted = || from(&["a", "b"], list("10.0.0.2 10.0.0.9,fd00::9 10.1.0.3"));
    for (name, got) in [("p", "10.0.0.2,fd00::2"), ("q", "10.0.0.9,fd00::9"), ("r", "10.1.0.3")] {
        assert_eq!(ips(&mut ledger, name, wanted()), Ok(got.into()));
    }
    assert!(matches!(ips(&mut ledger, "s", wanted()), Err(AddrError::Taken { .. })));
    assert_eq!(ips(&mut ledger, "q", wanted()), Ok("10.0.0.9,fd00::9".into()), "what is held is among them");
}

#[test]
fn what_must_be_skipped_is_neither_given_nor_kept() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/29,fd00::/64", "")]);
    get(&mut ledger, "p", "").unwrap();
    let skipping = |skip: &[&str]| {
        let skip = skip.iter().map(|text| ip(text)).collect();
        Want { skip, ..want("", &["a"], "") }
    };
    assert_eq!(ips(&mut ledger, "q", skipping(&["10.0.0.2", "fd00::2"])), Ok("10.0.0.3,fd00::3".into()));
    assert_eq!(
        ips(&mut ledger, "p", skipping(&["10.0.0.1"])),
        Ok("10.0.0.2,fd00::1".into()),
        "that family alone"
    );
    let rest = ["10.0.0.1", "10.0.0.4", "10.0.0.5", "10.0.0.6"];
    let refused = ips(&mut ledger, "r", skipping(&rest)).unwrap_err();
    assert_eq!(
        refused,
        AddrError::Skipped { subnet: "a".into(), pool: "".into(), family: Family::V4, skipped: 4 }
    );
    assert_eq!(refused.kube_ovn(), Some("AddressConflict"));
    let named = Want { from: want("", &[], "10.0.0.4").from, ..skipping(&["10.0.0.4"]) };
    assert_eq!(ips(&mut ledger, "r", named), Ok("10.0.0.4,fd00::2".into()), "who asks by number means it");
}

#[test]
fn the_gateways_mac_is_given_to_nobody() {
    let mut probe = ledger(&[spec("a", "v", "10.0.0.0/29", "")]);
    settle(&mut probe, "p", &[want("", &["a"], "")]).unwrap();
    let derived = probe.held(&pod("p").0)[0].mac;
    let mut offer = spec("a", "v", "10.0.0.0/29", "");
    offer.gateway_mac = derived;
    let mut ledger = ledger(std::slice::from_ref(&offer));
    let settled = settle(&mut ledger, "p", &[want("", &["a"], "")]).unwrap();
    assert_ne!(settled.grants[0].mac, derived);
    let asks = Want { mac: MacWish::Is(derived.unwrap()), ..want("", &["a"], "") };
    assert_eq!(
        settle(&mut ledger, "q", &[asks]),
        Err(AddrError::GatewayMac { mac: derived.unwrap(), subnet: "a".into() })
    );
    let without = Want { mac: MacWish::Without, ..want("", &["a"], "") };
    assert_eq!(settle(&mut ledger, "q", &[without]).unwrap().grants[0].mac, None);
    // Who holds it when it becomes the gateway's keeps it, and is told of.
    offer.gateway_mac = settled.grants[0].mac;
    ledger.define(&offer).unwrap();
    assert_eq!(ledger.misfits("a").iter().map(|(_, _, why)| *why).collect::<Vec<_>>(), [Misfit::GatewayMac]);
}

#[test]
fn a_subnet_has_the_order_that_it_is_given() {
    let of = |order: Order| {
        let mut ledger = ledger(&[Offer { order, ..spec("a", "v", "10.0.0.0/28", "10.0.0.1") }]);
        let first: Vec<_> = (0..3).map(|i| get(&mut ledger, &i.to_string(), "").unwrap()).collect();
        settle(&mut ledger, "0", &[]).unwrap();
        (first, get(&mut ledger, "3", "").unwrap())
    };
    assert_eq!(of(Order::NextFit).1, "10.0.0.5");
    let (drawn, _) = of(Order::Random { seed: 4 });
    assert_eq!(of(Order::Random { seed: 4 }).0, drawn, "the same seed, the same addresses");
    assert_ne!(drawn, ["10.0.0.2", "10.0.0.3", "10.0.0.4"]);
}

#[test]
fn what_cannot_be_offered_changes_nothing() {
    let mut ledger = pooled();
    let before = format!("{ledger:?}");
    let mut overlapping = spec("c", "v", "10.2.0.0/24", "");
    let pool =
        |name: &str, range: &str| NamedPool { name: name.into(), ranges: vec![range.parse().unwrap()] };
    overlapping.pools = vec![pool("y", "10.2.0.9..10.2.0.20"), pool("x", "10.2.0.1..10.2.0.10")];
    let shared = "10.2.0.9..10.2.0.10".parse().unwrap();
    let refused = AddrError::PoolOverlap { subnet: "c".into(), pool: "y".into(), other: "x".into(), shared };
    assert_eq!(ledger.define(&overlapping), Err(refused));
    for names in [["", "x"], ["x", "x"]] {
        let pools = vec![pool(names[0], "10.2.0.1"), pool(names[1], "10.2.0.2")];
        let refused = ledger.define(&Offer { pools, ..spec("c", "v", "10.2.0.0/24", "") });
        assert!(matches!(refused, Err(AddrError::PoolName { .. })), "{refused:?}");
    }
    let bare = spec("a", "v", "", "");
    assert_eq!(ledger.define(&bare), Err(AddrError::PrefixesFixed { subnet: "a".into() }));
    assert_eq!(format!("{ledger:?}"), before);
}

#[test]
fn what_another_interface_merely_lists_is_there_for_this_one() {
    let list = |items: &str| Source::OneOf(items.split(' ').map(|item| item.parse().unwrap()).collect());
    let of = |nic: &str, from: Source| Want {
        nic: nic.into(),
        subnets: vec!["a".into()],
        from,
        ..Want::default()
    };
    let both = |wants: &[Want]| {
        let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/30", "")]);
        let settled = settle(&mut ledger, "p", wants)?;
        Ok(settled.grants.iter().map(|grant| grant.ips.to_string()).collect::<Vec<_>>())
    };
    let listed = of("x", list("10.0.0.1 10.0.0.2"));
    assert_eq!(both(&[listed.clone(), of("y", Source::Any)]), Ok(vec!["10.0.0.1".into(), "10.0.0.2".into()]));
    assert_eq!(both(&[of("y", Source::Any), listed.clone()]), Ok(vec!["10.0.0.2".into(), "10.0.0.1".into()]));
    let insists = of("y", list("10.0.0.1"));
    assert_eq!(both(&[listed, insists.clone()]), Ok(vec!["10.0.0.2".into(), "10.0.0.1".into()]));
    let twice: Result<_, AddrError> = both(&[insists.clone(), insists]);
    assert_eq!(twice, Ok(vec!["10.0.0.1".into()]), "of two for one interface the first counts");
}
