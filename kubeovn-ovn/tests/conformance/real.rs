//! A real ovsdb-server over its unix socket, with blocking reads and writes.

use std::{fs, io::BufReader, io::Write, os::unix::net::UnixStream, time::Duration};

use kubeovn_ovn::ovsdb::wire::{Notification, OpResult, Operation, TableUpdates};
use serde_json::{Deserializer, Value, de::IoRead, json};

use super::server::{DATABASE, Directory, SCHEMA, Server, wait_for};

/// One connection that monitors everything.
pub(crate) struct Real {
    out: UnixStream,
    answers: serde_json::StreamDeserializer<'static, IoRead<BufReader<UnixStream>>, Value>,
    last_id: u64,
    _server: Server,
    _directory: Directory,
}

impl Real {
    /// An empty Northbound.
    pub(crate) fn start() -> Self {
        let directory = Directory::new();
        let server = Server::standalone(&directory, &[]);
        let out = wait_for("a connection", || UnixStream::connect(server.socket()).ok());
        out.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let answers = Deserializer::from_reader(BufReader::new(out.try_clone().unwrap())).into_iter();
        let mut real = Real { out, answers, last_id: 0, _server: server, _directory: directory };
        real.monitor();
        real
    }

    fn monitor(&mut self) {
        let schema: Value = serde_json::from_str(&fs::read_to_string(SCHEMA).unwrap()).unwrap();
        // columns by name, since "all" has `_version` among them
        let columns =
            |table: &Value| table["columns"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let tables = schema["tables"].as_object().unwrap().iter();
        let tables: serde_json::Map<String, Value> =
            tables.map(|(name, table)| (name.clone(), json!([{"columns": columns(table)}]))).collect();
        let (reply, _) = self.call("monitor_cond", &json!([DATABASE, "all", tables]));
        assert!(reply.is_object(), "{reply}");
    }

    /// The results, and what the monitor told of before them.
    pub(crate) fn transact(&mut self, ops: &[Operation]) -> (Vec<OpResult>, TableUpdates) {
        let mut params = vec![json!(DATABASE)];
        params.extend(ops.iter().map(|op| serde_json::to_value(op).unwrap()));
        let (results, updates) = self.call("transact", &Value::Array(params));
        (serde_json::from_value(results).unwrap(), updates)
    }

    fn call(&mut self, method: &str, params: &Value) -> (Value, TableUpdates) {
        self.last_id += 1;
        self.send(&json!({"id": self.last_id, "method": method, "params": params}));
        let mut updates = TableUpdates::new();
        loop {
            let message = self.answers.next().expect("the server hung up").unwrap();
            match message["method"].as_str() {
                Some("echo") => {
                    self.send(&json!({"id": message["id"], "result": message["params"], "error": null}));
                }
                Some(method) => {
                    let told = Notification::decode(method, &message["params"].to_string()).unwrap();
                    updates.extend(told.unwrap().updates);
                }
                None => {
                    assert_eq!(message["id"], json!(self.last_id));
                    assert!(message["error"].is_null(), "{message}");
                    return (message["result"].clone(), updates);
                }
            }
        }
    }

    fn send(&mut self, message: &Value) {
        self.out.write_all(message.to_string().as_bytes()).unwrap();
    }
}
