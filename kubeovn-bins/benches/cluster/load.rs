//! Plain requests: pods made and deleted by many at once, and what a controller writes for one, written without any
//! thought.

use futures_util::{StreamExt, stream};
use http::{Request, header::CONTENT_TYPE};
use kube::Client;
use serde_json::{Value, json};

use crate::{kubernetes::Kubernetes, size::Size};

/// As many as the controller has on their way.
const SERVED_AT_ONCE: usize = 64;

/// Clients, each with connections of its own.
pub(crate) struct Load {
    clients: Vec<Client>,
    size: Size,
}

impl Load {
    pub(crate) fn new(kubernetes: &Kubernetes, size: &Size) -> Self {
        let clients = (0..size.clients).map(|_| kubernetes.client()).collect();
        Load { clients, size: size.clone() }
    }

    /// Makes namespaces, nodes and subnets.
    pub(crate) async fn places(&self) {
        for number in 0..self.size.subnets {
            let namespace = format!("team-{number}");
            self.post("/api/v1/namespaces", &json!({ "metadata": { "name": namespace } })).await;
            let subnet = json!({
                "apiVersion": "kubeovn.io/v1", "kind": "Subnet", "metadata": { "name": format!("net-{number}") },
                "spec": { "cidrBlock": Size::cidr(number), "namespaces": [namespace] },
            });
            self.post("/apis/kubeovn.io/v1/subnets", &subnet).await;
        }
        for number in 0..self.size.nodes {
            let address = format!("172.18.{}.{}", number / 250, number % 250 + 1);
            let node = json!({
                "metadata": { "name": format!("node-{number}") },
                "status": { "addresses": [{ "type": "InternalIP", "address": address }] },
            });
            self.post("/api/v1/nodes", &node).await;
        }
    }

    /// Makes pods of a group, as fast as the server takes them.
    pub(crate) async fn create(&self, group: &str, count: usize) {
        self.all(count, self.size.clients, |number| self.create_one(group, number)).await;
    }

    pub(crate) async fn create_one(&self, group: &str, number: usize) {
        // nobody serves those that have their host's network
        let pod = self.pod(group, number, group == "host");
        self.send(number, Request::post(self.pods(number)), &pod).await;
    }

    /// Makes a record for each and patches the pod, those of one pod one after the other.
    pub(crate) async fn serve(&self, group: &str, count: usize) {
        self.all(count, SERVED_AT_ONCE, |number| self.serve_one(group, number)).await;
    }

    pub(crate) async fn serve_one(&self, group: &str, number: usize) {
        let record = self.record(group, number);
        self.send(number, Request::post("/apis/kubeovn.io/v1/ips"), &record).await;
        let patch = Request::patch(format!("{}/{group}-{number}", self.pods(number)))
            .header(CONTENT_TYPE, "application/merge-patch+json");
        self.send(number, patch, &annotations(number)).await;
    }

    /// Deletes pods of a group, as fast as the server does it.
    pub(crate) async fn delete(&self, group: &str, count: usize) {
        let delete = |number| async move {
            let path = format!("{}/{group}-{number}", self.pods(number));
            self.send(number, Request::delete(path), &json!({ "gracePeriodSeconds": 0 })).await;
        };
        self.all(count, self.size.clients, delete).await;
    }

    /// Deletes records that were made here.
    pub(crate) async fn delete_records(&self, group: &str, count: usize) {
        let delete = |number| async move {
            let path = format!("/apis/kubeovn.io/v1/ips/{group}-{number}.{}", self.size.namespace(number));
            self.send(number, Request::delete(path), &json!({})).await;
        };
        self.all(count, self.size.clients, delete).await;
    }

    /// Reads all pods and records as text, a page at a time, and answers how many bytes they are.
    pub(crate) async fn read_all(&self) -> usize {
        let mut bytes = 0;
        for path in ["/api/v1/pods", "/apis/kubeovn.io/v1/ips"] {
            let mut further = String::new();
            loop {
                let request = Request::get(format!("{path}?limit=500&continue={further}"));
                let text = self.clients[0].request_text(request.body(Vec::new()).unwrap()).await.unwrap();
                bytes += text.len();
                // it is in the head of the list, and its letters are those of URLs
                let (head, _) = text.split_once("\"items\"").unwrap();
                let Some((_, rest)) = head.split_once("\"continue\":\"") else { break };
                rest.split_once('"').unwrap().0.clone_into(&mut further);
            }
        }
        bytes
    }

    async fn all<F: Future<Output = ()>>(&self, count: usize, at_once: usize, act: impl Fn(usize) -> F) {
        stream::iter(0..count).map(act).buffer_unordered(at_once).for_each(|()| std::future::ready(())).await;
    }

    async fn post(&self, path: &str, object: &Value) {
        self.send(0, Request::post(path), object).await;
    }

    async fn send(&self, number: usize, request: http::request::Builder, body: &Value) {
        let typed = request.headers_ref().unwrap().contains_key(CONTENT_TYPE);
        let request = if typed { request } else { request.header(CONTENT_TYPE, "application/json") };
        let request = request.body(body.to_string().into_bytes()).unwrap();
        let what = format!("{} {}", request.method(), request.uri());
        let client = &self.clients[number % self.clients.len()];
        client.request_text(request).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }

    fn pods(&self, number: usize) -> String {
        format!("/api/v1/namespaces/{}/pods", self.size.namespace(number))
    }

    /// As large as a pod of a small service.
    fn pod(&self, group: &str, number: usize, host_network: bool) -> Value {
        let env: Vec<_> =
            (0..12).map(|n| json!({ "name": format!("VARIABLE_{n}"), "value": "x".repeat(40) })).collect();
        json!({
            "metadata": {
                "name": format!("{group}-{number}"),
                "labels": { "app": "web", "team": "shop", "pod-template-hash": "6d4cf56db6" },
                "annotations": { "example.org/note": "y".repeat(200) },
            },
            "spec": {
                "nodeName": self.size.node(number),
                "hostNetwork": host_network,
                "containers": [{ "name": "web", "image": "web:1.2.3", "env": env }],
            },
        })
    }

    /// As large as the controller's. It names nobody as its holder, so that no controller takes it for its own.
    fn record(&self, group: &str, number: usize) -> Value {
        let (namespace, node) = (self.size.namespace(number), self.size.node(number));
        json!({
            "apiVersion": "kubeovn.io/v1", "kind": "IP",
            "metadata": {
                "name": format!("{group}-{number}.{namespace}"),
                "labels": {
                    "ovn.kubernetes.io/subnet": "net-0", "ovn.kubernetes.io/node-name": node,
                    "net-0": "", "ovn.kubernetes.io/ip_reserved": "false",
                },
            },
            "spec": {
                "podName": "", "namespace": namespace, "subnet": "net-0", "nodeName": node,
                "ipAddress": "192.0.2.1", "v4IpAddress": "192.0.2.1", "v6IpAddress": "",
                "macAddress": "00:00:00:00:00:01", "podType": "",
                "attachIps": [], "attachMacs": [], "attachSubnets": [], "containerID": "",
            },
        })
    }
}

/// What a pod is told, under names that mean nothing to a controller.
fn annotations(number: usize) -> Value {
    let names = ["allocated", "routed", "ip_address", "mac_address", "cidr", "gateway"];
    let names = names.into_iter().chain(["logical_switch", "logical_router", "pod_nic_type"]);
    let told: serde_json::Map<_, _> =
        names.map(|name| (format!("example.org/{name}"), format!("00:00:00:00:{number}").into())).collect();
    json!({ "metadata": { "annotations": told } })
}
