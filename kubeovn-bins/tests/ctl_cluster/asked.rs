//! The program, asked about a rig.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use crate::rig::Rig;

/// Which cluster it is asked about.
pub(crate) struct Ctl {
    kubeconfig: PathBuf,
    db: String,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ctl {
    pub(crate) fn of(rig: &Rig) -> Self {
        Ctl { kubeconfig: rig.kubernetes.kubeconfig(), db: rig.northbound.endpoint() }
    }

    /// Of a database that is not there.
    pub(crate) fn without_database(self) -> Self {
        Ctl { db: "unix:/nowhere/nb.sock".to_owned(), ..self }
    }

    /// Runs it: the words, then how the cluster is reached.
    pub(crate) fn ask(&self, words: &[&str]) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeovn-ctl"));
        command.args(words).arg("--kubeconfig").arg(&self.kubeconfig).args(["--db", &self.db]);
        answer(command.env_remove("KUBECONFIG").output().unwrap())
    }

    /// Runs a command that asks the API server alone.
    pub(crate) fn ask_server(&self, words: &[&str]) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeovn-ctl"));
        command.args(words).arg("--kubeconfig").arg(&self.kubeconfig);
        answer(command.env_remove("KUBECONFIG").output().unwrap())
    }

    /// The same, and what it answers programs.
    pub(crate) fn json(&self, words: &[&str]) -> (i32, Value) {
        let words: Vec<&str> = words.iter().copied().chain(["-o", "json"]).collect();
        let answer = self.ask(&words);
        let json =
            serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {}", answer.err));
        (answer.code, json)
    }
}

impl Answer {
    /// Ended so, and printed all of these.
    pub(crate) fn says(&self, code: i32, texts: &[&str]) {
        let all = format!("{}{}", self.out, self.err);
        assert_eq!(self.code, code, "{all}");
        for text in texts {
            assert!(all.contains(text), "{text:?} is not in:\n{all}");
        }
        // What a test shows is what the manual shows: to be looked at with --nocapture.
        eprintln!("{all}");
    }
}

/// Writes a manifest.
pub(crate) fn manifest(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn answer(output: Output) -> Answer {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Answer { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}
