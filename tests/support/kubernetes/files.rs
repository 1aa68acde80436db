//! The folder of an API server: what it is told by files, what it writes, and what its users need.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};

use super::{ADMIN, STRANGER};

/// A folder; the server writes its certificate there, signed by one of its own making.
pub(super) const CERTIFICATES: &str = "certificates";

/// Signs the tokens of service accounts.
pub(super) const KEY: &str = "service-accounts.key";

/// Who there is.
pub(super) const TOKENS: &str = "tokens.csv";

/// How many lines of a log tell why something failed.
const TAIL: usize = 25;

/// The folder, removed with this value.
pub(super) struct Files(PathBuf);

impl Files {
    pub(super) fn new(url: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("kubeovn-apiserver-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let files = Self(folder);
        files.write_key();
        let tokens = format!("{ADMIN},{ADMIN},{ADMIN},system:masters\n{STRANGER},{STRANGER},{STRANGER}\n");
        fs::write(files.path(TOKENS), tokens).unwrap();
        fs::write(files.kubeconfig(), files.kubeconfig_for(url).to_string()).unwrap();
        files
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    /// The ends of both logs.
    pub(super) fn tails(&self) -> String {
        let tail = |name: &str| {
            let log = fs::read_to_string(self.path(name)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL)..];
            format!("--- {name}, the last of {} lines\n{}\n", lines.len(), tail.join("\n"))
        };
        tail("etcd.log") + &tail("kube-apiserver.log")
    }

    fn write_key(&self) {
        let mut command = Command::new("openssl");
        // in the old form, from which the server also takes the public key
        command.args(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"]);
        let output = command.arg(self.path(KEY)).output();
        let output = output.unwrap_or_else(|error| panic!("openssl: {error}; run make setup"));
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// In JSON, which is YAML, too.
    fn kubeconfig_for(&self, url: &str) -> Value {
        let authority = self.path(CERTIFICATES).join("apiserver.crt");
        let users = [ADMIN, STRANGER];
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": authority}}],
            "users": users.map(|user| json!({"name": user, "user": {"token": user}})),
            "contexts": users.map(|user| json!({"name": user, "context": {"cluster": "test", "user": user}})),
            "current-context": ADMIN,
        })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
