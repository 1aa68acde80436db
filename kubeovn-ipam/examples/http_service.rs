//! Addresses over HTTP: a ledger that threads share, durable before anybody is told.
//!
//! ```text
//! cargo run -p kubeovn-ipam --example http_service -- /tmp/ledger
//! curl -X POST localhost:8080/allocate -H 'content-type: application/json' -d '{"owner": "web-0", "subnet": "net1"}'
//! curl localhost:8080/addresses/net1/10.0.0.2
//! curl localhost:8080/subnets/net1
//! curl -X DELETE 'localhost:8080/owners/web-0?generation=1'
//! ```

use std::{
    env,
    error::Error,
    fmt::Display,
    path::Path as Dir,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use kubeovn_ipam::{
    AddrError, DualStack, KeepError, Keeper, MacWish, Millis, Offer, OwnerKey, OwnerKind, Want,
    store::{Journal, Options},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::spawn_blocking};

type Shared = Arc<Keeper<Journal>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = env::args().nth(1).ok_or("name a directory for the ledger")?;
    let net1 = Offer {
        subnet: "net1".into(),
        cidrs: "10.0.0.0/24,fd00::/64".parse()?,
        gateways: "10.0.0.1,fd00::1".parse()?,
        rest: 5_000,
        ..Offer::default()
    };
    let journal = Journal::open(Dir::new(&dir), Options::default())?;
    let keeper = Arc::new(Keeper::open(journal, &[net1])?);
    let service = Router::new()
        .route("/allocate", post(allocate))
        .route("/owners/{owner}", delete(release))
        .route("/subnets/{name}", get(subnet))
        .route("/addresses/{subnet}/{ip}", get(explain))
        .fallback(async || Refused::new(StatusCode::NOT_FOUND, "HTTP-NO-PATH", "there is no such path"))
        .method_not_allowed_fallback(async || {
            Refused::new(StatusCode::METHOD_NOT_ALLOWED, "HTTP-NO-METHOD", "this path has another method")
        })
        .with_state(keeper);
    axum::serve(TcpListener::bind("127.0.0.1:8080").await?, service).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Allocate {
    owner: String,
    subnet: String,
    /// `10.0.0.9`, `fd00::9` or both with a comma between; any address when it is left out.
    ip: Option<String>,
}

async fn allocate(State(keeper): State<Shared>, ask: Result<Json<Allocate>, JsonRejection>) -> Answer {
    let Json(ask) = ask.map_err(|e| Refused::new(e.status(), "HTTP-BAD-REQUEST", e))?;
    let ips: DualStack<_> =
        ask.ip.unwrap_or_default().parse().map_err(|e| KeepError::Addr(AddrError::from(e)))?;
    let want =
        Want { subnets: vec![ask.subnet.into()], from: ips.into(), mac: MacWish::Without, ..Want::default() };
    // The name is all that tells an owner from another one, also from its successor.
    let uid: Arc<str> = ask.owner.into();
    let owner = OwnerKey::new(OwnerKind::Pod, uid.clone());
    let grant = blocking(move || keeper.assign(&owner, &uid, &want, now())).await?;
    Ok(Json(json!({"ips": grant.ips.to_string(), "subnet": *grant.subnet, "generation": grant.generation})))
}

#[derive(Deserialize)]
struct Release {
    /// What [`allocate`] answered: an address that was given anew since stays.
    generation: Option<u64>,
}

async fn release(
    State(keeper): State<Shared>,
    Path(owner): Path<String>,
    ask: Result<Query<Release>, QueryRejection>,
) -> Answer {
    let Query(ask) = ask.map_err(|e| Refused::new(e.status(), "HTTP-BAD-REQUEST", e))?;
    let owner = OwnerKey::new(OwnerKind::Pod, owner);
    let release = move || match ask.generation {
        Some(generation) => keeper.release("net1", &owner, "", Some(generation), now()),
        None => keeper.release_all(&owner, now()),
    };
    let released = blocking(release).await?;
    Ok(Json(json!({"released": released})))
}

async fn subnet(State(keeper): State<Shared>, Path(name): Path<String>) -> Answer {
    let unknown = AddrError::NoSubnet { subnet: name.as_str().into() };
    let usage = blocking(move || keeper.usage(&name).ok_or(KeepError::Addr(unknown))).await?;
    // As texts: IPv6 has more addresses than a JSON number can count.
    Ok(Json(json!({
        "total": usage.total.to_string(),
        "used": usage.used.to_string(),
        "available": usage.available.to_string(),
        "usedRanges": usage.used_ranges.to_string(),
    })))
}

async fn explain(State(keeper): State<Shared>, Path((subnet, ip)): Path<(String, String)>) -> Answer {
    let address = kubeovn_core::addr::parse_ip(&ip).map_err(|e| KeepError::Addr(AddrError::from(e)))?;
    let state = blocking(move || Ok(keeper.explain(&subnet, address))).await?;
    Ok(Json(json!({"ip": ip, "state": state.to_string()})))
}

/// Calls that may wait for a lock or the disk, away from the threads that serve connections.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, KeepError> + Send + 'static,
) -> Result<T, Refused> {
    let failed = |e| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "HTTP-FAILED", e);
    spawn_blocking(call).await.map_err(failed)?.map_err(Refused::from)
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

type Answer = Result<Json<Value>, Refused>;

/// An error as JSON: a code for programs, a sentence for people.
struct Refused(StatusCode, Value);

impl Refused {
    fn new(status: StatusCode, code: &str, message: impl Display) -> Self {
        Self(status, json!({"code": code, "message": message.to_string()}))
    }
}

impl From<KeepError> for Refused {
    fn from(error: KeepError) -> Self {
        let (status, code) = match &error {
            KeepError::Addr(e @ AddrError::NoSubnet { .. }) => (StatusCode::NOT_FOUND, e.code()),
            KeepError::Addr(e) if e.waits_for_release() => (StatusCode::CONFLICT, e.code()),
            KeepError::Addr(e) => (StatusCode::UNPROCESSABLE_ENTITY, e.code()),
            KeepError::Store(e) => (StatusCode::SERVICE_UNAVAILABLE, e.code()),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "IPAM-REFUSED"),
        };
        Self::new(status, code, error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}
