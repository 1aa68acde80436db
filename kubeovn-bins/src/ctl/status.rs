//! `kubeovn-ctl status`: a live cluster at one glance.

mod asked;
mod found;
mod leader;
mod undone;

use std::collections::BTreeMap;

use clap::Args as Group;
use kubeovn_core::{
    contract::ipam::Usage,
    index::objects::{Kind, Name},
};
use serde_json::{Value, json};

use self::{
    asked::{Asked, Where},
    found::Trouble,
    leader::Leader,
    undone::Undone,
};
use super::{
    cluster::{
        View,
        args::Target,
        reach,
        scratch::Scratch,
        show,
        text::{counted, table, wrapped},
    },
    error::CtlError,
    outcome::Found,
    paint::Paint,
};
use crate::run::controller::now;

/// How many subnets are shown: the fullest.
const SUBNETS: usize = 5;

/// What stands behind `status`.
#[derive(Debug, Group)]
pub struct Args {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    target: Target,
}

/// Does what the command line says.
///
/// # Errors
/// Why it can't be told.
pub async fn run(args: Args) -> Result<Found, CtlError> {
    let view = View::take(&args.target).await?;
    let scratch = view.scratch().await?;
    let target = &args.target;
    let leader = Leader::of(&view.told.lease, now());
    let asked = args.place.ask(&target.server, &leader).await?;
    let undone = Undone::of(view.objects(), reach::lacking(&target.server).await?);
    let status = Status::new(&view, &scratch, leader, asked, undone);
    show(target.json(), || status.to_json(), || status.to_text(target.paint()));
    Ok(if status.healthy() { Found::Nothing } else { Found::Something })
}

/// How a cluster stands.
#[derive(Debug)]
struct Status {
    leader: Leader,
    asked: Asked,
    undone: Undone,
    server: String,
    northbound: String,
    rows: usize,
    kinds: BTreeMap<Kind, usize>,
    subnets: Vec<Fill>,
    troubles: Vec<Trouble>,
}

/// How full a subnet is.
#[derive(Debug)]
struct Fill {
    name: Name,
    cidr: String,
    usage: Usage,
}

impl Fill {
    /// Thousandths that are given, of the family that is fuller.
    fn share(&self) -> u128 {
        let shares = self.usage.used.families().map(|family| {
            let of = |number: &kubeovn_core::addr::DualStack<u128>| number.get(family).copied().unwrap_or(0);
            let (used, free) = (of(&self.usage.used), of(&self.usage.available));
            used.saturating_mul(1000).checked_div(used.saturating_add(free)).unwrap_or(0)
        });
        shares.max().unwrap_or(0)
    }
}

impl Status {
    fn new(view: &View, scratch: &Scratch, leader: Leader, asked: Asked, undone: Undone) -> Self {
        let world = scratch.world();
        let mut kinds: BTreeMap<Kind, usize> = Kind::ALL.iter().map(|kind| (*kind, 0)).collect();
        for object in view.objects() {
            *kinds.entry(object.kind()).or_default() += 1;
        }
        let subnets = world.subnets().map(|subnet| Fill {
            name: subnet.meta.name.clone(),
            cidr: subnet.spec.cidr_block.clone(),
            usage: world.usage(&subnet.meta.name).cloned().unwrap_or_default(),
        });
        let mut subnets: Vec<Fill> = subnets.collect();
        subnets.sort_by_key(|fill| (std::cmp::Reverse(fill.share()), fill.name.clone()));
        let ours = leader.trouble().into_iter().chain(asked.trouble());
        let troubles = ours.chain(found::troubles(scratch)).collect();
        Status {
            leader,
            asked,
            undone,
            server: view.told.url.clone(),
            northbound: view.snapshot.origin.clone(),
            rows: scratch.replica().named_rows().filter(|(_, _, owner)| owner.is_some()).count(),
            kinds,
            subnets,
            troubles,
        }
    }

    fn healthy(&self) -> bool {
        self.troubles.iter().all(|trouble| trouble.hint)
    }

    fn to_json(&self) -> Value {
        let kinds = self.kinds.iter().map(|(kind, count)| (kind.name().to_owned(), json!(count)));
        let subnets = self.subnets.iter().map(|fill| {
            json!({
                "name": &*fill.name, "cidr": fill.cidr,
                "used": fill.usage.used.to_string(), "available": fill.usage.available.to_string(),
            })
        });
        json!({
            "healthy": self.healthy(),
            "controller": self.leader.to_json(),
            "probes": self.asked.to_json(),
            "notDone": self.undone.to_json(),
            "apiServer": { "url": self.server, "objects": Value::Object(kinds.collect()) },
            "northbound": { "endpoint": self.northbound, "rows": self.rows },
            "subnets": subnets.collect::<Vec<_>>(),
            "findings": self.troubles.iter().map(Trouble::to_json).collect::<Vec<_>>(),
        })
    }

    fn to_text(&self, paint: Paint) -> String {
        let count = |kind, word: &str| counted(self.kinds.get(&kind).copied().unwrap_or(0), word);
        let objects = [
            count(Kind::Vpc, "VPC"),
            count(Kind::Subnet, "subnet"),
            count(Kind::Node, "node"),
            count(Kind::Pod, "pod"),
            count(Kind::Ip, "address record"),
        ];
        let line = |name: &str, text: &str| format!("{}  {text}\n", paint.bold(&format!("{name:<10}")));
        let mut out = line("controller", &self.leader.to_text());
        out += &wrapped(&self.asked.to_text(), 12);
        let is_there = |(kind, count): &(&Kind, &usize)| !kind.is_optional() || **count > 0;
        let read = self.kinds.iter().filter(is_there).count();
        out += &line("API server", &format!("{}, all {read} kinds read", self.server));
        out += &line(
            "Northbound",
            &format!("{}, {} of ours wanted", self.northbound, counted(self.rows, "row")),
        );
        out += &line("objects", &objects.join(", "));
        out += "\n";
        let rows = self.subnets.iter().take(SUBNETS).map(|fill| {
            let share = fill.share();
            vec![
                cut(&fill.name, 24),
                cut(&fill.cidr, 36),
                fill.usage.used.to_string(),
                cut(&fill.usage.available.to_string(), 24),
                format!("{}%", share / 10),
            ]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        out += &table(&["SUBNET", "PREFIX", "USED", "FREE", "FULL"], &[2, 3, 4], &rows);
        let more = self.subnets.len().saturating_sub(SUBNETS);
        out.extend(
            (more > 0).then(|| format!("and {} less full: kubeovn-ctl ipam show\n", counted(more, "subnet"))),
        );
        out += "\n";
        out += &self.undone.to_text(paint);
        for trouble in &self.troubles {
            out += &trouble.to_text(paint);
        }
        out + &match self.troubles.iter().filter(|trouble| !trouble.hint).count() {
            0 => "healthy\n".to_owned(),
            1 => "1 thing to look at\n".to_owned(),
            many => format!("{many} things to look at\n"),
        }
    }
}

/// A text of at most so many columns.
fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}
