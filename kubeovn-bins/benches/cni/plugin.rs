//! The plugin as a process, as a runtime starts it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::spawn_blocking;

use crate::machine::Pod;

/// A verb for a pod, not started yet.
pub(crate) struct Call {
    command: Command,
    input: String,
    fails: String,
}

impl Call {
    pub(crate) fn new(verb: &str, pod: &Pod, socket: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeovn-cni"));
        let args = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_INFRA_CONTAINER_ID={}",
            pod.namespace, pod.name, pod.container
        );
        command.env_clear().envs([
            ("CNI_COMMAND", verb),
            ("CNI_CONTAINERID", &pod.container),
            ("CNI_NETNS", pod.netns.path().to_str().unwrap()),
            ("CNI_IFNAME", "eth0"),
            ("CNI_ARGS", &args),
            ("CNI_PATH", "/opt/cni/bin"),
        ]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input =
            json!({"cniVersion": "1.0.0", "name": "kube-ovn", "type": "kube-ovn", "server_socket": socket});
        Call { command, input: input.to_string(), fails: format!("{verb} of {}", pod.name) }
    }

    /// Runs it to its end; how long it ran.
    fn run(mut self) -> Duration {
        let began = Instant::now();
        let mut child = self.command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(self.input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let took = began.elapsed();
        assert!(output.status.success(), "{}: {}", self.fails, String::from_utf8_lossy(&output.stdout));
        took
    }

    pub(crate) async fn alone(self) -> Duration {
        spawn_blocking(|| self.run()).await.unwrap()
    }
}

/// Starts all of them at the same moment.
pub(crate) async fn at_once(calls: Vec<Call>) -> Vec<Duration> {
    let barrier = Arc::new(Barrier::new(calls.len()));
    let start = |call: Call| {
        let barrier = barrier.clone();
        spawn_blocking(move || {
            barrier.wait();
            call.run()
        })
    };
    let running: Vec<_> = calls.into_iter().map(start).collect();
    let mut took = Vec::new();
    for one in running {
        took.push(one.await.unwrap());
    }
    took
}

/// A process that only ends.
pub(crate) async fn nothing() -> Duration {
    let run = || {
        let began = Instant::now();
        assert!(Command::new("true").stdin(Stdio::null()).status().unwrap().success());
        began.elapsed()
    };
    spawn_blocking(run).await.unwrap()
}
