//! The same network on the Northbound of every OVN release: all of it is taken, and a second start writes nothing.

use std::fs;

use crate::{
    objects::{routed, tenants, vpc},
    rig::Rig,
    schemas::{RELEASES, release},
    server::{Directory, wait_for},
    settled::tool,
    silence::does_one_thing,
};

fn works_on(name: &str) {
    let directory = Directory::new();
    let schema = directory.path("release.ovsschema");
    fs::write(&schema, release(name).schema().to_string()).unwrap();
    let mut rig = Rig::stopped_on(&schema, tenants());
    rig.start();
    rig.settle();
    rig.apply(routed(vpc("blue", &["blue"])));
    let prefix = ("ip_prefix".to_owned(), ["192.168.7.0/24".to_owned()].into());
    let routed = || rig.rows().values().any(|row| row.columns.get(&prefix.0) == Some(&prefix.1));
    wait_for("the routes of blue", || routed().then_some(()));
    rig.settle();

    let (before, told) = (rig.rows(), rig.addresses());
    let mark = rig.now();
    rig.restart_on(rig.cluster.clone());
    rig.stays_silent_since(mark);
    assert_eq!((rig.rows(), rig.addresses()), (before, told), "after a second start");
    does_one_thing(&rig);
    assert_eq!(rig.refused(), [""; 0]);
}

/// An OVN that is upgraded under the controller: what the older one could not hold is written then, and nothing else.
#[test]
fn what_an_upgraded_server_can_hold_is_written_when_it_can() {
    let directory = Directory::new();
    let older = directory.path("older.ovsschema");
    fs::write(&older, release("23.03").schema().to_string()).unwrap();
    let mut rig = Rig::stopped_on(&older, tenants());
    rig.start();
    rig.settle();
    let tiers = |rig: &Rig| -> Vec<Option<Vec<String>>> {
        let rules = rig.rows().into_iter().filter(|(name, _)| name.starts_with("ACL/"));
        rules.map(|(_, row)| row.columns.get("tier").map(|tier| tier.iter().cloned().collect())).collect()
    };
    assert!(!tiers(&rig).is_empty() && tiers(&rig).iter().all(Option::is_none), "{:?}", tiers(&rig));
    let mark = rig.now();

    let newer = directory.path("newer.ovsschema");
    fs::write(&newer, release("23.06").schema().to_string()).unwrap();
    tool("ovsdb-client", &["convert", &rig.server.endpoint(), newer.to_str().unwrap()]);
    let two = Some(vec!["Integer(2)".to_owned()]);
    wait_for("the tiers", || tiers(&rig).iter().all(|tier| *tier == two).then_some(()));
    rig.settle();
    assert_eq!(rig.sent_since(mark), 1);
    assert_eq!(rig.refused(), [""; 0]);
}

macro_rules! works_on {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            works_on($name);
        })*

        #[test]
        fn no_release_is_forgotten() {
            assert_eq!([$($name),*].as_slice(), RELEASES.iter().map(|release| release.name).collect::<Vec<_>>());
        }
    };
}

works_on! {
    works_on_ovn_22_03: "22.03",
    works_on_ovn_22_06: "22.06",
    works_on_ovn_22_09: "22.09",
    works_on_ovn_22_12: "22.12",
    works_on_ovn_23_03: "23.03",
    works_on_ovn_23_06: "23.06",
    works_on_ovn_23_09: "23.09",
    works_on_ovn_24_03: "24.03",
    works_on_ovn_24_09: "24.09",
    works_on_ovn_25_03: "25.03",
    works_on_ovn_25_09: "25.09",
}
