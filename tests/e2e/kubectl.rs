//! kubectl, as users have it.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::process::Command;

use crate::{programs, wait::until};

/// kubectl of the administrator.
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub(crate) fn new(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self { program, kubeconfig }
    }

    /// What it prints; or what it says when it fails.
    pub(crate) async fn run(&self, args: &[&str]) -> Result<String, String> {
        self.run_with(Stdio::null(), args).await
    }

    async fn run_with(&self, input: Stdio, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.env("KUBECONFIG", &self.kubeconfig).args(args).stdin(input).kill_on_drop(true);
        let output = command.output().await.map_err(|error| error.to_string())?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() {
            return Ok(said(&output.stdout));
        }
        Err(format!("kubectl {}: {}{}", args.join(" "), said(&output.stdout), said(&output.stderr)))
    }

    /// Runs a script of bash in a folder, with kubectl of the administrator. What it prints; or what it says when it
    /// fails.
    pub(crate) async fn script(&self, folder: &Path, script: &str) -> Result<String, String> {
        let tools = self.program.parent().unwrap().display();
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(folder)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("PATH", format!("{tools}:{}", programs::SEARCHED))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = command.output().await.map_err(|error| error.to_string())?;
        let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let said = said.concat();
        if output.status.success() { Ok(said) } else { Err(format!("{script}{said}")) }
    }

    /// As [`Kubectl::run`], where it has to succeed.
    pub(crate) async fn must(&self, args: &[&str]) -> String {
        self.run(args).await.unwrap_or_else(|why| panic!("{why}"))
    }

    /// Makes objects what they are here.
    pub(crate) async fn apply(&self, objects: Vec<Value>) {
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let (read, mut write) = std::io::pipe().unwrap();
        let feed = tokio::task::spawn_blocking(move || write.write_all(list.as_bytes()));
        let applied = self.run_with(read.into(), &["apply", "--server-side", "-f", "-"]).await;
        feed.await.unwrap().unwrap();
        applied.unwrap_or_else(|why| panic!("{why}"));
    }

    /// Everything of this kind in a namespace, as its API server has it.
    pub(crate) async fn list(&self, namespace: &str, kind: &str) -> Vec<Value> {
        self.items(kind, &["--namespace", namespace]).await
    }

    /// Everything of this kind in any namespace.
    pub(crate) async fn list_all(&self, kind: &str) -> Vec<Value> {
        self.items(kind, &["--all-namespaces"]).await
    }

    async fn items(&self, kind: &str, which: &[&str]) -> Vec<Value> {
        let text = self.must(&[&["get", kind, "--output=json"], which].concat()).await;
        let list: Value = serde_json::from_str(&text).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// Runs a shell command in a container.
    pub(crate) async fn exec(&self, namespace: &str, pod: &str, command: &str) -> Result<String, String> {
        self.run(&["exec", "--namespace", namespace, pod, "--", "sh", "-c", command]).await
    }

    /// Waits until the pods of a workload are as many as it wants, all of its present form, and ready.
    pub(crate) async fn rolled_out(&self, namespace: &str, workload: &str) {
        until(&format!("{workload} in {namespace}"), async || {
            let text = self.run(&["get", workload, "--namespace", namespace, "--output=json"]).await?;
            let object: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            let (status, spec) = (&object["status"], &object["spec"]);
            let number = |value: &Value| value.as_u64().unwrap_or_default();
            let (wanted, ready, updated) = if object["kind"] == "DaemonSet" {
                ("desiredNumberScheduled", "numberReady", "updatedNumberScheduled")
            } else {
                ("replicas", "readyReplicas", "updatedReplicas")
            };
            let wanted = spec[wanted].as_u64().unwrap_or_else(|| number(&status[wanted]));
            let seen = status["observedGeneration"] == object["metadata"]["generation"];
            let all = number(&status[ready]) == wanted && number(&status[updated]) == wanted;
            if seen && all && wanted > 0 { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    }
}
