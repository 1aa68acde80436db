//! The etcd of an API server.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{files::Files, process::Program};

/// How long it may take to answer after its start.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) struct Etcd {
    program: Program,
    address: String,
}

impl Etcd {
    /// Starts one with nothing in it and waits until it answers.
    pub(super) async fn start(path: &Path, files: &Files, address: String, peers: String) -> Self {
        let (url, peers) = (format!("http://{address}"), format!("http://{peers}"));
        let mut command = Command::new(path);
        command
            .arg(format!("--data-dir={}", files.path("etcd").display()))
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .args(["--initial-cluster", &format!("default={peers}")])
            // it outlives crashes of its own, which is all that tests do to it
            .args(["--unsafe-no-fsync", "--log-level=warn"]);
        let program = Program::start(command, files.path("etcd.log"));
        let mut etcd = Self { program, address };
        let began = Instant::now();
        while let Err(why) = etcd.post("/v3/maintenance/status", &json!({})).await {
            let ended = etcd.program.has_ended();
            let late = began.elapsed() > PATIENCE;
            assert!(!ended && !late, "{} does not answer: {why}\n{}", path.display(), files.tails());
            tokio::time::sleep(super::PAUSE).await;
        }
        etcd
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    pub(super) fn program_mut(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Forgets all revisions but the last.
    pub(super) async fn compact(&self) {
        let status = self.post("/v3/maintenance/status", &json!({})).await.unwrap();
        let revision = &status["header"]["revision"];
        self.post("/v3/kv/compaction", &json!({"revision": revision, "physical": true})).await.unwrap();
    }

    /// One request of its JSON gateway, by a protocol so old that the answer is all that comes.
    async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let body = body.to_string();
        let request = format!("POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut answer = String::new();
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.write_all(request.as_bytes()).await?;
            stream.read_to_string(&mut answer).await
        };
        exchange.await.map_err(|error| error.to_string())?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status != "200" {
            return Err(answer);
        }
        serde_json::from_str(body).map_err(|error| format!("{error}: {body}"))
    }
}
