//! The cluster's side.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Request;
use http::header::DATE;
use k8s_openapi::api::core::v1;
use k8s_openapi::jiff::fmt::rfc2822;
use kube::client::Body;
use kube::{Api, Client, api::ListParams};
use tokio::time::timeout;

use super::facts::{Cluster, Member};
use crate::ctl::cluster::{args::Server, reach};
use crate::ctl::error::CtlError;
use crate::run::controller::now;

/// Asks for nodes and for the time.
///
/// # Errors
/// When the server can't be reached, or does not tell its nodes.
pub(super) async fn ask(server: &Server) -> Result<Cluster, CtlError> {
    let client = reach::client(server).await?;
    let asked = timeout(server.within(), nodes(&client)).await;
    let nodes = asked.unwrap_or_else(|_| Err("no answer in time".to_owned()));
    let nodes = nodes.map_err(|reason| CtlError::Nodes { reason })?;
    Ok(Cluster { ahead: ahead(&client).await, nodes })
}

async fn nodes(client: &Client) -> Result<BTreeMap<String, Member>, String> {
    let nodes: Api<v1::Node> = Api::all(client.clone());
    let list = nodes.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
    let member = |node: v1::Node| {
        let status = node.status.unwrap_or_default();
        let info = status.node_info.unwrap_or_default();
        let addresses = status.addresses.unwrap_or_default();
        let internal = addresses.iter().filter(|address| address.type_ == "InternalIP");
        let addresses = internal.filter_map(|address| address.address.parse().ok()).collect();
        let name = node.metadata.name.unwrap_or_default();
        (name, Member { machine: info.machine_id, system: info.system_uuid, addresses })
    };
    Ok(list.items.into_iter().map(member).collect())
}

/// By its answers' header, which has whole seconds: on the average half of one has passed.
async fn ahead(client: &Client) -> Option<i64> {
    let request = Request::get("/version").body(Body::empty()).ok()?;
    let before = now();
    let answer = timeout(Duration::from_secs(5), client.send(request)).await.ok()?.ok()?;
    let ours = i64::try_from(before.midpoint(now())).ok()?;
    let date = answer.headers().get(DATE)?.to_str().ok()?;
    let theirs = rfc2822::parse(date).ok()?.timestamp().as_millisecond();
    Some(theirs + 500 - ours)
}
