//! Lists the ports of a running Open vSwitch and follows what becomes of them.
//!
//! ```sh
//! cargo run -p kubeovn-ovn --example vswitch_ports -- unix:/run/openvswitch/db.sock
//! ```

use std::{error::Error, io::Write};

use kubeovn_core::{
    contract::database::{Database, DbEvent},
    rows::{Atom, Column, ColumnKind, Elem, RowKey, Schema, Table},
};
use kubeovn_ovn::ovsdb::{
    client::Client,
    connect::{ConnectConfig, Connector},
    txn::Identity,
};

/// All that is asked of the server: tables, columns, and how each is read.
static SCHEMA: Schema = Schema::new(
    "Open_vSwitch",
    &[
        Table {
            name: "Port",
            root: false,
            natural: Some("name"),
            columns: &[seen("name"), Column { name: "interfaces", kind: INTERFACES }],
        },
        Table {
            name: "Interface",
            root: false,
            natural: Some("name"),
            columns: &[seen("name"), seen("type")],
        },
    ],
);
const INTERFACES: ColumnKind = ColumnKind::Refs { table: "Interface", strong: true };
const fn seen(name: &'static str) -> Column {
    Column { name, kind: ColumnKind::Seen }
}

/// Writes a line per port, and one per change from then on, until writing fails.
pub(crate) async fn follow(endpoint: &str, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let config = ConnectConfig::new(endpoint.parse()?, SCHEMA.database);
    let mut client = Client::new(&SCHEMA, Connector::new(config, Box::new(|| 0.5)), Identity::Drawn, None);
    loop {
        match client.next().await {
            DbEvent::Resynced => {
                for port in client.held().keys("Port") {
                    writeln!(out, "{} {}", port.id, interfaces(&client, port))?;
                }
            }
            DbEvent::Changed(changes) => {
                for change in changes.iter().filter(|change| change.row.table == "Port") {
                    writeln!(out, "{} {:?}", change.row.id, change.what)?;
                }
            }
            DbEvent::Lost { .. } | DbEvent::Committed { .. } => {}
        }
    }
}

/// The port's interfaces with their types.
fn interfaces(client: &Client, port: &RowKey) -> String {
    let mut all = Vec::new();
    client.replica().elements(port, "interfaces", &mut |elem| {
        if let Elem::Item(Atom::Row(row)) = elem {
            let kind = client.replica().value(&row, "type").and_then(|value| value.texts().next().cloned());
            all.push(format!("{}[{}]", row.id, kind.unwrap_or_default()));
        }
    });
    all.join(" ")
}

#[tokio::main]
#[allow(dead_code, reason = "the test that runs this example calls `follow`")]
async fn main() -> Result<(), Box<dyn Error>> {
    follow(&std::env::args().nth(1).unwrap_or("unix:/run/openvswitch/db.sock".into()), &mut std::io::stdout())
        .await
}
