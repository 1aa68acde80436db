//! Servers that do what a good one seldom does.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::Mutex,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State as Shared},
    http::StatusCode,
    response::Response,
};
use futures_util::{FutureExt, StreamExt, stream};
use kube::Client;
use kubeovn_core::contract::cluster::{Cluster, ClusterError, Write};
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::cluster::kube::{KindStatus, KubeCluster, State, client};

/// One answer.
enum Say {
    Text(u16, String),
    /// What is refused for now, and for how many seconds.
    Later(u16, u64),
    /// Lines of a watch, which then stays open, or doesn't.
    Lines(Vec<String>, bool),
    /// Nothing at all.
    Nothing,
}

#[derive(Default)]
struct Script {
    say: Mutex<VecDeque<Say>>,
    asked: Mutex<Vec<(Instant, String)>>,
}

impl Script {
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(_, query)| query.clone()).collect()
    }
}

async fn answer(Shared(script): Shared<Arc<Script>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let short = |part: &&str| {
        ["limit", "continue", "resourceVersion", "watch"].contains(&part.split('=').next().unwrap())
    };
    let short: Vec<&str> = query.split('&').filter(short).collect();
    script.asked.lock().unwrap().push((Instant::now(), short.join("&")));
    let say = script.say.lock().unwrap().pop_front().unwrap_or(Say::Nothing);
    let body =
        |code: u16, body| Response::builder().status(StatusCode::from_u16(code).unwrap()).body(body).unwrap();
    match say {
        Say::Text(code, text) => body(code, Body::from(text)),
        Say::Later(code, seconds) => {
            let mut response = body(code, Body::from("too many, try again later"));
            response.headers_mut().insert("retry-after", seconds.into());
            response
        }
        Say::Lines(lines, stays) => {
            let lines = stream::iter(lines).map(|line| Ok::<_, Infallible>(line + "\n"));
            let rest = if stays { stream::pending().left_stream() } else { stream::empty().right_stream() };
            body(200, Body::from_stream(lines.chain(rest)))
        }
        Say::Nothing => std::future::pending().await,
    }
}

/// A cluster whose server says these things one after the other. None of them is late, whatever else the machine does.
async fn rig(say: Vec<Say>) -> (KubeCluster, Arc<Script>) {
    rig_within(Duration::from_secs(20), say).await
}

/// The same where an answer may take so long, and a watch be silent for so long.
async fn rig_within(patience: Duration, say: Vec<Say>) -> (KubeCluster, Arc<Script>) {
    let script = Arc::new(Script { say: Mutex::new(say.into()), ..Script::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client: Client = client(kube::Config::new(url.parse().unwrap())).unwrap();
    let options = Options {
        answer: patience,
        silence: patience,
        pause: Duration::from_millis(10),
        longest_pause: Duration::from_millis(100),
        ..Options::default()
    };
    (KubeCluster::new(client, options), script)
}

fn object(name: &str, revision: &str) -> serde_json::Value {
    json!({ "metadata": { "name": name, "uid": format!("u-{name}"), "resourceVersion": revision } })
}

fn page(names: &[&str], revision: &str, further: &str) -> Say {
    let items: Vec<_> = names.iter().map(|name| object(name, "1")).collect();
    Say::Text(
        200,
        json!({ "metadata": { "resourceVersion": revision, "continue": further }, "items": items })
            .to_string(),
    )
}

fn line(r#type: &str, object: serde_json::Value) -> String {
    json!({ "type": r#type, "object": object }).to_string()
}

fn expired() -> serde_json::Value {
    json!({ "kind": "Status", "code": 410, "reason": "Expired", "message": "too old" })
}

/// The next events, in short.
async fn told(events: &mut futures_util::stream::BoxStream<'static, Event>, number: usize) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..number {
        let event = timeout(Duration::from_mins(1), events.next()).await.expect("an event").unwrap();
        told.push(match event {
            Event::Applied(object) => format!("+{}", object.meta().name),
            Event::Deleted { key, uid } => format!("-{} {uid}", key.name),
            Event::Listed(_) => "=".to_owned(),
            Event::Absent(_) => "?".to_owned(),
        });
    }
    told
}

fn status(cluster: &KubeCluster) -> KindStatus {
    cluster.status().remove(0)
}

#[tokio::test]
async fn pages_that_got_too_old_are_read_from_the_beginning_and_listed_is_said_once() {
    let (cluster, script) = rig(vec![
        page(&["a", "b"], "5", "more"),
        Say::Text(410, expired().to_string()),
        page(&["b"], "7", "more"),
        page(&["c"], "7", ""),
        Say::Lines(vec![line("ADDED", object("d", "8"))], true),
    ])
    .await;
    let mut events = cluster.watch(&[Kind::Vpc]);
    // a vanished between the two
    assert_eq!(told(&mut events, 6).await, ["+a", "+b", "+c", "-a u-a", "=", "+d"]);
    let queries = [
        "limit=500",
        "limit=500&continue=more",
        "limit=500",
        "limit=500&continue=more",
        "watch=true&resourceVersion=7",
    ];
    assert_eq!(script.asked(), queries);
    assert!(status(&cluster).listed);
}

#[tokio::test]
async fn a_version_that_is_not_known_is_not_asked_for_twice() {
    let ahead = json!({
        "kind": "Status", "code": 504, "reason": "Timeout", "message": "Too large resource version: 900, current: 20",
        "details": { "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }] },
    });
    let (cluster, script) = rig(vec![
        page(&["a"], "900", ""),
        Say::Text(504, ahead.to_string()),
        page(&["a"], "20", ""),
        Say::Text(410, expired().to_string()),
        page(&["a"], "30", ""),
        Say::Lines(vec![line("ERROR", expired())], true),
        page(&["a", "b"], "40", ""),
        Say::Lines(vec!["{ cut".to_owned()], true),
        page(&["b"], "50", ""),
        Say::Lines(vec![line("BOOKMARK", object("", "60")), line("DELETED", object("b", "61"))], false),
        Say::Lines(vec![line("ADDED", object("c", "70"))], true),
    ])
    .await;
    let mut events = cluster.watch(&[Kind::Vpc]);
    assert_eq!(told(&mut events, 6).await, ["+a", "=", "+b", "-a u-a", "-b u-b", "+c"]);
    let watched: Vec<_> = script.asked().into_iter().filter(|query| query.starts_with("watch")).collect();
    let from = |revision: u64| format!("watch=true&resourceVersion={revision}");
    assert_eq!(watched, [900, 20, 30, 40, 50, 61].map(from));
}

#[tokio::test]
async fn whoever_answers_nothing_is_asked_again() {
    let say = vec![
        Say::Nothing,
        page(&["a"], "5", ""),
        Say::Nothing,
        // A watch that is silent is dead.
        Say::Lines(Vec::new(), true),
        Say::Lines(vec![line("ADDED", object("b", "6"))], true),
    ];
    // Three times nobody answers for so long.
    let (cluster, script) = rig_within(Duration::from_secs(1), say).await;
    let mut events = cluster.watch(&[Kind::Vpc]);
    let error = loop {
        match status(&cluster).error {
            Some(error) => break error,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert!(error.starts_with("KUBE-UNREACHABLE: kind Vpc") && error.contains("nothing within"), "{error}");
    assert_eq!(told(&mut events, 3).await, ["+a", "=", "+b"]);
    assert_eq!(script.asked().len(), 5);
    assert_eq!(status(&cluster).state, State::Connected);
}

#[tokio::test]
async fn watches_that_end_at_once_are_not_begun_in_a_whirl() {
    let ends = || Say::Lines(Vec::new(), false);
    let mut say = vec![page(&["a"], "5", "")];
    say.extend((0..200).map(|_| ends()));
    let (cluster, script) = rig(say).await;
    let mut events = cluster.watch(&[Kind::Vpc]);
    assert_eq!(told(&mut events, 2).await, ["+a", "="]);
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = script.asked().len();
    // 10, 20, 40, 80, then 100 ms each, of which half may be left out
    let most = 10 + usize::try_from(begun.elapsed().as_millis()).unwrap() / 50;
    assert!((4..=most).contains(&asked), "{asked} requests in {:?}", begun.elapsed());
    assert!(events.next().now_or_never().is_none());
    drop(events);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = script.asked().len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(script.asked().len(), asked, "nobody listens any more");
}

#[tokio::test]
async fn a_server_that_asks_for_a_pause_gets_it() {
    let made = json!({ "metadata": { "name": "v", "uid": "u", "resourceVersion": "9" } }).to_string();
    let (cluster, script) = rig(vec![
        Say::Later(429, 1),
        Say::Text(201, made),
        Say::Text(500, "webhook failed".to_owned()),
        Say::Text(
            422,
            json!({ "kind": "Status", "code": 422, "reason": "Invalid", "message": "bad" }).to_string(),
        ),
    ])
    .await;
    let create = || {
        let vpc = kubeovn_core::index::objects::Vpc { meta: Meta::named("v"), ..Default::default() };
        cluster.write(Write::Create(kubeovn_core::index::objects::Object::Vpc(vpc)))
    };
    let busy = create().await.unwrap_err();
    let text = "the API server answered 429: too many, try again later";
    assert!(matches!(&busy, ClusterError::Unavailable { reason, .. } if reason == text), "{busy:?}");
    assert_eq!(create().await.unwrap(), "9".into());
    let broken = create().await.unwrap_err();
    assert!(matches!(broken, ClusterError::Unavailable { .. }), "{broken:?}");
    let bad = create().await.unwrap_err();
    assert!(matches!(bad, ClusterError::Refused { .. }), "{bad:?}");
    let asked = script.asked.lock().unwrap().clone();
    let pause = |n: usize| asked[n + 1].0 - asked[n].0;
    assert!(pause(0) >= Duration::from_secs(1), "{:?}", pause(0));
    assert!(pause(2) < Duration::from_secs(1), "what fails for one is no reason to let all wait");
}

#[tokio::test]
async fn a_kind_that_may_be_missing_is_told_as_absent_once_and_looked_for_again() {
    let missing =
        || Say::Text(404, json!({ "kind": "Status", "code": 404, "message": "no such page" }).to_string());
    let (cluster, script) = rig(vec![
        missing(),
        missing(),
        Say::Text(403, json!({ "kind": "Status", "code": 403, "message": "forbidden" }).to_string()),
        page(&["a"], "5", ""),
        // The kind goes, as somebody removes it, and comes back without the object.
        missing(),
        missing(),
        page(&["b"], "9", ""),
        Say::Lines(Vec::new(), true),
    ])
    .await;
    let mut events = cluster.watch(&[Kind::VirtualMachine]);
    assert_eq!(told(&mut events, 1).await, ["?"]);
    assert_eq!(told(&mut events, 2).await, ["+a", "="]);
    assert_eq!(told(&mut events, 2).await, ["+b", "-a u-a"], "nothing was told while it was not there");
    assert_eq!((status(&cluster).state, status(&cluster).listed), (State::Connected, true));
    assert!(script.asked().len() >= 7, "{:?}", script.asked());
}

#[tokio::test]
async fn an_answer_that_is_none_does_not_make_a_kind_absent() {
    let (cluster, _script) = rig(vec![Say::Text(503, "{}".to_owned()), Say::Nothing]).await;
    let mut events = cluster.watch(&[Kind::VirtualMachine]);
    while status(&cluster).state != State::Failing {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(events.next().now_or_never().is_none());
    let (cluster, _script) = rig(vec![Say::Text(404, "{}".to_owned())]).await;
    let mut events = cluster.watch(&[Kind::Vpc]);
    while status(&cluster).state != State::Failing {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(events.next().now_or_never().is_none(), "one of ours is waited for");
}
