use std::net::IpAddr;

use kubeovn_core::{
    addr::{DualStack, Family, IpRange, Mac},
    contract::ipam::{Grant, Role},
    rows::{OwnerKey, OwnerKind},
};
use proptest::prelude::*;

use super::*;
use crate::{Granted, Released, Settlement, Shelves};

fn name() -> impl Strategy<Value = std::sync::Arc<str>> {
    prop_oneof![
        3 => "[a-z0-9./-]{0,12}",
        2 => any::<String>(),
        1 => prop::collection::vec(prop::sample::select(vec!["-", "%", " ", "\n", "\r", "\0", "2D", "granted", "é"]), 0..5)
            .prop_map(|parts| parts.concat()),
    ]
    .prop_map(Into::into)
}

fn owner() -> impl Strategy<Value = OwnerKey> {
    (prop::sample::select(OwnerKind::ALL), name()).prop_map(|(kind, name)| OwnerKey::new(kind, name))
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(|[first, b, c, d, e, f]| {
        let first = first & 0xfe;
        format!("{first:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}").parse().unwrap()
    })
}

fn range() -> impl Strategy<Value = IpRange> {
    let v4 = (any::<u32>(), any::<u32>()).prop_map(|(a, b)| [a, b].map(|n| IpAddr::V4(n.into())));
    let v6 = (any::<u128>(), any::<u128>()).prop_map(|(a, b)| [a, b].map(|n| IpAddr::V6(n.into())));
    prop_oneof![v4, v6].prop_map(|[a, b]| IpRange::new(a.min(b), a.max(b)).unwrap())
}

fn granted() -> impl Strategy<Value = Granted> {
    // Also an address in the place of the other family, which nobody should have.
    let ips = any::<(Option<IpAddr>, Option<IpAddr>)>().prop_map(|(v4, v6)| DualStack { v4, v6 });
    let role = prop::sample::select(vec![Role::Active, Role::Standby]);
    let grant = (name(), name(), name(), ips, prop::option::of(mac()), role, any::<u64>(), any::<u64>())
        .prop_map(|(nic, subnet, space, ips, mac, role, generation, since)| Grant {
            nic,
            subnet,
            space,
            ips,
            mac,
            role,
            generation,
            since,
        });
    (grant, any::<bool>(), any::<bool>()).prop_map(|(grant, picked_v4, picked_v6)| Granted {
        grant,
        picked_v4,
        picked_v6,
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let released = (name(), name(), any::<u64>()).prop_map(|(subnet, nic, generation)| Released {
        subnet,
        nic,
        generation,
    });
    let settled = (
        owner(),
        name(),
        any::<u64>(),
        prop::collection::vec(released, 0..3),
        prop::collection::vec(granted(), 0..3),
    )
        .prop_map(|(owner, uid, at, released, granted)| Settlement { owner, uid, at, released, granted });
    let shelves =
        (
            (name(), name(), prop::sample::select(Family::BOTH.to_vec())),
            prop::collection::vec(range(), 0..4),
            prop::collection::vec(any::<(IpAddr, u64)>(), 0..4),
            any::<(Option<IpAddr>, Option<IpAddr>)>(),
            any::<u64>(),
        )
            .prop_map(|((subnet, pool, family), released, resting, (closed_from, cursor), draws)| {
                Shelves { subnet, pool, family, released, resting, closed_from, cursor, draws }
            });
    prop_oneof![
        4 => settled.prop_map(Entry::Settled),
        1 => (owner(), name()).prop_map(|(owner, nic)| Entry::Activated { owner, nic }),
        1 => any::<u64>().prop_map(Entry::Generation),
        2 => shelves.prop_map(Entry::Shelved),
    ]
}

fn bodies(entries: &[Entry]) -> String {
    let mut bodies = String::new();
    entries.iter().for_each(|entry| push_body(entry, &mut bodies));
    bodies
}

proptest! {
    #[test]
    fn every_entry_comes_back_as_it_was(
        entries in prop::collection::vec(entry(), 1..4), first in 1..TOO_HIGH - 9, durable in 0..TOO_HIGH,
    ) {
        let text = lines(&bodies(&entries), first, durable);
        prop_assert_eq!(text.lines().count(), entries.len());
        for ((line, entry), sequence) in text.lines().zip(&entries).zip(first..) {
            let line = read_line(line.as_bytes()).unwrap();
            prop_assert_eq!((line.sequence, line.durable), (sequence, durable));
            prop_assert_eq!(line.entry(), Ok(Some(entry.clone())));
        }
    }

    #[test]
    fn any_bytes_can_be_asked(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read_line(&bytes).is_err() && read_header(&bytes).is_err());
    }

    /// Behind a right checksum, so that it is the words that are looked at.
    #[test]
    fn any_words_can_be_asked(
        words in prop::collection::vec(prop_oneof![
            3 => prop::sample::select(vec![
                "settled", "activated", "generation", "shelved", "released", "granted", "mark", "pod/a", "pod/", "x/y",
                "-", "", "%", "%FF", "1", "-1", "99999999999999999999", "10.0.0.1", "fd00::1", "10.0.0.1..10.0.0.9",
                "10.0.0.1@5", ",", "0a:58:0a:10:00:05", "active", "v4", "v4,v6",
            ]).prop_map(str::to_owned),
            1 => "\\PC{0,6}",
        ], 0..24),
    ) {
        let body = words.join(" ");
        for start in ["1 0 ", "0 0 ", "", "kubeovn-ipam-journal "] {
            let mut text = String::new();
            push_line(&format!("{start}{body}"), &mut text);
            let line = text.strip_suffix('\n').unwrap().as_bytes();
            let _ = read_header(line);
            if let Ok(Ok(Some(entry))) = read_line(line).map(|line| line.entry()) {
                let again = lines(&bodies(std::slice::from_ref(&entry)), 1, 0);
                let again = again.strip_suffix('\n').unwrap();
                prop_assert_eq!(read_line(again.as_bytes()).unwrap().entry(), Ok(Some(entry)));
            }
        }
    }

    #[test]
    fn no_changed_byte_goes_unseen(entry in entry(), at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let text = header(Header { base: 7, durable: 9, snapshot: 2 }) + &lines(&bodies(&[entry]), 8, 9);
        for line in text.lines() {
            let mut bytes = line.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(read_line(&bytes).is_err() && read_header(&bytes).is_err());
        }
    }
}

/// Files of an older version must be read by a newer one: change these lines only with the number of the format.
#[test]
fn the_format_stays_as_it_is() {
    let grant = Grant {
        nic: "".into(),
        subnet: "net1".into(),
        space: "vpc 1".into(),
        ips: "10.0.0.10,fd00::2".parse().unwrap(),
        mac: Some(Mac::local([10, 0x58, 10, 0, 0, 10])),
        role: Role::Active,
        generation: 3,
        since: 1700,
    };
    let web = OwnerKey::pod("shop", "web-0");
    let standby = Grant {
        nic: "net2".into(),
        ips: DualStack::default(),
        mac: None,
        role: Role::Standby,
        ..grant.clone()
    };
    let entries = [
        Entry::Settled(Settlement {
            owner: web.clone(),
            uid: "6f1a".into(),
            at: 1700,
            released: vec![Released { subnet: "net1".into(), nic: "-".into(), generation: 2 }],
            granted: vec![
                Granted { grant, picked_v4: true, picked_v6: true },
                Granted { grant: standby, picked_v4: false, picked_v6: false },
            ],
        }),
        Entry::Activated { owner: web, nic: "net2".into() },
        Entry::Generation(17),
        Entry::Shelved(Shelves {
            subnet: "net1".into(),
            pool: "".into(),
            family: Family::V4,
            released: vec!["10.0.0.9..10.0.0.12".parse().unwrap(), "10.0.0.30".parse().unwrap()],
            resting: vec![("10.0.0.7".parse().unwrap(), 1900), ("10.0.0.8".parse().unwrap(), 2000)],
            closed_from: None,
            cursor: Some("10.0.0.20".parse().unwrap()),
            draws: 5,
        }),
    ];
    let text =
        header(Header { base: 40, durable: 42, snapshot: 2 }) + &lines(&bodies(&entries), 41, 42) + &mark(44);
    let expected = "\
        b9bcf6d5 kubeovn-ipam-journal 1 40 42 2\n\
        af41e5bf 41 42 settled pod/shop/web-0 6f1a 1700 released net1 %2D 2 \
        granted - net1 vpc%201 10.0.0.10 fd00::2 0a:58:0a:00:00:0a active 3 1700 v4,v6 \
        granted net2 net1 vpc%201 - - - standby 3 1700 -\n\
        b71d8218 42 42 activated pod/shop/web-0 net2\n\
        b8e933e6 43 42 generation 17\n\
        99eb642b 44 42 shelved net1 - v4 10.0.0.9..10.0.0.12,10.0.0.30 10.0.0.7@1900,10.0.0.8@2000 - 10.0.0.20 5\n\
        747870b9 0 44 mark\n";
    assert_eq!(text, expected);
}

#[test]
fn later_formats_are_told_from_damage() {
    let line = |rest: &str| {
        let mut text = String::new();
        push_line(rest, &mut text);
        text.strip_suffix('\n').unwrap().as_bytes().to_vec()
    };
    assert_eq!(read_header(&line("kubeovn-ipam-journal 2 zstd")), Err(HeaderError::Version(2)));
    assert_eq!(
        read_header(&line("kubeovn-ipam-journal 1 3 4 1")),
        Ok(Header { base: 3, durable: 4, snapshot: 1 })
    );
    for wrong in [
        "",
        "kubeovn-ipam-journal",
        "kubeovn-ipam-journal 0 3 4 1",
        "kubeovn-ipam-journal 1 3 4 1 9",
        "other 2",
    ] {
        assert!(matches!(read_header(&line(wrong)), Err(HeaderError::Line(_))), "{wrong}");
    }
    let too_high = format!("{} 0 generation 1", u64::MAX);
    assert_eq!(read_line(&line(&too_high)), Err(bad("number", &u64::MAX.to_string())));
}
