//! What the API server was asked to write, as it counts itself.

use std::collections::BTreeMap;

use http::Request;
use kube::Client;

/// Kinds that a controller writes; the server itself writes others. Leases are left out.
const RESOURCES: [&str; 9] =
    ["events", "ips", "namespaces", "nodes", "pods", "subnets", "subnets/status", "vpcs", "vpcs/status"];
const VERBS: [&str; 5] = ["APPLY", "DELETE", "PATCH", "POST", "PUT"];

/// Resource and verb.
pub(crate) type Of = (&'static str, &'static str);

/// By resource, verb and code.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(BTreeMap<(Of, String), u64>);

impl Counts {
    /// Up to now.
    pub(crate) async fn of(client: &Client) -> Self {
        let text = client.request_text(Request::get("/metrics").body(Vec::new()).unwrap()).await.unwrap();
        let mut counts = Counts::default();
        for line in text.lines().filter_map(|line| line.strip_prefix("apiserver_request_total{")) {
            let label = |name: &str| {
                let (_, rest) = line.split_once(&format!("{name}=\""))?;
                rest.split_once('"').map(|(value, _)| value)
            };
            let known = |all: &[&'static str], value: Option<&str>| {
                all.iter().copied().find(|known| value == Some(*known))
            };
            let resource = match (label("resource"), label("subresource")) {
                (Some(resource), Some("") | None) => resource.to_owned(),
                (resource, part) => format!("{}/{}", resource.unwrap_or_default(), part.unwrap_or_default()),
            };
            let (Some(resource), Some(verb)) =
                (known(&RESOURCES, Some(&resource)), known(&VERBS, label("verb")))
            else {
                continue;
            };
            let count: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            let code = label("code").unwrap_or_default().to_owned();
            *counts.0.entry(((resource, verb), code)).or_default() += count as u64;
        }
        counts
    }

    /// What came since, without what this bench did itself.
    pub(crate) fn since(mut self, before: &Counts, ours: &[Of]) -> Self {
        for (key, count) in &before.0 {
            if let Some(now) = self.0.get_mut(key) {
                *now -= count;
            }
        }
        self.0.retain(|(of, _), count| *count > 0 && !ours.contains(of));
        self
    }

    pub(crate) fn sum(&self, which: impl Fn(&Of) -> bool) -> u64 {
        self.0.iter().filter(|((of, _), _)| which(of)).map(|(_, count)| count).sum()
    }

    /// Those with a count, in words.
    pub(crate) fn list(&self, which: impl Fn(&Of) -> bool) -> String {
        let mut all: BTreeMap<&Of, u64> = BTreeMap::new();
        for ((of, _), count) in self.0.iter().filter(|((of, _), _)| which(of)) {
            *all.entry(of).or_default() += count;
        }
        let words: Vec<_> =
            all.iter().map(|((resource, verb), count)| format!("{verb} {resource} {count}")).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }

    /// How many were answered with an error, and with which.
    pub(crate) fn refused(&self) -> (u64, String) {
        let refused: Vec<_> = self.0.iter().filter(|((_, code), _)| !code.starts_with('2')).collect();
        let words: Vec<_> = refused
            .iter()
            .map(|(((resource, verb), code), count)| format!("{verb} {resource} {code}: {count}"))
            .collect();
        (refused.iter().map(|(_, count)| **count).sum(), words.join(", "))
    }
}
