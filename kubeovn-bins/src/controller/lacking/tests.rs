//! The table is complete, and what is said is said once.

mod server;

use std::{collections::BTreeSet, fs};

use kubeovn_core::{api, index::objects::Kind};
use serde_json::{Value, json};

use super::{
    LACKING, Lacking, Tells,
    words::{Present, patch, sentence},
};

fn crds() -> Vec<Value> {
    api::crds().into_iter().map(|crd| serde_json::to_value(crd).unwrap()).collect()
}

fn kind(name: &str) -> &'static Lacking {
    LACKING.iter().find(|kind| kind.resource.kind == name).unwrap()
}

#[test]
fn every_kind_of_ours_is_read_or_in_the_table_as_its_definition_says() {
    let mut named = BTreeSet::new();
    for crd in crds() {
        let (spec, version) = (&crd["spec"], &crd["spec"]["versions"][0]);
        let name = spec["names"]["kind"].as_str().unwrap();
        let read = Kind::ALL.iter().any(|kind| kind.group() == "kubeovn.io" && kind.name() == name);
        let listed = LACKING.iter().find(|kind| kind.resource.kind == name);
        assert_ne!(
            read,
            listed.is_some(),
            "{name}: either something acts on it, or the table says that nothing does"
        );
        let Some(Lacking { resource, tells, .. }) = listed else { continue };
        named.insert(name.to_owned());
        assert_eq!(resource.api_version(), "kubeovn.io/v1");
        assert_eq!(spec["names"]["plural"], resource.plural);
        let conditions =
            &version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["conditions"];
        // Those of a ProviderNetwork are its nodes'.
        let own = !conditions.is_null() && conditions["items"]["properties"]["node"].is_null();
        let apart = !version["subresources"]["status"].is_null();
        assert_eq!(*tells, if own { Tells::Condition { apart } } else { Tells::Event }, "{name}");
    }
    for Lacking { resource, what, .. } in LACKING {
        assert!(resource.group != "kubeovn.io" || named.contains(resource.kind), "{}", resource.kind);
        assert!(!what.is_empty() && !what.ends_with('.'), "{what}");
    }
}

fn eip(status: &Value) -> Present {
    let mut object = json!({
        "metadata": { "name": "e", "uid": "u-1", "resourceVersion": "7", "generation": 3 }, "status": status,
    });
    if status.is_null() {
        object.as_object_mut().unwrap().remove("status");
    }
    serde_json::from_value(object).unwrap()
}

/// The value that a patch adds, and where.
fn added(steps: &Value) -> (&str, &Value) {
    let steps = steps.as_array().unwrap();
    let tests: Vec<_> = steps.iter().filter(|step| step["op"] == "test").map(|step| &step["value"]).collect();
    assert_eq!(tests, [&json!("u-1"), &json!("7")], "of this object as it was read");
    let [add] = steps.iter().filter(|step| step["op"] == "add").collect::<Vec<_>>()[..] else { panic!() };
    (add["path"].as_str().unwrap(), &add["value"])
}

#[test]
fn a_condition_is_added_beside_those_of_others_and_then_there_is_nothing_to_do() {
    let told = |now| {
        json!({
            "type": "Ready", "status": "False", "reason": "NotImplemented", "message": "KIND-NOT-SUPPORTED: words",
            "observedGeneration": 3, "lastTransitionTime": "t1", "lastUpdateTime": now,
        })
    };
    let say = |status: &Value, now: &str| patch(&eip(status), "words", true, now);
    let steps = say(&Value::Null, "t1").unwrap();
    assert_eq!(added(&steps), ("/status", &json!({ "conditions": [told("t1")] })));
    for status in [json!({ "ready": false }), json!({ "conditions": null }), json!({ "conditions": [] })] {
        let steps = say(&status, "t1").unwrap();
        assert_eq!(added(&steps), ("/status/conditions", &json!([told("t1")])), "{status}");
    }
    let others = [json!({ "type": "Validated", "status": "True" }), json!({ "type": "Init", "node": "n1" })];
    let steps = say(&json!({ "conditions": others }), "t1").unwrap();
    assert_eq!(added(&steps).1, &json!([others[0], others[1], told("t1")]));

    let status = json!({ "conditions": [others[0], told("t1"), others[1]] });
    assert_eq!(say(&status, "t2"), None);
    let mut before = status.clone();
    before["conditions"][1]["observedGeneration"] = json!(2);
    let steps = say(&before, "t2").unwrap();
    assert_eq!(added(&steps).1, &json!([others[0], told("t2"), others[1]]), "it stands since t1");
    before["conditions"][1]["status"] = json!("True");
    let steps = say(&before, "t2").unwrap();
    assert_eq!(added(&steps).1[1]["lastTransitionTime"], "t2");
}

#[test]
fn where_each_write_makes_a_generation_none_is_named() {
    let steps = patch(&eip(&Value::Null), "words", false, "t1").unwrap();
    let status = added(&steps).1.clone();
    assert_eq!(status["conditions"][0].get("observedGeneration"), None);
    assert_eq!(patch(&eip(&status), "words", false, "t2"), None);
}

#[test]
fn a_sentence_names_the_object_and_what_does_not_happen() {
    let policy =
        crate::cluster::kube::Slim { namespace: "shop".into(), name: "deny".into(), ..Default::default() };
    assert_eq!(
        sentence(kind("NetworkPolicy"), &policy),
        "NetworkPolicy shop/deny: this version does not act on objects of this kind; it is not enforced: pods send and \
         receive what it forbids. docs/compatibility.md lists what is supported"
    );
}

/// The table of kinds in docs/compatibility.md is that of this version.
#[test]
fn the_table_of_kinds_is_fresh() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md");
    let text = fs::read_to_string(file).unwrap();
    let (before, rest) = text.split_once("<!-- kinds -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /kinds -->").unwrap();
    let crds = crds();
    let acts = crds.iter().map(|crd| crd["spec"]["names"]["kind"].as_str().unwrap());
    let acts = acts.filter(|name| LACKING.iter().all(|kind| kind.resource.kind != *name));
    let row = |name: &str| format!("| {name} | kubeovn.io/v1 | yes | | |\n");
    let acts: String = acts.map(row).collect();
    let row = |kind: &Lacking| {
        let told = match kind.tells {
            Tells::Condition { .. } => "a condition",
            Tells::Event => "an event",
            Tells::Start => "a line at the start, for all",
        };
        let Lacking { resource, what, .. } = kind;
        format!("| {} | {} | not yet | {what} | {told} |\n", resource.kind, resource.api_version())
    };
    let lacks: String = LACKING.iter().map(row).collect();
    let head = "| kind | version | acts | what does not happen | how it is told |\n|---|---|---|---|---|\n";
    let fresh = format!("{before}<!-- kinds -->\n{head}{acts}{lacks}<!-- /kinds -->{after}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(file, &fresh).unwrap();
    }
    let found = fs::read_to_string(file).unwrap();
    assert!(found == fresh, "UPDATE_GOLDEN=1 writes the table in docs/compatibility.md anew");
}
