//! The OVSDB session and connector against real servers.
#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test may panic and print"
)]

#[path = "support/server.rs"]
mod server;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kubeovn_ovn::ovsdb::{
    connect::{ConnectConfig, Connected, Connector},
    session::{CloseReason, Events, MonitorMethod, Session, SessionConfig, SessionEvent},
    wire::{Atom, Condition, Datum, OpResult, Operation, Row, RowUpdate, ServerError},
};
use serde_json::json;
use tokio::{net::UnixStream, time::timeout};
use uuid::Uuid;

use server::{DATABASE, Directory, Server};

const PATIENCE: Duration = Duration::from_secs(20);

async fn open(server: &Server) -> (Session, Events) {
    let (reader, writer) = UnixStream::connect(server.socket()).await.unwrap().into_split();
    Session::start(reader, writer, &SessionConfig::default())
}

fn connector(endpoints: &str) -> Connector {
    Connector::new(ConnectConfig::new(endpoints.parse().unwrap(), DATABASE), Box::new(|| 0.5))
}

async fn connect(connector: &mut Connector) -> Connected {
    timeout(PATIENCE, connector.connect()).await.expect("a connection")
}

async fn next(events: &mut Events) -> SessionEvent {
    timeout(PATIENCE, events.next()).await.expect("an event")
}

fn insert_switch(name: &str, uuid: Option<Uuid>) -> Operation {
    let row = Row::from([(Arc::from("name"), Datum::from(name))]);
    Operation::Insert { table: "Logical_Switch".into(), row, uuid, name: None }
}

/// The answer to one transaction; nothing but updates may come before it.
async fn transact(
    session: &Session,
    events: &mut Events,
    operations: &[Operation],
) -> Result<Vec<OpResult>, ServerError> {
    session.submit(u64::MAX, DATABASE, operations).unwrap();
    loop {
        match next(events).await {
            SessionEvent::Reply { id: u64::MAX, result } => return result,
            SessionEvent::Update(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Starts a monitor of the switches' names and returns its dump: whether it continued, the last transaction, rows.
async fn monitor(
    session: &Session,
    events: &mut Events,
    method: MonitorMethod,
    since: Uuid,
) -> (bool, Option<Uuid>, Vec<RowUpdate>) {
    let tables = json!({"Logical_Switch": [{"columns": ["name"]}]});
    let params = match method {
        MonitorMethod::CondSince => json!([DATABASE, "m", tables, since]),
        MonitorMethod::Cond | MonitorMethod::Plain => json!([DATABASE, "m", tables]),
    };
    session.monitor(method, "m".into(), &params).unwrap();
    loop {
        match next(events).await {
            SessionEvent::Monitored { monitor, reply } if &*monitor == "m" => {
                let reply = reply.unwrap();
                let rows = reply.updates.into_values().flat_map(std::collections::BTreeMap::into_values);
                return (reply.found, reply.last_txn, rows.collect());
            }
            SessionEvent::Update(update) if &*update.monitor != "m" => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn closed(events: &mut Events) -> CloseReason {
    loop {
        if let SessionEvent::Closed { reason } = next(events).await {
            return reason;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_transactions_are_all_answered_each_after_its_own_update() {
    for method in [MonitorMethod::CondSince, MonitorMethod::Cond, MonitorMethod::Plain] {
        let directory = Directory::new();
        let server = Server::standalone(&directory, &[]);
        let (session, mut events) = open(&server).await;
        assert_eq!(monitor(&session, &mut events, method, Uuid::nil()).await.2, []);
        // enough that neither the requests nor the answers fit into the sockets' buffers
        let filler = "x".repeat(10_000);
        let name = |id: u64| format!("switch {id} {filler}");
        for id in 0..300 {
            session.submit(id, DATABASE, &[insert_switch(&name(id), None)]).unwrap();
        }
        let mut seen = BTreeSet::new();
        let mut answered = 0;
        while answered < 300 {
            match next(&mut events).await {
                SessionEvent::Update(update) => seen.extend(update.updates["Logical_Switch"].keys().copied()),
                SessionEvent::Reply { id, result } => {
                    let result = result.unwrap();
                    let [OpResult::Inserted(uuid)] = result.as_slice() else { panic!("{id}: {result:?}") };
                    assert!(seen.contains(uuid), "the reply to {id} came before its update");
                    answered += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen.len(), 300);
    }
}

#[tokio::test]
async fn rows_are_born_with_the_identity_given_and_errors_name_the_operation() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    let (session, mut events) = open(&server).await;
    let uuid = Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef);
    let result = transact(&session, &mut events, &[insert_switch("a", Some(uuid))]).await.unwrap();
    assert_eq!(result, [OpResult::Inserted(uuid)]);

    let columns = Some(vec!["name".into(), "ports".into()]);
    let select =
        Operation::Select { table: "Logical_Switch".into(), r#where: vec![Condition::row(uuid)], columns };
    let row = Row::from([("name".into(), "a".into()), ("ports".into(), Datum::empty())]);
    assert_eq!(
        transact(&session, &mut events, std::slice::from_ref(&select)).await.unwrap(),
        [OpResult::Rows(vec![row])]
    );

    let again = insert_switch("b", Some(uuid));
    let results = transact(&session, &mut events, &[select, again, insert_switch("c", None)]).await.unwrap();
    let (index, error) = OpResult::first_error(&results).unwrap();
    assert_eq!((index, error.error.as_str()), (1, "duplicate uuid"), "{error}");
    assert_eq!(results[2], OpResult::Skipped);

    // two rows of one indexed name: no operation fails, the commit does
    let group = || Operation::Insert {
        table: "Port_Group".into(),
        row: Row::from([("name".into(), Datum::from("twin"))]),
        uuid: None,
        name: None,
    };
    let results = transact(&session, &mut events, &[group(), group()]).await.unwrap();
    let (index, error) = OpResult::first_error(&results).unwrap();
    assert_eq!((index, error.error.as_str()), (2, "constraint violation"), "{error}");

    session.submit(5, "no such database", &[]).unwrap();
    let SessionEvent::Reply { id: 5, result: Err(error) } = next(&mut events).await else {
        panic!("no refusal")
    };
    assert_eq!(error.error, "unknown database");
}

#[tokio::test]
async fn the_servers_probes_are_answered_over_tcp_while_idle() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &["db:OVN_Northbound,NB_Global,connections"]);
    let (session, mut events) = open(&server).await;
    // 1 s is the shortest probe that a server does; it gives up after as long again
    let named = Datum::set([Atom::Named("c".into())]);
    let operations = [
        Operation::Insert {
            table: "Connection".into(),
            row: Row::from([
                ("target".into(), "ptcp:0:127.0.0.1".into()),
                ("inactivity_probe".into(), Datum::from(1000)),
            ]),
            uuid: None,
            name: Some("c".into()),
        },
        Operation::Insert {
            table: "NB_Global".into(),
            row: Row::from([("connections".into(), named)]),
            uuid: None,
            name: None,
        },
    ];
    transact(&session, &mut events, &operations).await.unwrap();
    let endpoint = format!("tcp:127.0.0.1:{}", server.port());
    let mut config = ConnectConfig::new(endpoint.parse().unwrap(), DATABASE);
    // no probes of our own, which would be signs of life too
    config.session.probe = Duration::from_mins(1);
    let mut connector = Connector::new(config, Box::new(|| 0.5));
    let mut connected = connect(&mut connector).await;
    let idle = timeout(Duration::from_millis(3500), closed(&mut connected.events)).await;
    assert!(idle.is_err(), "{idle:?}");
    connected.session.echo().await.unwrap();
}

#[tokio::test]
async fn a_server_that_answers_our_probes_is_not_silent() {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    let mut config = ConnectConfig::new(server.endpoint().parse().unwrap(), DATABASE);
    // a busy machine may keep the server from answering for seconds; it is silent after 6 s
    config.session.probe = Duration::from_secs(3);
    let mut connected = connect(&mut Connector::new(config, Box::new(|| 0.5))).await;
    let idle = timeout(Duration::from_secs(8), closed(&mut connected.events)).await;
    assert!(idle.is_err(), "{idle:?}");
    server.signal("STOP");
    assert!(matches!(closed(&mut connected.events).await, CloseReason::Silent { .. }));
}

#[tokio::test]
async fn after_a_crash_of_the_server_the_connector_comes_back_and_reads_anew() {
    let directory = Directory::new();
    let mut server = Server::standalone(&directory, &["ptcp:0:127.0.0.1"]);
    // two ways to one server, of which one never works
    let endpoints = format!("tcp:127.0.0.1:1,{}", server.endpoint());
    let mut connector = connector(&endpoints);
    let Connected { session, mut events, schema, .. } = connect(&mut connector).await;
    assert!(schema.column("Logical_Switch", "name").is_some() && schema.column("ACL", "no_such").is_none());
    transact(&session, &mut events, &[insert_switch("a", None)]).await.unwrap();
    session.submit(7, DATABASE, &[]).unwrap();
    connector.succeeded();

    server.kill();
    closed(&mut events).await;
    assert!(session.echo().await.is_err());
    let waiting = tokio::spawn(async move { (connector.connect().await, connector) });
    server.run();
    let (Connected { session, mut events, server: status, .. }, mut connector) =
        timeout(PATIENCE, waiting).await.expect("a connection").unwrap();
    assert_eq!(connector.judge(&status), Ok(()));
    let (found, last, rows) =
        monitor(&session, &mut events, MonitorMethod::CondSince, Uuid::from_u128(1)).await;
    assert_eq!((found, last), (false, Some(Uuid::nil())), "a standalone server keeps no history");
    assert_eq!(rows, [RowUpdate::Initial(Row::from([("name".into(), "a".into())]))]);
}

#[tokio::test]
async fn only_the_leader_of_a_cluster_is_taken_and_left_when_it_steps_down() {
    let directory = Directory::new();
    // with all members in there is somebody to take over
    let servers = Server::steady_cluster(&directory);
    let endpoints: Vec<String> = servers.iter().map(Server::endpoint).collect();
    let mut connector = connector(&endpoints.join(","));
    let leader_of = |connected: &Connected| {
        servers.iter().position(|server| server.endpoint() == connected.endpoint.to_string()).unwrap()
    };
    let mut first = connect(&mut connector).await;
    let leader = leader_of(&first);
    let (_, last, _) =
        monitor(&first.session, &mut first.events, MonitorMethod::CondSince, Uuid::nil()).await;
    transact(&first.session, &mut first.events, &[insert_switch("a", None)]).await.unwrap();

    servers[leader].control_command(&["cluster/failure-test", "transfer-leadership"]);
    let unfit = loop {
        match next(&mut first.events).await {
            SessionEvent::Update(update) if &*update.monitor == "_Server" => {
                first.server.apply(&update.updates);
                if let Err(unfit) = connector.judge(&first.server) {
                    break unfit;
                }
            }
            SessionEvent::Update(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(unfit.to_string().contains("not the leader"), "{unfit}");

    let mut second = connect(&mut connector).await;
    assert_ne!(leader_of(&second), leader);
    // history goes on in the whole cluster: only what was missed comes
    let (found, _, rows) =
        monitor(&second.session, &mut second.events, MonitorMethod::CondSince, last.unwrap()).await;
    assert!(found);
    assert_eq!(rows, [RowUpdate::Insert(Row::from([("name".into(), "a".into())]))]);
}
