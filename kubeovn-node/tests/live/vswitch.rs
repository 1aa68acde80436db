//! An Open_vSwitch in memory: the rows, and what ovs-vswitchd and ovn-controller would write into them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kubeovn_core::contract::database::{Database, DbEvent};
use kubeovn_core::rows::{
    Act, Atom, Change, EXTERNAL_IDS, Elem, KEY_OWNER, KEY_ROW, Outcome, OwnerKey, Replica, RowChange, RowKey,
    Txn, Value,
};
use tokio::sync::Notify;

static UNSET: Value = Value::EMPTY;

/// Contents of a database; outlives the daemon that uses it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows(BTreeMap<RowKey, Row>);

#[derive(Clone, Debug, Default)]
struct Row {
    values: BTreeMap<String, Value>,
    pairs: BTreeMap<(String, String), Arc<str>>,
    elems: BTreeMap<String, BTreeSet<Elem>>,
}

impl Rows {
    /// An empty integration bridge with a userspace datapath.
    pub(crate) fn with_bridge() -> Self {
        let mut rows = Self::default();
        let bridge = rows.0.entry(RowKey::named("Bridge", "br-int")).or_default();
        bridge.values.insert("datapath_type".into(), Value::str("netdev"));
        rows
    }

    /// Value of a key of an interface's `external_ids`.
    pub(crate) fn external_id(&self, link: &str, key: &str) -> Option<String> {
        self.pair(&RowKey::named("Interface", link), EXTERNAL_IDS, key).map(ToString::to_string)
    }

    /// What OVS is told to make of an interface.
    pub(crate) fn kind(&self, link: &str) -> Option<String> {
        let kind = self.value(&RowKey::named("Interface", link), "type")?;
        kind.texts().next().map(ToString::to_string)
    }

    /// Names of the ports in the bridge whose interface is there too.
    pub(crate) fn ports(&self) -> Vec<String> {
        let bridge = self.0.get(&RowKey::named("Bridge", "br-int")).expect("the bridge");
        let names = bridge.elems.get("ports").into_iter().flatten().map(|elem| match elem {
            Elem::Item(Atom::Row(port)) => port.id.trim_start_matches('@').to_owned(),
            other => panic!("{other:?} is no port"),
        });
        names.filter(|name| self.has(&RowKey::named("Interface", name))).collect()
    }

    /// Plugs a port as Kube-OVN's own daemon does.
    pub(crate) fn plug(&mut self, link: &str, kind: &str, external_ids: &[(&str, &str)]) {
        let (port, interface) = (RowKey::named("Port", link), RowKey::named("Interface", link));
        let row = self.0.entry(interface.clone()).or_default();
        row.values.insert("name".into(), Value::str(link));
        row.values.insert("type".into(), Value::str(kind));
        row.values.insert("ofport".into(), Value::int(7));
        let place = |key: &str| (EXTERNAL_IDS.to_owned(), key.to_owned());
        row.pairs.extend(external_ids.iter().map(|(key, value)| (place(key), (*value).into())));
        row.pairs.insert(place("ovn-installed"), "true".into());
        let row = self.0.entry(port.clone()).or_default();
        row.values.insert("name".into(), Value::str(link));
        row.elems.entry("interfaces".into()).or_default().insert(Elem::Item(Atom::Row(interface)));
        let bridge = self.0.get_mut(&RowKey::named("Bridge", "br-int")).expect("the bridge");
        bridge.elems.entry("ports".into()).or_default().insert(Elem::Item(Atom::Row(port)));
    }

    fn apply(&mut self, txn: &Txn) {
        for op in &txn.ops {
            match &op.act {
                Act::Insert(spec, born) => {
                    let mut row = Row::default();
                    row.values.extend(spec.values.iter().map(|(c, v)| ((*c).to_owned(), v.clone())));
                    for (column, pairs) in &spec.pairs {
                        row.pairs.extend(
                            pairs.iter().map(|(k, v)| (((*column).to_owned(), k.to_string()), v.clone())),
                        );
                    }
                    row.elems.extend(born.iter().map(|(c, e)| ((*c).to_owned(), e.clone())));
                    assert!(self.0.insert(op.row.clone(), row).is_none(), "{} inserted twice", op.row);
                }
                Act::Change(delta) => {
                    let row = self.0.get_mut(&op.row).expect("a row to change");
                    row.values.extend(delta.values.iter().map(|(c, v)| ((*c).to_owned(), v.clone())));
                    for (column, pairs) in &delta.pairs {
                        for (key, value) in pairs {
                            let place = ((*column).to_owned(), key.to_string());
                            match value {
                                Some(value) => row.pairs.insert(place, value.clone()),
                                None => row.pairs.remove(&place),
                            };
                        }
                    }
                    for (column, elems) in &delta.add {
                        row.elems.entry((*column).to_owned()).or_default().extend(elems.iter().cloned());
                    }
                    for (column, elems) in &delta.remove {
                        row.elems
                            .entry((*column).to_owned())
                            .or_default()
                            .retain(|elem| !elems.contains(elem));
                    }
                }
                Act::Delete => assert!(self.0.remove(&op.row).is_some(), "{} is not there", op.row),
            }
        }
    }
}

impl Replica for Rows {
    fn has(&self, row: &RowKey) -> bool {
        self.0.contains_key(row)
    }
    fn value(&self, row: &RowKey, column: &str) -> Option<&Value> {
        self.0.get(row).map(|row| row.values.get(column).unwrap_or(&UNSET))
    }
    fn pair(&self, row: &RowKey, column: &str, key: &str) -> Option<&Arc<str>> {
        self.0.get(row)?.pairs.get(&(column.to_owned(), key.to_owned()))
    }
    fn holds(&self, row: &RowKey, column: &str, elem: &Elem) -> bool {
        self.0.get(row).and_then(|row| row.elems.get(column)).is_some_and(|elems| elems.contains(elem))
    }
    fn elements(&self, row: &RowKey, column: &str, f: &mut dyn FnMut(Elem)) {
        self.0.get(row).and_then(|row| row.elems.get(column)).into_iter().flatten().cloned().for_each(f);
    }
    fn parents(&self, row: &RowKey, f: &mut dyn FnMut(RowKey, &'static str)) {
        let target = Elem::Item(Atom::Row(row.clone()));
        for (parent, found) in &self.0 {
            for column in ["ports", "interfaces"] {
                if found.elems.get(column).is_some_and(|elems| elems.contains(&target)) {
                    f(parent.clone(), column);
                }
            }
        }
    }
    fn ours(&self, f: &mut dyn FnMut(&RowKey, Option<&OwnerKey>)) {
        for row in self.0.keys().filter(|row| self.pair(row, EXTERNAL_IDS, KEY_ROW).is_some()) {
            f(row, self.owner(row).as_ref());
        }
    }
}

impl Rows {
    fn owner(&self, row: &RowKey) -> Option<OwnerKey> {
        self.pair(row, EXTERNAL_IDS, KEY_OWNER)?.parse().ok()
    }
}

/// What a test sees and does beside the daemon.
#[derive(Clone, Debug)]
pub(crate) struct Control(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    poked: Notify,
}

#[derive(Debug, Default)]
struct State {
    rows: Rows,
    transactions: usize,
    conduct: Conduct,
    lost: bool,
    /// All flows that are missing are to be installed.
    late: bool,
}

/// How the switch behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// Every port is taken up, and its flows are installed.
    #[default]
    Works,
    /// Ports are taken up, but ovn-controller installs no flows.
    InstallsNothing,
    /// The database refuses what it is asked.
    Refuses,
    /// The database can't be read yet.
    Silent,
    /// The next that is asked of it is too much.
    Panics,
}

impl Control {
    /// The rows as of now.
    pub(crate) fn rows(&self) -> Rows {
        self.0.state.lock().expect("lock").rows.clone()
    }

    /// How many transactions the daemon sent.
    pub(crate) fn transactions(&self) -> usize {
        self.0.state.lock().expect("lock").transactions
    }

    /// From now on the switch behaves so.
    pub(crate) fn set(&self, conduct: Conduct) {
        self.0.state.lock().expect("lock").conduct = conduct;
        self.0.poked.notify_one();
    }

    /// Flows that were not installed are now.
    pub(crate) fn install_all(&self) {
        self.0.state.lock().expect("lock").late = true;
        self.0.poked.notify_one();
    }

    /// Takes the database away.
    pub(crate) fn lose(&self) {
        self.0.state.lock().expect("lock").lost = true;
        self.0.poked.notify_one();
    }
}

/// The database as the daemon has it.
#[derive(Debug)]
pub(crate) struct Vswitch {
    shared: Arc<Shared>,
    rows: Rows,
    submitted: VecDeque<Txn>,
    ready: VecDeque<(DbEvent, Rows)>,
}

impl Vswitch {
    /// Opens a database with contents.
    pub(crate) fn open(rows: Rows, conduct: Conduct) -> (Self, Control) {
        let state = State { rows: rows.clone(), conduct, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), poked: Notify::new() });
        let ready = VecDeque::from([(DbEvent::Resynced, rows.clone())]);
        (Self { shared: shared.clone(), rows, submitted: VecDeque::new(), ready }, Control(shared))
    }

    fn install_late(&mut self) {
        let mut state = self.shared.state.lock().expect("lock");
        if !std::mem::take(&mut state.late) {
            return;
        }
        let (place, is_interface) =
            ((EXTERNAL_IDS.to_owned(), "ovn-installed".to_owned()), |row: &RowKey| row.table == "Interface");
        let missing =
            state.rows.0.iter().filter(|(row, it)| is_interface(row) && !it.pairs.contains_key(&place));
        let missing: Vec<RowKey> = missing.map(|(row, _)| row.clone()).collect();
        let mut changes = Vec::new();
        for row in missing {
            state.rows.0.get_mut(&row).expect("there").pairs.insert(place.clone(), "true".into());
            let what = Change::Modified { columns: vec![EXTERNAL_IDS], elems: Vec::new() };
            changes.push(RowChange { owner: state.rows.owner(&row), row, what });
        }
        self.ready.push_back((DbEvent::Changed(changes), state.rows.clone()));
    }

    fn serve(&mut self, txn: &Txn) {
        let mut state = self.shared.state.lock().expect("lock");
        if txn.ops.is_empty() {
            self.ready
                .push_back((DbEvent::Committed { id: txn.id, outcome: Outcome::Done }, state.rows.clone()));
            return;
        }
        state.transactions += 1;
        if state.conduct == Conduct::Refuses {
            let outcome = Outcome::Rejected { text: "constraint violation".into(), row: None };
            self.ready.push_back((DbEvent::Committed { id: txn.id, outcome }, state.rows.clone()));
            return;
        }
        let before = state.rows.clone();
        state.rows.apply(txn);
        let changes = txn.ops.iter().map(|op| {
            let what = match &op.act {
                Act::Insert(..) => Change::Inserted,
                Act::Delete => Change::Deleted,
                Act::Change(_) => Change::Modified { columns: vec![EXTERNAL_IDS], elems: Vec::new() },
            };
            let owner = state.rows.owner(&op.row).or_else(|| before.owner(&op.row));
            RowChange { row: op.row.clone(), owner, what }
        });
        self.ready.push_back((DbEvent::Changed(changes.collect()), state.rows.clone()));
        self.ready.push_back((DbEvent::Committed { id: txn.id, outcome: Outcome::Done }, state.rows.clone()));
        // Now the switch does its work, and tells it in the database.
        let born =
            txn.ops.iter().filter(|op| op.row.table == "Interface" && matches!(op.act, Act::Insert(..)));
        for op in born {
            let installs = state.conduct == Conduct::Works;
            let row = state.rows.0.get_mut(&op.row).expect("just inserted");
            row.values.insert("ofport".into(), Value::int(1));
            if installs {
                row.pairs.insert((EXTERNAL_IDS.into(), "ovn-installed".into()), "true".into());
            }
            let what = Change::Modified { columns: vec!["ofport", EXTERNAL_IDS], elems: Vec::new() };
            let change = RowChange { row: op.row.clone(), owner: state.rows.owner(&op.row), what };
            self.ready.push_back((DbEvent::Changed(vec![change]), state.rows.clone()));
        }
    }
}

#[async_trait]
impl Database for Vswitch {
    fn submit(&mut self, txn: Txn) {
        self.submitted.push_back(txn);
    }

    async fn next(&mut self) -> DbEvent {
        loop {
            while let Some(txn) = self.submitted.pop_front() {
                self.serve(&txn);
            }
            self.install_late();
            let conduct = self.shared.state.lock().expect("lock").conduct;
            assert!(conduct != Conduct::Panics, "the switch had enough");
            let silent = self.shared.state.lock().expect("lock").conduct == Conduct::Silent;
            let next = if silent { None } else { self.ready.pop_front() };
            if let Some((event, rows)) = next {
                self.rows = rows;
                return event;
            }
            if std::mem::take(&mut self.shared.state.lock().expect("lock").lost) {
                return DbEvent::Lost { reason: "the test took it away".into() };
            }
            self.shared.poked.notified().await;
        }
    }

    fn replica(&self) -> &dyn Replica {
        &self.rows
    }
}
