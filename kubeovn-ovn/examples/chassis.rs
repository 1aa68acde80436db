//! Watches the chassis of an OVN Southbound: who is there, by which name of the host, and who comes and goes.
//!
//! ```sh
//! cargo run -p kubeovn-ovn --example chassis -- tcp:10.0.0.1:6642,tcp:10.0.0.2:6642
//! ```

use std::{error::Error, io::Write};

use kubeovn_core::{
    contract::database::{Database, DbEvent},
    rows::{Change, Column, ColumnKind, RowKey, Schema, Table},
};
use kubeovn_ovn::ovsdb::{
    client::Client,
    connect::{ConnectConfig, Connector},
    txn::Identity,
};

static SCHEMA: Schema = Schema::new(
    "OVN_Southbound",
    &[Table {
        name: "Chassis",
        root: true,
        natural: Some("name"),
        columns: &[
            Column { name: "name", kind: ColumnKind::Seen },
            Column { name: "hostname", kind: ColumnKind::Seen },
        ],
    }],
);

/// Writes a line per chassis, and one per change from then on, until writing fails.
pub(crate) async fn watch(endpoints: &str, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut config = ConnectConfig::new(endpoints.parse()?, SCHEMA.database);
    // who only reads spares the leader
    config.leader_only = false;
    let mut client = Client::new(&SCHEMA, Connector::new(config, Box::new(|| 0.5)), Identity::Drawn, None);
    loop {
        match client.next().await {
            DbEvent::Resynced => {
                for chassis in client.held().keys("Chassis") {
                    writeln!(out, "= {} {}", chassis.id, hostname(&client, chassis))?;
                }
            }
            DbEvent::Changed(changes) => {
                for change in changes {
                    let sign = match change.what {
                        Change::Inserted => '+',
                        Change::Deleted => '-',
                        Change::Modified { .. } => '~',
                    };
                    writeln!(out, "{sign} {} {}", change.row.id, hostname(&client, &change.row))?;
                }
            }
            DbEvent::Lost { reason } => writeln!(out, "lost: {reason}")?,
            DbEvent::Committed { .. } => {}
        }
    }
}

fn hostname<'a>(client: &'a Client, chassis: &RowKey) -> &'a str {
    client.replica().value(chassis, "hostname").and_then(|name| name.texts().next()).map_or("", |name| name)
}

#[tokio::main]
#[allow(dead_code, reason = "the test that runs this example calls `watch`")]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoints = std::env::args().nth(1).unwrap_or("unix:/run/ovn/ovnsb_db.sock".into());
    watch(&endpoints, &mut std::io::stdout()).await
}
