//! Who held an address when, from a dump of a cluster and the controller's log.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    rig::{ctl, err, out},
    server::Directory,
};

const DUMP: &str = r#"
{apiVersion: v1, kind: Node, metadata: {name: n1, creationTimestamp: "2026-11-01T00:00:00Z"}}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: web, creationTimestamp: "2026-11-01T00:00:00Z"}
spec: {cidrBlock: 10.20.0.0/24}
---
apiVersion: v1
kind: Pod
metadata:
  name: api-3
  creationTimestamp: "2026-11-27T15:00:00Z"
  annotations:
    ovn.kubernetes.io/allocated: "true"
    ovn.kubernetes.io/ip_address: 10.20.0.7
    ovn.kubernetes.io/logical_switch: web
spec: {nodeName: n1}
---
apiVersion: kubeovn.io/v1
kind: IP
metadata: {name: api-3.default, creationTimestamp: "2026-11-27T15:00:02Z"}
spec: {podName: api-3, namespace: default, subnet: web, ipAddress: 10.20.0.7, v4IpAddress: 10.20.0.7}
---
apiVersion: kubeovn.io/v1
kind: IP
metadata: {name: db-0.default, creationTimestamp: "2026-11-20T00:00:00Z"}
spec: {podName: db-0, namespace: default, subnet: web, ipAddress: 10.20.0.9, v4IpAddress: 10.20.0.9}
"#;

const LOG: &str = "\
2026-11-27T12:00:00.000000Z  INFO kubeovn_bins::run::lease: the lease is ours term=3
2026-11-27T13:00:00.500000Z  INFO kubeovn_bins::addresses: released owner=pod/default/web-0 subnet=web vpc=ovn-cluster ips=10.20.0.7 mac=0a:00:00:00:00:01
2026-11-27T13:58:07.000000Z  INFO kubeovn_bins::addresses: granted owner=pod/default/job-1 uid=u-9 subnet=web vpc=ovn-cluster ips=10.20.0.7 mac=0a:00:00:00:00:02
2026-11-27T14:31:40.000000Z  INFO kubeovn_bins::addresses: released owner=pod/default/job-1 subnet=web vpc=ovn-cluster ips=10.20.0.7 mac=0a:00:00:00:00:02
2026-11-27T15:00:01.000000Z  INFO kubeovn_bins::addresses: granted owner=pod/default/api-3 uid=u-10 subnet=web vpc=ovn-cluster ips=10.20.0.7 mac=0a:00:00:00:00:03
";

/// A dump and a log in files.
struct Files {
    directory: Directory,
}

impl Files {
    fn new() -> Self {
        let files = Files { directory: Directory::new() };
        fs::write(files.path("dump.yaml"), DUMP).unwrap();
        fs::write(files.path("log"), LOG).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path(name)
    }

    /// The answer for programs.
    fn ask(&self, words: &[&str]) -> Value {
        let dump = self.path("dump.yaml");
        let from = ["ipam", "history", "--from", dump.to_str().unwrap(), "-o", "json"];
        let output = ctl(&[&from, words].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        serde_json::from_str(&out(&output)).unwrap()
    }
}

fn holders(answer: &Value) -> Vec<&str> {
    answer["held"].as_array().unwrap().iter().map(|held| held["owner"].as_str().unwrap()).collect()
}

#[test]
fn the_log_tells_who_held_an_address_before() {
    let files = Files::new();
    let log = files.path("log");
    let log = log.to_str().unwrap();
    let all = files.ask(&["10.20.0.7", "--log", log]);
    assert_eq!(holders(&all), ["pod/default/web-0", "pod/default/job-1", "pod/default/api-3"], "{all:#}");
    let [web, job, api] = [&all["held"][0], &all["held"][1], &all["held"][2]];
    assert_eq!(
        (&web["from"], &web["until"]["at"]),
        (&Value::Null, &json!("2026-11-27T13:00:00Z")),
        "{all:#}"
    );
    assert_eq!(job["from"]["at"], "2026-11-27T13:58:07Z");
    assert_eq!((&api["until"]["still"], &api["from"]["at"]), (&json!(true), &json!("2026-11-27T15:00:01Z")));
    assert_eq!(api["sources"], json!(["annotations", "log", "record"]));
    assert_eq!(all["log"], json!({ "from": "2026-11-27T12:00:00Z", "to": "2026-11-27T15:00:01Z" }));

    // Yesterday at 14:00, when the firewall complained; by the clock of Berlin.
    let then = files.ask(&["10.20.0.7", "--log", log, "--at", "2026-11-27T15:00:00+01:00"]);
    assert_eq!(holders(&then), ["pod/default/job-1"]);
    assert_eq!(holders(&files.ask(&["10.20.0.7", "--log", log, "--at", "2026-11-27T14:45:00Z"])), [""; 0]);
    assert_eq!(holders(&files.ask(&["default/job-1", "--log", log])), ["pod/default/job-1"]);
    let subnet = files.ask(&["web", "--log", log]);
    assert_eq!(
        holders(&subnet),
        ["pod/default/db-0", "pod/default/web-0", "pod/default/job-1", "pod/default/api-3"]
    );
}

#[test]
fn without_a_log_it_says_what_it_does_not_know() {
    let files = Files::new();
    let all = files.ask(&["10.20.0.7"]);
    assert_eq!(holders(&all), ["pod/default/api-3"]);
    assert_eq!(all["held"][0]["from"]["at"], "2026-11-27T15:00:02Z", "that of the record");
    assert!(all["notes"].to_string().contains("kubectl logs"), "{all:#}");
    let kept = files.ask(&["10.20.0.9"]);
    assert_eq!(kept["held"][0]["until"], json!({ "still": true, "kept": true }), "{kept:#}");
    let nobody = files.ask(&["default/nobody"]);
    assert_eq!(holders(&nobody), [""; 0], "a pod that is gone is no mistake");

    let other = files.path("other");
    fs::write(&other, "2026-11-27T12:00:00Z INFO nothing of interest\n").unwrap();
    let other = files.ask(&["10.20.0.7", "--log", other.to_str().unwrap()]);
    assert!(other["notes"].to_string().contains("none of the log's 1 lines"), "{other:#}");
}

#[test]
fn a_log_may_come_through_a_pipe() {
    let files = Files::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubeovn-ctl"))
        .args(["ipam", "history", "10.20.0.7", "--log", "-", "--from"])
        .arg(files.path("dump.yaml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(LOG.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0));
    for line in [
        "10.20.0.7  pod/default/web-0  web     not known             2026-11-27T13:00:00Z  log\n",
        "10.20.0.7  pod/default/job-1  web     2026-11-27T13:58:07Z  2026-11-27T14:31:40Z  log\n",
        "10.20.0.7  pod/default/api-3  web     2026-11-27T15:00:01Z  still                 annotations, log, record\n",
        "the log reaches from 2026-11-27T12:00:00Z to 2026-11-27T15:00:01Z",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    let files = Files::new();
    let (dump, missing) = (files.path("dump.yaml"), files.path("missing"));
    for (words, code) in [
        (&["10.20.0.7", "--log", missing.to_str().unwrap()][..], "CTL-LOG-UNREADABLE"),
        (&["10.20.0.7", "--at", "yesterday"], "CTL-TIME-INVALID"),
        (&["a/b/c"], "CTL-HISTORY-INVALID"),
        (&["wbe"], "CTL-SUBNET-UNKNOWN"),
    ] {
        let output = ctl(&[&["ipam", "history", "--from", dump.to_str().unwrap()], words].concat());
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(err(&output).starts_with(&format!("{code}: ")), "{words:?}: {}", err(&output));
    }
}
