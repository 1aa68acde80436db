//! What the ledger promises, one promise per test; random sequences are in `tests/model.rs`.

use kubeovn_core::{
    addr::{Cidr, DualStack, Family, IpRange, Mac},
    contract::ipam::{Ipam, MacWish, Role, Source},
    rows::OwnerKind,
};

use super::{
    AddressState::{Excluded, Free, Gateway, Outside},
    *,
};

fn spec(subnet: &str, space: &str, cidrs: &str, gateways: &str) -> Offer {
    Offer {
        subnet: subnet.into(),
        space: space.into(),
        cidrs: cidrs.parse().unwrap(),
        gateways: gateways.parse().unwrap(),
        ..Offer::default()
    }
}

fn ledger(specs: &[Offer]) -> Ledger {
    let mut ledger = Ledger::new();
    for spec in specs {
        ledger.define(spec).unwrap();
    }
    ledger
}

fn want(nic: &str, subnets: &[&str], fixed: &str) -> Want {
    let subnets = subnets.iter().map(|name| Arc::from(*name)).collect();
    Want {
        nic: nic.into(),
        subnets,
        from: Source::from(fixed.parse::<DualStack<IpAddr>>().unwrap()),
        ..Want::default()
    }
}

fn pod(name: &str) -> (OwnerKey, Arc<str>) {
    (OwnerKey::pod("default", name), format!("uid-of-{name}").into())
}

fn settle(ledger: &mut Ledger, name: &str, wants: &[Want]) -> Result<Settled, AddrError> {
    let (key, uid) = pod(name);
    ledger.settle(&key, &uid, wants, 7)
}

/// The addresses that a pod gets for its main interface from subnet `a`.
fn get(ledger: &mut Ledger, name: &str, fixed: &str) -> Result<String, AddrError> {
    settle(ledger, name, &[want("", &["a"], fixed)]).map(|settled| settled.grants[0].ips.to_string())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn families_are_kept_apart_whatever_the_order_of_the_cidrs() {
    let mut ledger = ledger(&[spec("a", "v", "fd00::/64,10.0.0.0/24", "10.0.0.1,fd00::1")]);
    assert_eq!(get(&mut ledger, "p", ""), Ok("10.0.0.2,fd00::2".into()));
    assert_eq!(get(&mut ledger, "q", "fd00::9"), Ok("10.0.0.3,fd00::9".into()));
}

#[test]
fn dual_stack_is_both_or_none() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/24,fd00::/126", "10.0.0.1,fd00::1")]);
    get(&mut ledger, "p", "").unwrap();
    let before = format!("{ledger:?}");
    let refused = get(&mut ledger, "q", "").unwrap_err();
    let AddrError::Exhausted { family: Family::V6, total: 2, used: 1, reserved: 1, holders, .. } = &refused
    else {
        panic!("{refused}")
    };
    assert_eq!((holders.as_str(), refused.code()), ("default (1)", "IPAM-POOL-EXHAUSTED"));
    assert_eq!(format!("{ledger:?}"), before);
}

#[test]
fn each_refusal_names_what_stands_in_the_way() {
    let mut excluding = spec("a", "v", "10.0.0.0/29", "10.0.0.1");
    excluding.excludes = vec!["10.0.0.2..10.0.0.3".parse().unwrap()];
    let mut ledger = ledger(&[excluding, spec("other", "w", "10.0.0.0/29", "")]);
    assert_eq!(get(&mut ledger, "p", "10.0.0.2"), Ok("10.0.0.2".into()), "excluded, but asked for");
    let (holder, subnet) = (pod("p").0, Arc::<str>::from("a"));

    let (address, since) = (ip("10.0.0.2"), 7);
    let taken = AddrError::Taken {
        ip: address,
        subnet: subnet.clone(),
        holder: holder.clone(),
        since,
        generation: 1,
    };
    assert_eq!(get(&mut ledger, "q", "10.0.0.2"), Err(taken));
    assert_eq!(
        get(&mut ledger, "q", "10.0.0.1"),
        Err(AddrError::Gateway { ip: ip("10.0.0.1"), subnet: subnet.clone() })
    );
    for outside in ["10.0.0.0", "10.0.0.7", "10.0.0.8", "fd00::1"] {
        let (ip, subnet, cidr) = (ip(outside), subnet.clone(), "10.0.0.0/29".to_owned());
        assert_eq!(get(&mut ledger, "q", outside), Err(AddrError::OutOfRange { ip, subnet, cidr }));
    }
    let mac = ledger.held(&holder)[0].mac.unwrap();
    let stolen = Want { mac: MacWish::Is(mac), ..want("", &["a"], "") };
    let taken = AddrError::MacTaken { mac, subnet: subnet.clone(), holder };
    assert_eq!(settle(&mut ledger, "q", std::slice::from_ref(&stolen)), Err(taken));
    let elsewhere = Want { subnets: vec!["other".into()], ..stolen };
    assert_eq!(
        settle(&mut ledger, "q", &[elsewhere]).unwrap().grants[0].mac,
        Some(mac),
        "a space of its own"
    );

    let unknown = AddrError::NoSubnet { subnet: "none".into() };
    assert_eq!(settle(&mut ledger, "r", &[want("", &["none"], "")]), Err(unknown));
    assert!(matches!(settle(&mut ledger, "r", &[want("", &[], "")]), Err(AddrError::NoSubnet { .. })));
    let moved = AddrError::SpaceFixed { subnet, from: "v".into(), to: "w".into(), held: 1 };
    assert_eq!(ledger.define(&spec("a", "w", "10.0.0.0/29", "")), Err(moved));
}

#[test]
fn the_biggest_holders_are_named() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/28", "10.0.0.1")]);
    for (namespace, pods) in [("web", 3), ("shop", 5), ("dev", 1), ("ci", 3)] {
        for i in 0..pods {
            let key = OwnerKey::pod(namespace, &format!("p{i}"));
            ledger.settle(&key, &"u".into(), &[want(&format!("{namespace}{i}"), &["a"], "")], 0).unwrap();
        }
    }
    let node = OwnerKey::new(OwnerKind::Node, "n1");
    ledger.settle(&node, &"n1".into(), &[want("", &["a"], "")], 0).unwrap();
    let AddrError::Exhausted { holders, .. } = get(&mut ledger, "late", "").unwrap_err() else { panic!() };
    assert_eq!(holders, "shop (5), ci (3), web (3)");
}

#[test]
fn small_prefixes_give_all_that_hosts_may_use() {
    for (cidr, all) in [
        ("10.0.0.0/31", vec!["10.0.0.0", "10.0.0.1"]),
        ("fd00::/127", vec!["fd00::", "fd00::1"]),
        ("10.0.0.9/32", vec!["10.0.0.9"]),
        ("fd00::9/128", vec!["fd00::9"]),
        ("10.0.0.0/30", vec!["10.0.0.1", "10.0.0.2"]),
        ("fd00::/126", vec!["fd00::1", "fd00::2"]),
    ] {
        let mut ledger = ledger(&[spec("a", "v", cidr, "")]);
        for (i, address) in all.iter().enumerate() {
            assert_eq!(get(&mut ledger, &i.to_string(), ""), Ok((*address).to_owned()), "{cidr}");
        }
        assert!(matches!(get(&mut ledger, "late", ""), Err(AddrError::Exhausted { .. })), "{cidr}");
    }
}

#[test]
fn a_subnet_without_prefix_gives_a_mac_alone() {
    let mut ledger = ledger(&[spec("a", "v", "", "")]);
    let settled = settle(&mut ledger, "p", &[want("", &["a"], "")]).unwrap();
    assert!(settled.grants[0].ips.is_empty());
    assert_eq!(ledger.usage("a").unwrap(), Usage { owners: 1, ..Usage::default() });
    assert!(matches!(get(&mut ledger, "q", "10.0.0.1"), Err(AddrError::OutOfRange { .. })));
    assert_eq!(settle(&mut ledger, "p", &[]).unwrap().freed, [Arc::from("a")]);
}

#[test]
fn what_fits_stays_and_what_does_not_is_changed_whole() {
    let mut ledger = ledger(&[
        spec("a", "v", "10.0.0.0/24,fd00::/64", "10.0.0.1,fd00::1"),
        spec("b", "v", "10.1.0.0/24", ""),
    ]);
    let first = settle(&mut ledger, "p", &[want("", &["a"], "")]).unwrap();
    let again = settle(&mut ledger, "p", &[want("", &["b", "a"], "10.0.0.2")]).unwrap();
    assert_eq!((again.changed, &again.grants), (false, &first.grants), "held in a subnet that is wanted");

    let moved = settle(&mut ledger, "p", &[want("", &["a"], "10.0.0.50")]).unwrap();
    let (old, new) = (&first.grants[0], &moved.grants[0]);
    assert_eq!(
        (new.ips.to_string().as_str(), new.mac),
        ("10.0.0.50,fd00::2", old.mac),
        "what need not change does not"
    );
    assert!(new.generation > old.generation && moved.changed && *moved.freed == [Arc::from("a")]);

    let mac = Mac::local([1, 2, 3, 4, 5, 6]);
    let renamed = Want { mac: MacWish::Is(mac), ..want("", &["a"], "") };
    let renamed = settle(&mut ledger, "p", &[renamed]).unwrap();
    assert_eq!((&renamed.grants[0].ips, renamed.grants[0].mac), (&new.ips, Some(mac)));

    let other = settle(&mut ledger, "p", &[want("", &["b"], "")]).unwrap();
    assert_eq!((other.grants[0].ips.to_string().as_str(), other.grants[0].mac), ("10.1.0.1", Some(mac)));
    assert_eq!(ledger.usage("a").unwrap().owners, 0);
}

#[test]
fn interfaces_of_one_owner_swap_but_never_share() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/24,fd00::/64", "10.0.0.1,fd00::1")]);
    let both = |x: &str, y: &str| [want("", &["a"], x), want("net1", &["a"], y)];
    settle(&mut ledger, "p", &both("10.0.0.5", "10.0.0.6")).unwrap();
    let swapped = settle(&mut ledger, "p", &both("10.0.0.6", "10.0.0.5")).unwrap();
    let texts: Vec<_> = swapped.grants.iter().map(|grant| grant.ips.to_string()).collect();
    assert_eq!(
        (texts, swapped.freed),
        (vec!["10.0.0.6,fd00::2".into(), "10.0.0.5,fd00::3".to_owned()], vec![])
    );
    // The main interface would keep fd00::2, but the other one asks for it by number.
    let crossed = settle(&mut ledger, "p", &both("10.0.0.7", "fd00::2")).unwrap();
    let texts: Vec<_> = crossed.grants.iter().map(|grant| grant.ips.to_string()).collect();
    assert_eq!(texts, ["10.0.0.7,fd00::4", "10.0.0.5,fd00::2"]);
    let before = format!("{ledger:?}");
    assert!(matches!(settle(&mut ledger, "p", &both("10.0.0.9", "10.0.0.9")), Err(AddrError::Taken { .. })));
    assert_eq!(format!("{ledger:?}"), before);
    let nics: Vec<_> = ledger.held(&pod("p").0).into_iter().map(|grant| grant.nic).collect();
    assert_eq!(nics, [Arc::from(""), Arc::from("net1")]);
}

#[test]
fn of_several_subnets_the_first_that_can() {
    let mut ledger =
        ledger(&[spec("a", "v", "10.0.0.0/30", "10.0.0.1"), spec("b", "v", "10.1.0.0/24", "10.1.0.1")]);
    let from = |ledger: &mut Ledger, name: &str, fixed: &str| {
        settle(ledger, name, &[want("", &["gone", "a", "b"], fixed)])
            .map(|settled| settled.grants[0].subnet.to_string())
    };
    assert_eq!(from(&mut ledger, "p", ""), Ok("a".into()));
    assert_eq!(from(&mut ledger, "q", ""), Ok("b".into()), "a is full");
    assert_eq!(from(&mut ledger, "r", "10.1.0.77"), Ok("b".into()));
    let refused = from(&mut ledger, "s", "10.1.0.77").unwrap_err();
    assert!(matches!(refused, AddrError::Taken { .. }), "nearer than that it is not in a: {refused}");
}

#[test]
fn a_new_object_of_the_same_name_takes_over_nothing() {
    let mut tight = spec("a", "v", "10.0.0.0/29", "10.0.0.1");
    tight.rest = 100;
    let mut ledger = ledger(&[tight]);
    let (key, old) = pod("p");
    let wanted = [want("", &["a"], "")];
    let before = ledger.settle(&key, &old, &wanted, 0).unwrap().grants.remove(0);
    let impossible = [want("", &["a"], "10.0.0.1")];
    assert!(ledger.settle(&key, &"new".into(), &impossible, 1).is_err());
    assert_eq!(
        (ledger.held(&key), ledger.owners()),
        (vec![before.clone()], vec![(key.clone(), old.clone())])
    );

    let after = ledger.settle(&key, &"new".into(), &wanted, 1).unwrap().grants.remove(0);
    assert!(after.ips != before.ips && after.mac != before.mac && after.generation > before.generation);
    assert_eq!(ledger.explain("a", ip("10.0.0.2")), AddressState::Resting { until: 101 });
    let stale = ledger.release(&key, "", before.generation, 2);
    assert_eq!(
        (stale, ledger.held(&key)),
        (Settled::default(), vec![after.clone()]),
        "an old release frees nothing"
    );
    assert!(ledger.release(&key, "", after.generation, 2).changed && ledger.owners().is_empty());

    // With nothing else left it gets what its predecessor gives up.
    (0..5).for_each(|i| _ = get(&mut ledger, &i.to_string(), "").unwrap());
    let (key, _) = pod("3");
    let held = ledger.held(&key)[0].ips;
    assert_eq!(ledger.settle(&key, &"new".into(), &wanted, 3).unwrap().grants[0].ips, held);
}

#[test]
fn macs_follow_from_the_owner_and_are_drawn_again_when_taken() {
    let specs = [spec("a", "v", "10.0.0.0/24", ""), spec("b", "w", "10.0.0.0/24", "")];
    let mut one = ledger(&specs);
    settle(&mut one, "p", &[want("", &["a"], "")]).unwrap();
    let mac = one.held(&pod("p").0)[0].mac.unwrap();

    let mut two = ledger(&specs);
    let thief = Want { mac: MacWish::Is(mac), ..want("", &["a"], "") };
    settle(&mut two, "thief", &[thief]).unwrap();
    settle(&mut two, "p", &[want("", &["a"], ""), want("net1", &["b"], "")]).unwrap();
    let held = two.held(&pod("p").0);
    assert!(held[0].mac != Some(mac) && held[1].mac != held[0].mac);
    assert!(held.iter().all(|grant| grant.mac.unwrap().bytes()[0] & 3 == 2), "locally administered, unicast");
}

#[test]
fn an_address_says_what_is_with_it() {
    let mut pool = spec("a", "v", "10.0.0.0/24", "10.0.0.1");
    pool.excludes = vec![IpRange::from(ip("10.0.0.9"))];
    let mut ledger = ledger(&[pool, spec("b", "v", "10.0.0.0/25", "")]);
    settle(&mut ledger, "p", &[want("", &["b"], "10.0.0.5")]).unwrap();
    let state = |address: &str| ledger.explain("a", ip(address));
    assert!(matches!(state("10.0.0.5"), AddressState::Held { owner, .. } if owner == pod("p").0));
    assert!(
        state("10.0.0.5")
            .to_string()
            .starts_with("held by pod/default/p from subnet b since 1970-01-01T00:00:00Z (generation 1,")
    );
    let others = ["10.0.0.1", "10.0.0.9", "10.0.0.2", "10.0.0.0", "fd00::1"].map(state);
    assert_eq!(others, [Gateway, Excluded, Free, Outside, Outside]);
}

#[test]
fn a_fork_is_independent_and_owners_come_in_order() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/24", "")]);
    for name in ["q", "s", "p", "r"] {
        get(&mut ledger, name, "").unwrap();
    }
    let mut fork = Ipam::fork(&ledger);
    fork.settle(&pod("p").0, &pod("p").1, &[], 9).unwrap();
    assert_eq!((fork.held(&pod("p").0).len(), ledger.held(&pod("p").0).len()), (0, 1));
    let mut names = Vec::new();
    Ipam::owners(&ledger, &mut |owner, _| names.push(owner.name.to_string()));
    assert_eq!(names, ["default/p", "default/q", "default/r", "default/s"]);
}

#[test]
fn a_dual_pair_in_the_wrong_places_is_read_by_family() {
    let mut swapped = spec("a", "v", "", "");
    swapped.gateways = DualStack { v4: Some(ip("fd00::1")), v6: Some(ip("10.0.0.1")) };
    swapped.cidrs = DualStack { v4: "fd00::/64".parse::<Cidr>().ok(), v6: "10.0.0.0/24".parse().ok() };
    let mut ledger = ledger(&[swapped]);
    let fixed = DualStack { v4: Some(ip("fd00::7")), v6: None };
    let settled =
        settle(&mut ledger, "p", &[Want { from: Source::OneOf(vec![fixed]), ..want("", &["a"], "") }])
            .unwrap();
    assert_eq!(settled.grants[0].ips.to_string(), "10.0.0.2,fd00::7");
}

#[test]
fn a_second_prefix_of_a_family_is_left_out() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/24", "")]);
    get(&mut ledger, "p", "").unwrap();
    let mut twice = spec("a", "v", "10.0.0.0/25", "");
    twice.cidrs.v6 = "10.1.0.0/24".parse().ok();
    ledger.define(&twice).unwrap();
    settle(&mut ledger, "p", &[]).unwrap();
    assert_eq!(ledger.usage("a").unwrap().available.v4, Some(126));
}

mod choices;
mod lifecycle;
mod shared;
