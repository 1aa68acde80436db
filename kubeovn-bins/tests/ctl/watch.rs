//! What changes, as it happens.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::Value;

use crate::{
    rig::{Rig, err},
    server::{DATABASE, Server},
};

/// A `nb watch` and the lines that it prints.
struct Watch {
    child: Child,
    lines: mpsc::Receiver<String>,
    told: mpsc::Receiver<String>,
}

impl Watch {
    fn start(server: &Server, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kubeovn-ctl"))
            .args([&["nb", "watch", "--db", &server.endpoint()], more].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines(child.stdout.take().unwrap());
        let told = lines_of_errors(&mut child);
        let watch = Watch { child, lines, told };
        watch.told("Ctrl-C ends");
        watch
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn told(&self, part: &str) {
        loop {
            let line =
                self.told.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("no {part:?}"));
            if line.contains(part) {
                return;
            }
        }
    }

    fn end(mut self) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    receiver
}

fn lines_of_errors(child: &mut Child) -> mpsc::Receiver<String> {
    lines(child.stderr.take().unwrap())
}

#[test]
fn a_watch_tells_changes_also_those_that_it_missed() {
    let mut rig = Rig::new();
    let json = Watch::start(&rig.server, &["-o", "json"]);
    let coloured = Watch::start(&rig.server, &["--color", "always"]);
    let plain = Watch::start(&rig.server, &["--foreign"]);
    rig.server.nbctl(&["ls-add", "theirs"]);
    assert_eq!(plain.line(), "+ others  Logical_Switch @theirs  name=theirs");
    assert_eq!(plain.line(), "+ others  NB_Global @", "ovn-nbctl makes it");
    let ids = "external_ids:vendor=kube-ovn external_ids:owner=subnet/web external_ids:row=web";
    let made = format!("ls-add web -- set Logical_Switch web {ids}");
    rig.server.nbctl(&made.split(' ').collect::<Vec<_>>());
    let line: Value = serde_json::from_str(&json.line()).unwrap();
    assert_eq!(
        (&line["change"], &line["owner"], &line["id"]),
        (&"add".into(), &"subnet/web".into(), &"web".into())
    );
    assert_eq!(line["columns"]["name"]["came"], serde_json::json!(["web"]));
    assert!(coloured.line().starts_with("\x1b[32m+ subnet/web  Logical_Switch web\x1b[0m  "));
    assert!(plain.line().starts_with("+ subnet/web  Logical_Switch web  external_ids="));

    rig.server.nbctl(&["set", "Logical_Switch", "web", "name=net"]);
    assert_eq!(plain.line(), "~ subnet/web  Logical_Switch web  name: web -> net");
    let line: Value = serde_json::from_str(&json.line()).unwrap();
    assert_eq!(line["columns"], serde_json::json!({ "name": { "gone": ["web"], "came": ["net"] } }));
    assert_eq!(coloured.line(), "\x1b[33m~ subnet/web  Logical_Switch web\x1b[0m  name: web -> net");

    let rule = format!("{} ", ids.replace("row=web", "row=web/7"));
    let rule = format!(
        "-- --id=@a create ACL priority=7 direction=to-lport match=ip4 action=drop {rule}-- add Logical_Switch net acls @a"
    );
    rig.server.nbctl(&rule.split(' ').collect::<Vec<_>>());
    assert!(plain.line().starts_with("+ subnet/web  ACL web/7  action=drop  "));
    assert_eq!(plain.line(), "~ subnet/web  Logical_Switch web  acls + web/7");
    rig.server.nbctl(&[
        "acl-del",
        "net",
        "--",
        "lsp-add",
        "net",
        "port",
        "--",
        "lsp-set-enabled",
        "port",
        "disabled",
    ]);
    assert_eq!(plain.line(), "- subnet/web  ACL web/7");
    assert_eq!(plain.line(), "~ subnet/web  Logical_Switch web  acls - web/7  ports + @port");
    assert_eq!(plain.line(), "+ others  Logical_Switch_Port @port  enabled=false  name=port");
    rig.server.nbctl(&["lsp-set-enabled", "port", "enabled", "--", "lsp-set-addresses", "port", "unknown"]);
    let both = "addresses: (none) -> unknown  enabled: false -> true";
    assert_eq!(plain.line(), format!("~ others  Logical_Switch_Port @port  {both}"));
    let seen = ["add", "change", "remove", "change"].map(|_| json.line());
    assert!(seen[0].contains("\"add\"") && seen[2].contains("\"remove\""), "{seen:?}");

    // changed while nobody could look
    rig.server.kill();
    plain.told("CTL-WATCH-LOST");
    let gone =
        format!(r#"["{DATABASE}",{{"op":"delete","table":"Logical_Switch","where":[["name","==","net"]]}}]"#);
    let done = Command::new("ovsdb-tool").args(["transact", &rig.folder("nb.db"), &gone]).output().unwrap();
    assert!(done.status.success(), "{}", err(&done));
    rig.server.run();
    assert_eq!(plain.line(), "- subnet/web  Logical_Switch web");
    assert_eq!(plain.line(), "- others  Logical_Switch_Port @port");
    let line: Value = serde_json::from_str(&json.line()).unwrap();
    assert_eq!((&line["change"], &line["columns"]["name"]["gone"][0]), (&"remove".into(), &"net".into()));
    json.end();
    plain.end();
}
