#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use axum::{Router, http::StatusCode, routing::get};
use tokio::net::TcpListener;

use super::*;

/// Answers these paths, and gives the address.
async fn answers(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

const METRICS: &str = "kubeovn_idle{component=\"controller\"} 1.0\n\
                       kubeovn_database_up{component=\"controller\"} 0.0\n\
                       kubeovn_transactions_total{outcome=\"done\"} 41\n\
                       kubeovn_transactions_total{outcome=\"refused\"} 2\n\
                       kubeovn_transactions_total{outcome=\"unknown\"} 0\n";

async fn asked(url: &str, prefix: &str) -> Result<Asked, String> {
    let client = api::client(Config::new(url.parse().unwrap())).unwrap();
    Way { client, place: "there".to_owned(), prefix: prefix.to_owned() }.asked().await
}

#[tokio::test]
async fn a_controller_is_asked_behind_the_api_servers_proxy() {
    let path = "/api/v1/namespaces/kube-system/pods/ctl-0:10660/proxy";
    let url = answers(
        Router::new()
            .route(&format!("{path}/readyz"), get(async || "ok\n"))
            .route(&format!("{path}/metrics"), get(async || METRICS)),
    )
    .await;
    let asked = asked(&url, path).await.unwrap();
    assert!(asked.trouble().is_none());
    assert_eq!(asked.to_text(), "there: ready, idle, Northbound down, transactions: 41, 2 refused");
}

#[tokio::test]
async fn what_a_controller_lacks_is_trouble() {
    let lacks =
        (StatusCode::SERVICE_UNAVAILABLE, "the Northbound is out of reach\nkind Pod is not followed\n");
    let url = answers(Router::new().route("/readyz", get(async move || lacks))).await;
    let trouble = asked(&url, "").await.unwrap().trouble().unwrap().to_json();
    assert_eq!(trouble["code"], NOT_READY);
    let text = trouble["message"].as_str().unwrap();
    assert!(text.contains("out of reach; kind Pod is not followed. Look"), "{text}");
}

/// A pod that the server does not know is not a controller that is not ready.
#[tokio::test]
async fn what_the_api_server_says_is_not_taken_for_the_controllers_words() {
    let status = r#"{"kind":"Status","status":"Failure","message":"pods \"ctl-0\" not found","code":404}"#;
    for code in [StatusCode::NOT_FOUND, StatusCode::SERVICE_UNAVAILABLE] {
        let url = answers(Router::new().fallback(async move || (code, status))).await;
        assert_eq!(asked(&url, "").await.unwrap_err(), "pods \"ctl-0\" not found");
    }
    let url = answers(Router::new()).await;
    assert_eq!(asked(&url, "").await.unwrap_err(), "HTTP 404");
}
