//! An eye on Southbound: whether the bindings of some ports were ever deleted.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use kubeovn_ovn::ovsdb::{
    session::{MonitorMethod, Session, SessionConfig, SessionEvent},
    wire::{RowUpdate, TableUpdates},
};
use serde_json::json;
use tokio::net::UnixStream;

/// What became of the bindings since the eye was opened.
#[derive(Clone, Default)]
pub(crate) struct Bindings(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    there: Option<usize>,
    deleted: usize,
    /// The eye has missed something since.
    blind: Option<String>,
}

impl Bindings {
    pub(crate) fn watch(socket: &Path, ports: &[String]) -> Self {
        let bindings = Bindings::default();
        let (eye, socket, ports) = (bindings.clone(), socket.to_owned(), ports.to_vec());
        tokio::spawn(async move {
            let stream = UnixStream::connect(&socket).await.unwrap();
            let (reader, writer) = stream.into_split();
            let (session, mut events) = Session::start(reader, writer, &SessionConfig::default());
            // Conditions of a monitor are alternatives.
            let those: Vec<_> = ports.iter().map(|port| json!(["logical_port", "==", port])).collect();
            let tables = json!({"Port_Binding": [{"columns": ["logical_port"], "where": those}]});
            let monitor = json!(["OVN_Southbound", "bindings", tables]);
            session.monitor(MonitorMethod::Cond, "bindings".into(), &monitor).unwrap();
            loop {
                match events.next().await {
                    SessionEvent::Monitored { reply, .. } => match reply {
                        Ok(reply) => eye.state().there = Some(rows(&reply.updates).count()),
                        Err(error) => return eye.shut(error.to_string()),
                    },
                    SessionEvent::Update(update) => {
                        let gone = rows(&update.updates).filter(|row| **row == RowUpdate::Delete).count();
                        eye.state().deleted += gone;
                    }
                    SessionEvent::Reply { .. } => {}
                    SessionEvent::Closed { reason } => return eye.shut(reason.to_string()),
                }
            }
        });
        bindings
    }

    /// How many there were at first; `None` before that is known.
    pub(crate) fn there(&self) -> Option<usize> {
        self.state().there
    }

    /// How many were deleted so far. Panics when it may have missed one.
    pub(crate) fn deleted(&self) -> usize {
        let state = self.state();
        assert_eq!(state.blind, None, "the eye on Southbound is shut");
        state.deleted
    }

    fn shut(&self, why: String) {
        self.state().blind = Some(why);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

fn rows(updates: &TableUpdates) -> impl Iterator<Item = &RowUpdate> {
    updates.values().flat_map(|rows| rows.values())
}
