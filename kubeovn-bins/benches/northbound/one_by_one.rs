//! The usual way of a network controller: one transaction per pod, each awaited before the next, and a monitor for the
//! cache beside it; before each look into the cache an echo, so that it holds what was written before. The wire is all
//! there is to it: no addresses, no rendering, no comparing.

use std::{sync::Arc, time::Instant};

use kubeovn_ovn::ovsdb::{
    session::{MonitorMethod, Session, SessionConfig, SessionEvent},
    wire::{Atom, Condition, Datum, Function, Mutation, Mutator, OpResult, Operation, Row},
};
use serde_json::json;
use tokio::{net::UnixStream, runtime::Builder};
use uuid::Uuid;

use crate::{
    Stage,
    server::{DATABASE, Directory, Server},
};

/// Looks into the cache that a pod costs: its switch, its port, whether its switch has it, its groups.
const LOOKS: usize = 4;

/// Puts `pods` ports into one switch of a server of its own.
pub(crate) fn run(pods: usize) -> Stage {
    let directory = Directory::new();
    let server = Server::standalone(&directory, &[]);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = UnixStream::connect(server.socket()).await.unwrap();
        let (reader, writer) = stream.into_split();
        let (session, mut events) = Session::start(reader, writer, &SessionConfig::default());
        let switch = Operation::Insert {
            table: "Logical_Switch".into(),
            row: Row::from([("name".into(), Atom::from("net-0").into())]),
            uuid: None,
            name: None,
        };
        let all = json!({"Logical_Switch": [{}], "Logical_Switch_Port": [{}]});
        let params = json!([DATABASE, "cache", all, Uuid::nil().to_string()]);
        session.monitor(MonitorMethod::CondSince, "cache".into(), &params).unwrap();
        let mut transact = async |id: u64, operations: &[Operation]| {
            session.submit(id, DATABASE, operations).unwrap();
            loop {
                match events.next().await {
                    SessionEvent::Reply { result, .. } => {
                        return assert_eq!(OpResult::first_error(&result.unwrap()), None);
                    }
                    SessionEvent::Monitored { .. } | SessionEvent::Update(_) => {}
                    SessionEvent::Closed { reason } => panic!("{reason}"),
                }
            }
        };
        transact(0, &[switch]).await;
        let start = Instant::now();
        for i in 0..pods {
            for _ in 0..LOOKS {
                session.echo().await.unwrap();
            }
            transact(1, &wire_up(i)).await;
        }
        Stage { took: start.elapsed(), awaited: start.elapsed(), transactions: pods }
    })
}

/// A port like those of the controller, and its switch's reference to it.
fn wire_up(i: usize) -> [Operation; 2] {
    let name: Arc<str> = format!("web-7d4b9c-{i:05}.team-0").into();
    let pair = |key: &str, value: &str| (Atom::from(key), Atom::from(value));
    let marks = [
        pair("vendor", "kube-ovn"),
        pair("pod", &format!("team-0/web-7d4b9c-{i:05}")),
        pair("ls", "net-0"),
        pair("uid", "5a3a40f8-5d5e-4a43-9a5c-0d7e4e7a1f00"),
    ];
    let address = format!("00:00:00:00:{:02x}:{:02x} 10.100.{}.{}", i / 250, i % 250, i / 250, i % 250 + 2);
    let row = Row::from([
        ("name".into(), Atom::from(name).into()),
        ("addresses".into(), Atom::from(address).into()),
        ("external_ids".into(), Datum::map(marks)),
    ]);
    let port: Arc<str> = "port".into();
    let insert =
        Operation::Insert { table: "Logical_Switch_Port".into(), row, uuid: None, name: Some(port.clone()) };
    let refer = Operation::Mutate {
        table: "Logical_Switch".into(),
        r#where: vec![Condition::new("name", Function::Equal, Atom::from("net-0"))],
        mutations: vec![Mutation::new("ports", Mutator::Insert, Datum::set([Atom::Named(port)]))],
    };
    [insert, refer]
}
