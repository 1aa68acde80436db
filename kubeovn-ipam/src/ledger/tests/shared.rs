//! Addresses that two owners hold, and who had them in the past.

use super::*;
use crate::Entry;

/// The other side of a live migration: the same address as another owner's.
fn beside(owner: &str, ips: &str) -> Want {
    Want { share: vec![pod(owner).0], ..want("", &["a"], ips) }
}

fn roles(ledger: &Ledger, names: &[&str]) -> Vec<Option<Role>> {
    names.iter().map(|name| ledger.held(&pod(name).0).first().map(|grant| grant.role)).collect()
}

const ACTIVE: Option<Role> = Some(Role::Active);
const STANDBY: Option<Role> = Some(Role::Standby);

#[test]
fn a_migrations_target_stands_by_with_address_and_mac_and_takes_over_at_once() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/29,fd00::/64", "10.0.0.1,fd00::1")]);
    let source = settle(&mut ledger, "source", &[want("", &["a"], "")]).unwrap().grants.remove(0);
    let ips = source.ips.to_string();
    assert!(matches!(get(&mut ledger, "target", &ips), Err(AddrError::Taken { .. })), "not unasked");
    let target = settle(&mut ledger, "target", &[beside("source", &ips)]).unwrap().grants.remove(0);
    assert_eq!((target.ips, target.mac, target.role), (source.ips, source.mac, Role::Standby));
    assert!(target.generation > source.generation);
    let usage = ledger.usage("a").unwrap();
    assert_eq!((usage.used.v4, usage.owners), (Some(1), 2), "an address counts once");
    assert!(
        matches!(get(&mut ledger, "thief", "10.0.0.2"), Err(AddrError::Taken { holder, .. }) if holder == pod("source").0)
    );

    let entry = ledger.activate(&pod("target").0, "").unwrap();
    assert_eq!(entry, Entry::Activated { owner: pod("target").0, nic: "".into() });
    assert_eq!(roles(&ledger, &["source", "target"]), [STANDBY, ACTIVE]);
    assert_eq!(ledger.activate(&pod("target").0, ""), None, "it is");
    assert_eq!(ledger.activate(&pod("nobody").0, ""), None);
    let told = ledger.explain("a", ip("10.0.0.2")).to_string();
    assert!(
        told.starts_with("held by pod/default/target from") && told.ends_with("pod/default/source stands by"),
        "{told}"
    );

    let gone = settle(&mut ledger, "source", &[]).unwrap();
    assert_eq!((gone.changed, gone.freed), (true, vec![]), "nothing is free");
    assert_eq!(ledger.held(&pod("target").0)[0].ips, source.ips);
    assert_eq!(settle(&mut ledger, "target", &[]).unwrap().freed, [Arc::from("a")]);
}

#[test]
fn who_stands_by_takes_over_when_the_active_one_goes() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/29", "")]);
    get(&mut ledger, "p", "10.0.0.5").unwrap();
    settle(&mut ledger, "q", &[beside("p", "10.0.0.5")]).unwrap();
    settle(&mut ledger, "r", &[beside("q", "10.0.0.5")]).unwrap();
    assert_eq!(roles(&ledger, &["p", "q", "r"]), [ACTIVE, STANDBY, STANDBY]);
    settle(&mut ledger, "p", &[]).unwrap();
    assert_eq!(roles(&ledger, &["p", "q", "r"]), [None, ACTIVE, STANDBY], "the older one");
    settle(&mut ledger, "r", &[]).unwrap();
    settle(&mut ledger, "q", &[]).unwrap();
    assert_eq!(ledger.explain("a", ip("10.0.0.5")), AddressState::Free);
}

#[test]
fn shared_grants_are_restored_and_strangers_are_not() {
    let mut before = ledger(&[spec("a", "v", "10.0.0.0/29", "")]);
    get(&mut before, "p", "10.0.0.5").unwrap();
    settle(&mut before, "q", &[beside("p", "10.0.0.5")]).unwrap();
    let mut after = ledger(&[spec("a", "v", "10.0.0.0/29", "")]);
    for name in ["q", "p"] {
        let grant = before.held(&pod(name).0).remove(0);
        after.restore(&pod(name).0, &pod(name).1, &grant).unwrap();
    }
    assert_eq!(roles(&after, &["p", "q"]), [ACTIVE, STANDBY]);
    let stranger = Grant { role: Role::Active, ..before.held(&pod("p").0).remove(0) };
    assert!(after.restore(&pod("r").0, &pod("r").1, &stranger).is_err());
}

#[test]
fn history_tells_who_had_an_address_within_its_bounds() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/29", "")]).with_history(2);
    let hold = |ledger: &mut Ledger, name: &str, from: Millis, to: Millis| {
        let (key, uid) = pod(name);
        ledger.settle(&key, &uid, &[want("", &["a"], "10.0.0.5")], from).unwrap();
        ledger.settle(&key, &uid, &[], to).unwrap();
    };
    let had = |ledger: &Ledger, at| {
        let all = ledger.who_had("a", ip("10.0.0.5"), at);
        all.iter().map(|tenancy| tenancy.owner.name.to_string()).collect::<Vec<_>>()
    };
    hold(&mut ledger, "p", 10, 20);
    assert_eq!(
        (had(&ledger, 9), had(&ledger, 10), had(&ledger, 20)),
        (vec![], vec!["default/p".into()], vec![])
    );
    assert_eq!(ledger.history_since(), None, "all is known");
    hold(&mut ledger, "q", 30, 40);
    hold(&mut ledger, "r", 50, 60);
    assert_eq!(
        (had(&ledger, 15).len(), had(&ledger, 35), had(&ledger, 55)),
        (0, vec!["default/q".into()], vec!["default/r".into()])
    );
    assert_eq!(ledger.history_since(), Some(40), "of what ended before nothing is known");
    let (key, uid) = pod("s");
    ledger.settle(&key, &uid, &[want("", &["a"], "10.0.0.5")], 70).unwrap();
    let tenancy = ledger.who_had("a", ip("10.0.0.5"), 71).remove(0);
    assert_eq!(
        tenancy.to_string(),
        "10.0.0.5 (subnet a) was held by pod/default/s (uid uid-of-s) from 1970-01-01T00:00:00Z on"
    );
}

#[test]
fn nobody_becomes_active_beside_another_holder_of_half_of_what_it_has() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/29,fd00::/125", "")]);
    get(&mut ledger, "s1", "10.0.0.5,fd00::5").unwrap();
    get(&mut ledger, "s2", "10.0.0.6,fd00::6").unwrap();
    let own = MacWish::Is(Mac::local([9; 6]));
    let share = vec![pod("s1").0, pod("s2").0];
    settle(&mut ledger, "t", &[Want { share, mac: own, ..want("", &["a"], "10.0.0.5,fd00::6") }]).unwrap();
    settle(&mut ledger, "s2", &[]).unwrap();
    assert_eq!(roles(&ledger, &["s1", "t"]), [ACTIVE, STANDBY], "s1 uses 10.0.0.5 still");
    let mut again = super::ledger(&[spec("a", "v", "10.0.0.0/29,fd00::/125", "")]);
    ledger.snapshot().iter().for_each(|entry| _ = again.apply(entry).unwrap());
    settle(&mut ledger, "s1", &[]).unwrap();
    assert_eq!(roles(&ledger, &["t"]), [ACTIVE]);
}

#[test]
fn who_leaves_a_share_is_active_with_what_is_its_own() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/28,fd00::/124", "")]);
    get(&mut ledger, "src", "10.0.0.5").unwrap();
    let beside = Want { family: Some(Family::V4), ..beside("src", "10.0.0.5") };
    let shared = settle(&mut ledger, "dst", &[beside]).unwrap().grants.remove(0);
    let left = settle(&mut ledger, "dst", &[want("", &["a"], "10.0.0.9")]).unwrap().grants.remove(0);
    assert_eq!((left.role, left.ips.v4), (Role::Active, Some(ip("10.0.0.9"))));
    assert_ne!(left.mac, shared.mac, "the other one uses that MAC");
    let src = ledger.held(&pod("src").0).remove(0);
    assert_eq!((src.role, src.mac), (Role::Active, shared.mac));
}

#[test]
fn the_active_one_keeps_its_mac_when_it_changes_during_a_migration() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/29", "")]);
    get(&mut ledger, "src", "10.0.0.2").unwrap();
    settle(&mut ledger, "dst", &[beside("src", "10.0.0.2")]).unwrap();
    let before = ledger.held(&pod("src").0).remove(0);
    ledger.define(&spec("a", "v", "10.0.0.0/29,fd00::/64", "")).unwrap();
    let after = settle(&mut ledger, "src", &[want("", &["a"], "")]).unwrap().grants.remove(0);
    assert_eq!((after.mac, after.ips.to_string().as_str()), (before.mac, "10.0.0.2,fd00::1"));
    assert_eq!(roles(&ledger, &["src", "dst"]), [ACTIVE, STANDBY]);
    let same =
        Want { mac: MacWish::Is(before.mac.unwrap()), family: Some(Family::V4), ..want("", &["a"], "") };
    assert_eq!(settle(&mut ledger, "src", &[same]).unwrap().grants[0].mac, before.mac);
}

#[test]
fn a_mac_alone_is_inherited_too() {
    let mut ledger = ledger(&[spec("a", "v", "10.0.0.0/29", "")]);
    let src = settle(&mut ledger, "src", &[want("", &["a"], "")]).unwrap().grants.remove(0);
    let same_mac = Want { mac: MacWish::Is(src.mac.unwrap()), ..beside("src", "10.0.0.3") };
    settle(&mut ledger, "dst", &[same_mac]).unwrap();
    assert_eq!(roles(&ledger, &["src", "dst"]), [ACTIVE, STANDBY]);
    settle(&mut ledger, "src", &[]).unwrap();
    assert_eq!(roles(&ledger, &["dst"]), [ACTIVE]);
}
