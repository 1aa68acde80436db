//! An independent eye on a Northbound: a monitor of every table and column over a connection of its own.
#![allow(dead_code, reason = "no test needs all of it")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use kubeovn_ovn::ovsdb::{
    session::{MonitorMethod, Session, SessionConfig, SessionEvent},
    wire::{Atom, Datum, Row, RowUpdate, TableUpdates},
};
use serde_json::json;
use tokio::{net::UnixStream, runtime::Handle};
use uuid::Uuid;

use crate::server::DATABASE;

/// Tables that say nothing of the network: settings of the server and tokens of its clients.
const ASIDE: [&str; 3] = ["NB_Global", "Connection", "SSL"];

/// What the eye sees.
#[derive(Clone)]
pub(crate) struct Seen(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    rows: Raw,
    /// Every notification since the eye was opened.
    updates: Vec<TableUpdates>,
    connected: bool,
    /// Addresses that were in two ports of a space at once, ever.
    doubles: BTreeSet<String>,
    /// Names of the ports that were there, ever.
    ever: BTreeSet<String>,
    moments: Vec<Moment>,
}

/// How many ports of pods and nodes there were from a point in time on; `None` while the server was out of reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    pub(crate) ports: Option<usize>,
}

/// One row as text: whose it is, and its columns, references by the names of their targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) owner: Option<String>,
    pub(crate) columns: BTreeMap<String, BTreeSet<String>>,
}

/// All rows by table and UUID.
pub(crate) type Raw = BTreeMap<Arc<str>, BTreeMap<Uuid, Row>>;

/// All rows by `table/name`, without UUIDs: two databases that mean the same look the same.
pub(crate) type Rows = BTreeMap<String, Seat>;

impl Seen {
    /// Watches the server on a socket, and comes back to it whenever it is lost.
    pub(crate) fn watch(runtime: &Handle, socket: &Path) -> Self {
        let seen = Seen(Arc::default());
        runtime.spawn(seen.clone().follow(socket.to_owned()));
        seen
    }

    /// How many notifications came since the eye was opened.
    pub(crate) fn updates(&self) -> usize {
        self.state().updates.len()
    }

    /// What came after the first `from` notifications, in order: with a single connection, all that ever happened.
    pub(crate) fn updates_from(&self, from: usize) -> Vec<TableUpdates> {
        self.state().updates[from..].to_vec()
    }

    /// All rows as the server tells them, and how many notifications have led to them.
    pub(crate) fn raw(&self) -> (Raw, usize) {
        let state = self.state();
        (state.rows.clone(), state.updates.len())
    }

    pub(crate) fn connected(&self) -> bool {
        self.state().connected
    }

    /// Addresses that were in two ports at once, ever.
    pub(crate) fn doubles(&self) -> BTreeSet<String> {
        self.state().doubles.clone()
    }

    /// Whether a port was there, ever.
    pub(crate) fn ever(&self, port: &str) -> bool {
        self.state().ever.contains(port)
    }

    pub(crate) fn rows(&self) -> Rows {
        self.state().rows()
    }

    /// Ports of pods and nodes with their addresses.
    pub(crate) fn ports(&self) -> BTreeMap<String, String> {
        self.state().ports().map(|(name, _, addresses)| (name, addresses)).collect()
    }

    /// What was seen since a point in time, and the last that was seen before it.
    pub(crate) fn moments(&self, since: Instant) -> Vec<Moment> {
        let state = self.state();
        let first = state.moments.iter().rposition(|moment| moment.at <= since).unwrap_or(0);
        state.moments[first..].to_vec()
    }

    async fn follow(self, socket: PathBuf) {
        loop {
            if let Ok(stream) = UnixStream::connect(&socket).await {
                self.session(stream).await;
            }
            self.state().lost();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn session(&self, stream: UnixStream) -> Option<()> {
        let (reader, writer) = stream.into_split();
        let (session, mut events) = Session::start(reader, writer, &SessionConfig::default());
        let schema = session.get_schema(DATABASE).await.ok()?;
        let tables: BTreeMap<&str, _> = schema.tables.keys().map(|table| (&**table, [json!({})])).collect();
        session.monitor(MonitorMethod::Plain, "eye".into(), &json!([DATABASE, "eye", tables])).ok()?;
        loop {
            match events.next().await {
                SessionEvent::Monitored { reply, .. } => {
                    let mut state = self.state();
                    state.rows.clear();
                    state.take(reply.ok()?.updates);
                    state.connected = true;
                }
                SessionEvent::Update(update) => {
                    let mut state = self.state();
                    state.updates.push(update.updates.clone());
                    state.take(update.updates);
                }
                SessionEvent::Reply { .. } => {}
                SessionEvent::Closed { .. } => return None,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn lost(&mut self) {
        if std::mem::take(&mut self.connected) {
            self.moments.push(Moment { at: Instant::now(), ports: None });
        }
    }

    fn take(&mut self, updates: TableUpdates) {
        replay(&mut self.rows, updates);
        self.moments.push(Moment { at: Instant::now(), ports: Some(self.ports().count()) });
        let mut holders: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut doubles = BTreeSet::new();
        let mut names = Vec::new();
        for (name, space, addresses) in self.ports() {
            for address in addresses.split(' ').skip(1) {
                if let Some(other) = holders.insert((space.clone(), address.to_owned()), name.clone()) {
                    doubles.insert(format!("{address} in {space}: {other} and {name}"));
                }
            }
            if !self.ever.contains(&name) {
                names.push(name);
            }
        }
        self.doubles.extend(doubles);
        self.ever.extend(names);
    }

    /// Name, address space and addresses of every port of a pod or node.
    fn ports(&self) -> impl Iterator<Item = (String, String, String)> {
        self.rows.get("Logical_Switch_Port").into_iter().flatten().filter_map(|(_, row)| {
            let space = row.get("external_ids")?.get_str("space")?.to_owned();
            let text = |column: &str| Some(row.get(column)?.scalar()?.as_str()?.to_owned());
            Some((text("name")?, space, text("addresses")?))
        })
    }

    fn rows(&self) -> Rows {
        let mut names: BTreeMap<Uuid, String> = BTreeMap::new();
        let mut taken: BTreeSet<String> = BTreeSet::new();
        for (table, rows) in &self.rows {
            for (uuid, row) in rows {
                let name = format!("{table}/{}", name(row).unwrap_or_else(|| uuid.to_string()));
                let unique = if taken.contains(&name) { format!("{name}~{uuid}") } else { name };
                taken.insert(unique.clone());
                names.insert(*uuid, unique);
            }
        }
        let rows =
            self.rows.iter().filter(|(table, _)| !ASIDE.contains(&&***table)).flat_map(|(_, rows)| rows);
        rows.filter_map(|(uuid, row)| {
            let columns = row.iter().filter(|(column, _)| !column.starts_with('_'));
            let columns =
                columns.map(|(column, datum)| (column.to_string(), elements(datum, &names))).collect();
            let owner = row.get("external_ids").and_then(|ids| ids.get_str("owner")).map(str::to_owned);
            Some((names.get(uuid)?.clone(), Seat { owner, columns }))
        })
        .collect()
    }
}

/// What rows become by a notification.
pub(crate) fn replay(rows: &mut Raw, updates: TableUpdates) {
    for (table, updates) in updates {
        let held = rows.entry(table).or_default();
        for (uuid, update) in updates {
            match update {
                RowUpdate::Initial(row) | RowUpdate::Insert(row) => held.insert(uuid, row),
                RowUpdate::Delete => held.remove(&uuid),
                RowUpdate::Modify(_) => panic!("the first monitor method tells whole rows"),
            };
        }
    }
}

/// The readable id of a row of ours, else what tells a row from others.
fn name(row: &Row) -> Option<String> {
    let ids = row.get("external_ids");
    if let Some(id) = ids.and_then(|ids| ids.get_str("row")) {
        return Some(id.to_owned());
    }
    let text =
        |column: &str| row.get(column)?.scalar()?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    ["name", "match", "ip_prefix"].into_iter().find_map(text).map(|name| format!("@{name}"))
}

fn elements(datum: &Datum, names: &BTreeMap<Uuid, String>) -> BTreeSet<String> {
    let atom = |atom: &Atom| match atom {
        Atom::Uuid(uuid) => names.get(uuid).cloned().unwrap_or_else(|| uuid.to_string()),
        Atom::String(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = datum.pairs().iter().map(|(key, value)| format!("{}={}", atom(key), atom(value)));
    datum.elements().iter().map(atom).chain(pairs).collect()
}

/// What is left when the rows that `goes` names are gone, from all columns that refer to them, too.
pub(crate) fn without(mut rows: Rows, goes: impl Fn(&Seat) -> bool) -> Rows {
    let gone: BTreeSet<String> =
        rows.iter().filter(|(_, seat)| goes(seat)).map(|(name, _)| name.clone()).collect();
    rows.retain(|name, _| !gone.contains(name));
    for elements in rows.values_mut().flat_map(|seat| seat.columns.values_mut()) {
        elements.retain(|element| !gone.contains(element));
    }
    rows
}

/// What differs between two states, in words; empty when nothing does.
pub(crate) fn difference(before: &Rows, after: &Rows) -> String {
    let mut text = String::new();
    for (name, seat) in before {
        match after.get(name) {
            None => writeln!(text, "- {name}").unwrap(),
            Some(now) if now != seat => {
                writeln!(text, "~ {name}").unwrap();
                let columns: BTreeSet<&String> = seat.columns.keys().chain(now.columns.keys()).collect();
                for column in columns {
                    let (was, is) = (seat.columns.get(column), now.columns.get(column));
                    if was != is {
                        writeln!(text, "    {column}: {was:?} -> {is:?}").unwrap();
                    }
                }
            }
            Some(_) => {}
        }
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        writeln!(text, "+ {name}").unwrap();
    }
    text
}
