//! OVN itself is asked: `ovn-trace` parses the matches of all logical flows in a southbound database, and reports
//! those it has to skip, with the parser that ovn-controller uses.
//!
//! Fails where OVN is not installed.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Value, json};

use super::{super::symbols, super::symbols::Level, Where, examples, generate, parse, table};

const SCHEMA: &str = "/usr/share/ovn/ovn-sb.ovsschema";

/// A directory with a southbound database, gone with its server when dropped.
struct Southbound {
    dir: PathBuf,
    server: Option<Child>,
}

impl Drop for Southbound {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            _ = server.kill();
            _ = server.wait();
        }
        _ = fs::remove_dir_all(&self.dir);
    }
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &errors
}

fn insert(table: &str, row: &Value) -> Value {
    json!({"op": "insert", "table": table, "row": row})
}

/// A switch with one port, the sets and groups that the matches name, and one flow for each match, in a table that
/// the packet doesn't reach: some matches that OVN parses crash it when evaluated.
fn transaction(texts: &[String]) -> Vec<Value> {
    let datapath = json!(["named-uuid", "dp"]);
    let ids = json!(["map", [["name", "ls"], ["logical-switch", "00000000-0000-0000-0000-000000000001"]]]);
    let mut first = insert("Datapath_Binding", &json!({"tunnel_key": 1, "external_ids": ids}));
    first["uuid-name"] = json!("dp");
    let port = json!({"logical_port": "p", "datapath": datapath, "tunnel_key": 1});
    let mut operations = vec![json!("OVN_Southbound"), first, insert("Port_Binding", &port)];

    let (mut sets, mut groups) = (BTreeSet::from(["s".to_owned()]), BTreeSet::from(["pg".to_owned()]));
    for found in texts.iter().filter_map(|text| parse(text, Where::ToLport).ok()) {
        sets.extend(found.address_sets().iter().cloned());
        groups.extend(found.port_groups().iter().cloned());
    }
    let set = |name| insert("Address_Set", &json!({"name": name, "addresses": "10.0.0.1"}));
    let group = |name| insert("Port_Group", &json!({"name": name, "ports": "p"}));
    let flow = |text| {
        let row = json!({
            "logical_datapath": datapath, "pipeline": "ingress", "table_id": 9, "priority": 1, "match": text, "actions": "drop;"
        });
        insert("Logical_Flow", &row)
    };
    operations.extend(sets.iter().map(set));
    operations.extend(groups.iter().map(group));
    operations.extend(texts.iter().map(flow));
    operations
}

/// Those of the texts that OVN doesn't understand.
fn refused_by_ovn(label: &str, texts: &[String]) -> BTreeSet<String> {
    let dir = std::env::temp_dir().join(format!("kubeovn-matching-{label}-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let mut southbound = Southbound { dir: dir.clone(), server: None };
    let file = |name: &str| dir.join(name).display().to_string();
    let (database, socket) = (file("sb.db"), file("sb.sock"));
    run("ovsdb-tool", &["create", &database, SCHEMA]);
    let server = Command::new("ovsdb-server")
        .args(["--no-chdir", "--unixctl", &file("ctl"), "--remote", &format!("punix:{socket}"), &database])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    southbound.server = Some(server.unwrap());

    let deadline = Instant::now() + Duration::from_secs(10);
    let mut stream = loop {
        match UnixStream::connect(&socket) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "ovsdb-server doesn't listen: {error}"),
        }
        sleep(Duration::from_millis(5));
    };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = json!({"method": "transact", "params": transaction(texts), "id": 0});
    stream.write_all(request.to_string().as_bytes()).unwrap();
    let reply = serde_json::Deserializer::from_reader(stream).into_iter::<Value>().next().unwrap().unwrap();
    let failed = reply["result"].as_array().unwrap().iter().find(|result| result.get("error").is_some());
    assert_eq!(failed, None);

    let report = run("ovn-trace", &[&format!("--db=unix:{socket}"), "ls", "inport == \"p\" && ip4 && tcp"]);
    let refused = report.lines().filter_map(|line| {
        let (text, _) = line.rsplit_once(": parsing expression failed (")?;
        text.split_once("|WARN|").map(|(_, text)| text.to_owned())
    });
    refused.collect()
}

/// So many values of a strategy, the same ones in every run.
fn samples(strategy: impl Strategy<Value = String>, count: usize) -> impl Iterator<Item = String> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

#[test]
fn ovn_accepts_what_we_build_and_what_we_accept() {
    let built = samples(generate::built().prop_map(|built| built.to_string()), 500);
    let soup: Vec<_> =
        samples(generate::soup(), 5_000).filter(|text| parse(text, Where::ToLport).is_ok()).collect();
    assert!(soup.len() > 300, "only {} of the random texts are matches", soup.len());
    let texts = examples().into_iter().map(|(_, text)| text.to_owned());
    let texts: Vec<_> =
        texts.chain(table::GOOD.iter().map(ToString::to_string)).chain(built).chain(soup).collect();
    assert_eq!(refused_by_ovn("accepted", &texts), BTreeSet::new());
}

#[test]
fn ovn_refuses_what_the_table_says_it_refuses() {
    let texts: Vec<_> = table::BAD.iter().map(|(text, ..)| (*text).to_owned()).collect();
    let expected: BTreeSet<_> = table::BAD.iter().filter(|row| row.3).map(|row| row.0.to_owned()).collect();
    assert_eq!(refused_by_ovn("refused", &texts), expected);
}

#[test]
fn ovn_has_the_same_symbols() {
    let ordered = |level| level == Level::Ordinal;
    let mut expected = BTreeSet::new();
    let mut texts = Vec::new();
    for symbol in symbols::all().filter(|symbol| symbol.bits > 0) {
        let (name, bits) = (symbol.name, symbol.bits);
        let negative = matches!(symbol.level, Level::Nominal | Level::NominalPredicate);
        let widest = format!("{name} == {:#x}", u128::MAX >> (128 - bits));
        let wider = format!("{name} == 0x1{}", "0".repeat(bits.div_ceil(4) as usize));
        for (text, refused) in [
            (widest, false),
            (wider, true),
            (format!("{name} < 1"), !ordered(symbol.level)),
            (format!("{name} != 1"), negative),
        ] {
            if refused {
                expected.insert(text.clone());
            }
            texts.push(text);
        }
    }
    assert_eq!(refused_by_ovn("symbols", &texts), expected);
}
