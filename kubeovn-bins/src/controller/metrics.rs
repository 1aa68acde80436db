//! The controller's metrics: Kube-OVN's names where it has them, and what tells an operator whether the
//! controller does its work.

use kubeovn_core::addr::Family;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use crate::{
    cluster::kube::{KindStatus, State},
    metrics::{counter, flag, gauge},
    run::report::{Report, SubnetReport},
};

/// What is told at one moment.
#[derive(Debug)]
pub struct Moment {
    /// Whether this one works.
    pub leads: bool,
    /// How the driver stands, if it answers.
    pub report: Option<Report>,
    /// How the watches stand.
    pub watches: Vec<KindStatus>,
}

type Labels<const N: usize> = [(&'static str, String); N];

/// Kube-OVN's labels of a subnet's numbers.
fn labels(subnet: &SubnetReport, protocol: &str) -> Labels<3> {
    [
        ("subnet_name", subnet.name.to_string()),
        ("protocol", protocol.to_owned()),
        ("subnet_cidr", subnet.cidr.clone()),
    ]
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; the exact number is in the subnet's status"
)]
fn numbers(report: &Report, number: impl Fn(&SubnetReport, Family) -> Option<u128>) -> Vec<(Labels<3>, f64)> {
    let families = [(Family::V4, "IPv4"), (Family::V6, "IPv6")];
    let of = |subnet| families.iter().map(move |(family, protocol)| (subnet, *family, *protocol));
    let all = report.subnets.iter().flat_map(of);
    all.filter_map(|(subnet, family, protocol)| {
        Some((labels(subnet, protocol), number(subnet, family)? as f64))
    })
    .collect()
}

impl Collector for Moment {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let encoder = &mut encoder;
        let bare = |value: f64| [([("component", "controller")], value)];
        gauge(
            encoder,
            ("kubeovn_leading", "Whether this controller holds the lease."),
            bare(flag(self.leads)),
        )?;
        let there = self.watches.iter().filter(|watch| watch.state != State::Absent);
        let watches = there.map(|watch| {
            ([("kind", watch.kind.name())], flag(watch.listed && watch.state == State::Connected))
        });
        gauge(
            encoder,
            ("kubeovn_watch_up", "Whether all objects of a kind are known and followed."),
            watches,
        )?;
        let Some(report) = &self.report else { return Ok(()) };
        gauge(
            encoder,
            ("kubeovn_open", "Whether everything has been read, so that work is done."),
            bare(flag(report.open)),
        )?;
        gauge(encoder, ("kubeovn_idle", "Whether nothing is left to do."), bare(flag(report.idle)))?;
        let objects = report.objects.iter().map(|(kind, count)| {
            ([("kind", kind.name())], f64::from(u32::try_from(*count).unwrap_or(u32::MAX)))
        });
        gauge(encoder, ("kubeovn_objects", "Objects that are known, by kind."), objects)?;
        let database = &report.database;
        gauge(
            encoder,
            ("kubeovn_database_up", "Whether the Northbound answers."),
            bare(flag(database.connected)),
        )?;
        let lasts = ("kubeovn_database_since_seconds", "For how long the Northbound answers, or does not.");
        gauge(encoder, lasts, bare(database.lasts.as_secs_f64()))?;
        counter(
            encoder,
            ("kubeovn_database_resyncs", "How often all of the Northbound was read."),
            [([("component", "controller")], database.resyncs)],
        )?;
        counter(
            encoder,
            ("kubeovn_transactions", "Transactions by what became of them."),
            report.transactions.iter().map(|(outcome, count)| ([("outcome", *outcome)], *count)),
        )?;
        let problems = report.problems.iter().map(|(code, count)| ([("code", *code)], f64::from(*count)));
        gauge(encoder, ("kubeovn_problems", "Objects that something stands against, by code."), problems)?;
        let conflicts = u32::try_from(report.recovery_conflicts).unwrap_or(u32::MAX);
        gauge(
            encoder,
            (
                "kubeovn_recovery_conflicts",
                "Pods and nodes whose address another one had too when this controller started.",
            ),
            bare(f64::from(conflicts)),
        )?;
        let silent = u32::try_from(report.silent_gateways).unwrap_or(u32::MAX);
        gauge(
            encoder,
            (
                "kubeovn_gateways_silent",
                "Join addresses of gateways that do not answer to ping and are left out.",
            ),
            bare(f64::from(silent)),
        )?;
        let deaf = Family::BOTH
            .map(|family| ([("protocol", family.to_string())], flag(report.deaf.contains(&family))));
        gauge(
            encoder,
            (
                "kubeovn_gateways_unheard",
                "Whether no gateway answers to this controller, so that it can't tell.",
            ),
            deaf,
        )?;
        let available = numbers(report, |subnet, family| subnet.usage.available.get(family).copied());
        gauge(encoder, ("subnet_available_ip_count", "Addresses of a subnet that can be given."), available)?;
        let used = numbers(report, |subnet, family| subnet.usage.used.get(family).copied());
        gauge(encoder, ("subnet_used_ip_count", "Addresses of a subnet that are given."), used)
    }
}
