//! The programs of OVN and OVS: the same commands on a real server and on ours print the same, but for UUIDs.

use std::{
    fs::File,
    process::{Child, Command, Stdio},
};

use super::{
    Pair,
    server::{DATABASE, wait_for},
};

/// What a command printed, and whether it succeeded. Sets and rows are in the order of UUIDs, so words are sorted.
fn run(program: &str, arguments: &[&str]) -> (bool, Vec<String>) {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output
        .unwrap_or_else(|error| panic!("{program}: {error}; install openvswitch-switch and ovn-central"));
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), normal(&String::from_utf8(printed).unwrap()))
}

/// Lines in an order of their own, with a word in the place of each UUID.
fn normal(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(without_uuids).collect();
    lines.sort();
    lines
}

fn without_uuids(line: &str) -> String {
    let mut line = line.to_owned();
    let is_uuid = |text: &str| text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
    while let Some(at) = (0..line.len()).find(|at| line.get(*at..at + 36).is_some_and(is_uuid)) {
        line.replace_range(at..at + 36, "<uuid>");
    }
    line
}

/// Runs a command of ovn-nbctl on both, and answers what both printed.
fn nbctl(pair: &Pair, arguments: &[&str], succeeds: bool) -> Vec<String> {
    let [real, ours] =
        pair.endpoints().map(|endpoint| run("ovn-nbctl", &[&["--db", &endpoint], arguments].concat()));
    assert_eq!(real, ours, "ovn-nbctl {arguments:?}");
    assert_eq!(ours.0, succeeds, "ovn-nbctl {arguments:?}: {:?}", ours.1);
    ours.1
}

/// Runs a command of ovsdb-client on both, and answers what both printed.
fn ovsdb_client(pair: &Pair, command: &str, arguments: &[&str]) -> Vec<String> {
    let [real, ours] =
        pair.endpoints().map(|endpoint| run("ovsdb-client", &[&[command, &endpoint], arguments].concat()));
    assert_eq!(real, ours, "ovsdb-client {command} {arguments:?}");
    assert!(ours.0, "ovsdb-client {command} {arguments:?}: {:?}", ours.1);
    ours.1
}

/// A network with something in many tables.
const NETWORK: &[&[&str]] = &[
    &["ls-add", "lan"],
    &["set", "Logical_Switch", "lan", "other_config:subnet=10.0.0.0/24"],
    &["lsp-add", "lan", "p1"],
    &["lsp-set-addresses", "p1", "00:00:00:00:00:01 10.0.0.2"],
    &["lsp-set-port-security", "p1", "00:00:00:00:00:01 10.0.0.2"],
    &["lsp-add", "lan", "p2", "--", "lsp-set-addresses", "p2", "dynamic"],
    &["lr-add", "r"],
    &["lrp-add", "r", "r-lan", "00:00:00:00:00:fe", "10.0.0.1/24"],
    &["lsp-add", "lan", "lan-r", "--", "lsp-set-type", "lan-r", "router"],
    &["lsp-set-options", "lan-r", "router-port=r-lan", "--", "lsp-set-addresses", "lan-r", "router"],
    &["acl-add", "lan", "to-lport", "1000", "ip4.src == 10.0.0.0/24", "allow-related"],
    &["--name=deny", "acl-add", "lan", "to-lport", "900", "ip4", "drop"],
    &["pg-add", "pg", "p1", "p2"],
    &["lr-route-add", "r", "0.0.0.0/0", "10.0.0.254"],
    &["lr-policy-add", "r", "100", "ip4.src == 10.0.0.2", "reroute", "10.0.0.253"],
    &["lr-nat-add", "r", "snat", "192.0.2.1", "10.0.0.0/24"],
    &["lb-add", "web", "192.0.2.80:80", "10.0.0.2:8080", "--", "ls-lb-add", "lan", "web"],
    &["dhcp-options-create", "10.0.0.0/24"],
    &["create", "Address_Set", "name=as", "addresses=10.0.0.2 10.0.0.3"],
    &["add", "Address_Set", "as", "addresses", "10.0.0.4"],
    &["remove", "Address_Set", "as", "addresses", "10.0.0.2"],
    &["meter-add", "m", "drop", "10", "kbps"],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ovn_nbctl_does_what_it_does_on_a_real_server() {
    let pair = Pair::start();
    for command in NETWORK {
        nbctl(&pair, command, true);
    }
    assert!(nbctl(&pair, &["show"], true).iter().any(|line| line.contains("router-port: r-lan")));
    let queries: &[&[&str]] = &[
        &["ls-list"],
        &["lsp-list", "lan"],
        &["lsp-get-addresses", "p1"],
        &["acl-list", "lan"],
        &["lr-route-list", "r"],
        &["lr-policy-list", "r"],
        &["lr-nat-list", "r"],
        &["lb-list"],
        &["--columns=name,addresses", "list", "Address_Set"],
        &["--columns=name", "find", "Logical_Switch_Port", "type=router"],
    ];
    for query in queries {
        assert!(!nbctl(&pair, query, true).is_empty(), "{query:?}");
    }
    nbctl(&pair, &["ls-add", "lan"], false);
    nbctl(&pair, &["lsp-add", "nowhere", "p3"], false);
    // the server refuses this one, and each has its own words for it
    for endpoint in pair.endpoints() {
        let (success, printed) = run("ovn-nbctl", &["--db", &endpoint, "create", "Address_Set", "name=as"]);
        assert!(!success && printed.iter().any(|line| line.contains("constraint violation")), "{printed:?}");
    }
    nbctl(&pair, &["ls-del", "lan"], true);
    nbctl(&pair, &["lr-del", "r"], true);
    assert_eq!(nbctl(&pair, &["show"], true), Vec::<String>::new());
    assert_eq!(nbctl(&pair, &["list", "ACL"], true), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ovsdb_client_prints_what_it_prints_of_a_real_server() {
    let pair = Pair::start();
    for command in NETWORK {
        nbctl(&pair, command, true);
    }
    assert_eq!(ovsdb_client(&pair, "list-dbs", &[]), [DATABASE, "_Server"]);
    for command in ["get-schema", "get-schema-version", "get-schema-cksum", "list-tables", "list-columns"] {
        assert!(!ovsdb_client(&pair, command, &[DATABASE]).is_empty(), "{command}");
    }
    ovsdb_client(&pair, "list-columns", &["_Server"]);
    let dump = ovsdb_client(&pair, "dump", &["--format=csv", DATABASE]);
    assert!(dump.iter().any(|line| line.contains("00:00:00:00:00:01 10.0.0.2")), "{dump:?}");
    ovsdb_client(&pair, "dump", &["--format=csv", DATABASE, "Logical_Switch_Port", "name", "type"]);
    ovsdb_client(
        &pair,
        "dump",
        &["--format=csv", "_Server", "Database", "name", "model", "connected", "leader"],
    );
    let transactions = [
        r#"["OVN_Northbound",{"op":"insert","table":"Logical_Switch","row":{"name":"x"},"uuid-name":"x"}]"#,
        r#"["OVN_Northbound",{"op":"mutate","table":"Address_Set","where":[["name","==","as"]],
            "mutations":[["addresses","insert",["set",["10.0.0.8","10.0.0.9"]]]]},
            {"op":"select","table":"Address_Set","where":[],"columns":["name","addresses"]}]"#,
        r#"["OVN_Northbound",{"op":"delete","table":"Logical_Switch","where":[["name","==","x"]]},
            {"op":"comment","comment":"gone"}]"#,
        r#"["OVN_Northbound",{"op":"insert","table":"Logical_Switch","row":{"name":"y"}},{"op":"abort"},
            {"op":"comment","comment":"not reached"}]"#,
        r#"["OVN_Northbound",{"op":"assert","lock":"mine"}]"#,
        r#"["_Server",{"op":"select","table":"Database","where":[["name","==","_Server"]],"columns":["model"]}]"#,
    ];
    for transaction in transactions {
        let printed = ovsdb_client(&pair, "transact", &[transaction]);
        assert!(printed[0].starts_with("[{"), "{printed:?}");
    }
    ovsdb_client(&pair, "query", &[transactions[0]]);
    let after = ovsdb_client(&pair, "dump", &["--format=csv", DATABASE]);
    assert_eq!(after.len(), dump.len(), "a query, or what was aborted, has changed something");
}

/// A monitor that runs in the background and prints to a file; ended with its value.
struct Monitor(Child);

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn monitors_of_ovsdb_client_print_the_same() {
    let pair = Pair::start();
    nbctl(&pair, &["ls-add", "before"], true);
    let condition = r#"[["name","!=","hidden"]]"#;
    let kinds: &[&[&str]] = &[
        &["monitor", DATABASE, "Logical_Switch"],
        &["monitor", DATABASE, "Logical_Switch", "name,!initial,!modify"],
        &["monitor-cond", DATABASE, condition, "Logical_Switch", "name,other_config"],
        &["monitor-cond-since", DATABASE, condition, "Logical_Switch", "name,other_config"],
    ];
    let mut running = Vec::new();
    for (kind, endpoint) in (0..kinds.len()).flat_map(|kind| (0..2).map(move |server| (kind, server))) {
        let path = pair.directory.path(&format!("monitor-{kind}-{endpoint}"));
        let (command, arguments) = kinds[kind].split_first().unwrap();
        let child = Command::new("ovsdb-client")
            .args(["--format=csv", "--no-heading", command, &pair.endpoints()[endpoint]])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(File::create(&path).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        running.push((Monitor(child), path));
    }
    let printed = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    // they have begun when they tell; the second kind does not tell what was there
    for number in 0.. {
        assert!(number < 500, "a monitor tells nothing");
        nbctl(&pair, &["ls-add", &format!("probe{number}")], true);
        if running.iter().all(|(_, path)| printed(path).contains("probe")) {
            break;
        }
    }
    for command in [
        ["ls-add", "hidden"].as_slice(),
        &["ls-add", "shown"],
        &["set", "Logical_Switch", "shown", "other_config:a=1", "other_config:b=2"],
        &["set", "Logical_Switch", "shown", "other_config:a=3"],
        &["set", "Logical_Switch", "hidden", "name=visible"],
        &["set", "Logical_Switch", "shown", "name=hidden"],
        &["ls-del", "before"],
        &["ls-add", "last"],
    ] {
        nbctl(&pair, command, true);
    }
    for (_, path) in &running {
        wait_for("the last change", || printed(path).contains("last").then_some(()));
    }
    // which of the probes came before a monitor began is chance, and so is how often something was told
    let chance = |line: &str| line.is_empty() || line.starts_with("last_id:") || line.contains("probe");
    let told = |path: &std::path::Path| -> Vec<String> {
        normal(&printed(path)).into_iter().filter(|line| !chance(line)).collect()
    };
    for pair in running.chunks(2) {
        let [(_, real), (_, ours)] = pair else { unreachable!() };
        assert_eq!(told(real), told(ours), "{real:?}");
    }
}
