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
    /// Beside the users of tests there are these, each with a group.
    pub(super) fn new(url: &str, users: &[(String, String)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("kubeovn-apiserver-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let files = Self(folder);
        files.write_key();
        let mut tokens =
            format!("{ADMIN},{ADMIN},{ADMIN},system:masters\n{STRANGER},{STRANGER},{STRANGER}\n");
        tokens.extend(users.iter().map(|(user, group)| format!("{user},{user},{user},{group}\n")));
        fs::write(files.path(TOKENS), tokens).unwrap();
        let kubeconfig = kubeconfig(url, &files.authority(), &[ADMIN, STRANGER]);
        fs::write(files.kubeconfig(), kubeconfig.to_string()).unwrap();
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

    /// What the server's certificate was signed by.
    pub(super) fn authority(&self) -> PathBuf {
        self.path(CERTIFICATES).join("apiserver.crt")
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
}

/// A kubeconfig with a context for each of these users, the first one's current. In JSON, which is YAML, too.
pub(super) fn kubeconfig(url: &str, authority: &Path, users: &[&str]) -> Value {
    let each = |item: fn(&str) -> Value| users.iter().map(|user| item(user)).collect::<Value>();
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": authority}}],
        "users": each(|user| json!({"name": user, "user": {"token": user}})),
        "contexts": each(|user| json!({"name": user, "context": {"cluster": "test", "user": user}})),
        "current-context": users[0],
    })
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
