//! `kubeovn-ctl` on a Northbound that our controller wrote into a real ovsdb-server, and on the file of that server after
//! it was killed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test may panic and print"
)]

#[path = "../../kubeovn-ovn/tests/support/server.rs"]
mod server;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

use kubeovn_bins::{cluster::folder::FolderCluster, run::controller};
use kubeovn_core::index::Settings;
use kubeovn_ovn::{
    nb::NORTHBOUND,
    ovsdb::{
        client::{Client, FenceConfig, SoleWriter},
        connect::{ConnectConfig, Connector},
        txn::Identity,
    },
};
use serde_json::Value;
use server::{DATABASE, Directory, Server, wait_for};
use tokio::{runtime::Runtime, task::JoinHandle};
use uuid::Uuid;

const NETWORK: &str = r"
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 172.18.0.2}]}}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: web}
spec: {cidrBlock: 10.20.0.0/24, namespaces: [web]}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: db}
spec: {cidrBlock: 10.30.0.0/24, namespaces: [db], private: true, allowSubnets: [10.20.0.0/24]}
---
{apiVersion: v1, kind: Pod, metadata: {name: shop-0, namespace: web}, spec: {nodeName: n1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db-0, namespace: db}, spec: {nodeName: n1}}
";

/// A server, manifests, and a controller that makes one of the other.
struct Rig {
    runtime: Runtime,
    controller: Option<JoinHandle<()>>,
    server: Server,
    directory: Directory,
}

impl Rig {
    fn new() -> Self {
        let directory = Directory::new();
        let server = Server::standalone(&directory, &[]);
        let rig = Rig { runtime: Runtime::new().unwrap(), controller: None, server, directory };
        rig.manifests("net", NETWORK);
        rig
    }

    /// Everything is as the manifests say.
    fn settled() -> Self {
        let mut rig = Self::new();
        rig.start();
        rig.settle();
        rig
    }

    fn start(&mut self) {
        let folder = FolderCluster::open(&self.directory.path("net")).unwrap();
        let config = ConnectConfig::new(self.server.endpoint().parse().unwrap(), DATABASE);
        let fence = FenceConfig { authority: Arc::new(SoleWriter), nonce: Box::new(|| 1), eager: false };
        let connector = Connector::new(config, Box::new(|| 0.0));
        let client = Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::nil()), Some(fence));
        let run = controller::run(
            Settings::default(),
            folder.cluster().clone(),
            Box::new(client),
            controller::Company::default(),
        );
        self.controller = Some(self.runtime.spawn(run));
    }

    fn settle(&self) {
        let mut last = String::new();
        let settled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for("the controller", || {
                let diff = self.live(&["diff", "--from", &self.folder("net")]);
                last = format!("{}{}", out(&diff), err(&diff));
                (diff.status.code() == Some(0)).then_some(())
            });
        }));
        assert!(settled.is_ok(), "still to do: {last}");
    }

    fn stop(&mut self) {
        if let Some(controller) = self.controller.take() {
            controller.abort();
            let _ = self.runtime.block_on(controller);
        }
    }

    fn manifests(&self, name: &str, text: &str) {
        let folder = self.directory.path(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("all.yaml"), text).unwrap();
    }

    fn folder(&self, name: &str) -> String {
        self.directory.path(name).to_str().unwrap().to_owned()
    }

    fn live(&self, arguments: &[&str]) -> Output {
        ctl(&[&["nb", "--db", &self.server.endpoint()], arguments].concat())
    }

    fn file(&self, arguments: &[&str]) -> Output {
        ctl(&[&["nb", "--file", &self.folder("nb.db")], arguments].concat())
    }

    /// Gives an existing row our mark.
    fn mark(&self, table: &str, row: &str, owner: &str, id: &str) {
        let (owner, id) = (format!("external_ids:owner=\"{owner}\""), format!("external_ids:row=\"{id}\""));
        self.server.nbctl(&["set", table, row, "external_ids:vendor=kube-ovn", &owner, &id]);
    }
}

fn ctl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubeovn-ctl")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Standard output of a command that ends so.
fn text(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}{}", out(output), err(output));
    out(output)
}

fn json(output: &Output, code: i32) -> Value {
    let text = text(output, code);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The row of a dump.
fn row<'a>(dump: &'a Value, owner: &str, id: &str) -> &'a Value {
    let owners = dump["owners"].as_array().unwrap();
    let of =
        owners.iter().find(|entry| entry["owner"] == owner).unwrap_or_else(|| panic!("no {owner}: {dump}"));
    let rows = of["rows"].as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("no {id} of {owner}: {of}"))
}

#[test]
fn a_dump_is_the_same_of_a_server_and_of_the_file_it_left() {
    let mut rig = Rig::settled();
    rig.server.nbctl(&["ls-add", "theirs", "--", "lsp-add", "theirs", "guest"]);
    rig.stop();
    let live = json(&rig.live(&["dump", "--foreign", "-o", "json"]), 0);
    let drop = row(&live, "subnet/db", "db/1000/drop");
    assert_eq!((&drop["table"], &drop["columns"]["action"]), (&"ACL".into(), &"drop".into()));
    let port = row(&live, "pod/web/shop-0", "shop-0.web");
    assert!(port["columns"]["addresses"][0].as_str().unwrap().contains(" 10.20.0."), "{port}");
    assert_eq!(row(&live, "subnet/web", "web")["columns"]["ports"][0], "shop-0.web", "references have names");
    assert_eq!(live["foreignCounts"]["Logical_Switch"], 1);
    assert!(live["foreign"].as_array().unwrap().iter().any(|row| row["id"] == "@theirs"));
    assert!(live["unreadable"].as_array().unwrap().is_empty());

    let shown = text(&rig.live(&["dump"]), 0);
    assert!(shown.contains("\nsubnet/db\n  ACL db/1000/drop  "), "{shown}");
    assert!(
        shown.contains("; 3 rows of others (Logical_Switch 1, ")
            && !shown.contains("@theirs")
            && !shown.contains('\x1b'),
        "{shown}"
    );
    let rules = json(&rig.live(&["dump", "--owner", "subnet/db", "--table", "ACL", "-o", "json"]), 0);
    let owners = rules["owners"].as_array().unwrap();
    assert_eq!((owners.len(), &owners[0]["owner"]), (1, &"subnet/db".into()));
    assert!(owners[0]["rows"].as_array().unwrap().iter().all(|row| row["table"] == "ACL"));
    let pods = json(&rig.live(&["dump", "--owner", "pod", "-o", "json"]), 0);
    assert_eq!(pods["owners"].as_array().unwrap().len(), 2);

    rig.server.kill();
    assert_eq!(json(&rig.file(&["dump", "--foreign", "-o", "json"]), 0), live);
    text(&rig.file(&["diff", "--from", &rig.folder("net")]), 0);
    text(&rig.file(&["verify", "--from", &rig.folder("net")]), 0);
    // cut within the last record
    let path = rig.directory.path("nb.db");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let cut = rig.file(&["dump", "-o", "json"]);
    assert!(json(&cut, 0).is_object() && err(&cut).contains("is cut off"), "{}", err(&cut));
}

#[test]
fn a_diff_shows_what_an_edit_would_change() {
    let mut rig = Rig::new();
    let from = rig.folder("net");
    let all = text(&rig.live(&["diff", "--from", &from]), 2);
    assert!(all.contains("+ ACL db/1000/drop") && all.contains(", 0 to change, 0 to remove"), "{all}");
    rig.start();
    rig.settle();
    assert_eq!(text(&rig.live(&["diff", "--from", &from]), 0), "nothing would change\n");
    assert_eq!(
        json(&rig.live(&["diff", "--from", &from, "-o", "json"]), 0)["changes"],
        serde_json::json!([])
    );

    rig.manifests("open", &NETWORK.replace("private: true", "private: false"));
    let shown = text(&rig.live(&["diff", "--from", &rig.folder("open")]), 2);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.contains(&"- ACL db/1000/drop"), "{shown}");
    assert!(lines.iter().all(|line| line.starts_with("- ACL db/") || line.contains(" to remove")), "{shown}");
    rig.manifests("moved", &NETWORK.replace("allowSubnets: [10.20.0.0/24]", "gateway: 10.30.0.9"));
    let changes = json(&rig.live(&["diff", "--from", &rig.folder("moved"), "-o", "json"]), 2);
    let changes = changes["changes"].as_array().unwrap();
    let port = changes.iter().find(|change| change["table"] == "Logical_Router_Port").unwrap();
    let networks = &port["columns"]["networks"];
    assert_eq!((&networks["old"], &networks["new"]), (&"10.30.0.1/24".into(), &"10.30.0.9/24".into()));
    let gone = changes.iter().filter(|change| change["change"] == "remove");
    assert_eq!(
        gone.map(|change| &change["id"]).collect::<Vec<_>>(),
        ["db/1001/allow/10.30.0.0/24/10.20.0.0/24"]
    );
}

#[test]
fn a_row_leads_to_its_object_and_to_the_field() {
    let mut rig = Rig::settled();
    let from = rig.folder("net");
    let guess = text(&rig.live(&["owner", "ACL/db/1000/drop"]), 0);
    assert!(guess.contains("subnet/db") && guess.contains("private subnet"), "{guess}");
    assert!(guess.contains("Subnet.spec.private") && !guess.contains("allowSubnets"), "{guess}");

    // the rule is named db, too, but the switch has the id
    assert!(text(&rig.live(&["owner", "db"]), 0).contains("Logical_Switch db  "));
    let answer = json(&rig.live(&["owner", "db/1000/drop", "--from", &from, "-o", "json"]), 0);
    assert_eq!((&answer["owner"], &answer["state"]), (&"subnet/db".into(), &"wanted as it is".into()));
    let cause = &answer["causes"][0];
    assert_eq!(
        (answer["causes"].as_array().unwrap().len(), &cause["feature"]),
        (1, &"private subnet".into())
    );
    assert_eq!(cause["fields"], serde_json::json!([{ "path": "Subnet.spec.private", "value": "true" }]));
    assert!(cause["columns"].as_array().unwrap().contains(&"action".into()));
    let uuid = answer["row"]["uuid"].as_str().unwrap();
    let by_uuid = json(&rig.live(&["owner", uuid, "--from", &from, "-o", "json"]), 0);
    assert_eq!(by_uuid, answer);

    let allowed = text(&rig.live(&["owner", "db/1001/allow/10.30.0.0/24/10.20.0.0/24", "--from", &from]), 0);
    assert!(allowed.contains("Subnet.spec.allowSubnets = 10.20.0.0/24"), "{allowed}");
    let port = text(&rig.live(&["owner", "shop-0.web", "--from", &from]), 0);
    assert!(
        port.contains("pod/web/shop-0") && port.contains("ip_address]") && port.contains("= 10.20.0."),
        "{port}"
    );
    let switch = text(&rig.live(&["owner", "Logical_Switch/web"]), 0);
    assert!(switch.contains("shop-0.web from pod/web/shop-0"), "{switch}");

    // what the manifests have not is unwanted
    rig.manifests("less", &NETWORK.replace("name: db-0", "name: other"));
    let gone = text(&rig.live(&["owner", "db-0.db", "--from", &rig.folder("less")]), 0);
    assert!(gone.contains("unwanted: the manifests have no pod/db/db-0"), "{gone}");
    rig.server.nbctl(&["ls-add", "theirs"]);
    assert!(text(&rig.live(&["owner", "theirs"]), 0).contains("somebody else"));
    let unknown = rig.live(&["owner", "nothing"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).starts_with("CTL-ROW-UNKNOWN: none of ") && err(&unknown).contains("nb dump"));
    // the router and the two ports between are called otherwise, the switch and its router port are not
    rig.server.nbctl(&["lr-add", "web"]);
    let several = rig.live(&["owner", "web"]);
    assert_eq!(several.status.code(), Some(1));
    assert!(
        err(&several).contains("CTL-ROW-AMBIGUOUS: 2 rows") && err(&several).contains("Logical_Switch/web")
    );

    rig.stop();
    rig.server.kill();
    assert_eq!(json(&rig.file(&["owner", uuid, "--from", &from, "-o", "json"]), 0), answer);
}

#[test]
fn verify_finds_what_does_not_belong() {
    let mut rig = Rig::settled();
    let from = rig.folder("net");
    let sound = json(&rig.live(&["verify", "--from", &from, "-o", "json"]), 0);
    assert_eq!((&sound["sound"], &sound["findings"]), (&true.into(), &serde_json::json!([])));
    assert!(text(&rig.live(&["verify"]), 0).starts_with("nothing found in "));
    rig.stop();

    let nb = |line: &str| rig.server.nbctl(&line.split(' ').collect::<Vec<_>>());
    // a rule with our mark that nobody wants
    let stray = nb(
        "--id=@a create ACL priority=7 direction=to-lport match=ip4 action=drop -- add Logical_Switch db acls @a",
    );
    rig.mark("ACL", stray.trim(), "subnet/db", "db/7/stray");
    // a mark that cannot be read, and one that was copied
    nb("ls-add odd");
    rig.mark("Logical_Switch", "odd", "subnets:odd", "odd");
    nb("ls-add copy");
    rig.mark("Logical_Switch", "copy", "subnet/web", "web");
    // an address that a pod has, on a switch of the same router
    let address = json(&rig.live(&["dump", "--owner", "pod/web/shop-0", "-o", "json"]), 0);
    let address =
        row(&address, "pod/web/shop-0", "shop-0.web")["columns"]["addresses"][0].as_str().unwrap().to_owned();
    nb("lsp-add db thief");
    let ip = address.split(' ').next_back().unwrap();
    rig.server.nbctl(&["lsp-set-addresses", "thief", &format!("02:00:00:00:00:99 {ip}")]);
    nb("pg-add group");
    nb("create Address_Set name=group_ip4");
    nb("acl-add db to-lport 5 ip4.src==$nowhere drop");
    nb("lsp-add db lost -- lsp-set-type lost router -- lsp-set-options lost router-port=nothing");

    let report = json(&rig.live(&["verify", "-o", "json"]), 2);
    let codes = |report: &Value| -> BTreeSet<String> {
        let findings = report["findings"].as_array().unwrap();
        findings
            .iter()
            .map(|f| format!("{} {}", f["code"].as_str().unwrap(), f["row"].as_str().unwrap()))
            .collect()
    };
    let alone = codes(&report);
    for wanted in [
        "NB-MARK-UNREADABLE Logical_Switch/odd",
        "NB-ADDRESS-TWICE Logical_Switch_Port/shop-0.web",
        "NB-ADDRESS-TWICE Logical_Switch_Port/@thief",
        "NB-SET-SHADOWS-GROUP Address_Set/@group_ip4",
        "NB-NAME-DANGLING Logical_Switch_Port/@lost",
    ] {
        assert!(alone.contains(wanted), "{wanted}: {alone:#?}");
    }
    let begins =
        |all: &BTreeSet<String>, start: &str| all.iter().filter(|code| code.starts_with(start)).count();
    assert_eq!(begins(&alone, "NB-ROW-TWIN Logical_Switch/web~"), 1, "{alone:#?}");
    assert_eq!(begins(&alone, "NB-NAME-DANGLING ACL/"), 1, "{alone:#?}");
    assert_eq!(alone.len(), 7, "{alone:#?}");

    nb("lsp-del db-0.db");
    nb("set Logical_Switch_Port shop-0.web port_security=nobody");
    let drift = codes(&json(&rig.live(&["verify", "--from", &from, "-o", "json"]), 2));
    let more: Vec<&String> = drift.difference(&alone).collect();
    for wanted in [
        "NB-ROW-UNWANTED ACL/db/7/stray",
        "NB-ROW-MISSING Logical_Switch_Port/db-0.db",
        "NB-ROW-DIFFERENT Logical_Switch_Port/shop-0.web",
    ] {
        assert!(more.iter().any(|code| *code == wanted), "{wanted}: {more:#?}");
    }
    let shown = text(&rig.live(&["verify", "--from", &from]), 2);
    assert!(shown.contains("NB-ROW-UNWANTED: ACL/db/7/stray: it has the mark of subnet/db"), "{shown}");
    assert!(shown.contains("NB-ROW-MISSING: Logical_Switch_Port/db-0.db: pod/db/db-0 wants it"), "{shown}");

    let held = codes(&json(&rig.live(&["verify", "--from", &from, "-o", "json"]), 2));
    rig.server.kill();
    assert_eq!(codes(&json(&rig.file(&["verify", "--from", &from, "-o", "json"]), 2)), held);
}

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

#[test]
fn what_cannot_be_done_is_said_with_the_next_step() {
    let rig = Rig::new();
    let path = |name: &str| rig.directory.path(name).to_str().unwrap().to_owned();
    let write = |name: &str, bytes: &[u8]| -> String {
        fs::write(rig.directory.path(name), bytes).unwrap();
        path(name)
    };
    rig.server.nbctl(&["ls-add", "a-switch"]);
    let good = fs::read(rig.directory.path("nb.db")).unwrap();
    let at = good.windows(8).position(|window| window == b"a-switch").unwrap();
    let mut bad = good.clone();
    bad[at] = b'A';
    let (noise, damaged) = (write("noise", b"no database"), write("damaged", &bad));
    let other = PathBuf::from(path("sb.db"));
    let made =
        Command::new("ovsdb-tool").arg("create").arg(&other).arg("/usr/share/ovn/ovn-sb.ovsschema").status();
    assert!(made.unwrap().success());
    rig.manifests("broken", "{apiVersion: v1, kind: [");
    let (live, nowhere) = (rig.server.endpoint(), format!("unix:{}", path("nothing.sock")));
    let (other, missing, broken) =
        (other.to_str().unwrap().to_owned(), path("missing.db"), rig.folder("broken"));
    for (arguments, code, next) in [
        (vec!["--db", &nowhere, "dump"], "CTL-DATABASE-UNREACHABLE", "--file"),
        (vec!["--db", &nowhere, "watch"], "CTL-DATABASE-UNREACHABLE", "--db"),
        (vec!["--db", "ssl:127.0.0.1:1", "dump"], "CTL-DATABASE-UNREACHABLE", "OVSDB-TLS-NOT-CONFIGURED"),
        (vec!["--db", "10.0.0.1:6641", "dump"], "OVSDB-ENDPOINT-SCHEME", "tcp:"),
        (vec!["--file", &missing, "dump"], "CTL-FILE-UNREADABLE", "Name the file"),
        (vec!["--file", &noise, "verify"], "OVSDB-FILE-FORMAT", "ovsdb-server"),
        (vec!["--file", &damaged, "dump"], "OVSDB-FILE-CHECKSUM", "head -c"),
        (vec!["--file", &other, "dump"], "CTL-DATABASE-OTHER", "OVN_Northbound"),
        (vec!["--file", &damaged, "watch"], "CTL-WATCH-FILE", "nb diff"),
        (vec!["--db", &live, "dump", "--owner", "web"], "CTL-OWNER-INVALID", "subnet/web"),
        (vec!["--db", &live, "dump", "--table", "Switch"], "CTL-TABLE-UNKNOWN", "Logical_Switch,"),
        (vec!["--db", &live, "diff", "--from", &missing], "CTL-MANIFESTS", "folder"),
        (vec!["--db", &live, "diff", "--from", &broken], "CTL-MANIFEST-UNREADABLE", "all.yaml:1"),
    ] {
        let output = ctl(&[&["nb"], arguments.as_slice()].concat());
        let said = err(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with(&format!("{code}: ")) && said.contains(next), "{arguments:?}: {said}");
        assert!(out(&output).is_empty(), "{arguments:?}");
    }
    assert_eq!(ctl(&["nb", "dump", "--nonsense"]).status.code(), Some(1), "2 is for differences");
    assert_eq!(ctl(&["nb", "diff"]).status.code(), Some(1));
    assert_eq!(ctl(&["--help"]).status.code(), Some(0));
}
