//! Directories that clean up after themselves, chance that can be repeated, and entries of all kinds.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use kubeovn_ipam::{
    DualStack, Entry, Family, Grant, Granted, Mac, OwnerKey, OwnerKind, Released, Role, Settlement, Shelves,
    store::Store,
};

/// A new directory, removed with this value, also when a test fails.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("ipam-store-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        TempDir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Numbers that only depend on the seed (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (end as u64)).unwrap()
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// A grant as a pod's start makes it, with a uid that tells it from all others.
pub(crate) fn settled(uid: &str) -> Entry {
    let grant = Grant {
        nic: "".into(),
        subnet: "ovn-default".into(),
        space: "ovn-cluster".into(),
        ips: "10.16.0.7,fd00::7".parse().unwrap(),
        mac: Some(Mac::local([10, 0x58, 10, 16, 0, 7])),
        role: Role::Active,
        generation: 7,
        since: 1_795_410_120_123,
    };
    Entry::Settled(Settlement {
        owner: OwnerKey::pod("default", "web-0"),
        uid: uid.into(),
        at: 1_795_410_120_123,
        released: Vec::new(),
        granted: vec![Granted { grant, picked_v4: true, picked_v6: false }],
    })
}

/// The uid given to [`settled`].
pub(crate) fn uid(entry: &Entry) -> String {
    match entry {
        Entry::Settled(settlement) => settlement.uid.to_string(),
        other => panic!("{other:?} has no uid"),
    }
}

/// One entry of each kind and more, with empty, odd and huge names.
pub(crate) fn all_kinds() -> Vec<Entry> {
    let huge = "x y%\n".repeat(40_000);
    let mut entries =
        vec![settled("1"), settled(""), settled("-"), settled(&huge), Entry::Generation(u64::MAX)];
    for kind in OwnerKind::ALL {
        let owner = OwnerKey::new(*kind, "größe / 1");
        entries.push(Entry::Activated { owner: owner.clone(), nic: "net1".into() });
        entries.push(Entry::Settled(Settlement {
            owner,
            uid: "u".into(),
            at: 0,
            released: vec![Released { subnet: "".into(), nic: "a\0b".into(), generation: 3 }],
            granted: Vec::new(),
        }));
    }
    for family in Family::BOTH {
        entries.push(Entry::Shelved(Shelves {
            subnet: "net1".into(),
            pool: "".into(),
            family,
            released: vec!["10.0.0.1..10.0.0.9".parse().unwrap(), "fd00::1".parse().unwrap()],
            resting: vec![("10.0.0.3".parse().unwrap(), 12), ("fd00::3".parse().unwrap(), 13)],
            closed_from: family.address(78),
            cursor: family.address(77),
            draws: 1 << 60,
        }));
    }
    if let Entry::Settled(settlement) = &mut entries[0] {
        settlement.granted[0].grant.ips = DualStack::default();
        settlement.granted[0].grant.mac = None;
        settlement.granted[0].grant.role = Role::Standby;
    }
    entries
}

/// All that a store gives back.
pub(crate) fn load(store: &impl Store) -> Vec<Entry> {
    let mut entries = Vec::new();
    store.load(&mut |entry| entries.push(entry)).unwrap();
    entries
}
