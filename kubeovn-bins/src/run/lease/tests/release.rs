//! Letting go of it on a server on which somebody writes between our two requests.

use std::sync::Mutex;

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::net::TcpListener;

use super::super::*;

/// What the server has.
struct Store {
    lease: Lease,
    /// What somebody writes when the lease was read for the first time.
    between: Option<Record>,
    /// How often we asked to write.
    asked: usize,
}

fn lease(version: &str, record: &Record) -> Lease {
    let resource_version = Some(version.to_owned());
    Lease { metadata: ObjectMeta { resource_version, ..ObjectMeta::default() }, spec: Some(record.spec()) }
}

async fn answer(State(shared): State<Arc<Mutex<Store>>>, request: Request) -> Response {
    let writes = request.method() == Method::PUT;
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let mut store = shared.lock().unwrap();
    if writes {
        store.asked += 1;
        let wanted: Lease = serde_json::from_slice(&body).unwrap();
        if wanted.metadata.resource_version != store.lease.metadata.resource_version {
            let text = json!({ "kind": "Status", "code": 409, "reason": "Conflict", "message": "changed" });
            return (StatusCode::CONFLICT, Json(text)).into_response();
        }
        store.lease = wanted;
    }
    let found = Json(store.lease.clone()).into_response();
    if let Some(record) = store.between.take() {
        store.lease = lease("2", &record);
    }
    found
}

/// Lets go of a's lease while this is written. Who holds it then, and how often we asked to write.
async fn released(between: Record) -> (String, usize) {
    let ours = Record { holder: "a".to_owned(), ..Record::default() };
    let store = Store { lease: lease("1", &ours), between: Some(between), asked: 0 };
    let shared = Arc::new(Mutex::new(store));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(shared.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = crate::cluster::kube::client(kube::Config::new(url.parse().unwrap())).unwrap();
    let config = Config::new("default", "a");
    let desk = Desk { api: Api::namespaced(client, &config.namespace), config };
    timeout(LET_GO_WITHIN, desk.release()).await.unwrap().unwrap();
    let store = shared.lock().unwrap();
    (Record::of(&store.lease).holder, store.asked)
}

#[tokio::test]
async fn a_renewal_of_ours_that_comes_late_does_not_keep_the_lease() {
    let renewed = Record { holder: "a".to_owned(), ..Record::default() };
    assert_eq!(released(renewed).await, (String::new(), 2), "the first is answered by 409");
}

#[tokio::test]
async fn what_somebody_else_took_meanwhile_is_left_to_him() {
    let taken = Record { holder: "b".to_owned(), transitions: 1, ..Record::default() };
    assert_eq!(released(taken).await, ("b".to_owned(), 1));
}
