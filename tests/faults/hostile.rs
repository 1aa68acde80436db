//! Users who mean harm: every line of `hostile.jsonl` is an object with something in it that could get out of its place.
//!
//! Each is refused with a code, or escaped, or harmless; nobody else's rows change; OVN can read every match there is; and
//! the controller goes on.

use std::collections::{BTreeMap, BTreeSet};

use kube::{api::PostParams, core::Request};
use kubeovn_core::{
    annotations::{self, nic},
    index::objects::{Kind, Object, ObjectKey, SubnetAcl},
};
use kubeovn_ovn::{
    matching::{Where, parse},
    ovsdb::wire::{Datum, Row},
};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::{
    controller::Controller,
    ground::{Ground, InMemory, read},
    kill::rest,
    northd::Northd,
    objects::{namespace, node, pod, pod_key, private, subnet, vpc},
    real::Real,
    seen::Raw,
    view::{VERSION, View},
};

/// How long to wait for all of them, on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_mins(5);

const CORPUS: &str = include_str!("hostile.jsonl");
const PAGE: &str = include_str!("../../docs/errors.md");

struct Case {
    what: String,
    manifest: Value,
    /// The code that it is answered with, or its beginning; any at all for `@REFUSED@`.
    says: Option<String>,
    /// A pod gets an address all the same.
    gets: bool,
    /// An API server refuses it.
    refused: bool,
}

impl Case {
    fn object(&self) -> Object {
        read(self.kind(), self.manifest.clone())
    }

    fn kind(&self) -> Kind {
        let kind = self.manifest["kind"].as_str().unwrap();
        *Kind::ALL.iter().find(|known| known.name() == kind).unwrap()
    }
}

/// All cases; what is too long for a file is put in here.
fn corpus(gateway_mac: &str) -> Vec<Case> {
    let many: Vec<String> = (0..10_000).map(|n| format!("10.66.{}.{}", n / 200, 2 + n % 200)).collect();
    let long = [
        ("@GATEWAY-MAC@", gateway_mac.to_owned()),
        ("@HUGE@", "a".repeat(256 << 10)),
        ("@LARGE@", "a".repeat(200 << 10)),
        ("@MANY@", many.join(",")),
        ("@PARENS@", "(".repeat(100_000)),
    ];
    let text = long.iter().fold(CORPUS.to_owned(), |text, (key, value)| text.replace(key, value));
    let case = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Case {
            what: text(&line["what"]).unwrap(),
            says: text(&line["says"]),
            gets: line["gets"] == true,
            refused: line["server"] == "refuses",
            manifest: line["object"].take(),
        }
    };
    text.lines().map(case).collect()
}

/// Two tenants who are to be left in peace, and one who doesn't.
async fn stage(ground: &dyn Ground) {
    let Object::Subnet(mut web) = private(subnet("web", "", "10.20.0.0/24", "web"), &["10.66.0.0/24"]) else {
        panic!("no subnet")
    };
    web.spec.acls = vec![SubnetAcl {
        direction: "to-lport".into(),
        priority: 2000,
        r#match: "ip4.src == 10.66.0.0/24 && tcp.dst == 22".into(),
        action: "drop".into(),
    }];
    let front = [(nic::IP_ADDRESS.ovn(), "10.20.0.111"), (nic::MAC_ADDRESS.ovn(), "0a:58:0a:14:00:6f")];
    let victim = [(nic::IP_ADDRESS.ovn(), "10.0.0.10"), (nic::MAC_ADDRESS.ovn(), "0a:58:00:00:00:0a")];
    for object in [
        namespace("web"),
        namespace("blue"),
        namespace("evil"),
        node("n1", "172.18.0.2"),
        vpc("blue", &["blue"]),
        Object::Subnet(web),
        subnet("blue-net", "blue", "10.0.0.0/24", "blue"),
        subnet("evil-net", "", "10.66.0.0/24", "evil"),
        pod("web", "front", "n1", &front),
        pod("blue", "victim", "n1", &victim),
        // So that the tenant's group of ports is there before he does any harm.
        pod("evil", "first", "n1", &[]),
    ] {
        ground.apply(object).await;
    }
}

fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).and_then(Datum::scalar).and_then(|atom| atom.as_str()).unwrap_or_default()
}

/// The MAC of the router's port in the tenant's subnet.
fn gateway_mac(rows: &Raw) -> String {
    let ports = rows["Logical_Router_Port"].values();
    ports
        .filter(|row| text(row, "name") == "ovn-cluster-evil-net")
        .map(|row| text(row, "mac").to_owned())
        .next()
        .unwrap()
}

/// Where everybody may add something of his own.
const SHARED: [(&str, &[&str]); 3] = [
    ("Logical_Router", &["ports", "policies", "static_routes"]),
    ("Logical_Switch", &["ports"]),
    ("Port_Group", &["ports"]),
];

/// Every row that was there is there as it was. Routers and groups may have more than before, for all who share them.
fn unharmed(before: &Raw, after: &Raw, what: &str) {
    for (table, rows) in before {
        for (uuid, row) in rows {
            let now = after.get(table).and_then(|rows| rows.get(uuid));
            let now = now.unwrap_or_else(|| panic!("{what}: {table} {row:?} is gone"));
            for (column, value) in row {
                let is = now.get(column).unwrap();
                let shared = SHARED.iter().any(|(shared, columns)| {
                    **table == **shared && (columns.contains(&&**column) || **column == *VERSION)
                });
                if shared {
                    let is: BTreeSet<_> = is.elements().iter().collect();
                    let all = value.elements().iter().all(|one| is.contains(one));
                    assert!(all || **column == *VERSION, "{what}: {table} {column}");
                } else {
                    assert_eq!(is, value, "{what}: {table} {column} of {row:?}");
                }
            }
        }
    }
}

/// OVN reads every match, and every set that one names is there.
fn sound(rows: &Raw, what: &str) {
    let names = |table: &str| -> Vec<String> {
        rows.get(table)
            .into_iter()
            .flat_map(BTreeMap::values)
            .map(|row| text(row, "name").to_owned())
            .collect()
    };
    let groups = names("Port_Group");
    let sets: BTreeSet<String> =
        groups.iter().flat_map(|group| ["ip4", "ip6"].map(|family| format!("{group}_{family}"))).collect();
    for (table, column) in [("ACL", "direction"), ("Logical_Router_Policy", "")] {
        for row in rows.get(table).into_iter().flat_map(BTreeMap::values) {
            let place = match text(row, column) {
                "to-lport" => Where::ToLport,
                "from-lport" => Where::FromLport,
                _ => Where::RouterPolicy,
            };
            let matching = text(row, "match");
            let read = parse(matching, place).unwrap_or_else(|error| panic!("{what}: {matching:?}: {error}"));
            assert!(read.address_sets().iter().all(|set| sets.contains(&**set)), "{what}: {matching}");
            let is_there = |group: &str| groups.iter().any(|known| known == group);
            assert!(read.port_groups().iter().all(|group| is_there(group)), "{what}: {matching}");
        }
    }
}

/// What an object is told: in its annotation, its conditions, and by events.
fn told(view: &View, notes: &[(ObjectKey, String)], key: &ObjectKey) -> BTreeSet<String> {
    let conditions = match view.get(key) {
        Some(Object::Subnet(subnet)) => &subnet.status.conditions[..],
        Some(Object::Vpc(vpc)) => &vpc.status.conditions,
        Some(Object::IpPool(pool)) => &pool.status.conditions,
        _ => &[],
    };
    let annotation = view.get(key).and_then(|object| object.meta().annotation(nic::ERROR.ovn()));
    let conditions = conditions.iter().map(|condition| condition.message.to_string());
    let notes = notes.iter().filter(|(about, _)| about == key).map(|(_, text)| text.clone());
    let all = annotation.map(str::to_owned).into_iter().chain(conditions).chain(notes);
    // Only what has the form of an answer: annotations may be the user's own.
    all.filter(|text| code(text).is_some()).collect()
}

/// The code of a sentence, if it is one that the page of errors has: there stands what to do.
fn code(text: &str) -> Option<&str> {
    let (code, sentence) = text.split_once(": ")?;
    (PAGE.contains(&format!("| `{code}` |")) && sentence.len() > 20).then_some(code)
}

/// What stands against the answer to a case, if anything does.
fn wrong(case: &Case, view: &View, notes: &[(ObjectKey, String)]) -> Option<String> {
    let object = case.object();
    let key = object.key();
    let told = told(view, notes, &key);
    let codes: BTreeSet<&str> = told.iter().filter_map(|text| code(text)).collect();
    let answered = match case.says.as_deref() {
        None => codes.is_empty(),
        Some("@REFUSED@") => !codes.is_empty(),
        Some(says) => codes.iter().any(|code| *code == says || says.ends_with('-') && code.starts_with(says)),
    };
    if !answered {
        return Some(format!("{}: {:?} is to be said, and {told:?} is", case.what, case.says));
    }
    let Some(Object::Pod(pod)) = view.get(&key) else { return None };
    let port = view.ports.0.get(&format!("{}.{}", pod.meta.name, pod.meta.namespace));
    let gets = pod.meta.annotation(nic::ALLOCATED.ovn()) == Some("true") && port.is_some();
    let nothing = port.is_none();
    let fits = if case.gets { gets } else { nothing };
    (!fits).then(|| format!("{}: is to get an address: {}, and has {port:?}", case.what, case.gets))
}

/// Waits until the controller has nothing left to do, in memory.
async fn settle(ground: &InMemory, controller: &Controller) {
    let mut idle = 0;
    for _ in 0..1_000 {
        ground.moment().await;
        idle = if controller.is_idle().await { idle + 1 } else { 0 };
        if idle == 2 {
            return;
        }
    }
    panic!("does not come to rest: {:#?}", controller.fuse.effects());
}

async fn in_memory() -> (InMemory, Controller, View) {
    let ground = InMemory::new();
    stage(&ground).await;
    let controller = Controller::start(&ground);
    rest(&ground, &controller).await;
    let before = View::of(&ground).await;
    (ground, controller, before)
}

#[tokio::test(start_paused = true)]
async fn each_is_refused_or_harmless_and_leaves_nothing() {
    let (ground, controller, before) = in_memory().await;
    let mut faults = Vec::new();
    for case in corpus(&gateway_mac(&before.rows)) {
        let key = case.object().key();
        ground.apply(case.object()).await;
        settle(&ground, &controller).await;
        let view = View::of(&ground).await;
        faults.extend(wrong(&case, &view, &ground.notes().await));
        unharmed(&before.rows, &view.rows, &case.what);
        sound(&view.rows, &case.what);
        // Whatever he did: another pod is served.
        ground.apply(pod("web", "good", "n1", &[])).await;
        settle(&ground, &controller).await;
        let view = View::of(&ground).await;
        assert!(view.ports.0.contains_key("good.web"), "{}: nobody else is served", case.what);
        ground.delete(&pod_key("web", "good")).await;
        ground.delete(&key).await;
        settle(&ground, &controller).await;
        let view = View::of(&ground).await;
        assert_eq!(view.get(&key), None, "{}: it does not go", case.what);
        assert_eq!(view.rows, before.rows, "{}: something of it is left", case.what);
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What may stand in any annotation.
const TEXTS: &[&str] = &[
    "\"",
    "\" || ip4 || inport == \"",
    "$as",
    "@group",
    "a\nb",
    "\u{0}",
    "ip4) || (ip6",
    "||",
    "../../x",
    "{{{{",
    "\\",
    "\u{202e}\u{feff}é",
    "-1",
    "99999999999999999999",
    "10.20.0.111",
    "0a:58:0a:14:00:6f",
    "true",
];

/// Every annotation that we know, with every such text.
#[tokio::test(start_paused = true)]
async fn no_annotation_lets_a_text_out_of_its_place() {
    let (ground, controller, before) = in_memory().await;
    let keys = nic::ALL.iter().map(|key| key.ovn()).chain(annotations::pod::ALL.iter().copied());
    let keys = keys.chain(["x.y.ovn.kubernetes.io/ip_address", "ovn.kubernetes.io/\" || ip4"]);
    for key in keys {
        for (number, text) in TEXTS.iter().enumerate() {
            ground.apply(pod("evil", &format!("t{number}"), "n1", &[(key, text)])).await;
        }
        settle(&ground, &controller).await;
        let view = View::of(&ground).await;
        unharmed(&before.rows, &view.rows, key);
        sound(&view.rows, key);
        for (number, text) in TEXTS.iter().enumerate() {
            let there = view.get(&pod_key("evil", &format!("t{number}"))).unwrap().meta();
            let given = there.annotation(nic::ALLOCATED.ovn()) == Some("true")
                && view.ports.0.contains_key(&format!("t{number}.evil"));
            let error = there.annotation(nic::ERROR.ovn()).and_then(code);
            assert!(given || error.is_some(), "{key}={text:?}: {there:?}");
            ground.delete(&pod_key("evil", &format!("t{number}"))).await;
        }
        settle(&ground, &controller).await;
        assert_eq!(View::of(&ground).await.rows, before.rows, "{key}: something is left");
    }
}

/// A pod with bytes that are no text.
async fn no_text(ground: &Real) -> Case {
    let key = nic::IP_ADDRESS.ovn();
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "no-text", "namespace": "evil", "annotations": { (key): "10.66.0.9@" } },
        "spec": { "nodeName": "n1", "containers": [{ "name": "c", "image": "none" }] },
    });
    let body =
        manifest.to_string().into_bytes().into_iter().map(|byte| if byte == b'@' { 0xff } else { byte });
    let request = Request::new("/api/v1/namespaces/evil/pods").create(&PostParams::default(), body.collect());
    ground.client.request_text(request.unwrap()).await.unwrap();
    let (what, says) = ("bytes that are no text".to_owned(), Some("IPAM-ADDR-UNREADABLE".to_owned()));
    Case { what, manifest, says, gets: false, refused: false }
}

/// All at once, and northd reads what comes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_at_once_on_real_servers_they_harm_nobody() {
    let ground = Real::start().await;
    stage(&ground).await;
    let controller = Controller::start(&ground);
    rest(&ground, &controller).await;
    let northd = Northd::start(&ground.directory, &ground.northbound.endpoint());
    ground.northbound.nbctl(&["--wait=sb", "--timeout=120", "sync"]);
    // Of two made in one second nobody knows which is older.
    sleep(Duration::from_millis(1_100)).await;
    let before = View::of(&ground).await;

    let (mut cases, mut wrongly) = (Vec::new(), Vec::new());
    for case in corpus(&gateway_mac(&before.rows)) {
        match ground.create(case.kind(), case.manifest.clone()).await {
            Ok(()) if case.refused => wrongly.push(format!("{}: is taken", case.what)),
            Err(error) if !case.refused => wrongly.push(format!("{}: is refused: {error}", case.what)),
            Ok(()) => cases.push(case),
            Err(_) => {}
        }
    }
    assert!(wrongly.is_empty(), "{wrongly:#?}");
    cases.push(no_text(&ground).await);
    let began = Instant::now();
    loop {
        let (view, notes) = (View::of(&ground).await, ground.notes().await);
        let faults: Vec<String> = cases.iter().filter_map(|case| wrong(case, &view, &notes)).collect();
        if faults.is_empty() && controller.is_idle().await {
            break;
        }
        let report = controller.report().await;
        assert!(began.elapsed() < PATIENCE, "{faults:#?}, {:?}", report.map(|report| report.idle));
        sleep(Duration::from_millis(200)).await;
    }
    let view = View::of(&ground).await;
    unharmed(&before.rows, &view.rows, "all of them");
    sound(&view.rows, "all of them");
    ground.northbound.nbctl(&["--wait=sb", "--timeout=120", "sync"]);
    for (switch, port) in [("web", "front.web"), ("evil-net", "first.evil"), ("blue-net", "victim.blue")] {
        assert_eq!(northd.complaints(switch, port), "", "flows that OVN can't read");
    }
    // A user's route leads where there is nothing: said of his alone.
    let warnings: Vec<String> =
        northd.warnings().into_iter().filter(|line| !line.contains("No path for static route")).collect();
    assert_eq!(warnings, [""; 0]);
    ground.apply(pod("web", "good", "n1", &[])).await;
    let began = Instant::now();
    while View::of(&ground).await.said().get("good.web").is_none_or(|said| said.annotation.is_none()) {
        assert!(began.elapsed() < PATIENCE, "nobody else is served");
        sleep(Duration::from_millis(100)).await;
    }
    ground.delete(&pod_key("web", "good")).await;
    for case in &cases {
        ground.delete(&case.object().key()).await;
    }
    rest(&ground, &controller).await;
    let left = View::of(&ground).await.plain_rows();
    assert!(left == before.plain_rows(), "something of them is left: {left:#?}");
    assert_eq!(ground.doubles(), [""; 0]);
}
