//! A client that says what it is told to say, and shows what it hears. It blocks: the server has threads of its own.

use std::{io::BufReader, io::Write, os::unix::net::UnixStream, time::Duration};

use serde_json::{Deserializer, StreamDeserializer, Value, de::IoRead, json};

use super::server::DATABASE;

pub(crate) struct Raw {
    out: UnixStream,
    messages: StreamDeserializer<'static, IoRead<BufReader<UnixStream>>, Value>,
    last_id: u64,
    /// Notifications that came and were not looked at.
    pub(crate) told: Vec<(String, Value)>,
    /// Answers to others than the call in progress.
    answers: Vec<Value>,
}

impl Raw {
    pub(crate) fn connect(endpoint: &str) -> Self {
        let out = UnixStream::connect(endpoint.strip_prefix("unix:").unwrap()).unwrap();
        out.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let messages = Deserializer::from_reader(BufReader::new(out.try_clone().unwrap())).into_iter();
        Self { out, messages, last_id: 0, told: Vec::new(), answers: Vec::new() }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.out.write_all(bytes).unwrap();
    }

    /// Sends a request and answers its id.
    pub(crate) fn send(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = json!(self.last_id);
        self.write(json!({"id": id, "method": method, "params": params}).to_string().as_bytes());
        id
    }

    /// The stream itself.
    pub(crate) fn writer(&self) -> UnixStream {
        self.out.try_clone().unwrap()
    }

    /// What comes, be it broken off.
    pub(crate) fn messages(&mut self) -> impl Iterator<Item = serde_json::Result<Value>> {
        &mut self.messages
    }

    /// Whether the server answers at all.
    pub(crate) fn try_echo(&mut self) -> bool {
        let sent = self.out.write_all(br#"{"id":0,"method":"echo","params":[]}"#);
        sent.is_ok() && self.messages.next().is_some_and(|message| message.is_ok())
    }

    pub(crate) fn notify(&mut self, method: &str, params: &Value) {
        self.write(json!({"id": null, "method": method, "params": params}).to_string().as_bytes());
    }

    /// The next message, if the connection is not closed.
    pub(crate) fn next(&mut self) -> Option<Value> {
        self.messages.next().map(Result::unwrap)
    }

    /// The answer to a request: its result, or its error.
    pub(crate) fn answer(&mut self, id: &Value) -> Result<Value, Value> {
        loop {
            if let Some(at) = self.answers.iter().position(|answer| answer["id"] == *id) {
                let answer = self.answers.remove(at);
                return if answer["error"].is_null() {
                    Ok(answer["result"].clone())
                } else {
                    Err(answer["error"].clone())
                };
            }
            let message = self.next().unwrap_or_else(|| panic!("the server hung up: {id}"));
            match message["method"].as_str() {
                Some(method) => self.told.push((method.to_owned(), message["params"].clone())),
                None => self.answers.push(message),
            }
        }
    }

    /// Whether the answer to a request has come, as far as was read.
    pub(crate) fn has_come(&self, id: &Value) -> bool {
        self.answers.iter().any(|answer| answer["id"] == *id)
    }

    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        let id = self.send(method, params);
        self.answer(&id)
    }

    /// The results of a transaction.
    pub(crate) fn transact(&mut self, ops: &[Value]) -> Vec<Value> {
        let result = self.call("transact", &transaction(ops)).unwrap();
        result.as_array().unwrap().clone()
    }

    /// Sends a transaction without waiting for the answer.
    pub(crate) fn begin(&mut self, ops: &[Value]) -> Value {
        self.send("transact", &transaction(ops))
    }

    /// What was told until now: the answer to an echo comes after it.
    pub(crate) fn heard(&mut self) -> Vec<(String, Value)> {
        self.call("echo", &json!([])).unwrap();
        std::mem::take(&mut self.told)
    }

    /// Waits for a notification.
    pub(crate) fn hear(&mut self) -> (String, Value) {
        while self.told.is_empty() {
            let message = self.next().expect("the server hung up");
            match message["method"].as_str() {
                Some(method) => self.told.push((method.to_owned(), message["params"].clone())),
                None => self.answers.push(message),
            }
        }
        self.told.remove(0)
    }
}

pub(crate) fn transaction(ops: &[Value]) -> Value {
    let mut params = vec![json!(DATABASE)];
    params.extend(ops.iter().cloned());
    Value::Array(params)
}

/// An insertion of a switch.
pub(crate) fn switch(name: &str) -> Value {
    json!({"op": "insert", "table": "Logical_Switch", "row": {"name": name}})
}

/// A `wait` for a switch of that name.
pub(crate) fn wait_for_switch(name: &str, timeout: Option<u64>) -> Value {
    let mut wait = json!({
        "op": "wait", "table": "Logical_Switch", "where": [["name", "==", name]],
        "columns": ["name"], "until": "==", "rows": [{"name": name}]
    });
    if let Some(timeout) = timeout {
        wait["timeout"] = json!(timeout);
    }
    wait
}
