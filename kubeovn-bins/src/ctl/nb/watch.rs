//! `nb watch`: changes as they happen.

pub(in crate::ctl) mod shown;

use std::time::Duration;

use kubeovn_core::contract::database::{Database, DbEvent};
use kubeovn_ovn::nb::NORTHBOUND;
use kubeovn_ovn::ovsdb::client::Client;
use kubeovn_ovn::ovsdb::connect::{ConnectConfig, Connector};
use kubeovn_ovn::ovsdb::txn::Identity;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use self::shown::Shown;
use super::snapshot::Source;
use crate::ctl::error::CtlError;
use crate::ctl::outcome::{print, say};
use crate::ctl::paint::Paint;
use crate::run::controller::now;

/// How long the first dump may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Prints a line per changed row until a signal comes or nobody reads any more. What changed while the server was out of
/// reach is told when it is back.
///
/// # Errors
/// When the server cannot be reached at the beginning; later it is waited for.
pub async fn run(source: Source, foreign: bool, json: bool, paint: Paint) -> Result<(), CtlError> {
    let config = match source {
        Source::Server(config) => config,
        Source::File(path) => return Err(CtlError::WatchFile { path }),
    };
    tokio::select! {
        outcome = follow(config, foreign, json, paint) => outcome,
        () = interrupted() => Ok(()),
    }
}

async fn follow(config: ConnectConfig, foreign: bool, json: bool, paint: Paint) -> Result<(), CtlError> {
    let database = NORTHBOUND.database;
    let count = config.endpoints.len();
    // Somebody waits for this: who cannot be reached now is told at once. The client itself would try for ever.
    let mut first = Connector::new(config.clone(), Box::new(|| 0.0));
    let connected = first.try_each().await.map_err(|errors| CtlError::Unreachable {
        database,
        count,
        reasons: errors.iter().map(ToString::to_string).collect(),
    })?;
    let endpoint = connected.endpoint.to_string();
    drop(connected);
    let connector = Connector::new(config, Box::new(|| 0.5));
    // Without a fence, and nothing is ever submitted: this client cannot write.
    let mut client = Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::nil()), None);
    let whole = async { while client.next().await != DbEvent::Resynced {} };
    tokio::time::timeout(PATIENCE, whole).await.map_err(|_| CtlError::Refused {
        endpoint: endpoint.clone(),
        database,
        reason: format!("nothing within {} s", PATIENCE.as_secs()),
    })?;
    let mut shown = Shown::of(client.held(), foreign);
    say(&format!("{database} at {endpoint}: {} rows; Ctrl-C ends", shown.len()));
    loop {
        let changes = match client.next().await {
            DbEvent::Changed(changes) => {
                let rows = changes.into_iter().map(|change| change.row);
                shown.update(rows, client.held())
            }
            DbEvent::Resynced => {
                say(&format!("{database}: connected again"));
                shown.compare(client.held())
            }
            DbEvent::Lost { reason } => {
                say(&format!("CTL-WATCH-LOST: {reason}. It is tried again until it is back"));
                continue;
            }
            DbEvent::Committed { .. } => continue,
        };
        let time = now();
        for change in changes {
            let line = if json { change.to_json(time).to_string() } else { change.to_text(paint) };
            if !print(&(line + "\n")) {
                return Ok(());
            }
        }
    }
}

/// Ends with Ctrl-C or SIGTERM.
async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}
