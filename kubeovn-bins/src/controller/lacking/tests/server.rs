//! A server that does not know a kind, then does not show it, and a lease that has run out.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    super::{Follower, Means, Pace, Pauses, counted, report},
    kind,
};
use crate::cluster::kube::{KubeCluster, Options, client};
use crate::run::lease::Hold;

/// What lists answer, one after the other, and what was asked.
#[derive(Default)]
struct Script {
    lists: Mutex<VecDeque<(u16, String)>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn asked(&self, what: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.starts_with(what)).count()
    }

    async fn waits_for(&self, what: &str, times: usize) {
        let enough = async {
            while self.asked(what) < times {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), enough).await.unwrap_or_else(|_| panic!("{:?}", self.asked.lock()));
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let what = match request.method().as_str() {
        "GET" if query.contains("watch=true") => "WATCH",
        "GET" => "LIST",
        method => method,
    };
    let slim = request.headers().get("accept").is_some_and(|accept| {
        let accept = accept.to_str().unwrap();
        accept.contains("PartialObjectMetadata")
    });
    script.asked.lock().unwrap().push(format!("{what} {} slim={slim}", request.uri().path()));
    let (code, body) = match what {
        "WATCH" => std::future::pending().await,
        "LIST" => {
            let mut lists = script.lists.lock().unwrap();
            // The last one stays.
            if lists.len() > 1 { lists.pop_front().unwrap() } else { lists.front().unwrap().clone() }
        }
        _ => (201, "{}".to_owned()),
    };
    Response::builder().status(StatusCode::from_u16(code).unwrap()).body(Body::from(body)).unwrap()
}

/// A server that answers lists so.
async fn play(lists: impl Into<VecDeque<(u16, String)>>) -> (Arc<Script>, KubeCluster) {
    let script = Arc::new(Script { lists: Mutex::new(lists.into()), ..Script::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = client(kube::Config::new(url.parse().unwrap())).unwrap();
    (script, KubeCluster::new(client, Options::default()))
}

#[tokio::test]
async fn they_are_counted_page_by_page() {
    let (one, other) = (json!({ "metadata": { "name": "a" } }), json!({ "metadata": { "name": "b" } }));
    let page = |metadata, items: &[&serde_json::Value]| {
        (200, json!({ "metadata": metadata, "items": items }).to_string())
    };
    let pages = [page(json!({ "continue": "more" }), &[&one, &other]), page(json!({}), &[&other])];
    let (script, objects) = play(pages).await;
    assert_eq!(counted(&objects, kind("Vlan")).await, Ok(3));
    assert_eq!(script.asked("LIST"), 2, "page by page");
    let (script, objects) = play([page(json!({ "remainingItemCount": 41 }), &[&other])]).await;
    assert_eq!(counted(&objects, kind("Service")).await, Ok(42));
    assert_eq!(script.asked("LIST"), 1, "of those the number is enough");
    let (_, objects) = play([(404, "no such thing".to_owned())]).await;
    assert_eq!(counted(&objects, kind("Vlan")).await, Ok(0), "there are none of a kind that is not known");
    let (_, objects) = play([(403, "no".to_owned())]).await;
    assert_eq!(counted(&objects, kind("Vlan")).await.unwrap_err().code, 403);
}

#[tokio::test]
async fn a_kind_is_asked_for_again_and_nothing_is_written_without_a_lease() {
    let policy =
        json!({ "metadata": { "name": "deny", "namespace": "shop", "uid": "u", "resourceVersion": "3" } });
    let list = json!({ "metadata": { "resourceVersion": "5" }, "items": [policy] }).to_string();
    let lists =
        [(404, "no such thing".to_owned()), (403, "no".to_owned()), (503, "later".to_owned()), (200, list)];
    let (script, objects) = play(lists).await;

    let (renew, hold) = watch::channel(None);
    let pauses = Pauses { first: Duration::from_millis(5), longest: Duration::from_millis(20) };
    let objects = Arc::new(objects);
    let means = Means { objects, hold, permits: Semaphore::new(1), pace: Pace::new(1000), pauses };
    let (count, counts) = mpsc::unbounded_channel();
    let follower = tokio::spawn(Follower::new(kind("NetworkPolicy"), Arc::new(means), count).run());
    timeout(Duration::from_secs(20), report(counts))
        .await
        .expect("what is unknown does not keep the others waiting");

    let (place, events) =
        ("/apis/networking.k8s.io/v1/networkpolicies", "POST /api/v1/namespaces/shop/events");
    script.waits_for(&format!("LIST {place} slim=true"), 8).await;
    assert_eq!((script.asked("POST"), script.asked("WATCH")), (0, 0), "it wrote without a lease");
    let until = Instant::now() + Duration::from_mins(1);
    renew.send_replace(Some(Hold { until, handed_over: true }));
    script.waits_for(&format!("WATCH {place} slim=true"), 1).await;
    assert_eq!((script.asked(events), script.asked("POST")), (1, 1));
    assert!(!follower.is_finished());
    follower.abort();
}
