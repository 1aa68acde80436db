//! That a real server takes in our CRDs, keeps every field of every kind, and refuses what the rules refuse, in their
//! words. The cases are those of `kubeovn-core/src/api/tests/refusals.rs`.

mod kind;

use std::{fs, path::PathBuf};

use futures_util::{StreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, api::ListParams};
use serde_json::{Value, json};

use crate::kubernetes::Kubernetes;
use kind::Kind;

/// How many requests are on their way at once.
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_in_all_kinds_and_knows_their_rules() {
    let kubernetes = Kubernetes::start().await;
    kubernetes.apply_crds().await;
    let client = kubernetes.client();
    nothing_is_odd_about_the_kinds(&client).await;
    every_field_is_kept(&client).await;
    every_case_is_refused_or_let_pass(&client).await;
}

/// What was stored under CRDs without rules, as Kube-OVN's are, and breaks one.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_before_can_be_told_of_and_deleted() {
    let kubernetes = Kubernetes::start().await;
    let (client, crds) = (kubernetes.client(), kubeovn_core::api::crds());
    kubernetes.apply(crds.iter().cloned().map(without_rules).collect()).await;
    let kinds: Vec<Kind> = crds.iter().map(|crd| Kind::of(&client, crd)).collect();
    let broken = cases().filter(|(_, case)| case.get("old").is_none() && !case["refused"].is_null());
    let created = broken.map(|(number, case)| {
        let kind = kinds.iter().find(|kind| kind.resource.kind == case["kind"]).unwrap();
        let mut document = patched(kind.sample_of(number), &case["new"]);
        document["metadata"]["finalizers"] = json!(["kubeovn.io/kube-ovn-controller"]);
        async move { (kind, kind.create(&document).await.unwrap_or_else(|error| panic!("{case}: {error}"))) }
    });
    let created: Vec<_> = stream::iter(created).buffer_unordered(AT_ONCE).collect().await;
    assert!(created.len() > 200);

    kubernetes.apply_crds().await;
    stream::iter(created.iter().map(|(kind, object)| kind.refuses(object)))
        .buffer_unordered(AT_ONCE)
        .count()
        .await;
    let deleted = created.iter().map(|(kind, object)| kind.told_of_and_deleted(object));
    stream::iter(deleted).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

/// The same kind, with nothing that its values must be.
fn without_rules(crd: CustomResourceDefinition) -> CustomResourceDefinition {
    const LIMITS: [&str; 8] = [
        "x-kubernetes-validations",
        "enum",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "maxItems",
    ];
    fn strip(schema: &mut Value) {
        match schema {
            Value::Object(fields) => {
                // of a property these are its own; the names of properties are no words of a schema
                if !fields.values().all(Value::is_object) {
                    fields.retain(|key, _| !LIMITS.contains(&key.as_str()));
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut document = serde_json::to_value(crd).unwrap();
    strip(&mut document["spec"]["versions"][0]["schema"]);
    serde_json::from_value(document).unwrap()
}

/// A server tells of schemas that it takes in but cannot make sense of.
async fn nothing_is_odd_about_the_kinds(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in api.list(&ListParams::default()).await.unwrap() {
        let conditions = crd.status.unwrap().conditions.unwrap();
        let of = |name: &str| conditions.iter().find(|condition| condition.type_ == name);
        let name = crd.metadata.name.unwrap();
        assert_eq!(of("Established").map(|condition| &*condition.status), Some("True"), "{name}");
        assert_eq!(of("NamesAccepted").map(|condition| &*condition.status), Some("True"), "{name}");
        let odd = of("NonStructuralSchema").or_else(|| of("Terminating"));
        assert!(odd.is_none(), "{name}: {odd:?}");
    }
}

/// Nothing of the samples is dropped, and nothing but defaults added.
async fn every_field_is_kept(client: &Client) {
    for crd in kubeovn_core::api::crds() {
        let kind = Kind::of(client, &crd);
        let kept =
            kind.create(&kind.sample).await.unwrap_or_else(|error| panic!("{}: {error}", kind.resource.kind));
        let kept = serde_json::to_value(kept).unwrap();
        for part in ["spec", "status"] {
            let lost = lost(&kind.sample[part], &kept[part], part);
            assert!(lost.is_empty(), "{}: the server lost {lost:?}", kind.resource.kind);
        }
    }
}

/// The paths of what the server does not have as it was sent.
fn lost(sent: &Value, kept: &Value, path: &str) -> Vec<String> {
    match (sent, kept) {
        (Value::Object(sent), Value::Object(_)) => {
            sent.iter().flat_map(|(key, value)| lost(value, &kept[key], &format!("{path}.{key}"))).collect()
        }
        (Value::Array(sent), Value::Array(items)) if sent.len() == items.len() => {
            sent.iter().zip(items).flat_map(|(sent, kept)| lost(sent, kept, path)).collect()
        }
        // more than a server can store exactly
        (Value::Number(sent), Value::Number(kept)) if sent.as_f64() == kept.as_f64() => Vec::new(),
        _ if sent == kept => Vec::new(),
        _ => vec![format!("{path}: {sent} -> {kept}")],
    }
}

async fn every_case_is_refused_or_let_pass(client: &Client) {
    let kinds: Vec<Kind> = kubeovn_core::api::crds().iter().map(|crd| Kind::of(client, crd)).collect();
    let text = fs::read_to_string(data("crd-cases.jsonl")).unwrap();
    let cases = text.lines().enumerate().map(|(number, line)| (number, serde_json::from_str(line).unwrap()));
    let tried =
        cases.map(|(number, case): (_, Value)| {
            let kind = kinds.iter().find(|kind| kind.resource.kind == case["kind"]).unwrap();
            async move {
                tried(kind, number, &case).await.map_err(|wrong| format!("line {}: {wrong}", number + 1))
            }
        });
    let tried: Vec<_> = stream::iter(tried).buffer_unordered(AT_ONCE).collect().await;
    assert!(tried.len() > 500);
    let wrong: Vec<_> = tried.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{} cases went another way:\n{}", wrong.len(), wrong.join("\n"));
}

/// The cases, each with the number of its line from 0.
fn cases() -> impl Iterator<Item = (usize, Value)> {
    let text = fs::read_to_string(data("crd-cases.jsonl")).unwrap();
    let cases: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    cases.into_iter().enumerate()
}

/// What went another way than the case says.
async fn tried(kind: &Kind, number: usize, case: &Value) -> Result<(), String> {
    let sample = kind.sample_of(number);
    let before = case.get("old").map(|old| patched(sample.clone(), old));
    let document = patched(before.clone().unwrap_or(sample), &case["new"]);
    let answer = match &before {
        None => kind.create(&document).await,
        Some(before) => {
            let stored = kind.create(before).await.map_err(|error| format!("before: {error}"))?;
            kind.replace(&stored, &document).await
        }
    };
    match (answer, &case["refused"]) {
        (Ok(_), Value::Null) => Ok(()),
        (Err(kube::Error::Api(status)), Value::Array(refused)) => {
            let message = refused[1].as_str().unwrap();
            let causes = status.details.iter().flat_map(|details| &details.causes);
            let told = causes.clone().any(|cause| cause.message.contains(&format!(": {message}")));
            if told { Ok(()) } else { Err(format!("refused for another reason: {}", status.message)) }
        }
        (Ok(_), refused) => Err(format!("let pass, but {refused} refuses it")),
        (Err(error), _) => Err(error.to_string()),
    }
}

/// The document that a merge patch makes of another one.
fn patched(mut document: Value, patch: &Value) -> Value {
    let Some(fields) = patch.as_object() else { return patch.clone() };
    if !document.is_object() {
        document = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            document.as_object_mut().unwrap().remove(key);
        } else {
            document[key] = patched(document[key].take(), value);
        }
    }
    document
}

fn data(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/kubeovn-core/tests/data")).join(file)
}
