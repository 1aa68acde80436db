//! The controller is started on what another one left, and everything is filmed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
    time::{Duration, Instant},
};

use kubeovn_core::index::objects::{Kind, Meta, Object, Pod};

use crate::{
    film::{Film, pair, row_of},
    fixture::{Age, cluster, northbound, row::Fate, row::Northbound},
    rig::Rig,
    seen::{Rows, Seat, difference},
    server::wait_for,
    settled::cluster_of,
};

/// For how long nothing may happen before nothing is expected to happen any more.
const QUIET: Duration = Duration::from_secs(2);
/// How long to wait for what should come soon, on a machine that does other things, too.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// What came of it.
pub(crate) struct Takeover {
    /// What there was.
    pub(crate) northbound: Northbound,
    /// Objects before and after.
    pub(crate) objects: [Vec<Object>; 2],
    /// What happened.
    pub(crate) film: Film,
    /// What was not done in time.
    pub(crate) left: Vec<String>,
    /// All rows in the end.
    pub(crate) rows: Rows,
    /// All rows that the same objects give in an empty database.
    pub(crate) fresh: Rows,
    /// What another start wrote.
    pub(crate) again: Option<String>,
}

impl Takeover {
    /// Of the fixture, done once per age.
    pub(crate) fn of(age: Age) -> &'static Takeover {
        static DONE: [OnceLock<Takeover>; 2] = [OnceLock::new(), OnceLock::new()];
        DONE[usize::from(age == Age::V1_15)].get_or_init(|| {
            let objects = cluster::objects(&cluster::manifests());
            let northbound = northbound(&objects, age);
            let mut rig = Rig::stopped(objects.clone());
            northbound.load(&rig);
            wait_for("the eye to see the fixture", || {
                rig.seen.rows().contains_key("Logical_Router/@their-router").then_some(())
            });
            let (before, from) = rig.seen.raw();
            rig.start();
            let left = soon(|| unfinished(&rig, &northbound));
            quiet(&rig);
            let film = Film { before, frames: rig.seen.updates_from(from) };
            let rows = rig.rows();
            let after = all_objects(&rig);
            let again = another_start(&mut rig);
            let fresh = fresh(&objects);
            Takeover { northbound, objects: [objects, after], film, left, rows, fresh, again }
        })
    }
}

/// Rows that are not yet what must become of them.
pub(crate) fn unfinished(rig: &Rig, northbound: &Northbound) -> Vec<String> {
    let (rows, _) = rig.seen.raw();
    let mut left = Vec::new();
    for row in &northbound.rows {
        let now = row_of(&rows, row.table, row.uuid);
        match &row.fate {
            Fate::Ours { row: id, owner } => {
                let marks = now.map(|now| [pair(now, "row"), pair(now, "owner")]);
                if marks != Some([Some(id.as_str()), Some(owner.as_str())]) {
                    left.push(format!("{row} should be {owner}'s {id}: {marks:?}"));
                }
            }
            Fate::Goes if now.is_some() => left.push(format!("{row} should be gone")),
            Fate::Goes | Fate::Stays => {}
        }
    }
    left
}

/// Asks again and again until nothing is left, or for too long.
fn soon(mut left: impl FnMut() -> Vec<String>) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = left();
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until nothing has happened for a while.
pub(crate) fn quiet(rig: &Rig) {
    let deadline = Instant::now() + 3 * PATIENCE;
    let mut last = (rig.now(), Instant::now());
    while last.1.elapsed() < QUIET {
        assert!(Instant::now() < deadline, "the controller does not come to rest");
        std::thread::sleep(Duration::from_millis(50));
        if rig.now() != last.0 {
            last = (rig.now(), Instant::now());
        }
    }
}

/// Starts another controller on the same objects; what it wrote, if it did. It has looked at everything: a pod that
/// comes then is one transaction.
pub(crate) fn another_start(rig: &mut Rig) -> Option<String> {
    let (mark, rows, objects) = (rig.now(), rig.rows(), revisions(rig));
    rig.restart_on(rig.cluster.clone());
    quiet(rig);
    let changes = difference(&rows, &rig.rows());
    let written: Vec<_> = revisions(rig).difference(&objects).cloned().collect();
    if rig.now() != mark || !written.is_empty() {
        return Some(format!("{mark:?} became {:?}, objects {written:?}, rows {changes}", rig.now()));
    }
    let meta = Meta { namespace: "default".into(), ..Meta::named("comes-later") };
    rig.apply(Object::Pod(Pod { meta, node: Some("n1".into()), ..Pod::default() }));
    wait_for("the port of a pod that came later", || {
        rig.seen.ports().contains_key("comes-later.default").then_some(())
    });
    quiet(rig);
    let sent = rig.sent_since(mark);
    (sent != 1).then(|| format!("{sent} transactions for one pod: {}", difference(&rows, &rig.rows())))
}

/// Rows of the same objects in an empty database.
pub(crate) fn fresh(objects: &[Object]) -> Rows {
    let mut rig = Rig::stopped(objects.iter().cloned());
    rig.start();
    wait_for("the first rows", || (!rig.rows().is_empty()).then_some(()));
    quiet(&rig);
    rig.rows()
}

pub(crate) fn all_objects(rig: &Rig) -> Vec<Object> {
    Kind::ALL.iter().flat_map(|kind| rig.cluster.objects(*kind)).collect()
}

fn revisions(rig: &Rig) -> BTreeSet<String> {
    all_objects(rig).iter().map(|object| format!("{} {}", object.key(), object.meta().revision)).collect()
}

/// Columns that others write into as well, or that nothing of ours writes.
const SHARED: [&str; 20] = [
    "acls",
    "bfd",
    "dhcpv4_options",
    "dhcpv6_options",
    "external_ids",
    "gateway_chassis",
    "ha_chassis_group",
    "ipv6_prefix",
    "ipv6_ra_configs",
    "load_balancer",
    "nat",
    "options",
    "other_config",
    "policies",
    "ports",
    "static_routes",
    "tag",
    "tier",
    "up",
    "mac",
];

/// How rows of ours differ from those of a fresh start: a column that we write is the same, one that is shared has at
/// least the same. MACs of router ports are those that they had.
pub(crate) fn less_than_fresh(fresh: &Rows, rows: &Rows) -> Vec<String> {
    let mut wrong = Vec::new();
    let no_columns = BTreeMap::new();
    for (name, want) in fresh {
        let seat = rows.get(name);
        if seat.is_none_or(|seat| seat.owner != want.owner) {
            wrong.push(format!("{name} of {:?}: {:?}", want.owner, seat.map(|seat| &seat.owner)));
        }
        let columns = seat.map_or(&no_columns, |seat| &seat.columns);
        for (column, want) in &want.columns {
            let has = columns.get(column);
            let shared = SHARED.contains(&column.as_str());
            let same = match has {
                Some(_) if column == "mac" => true,
                Some(has) if shared => want.is_subset(has),
                has => has == Some(want),
            };
            if !same {
                wrong.push(format!("{name}: {column}: {has:?}, fresh {want:?}"));
            }
        }
    }
    // In a subnet that is refused a fresh start would wire nobody, but who has a port there keeps it.
    let stranded = |seat: &Seat| {
        let words = seat.columns.get("external_ids").into_iter().flatten();
        let mut switches = words.filter_map(|word| word.strip_prefix("ls="));
        switches.any(|switch| !fresh.contains_key(&format!("Logical_Switch/{switch}")))
    };
    let ours = rows.iter().filter(|(_, seat)| seat.owner.is_some() && !stranded(seat));
    wrong.extend(
        ours.filter(|(name, _)| !fresh.contains_key(*name)).map(|(name, _)| format!("{name} is too much")),
    );
    wrong
}

/// A rig's cluster with one more object.
pub(crate) fn with(
    objects: &[Object],
    more: Object,
) -> std::sync::Arc<kubeovn_core::cluster::memory::MemoryCluster> {
    cluster_of(objects.iter().cloned().chain([more]))
}
