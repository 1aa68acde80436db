//! `ipam history`: who held an address when.
//!
//! ```text
//!   IP objects, annotations ──> what stands now ──┐
//!   the controller's log ──> grants and releases ─┴──> spans ──> table
//!   events ──> those that name the subject
//! ```
//!
//! There is no database of it: what was given back is known from the log alone (see
//! [`chronicle`](crate::run::chronicle)). What is not known is called so.

mod log;
mod span;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader},
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::Args as Group;
use k8s_openapi::jiff::Timestamp;
use kubeovn_core::{
    index::objects::{Kind, Name, Object},
    rows::{Millis, OwnerKey, OwnerKind},
    time::rfc3339,
};
use serde_json::{Value, json};

use self::{
    log::Log,
    span::{Present, Span, spans},
};
use super::explain::Subject as Holder;
use crate::{
    cluster::folder::FolderCluster,
    ctl::{
        cluster::{
            args::{Printed, Server},
            claims::Claims,
            reach::{self, Remark},
            show,
            text::{table, wrapped},
        },
        error::CtlError,
        paint::Paint,
    },
};

/// What stands behind `ipam history`.
#[derive(Debug, Group)]
pub(super) struct Args {
    /// An address, a pod as NAMESPACE/NAME, node/NAME, or a subnet
    what: String,
    /// The controller's log, or - for standard input: who held what before. May be given several times
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// Only who can have held it at this time, as 2026-11-27T14:00:00Z or with another offset
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// A YAML file, or a folder of them, with the objects instead of the API server's: a dump
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["kubeconfig", "context"])]
    from: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    pub(super) printed: Printed,
}

/// What is asked about.
#[derive(Debug)]
enum Subject {
    Address(IpAddr),
    Owner(OwnerKey),
    Subnet(Name),
}

/// The answer.
#[derive(Debug)]
struct History {
    spans: Vec<Span>,
    remarks: Vec<Remark>,
    notes: Vec<String>,
    log: Log,
}

/// Does what the command line says.
///
/// # Errors
/// Why there is no answer.
pub(super) async fn run(args: Args) -> Result<(), CtlError> {
    let subject = Subject::parse(&args.what)?;
    let at = args.at.as_deref().map(time).transpose()?;
    let mut log = Log::default();
    for path in &args.log {
        let read = if path == Path::new("-") {
            log.read(io::stdin().lock())
        } else {
            File::open(path).and_then(|file| log.read(BufReader::new(file)))
        };
        read.map_err(|source| CtlError::Log { path: path.clone(), source })?;
    }
    let (objects, remarks) = match &args.from {
        Some(folder) => (folded(folder)?, Ok(Vec::new())),
        None => (reach::ask(&args.server).await?.objects, reach::remarks(&args.server).await),
    };
    let mut notes = Vec::new();
    if args.from.is_some() {
        notes.push("\"still\" is what the manifests say, of whatever time they are".to_owned());
    }
    let remarks = remarks.unwrap_or_else(|reason| {
        notes.push(format!("events are left out, for they can't be read: {reason}"));
        Vec::new()
    });
    let spans = spans(&log.moves, &present(&objects));
    subject.is_known(&objects, &spans)?;
    let spans = spans.into_iter().filter(|span| subject.is_held(span));
    let spans = spans.filter(|span| at.is_none_or(|at| span.covers(at)));
    let remarks = remarks.into_iter().filter(|remark| subject.is_meant(remark));
    notes.extend(log_notes(&log, args.log.is_empty()));
    let history = History { spans: spans.collect(), remarks: remarks.collect(), notes, log };
    show(args.printed.json(), || history.to_json(&args.what), || history.to_text(args.printed.paint()));
    Ok(())
}

fn time(text: &str) -> Result<Millis, CtlError> {
    let time = text.parse::<Timestamp>().ok().and_then(|time| Millis::try_from(time.as_millisecond()).ok());
    time.ok_or_else(|| CtlError::Time { text: text.to_owned() })
}

/// The objects of a folder, which may be a dump of a cluster.
fn folded(folder: &Path) -> Result<Vec<Object>, CtlError> {
    let folder = FolderCluster::open(folder)?;
    if let Some(found) = folder.unreadable() {
        return Err(CtlError::Manifest { found: found.to_string() });
    }
    Ok(Kind::ALL.iter().flat_map(|kind| folder.cluster().objects(*kind)).collect())
}

/// What annotations and records say now.
fn present(objects: &[Object]) -> Vec<Present> {
    let claims = Claims::of_objects(objects);
    let there = objects.iter().filter_map(|object| match object {
        Object::Pod(pod) if pod.needs_network() => Some((pod.owner(), pod.meta.created)),
        Object::Node(node) => {
            Some((OwnerKey::new(OwnerKind::Node, node.meta.name.clone()), node.meta.created))
        }
        _ => None,
    });
    let born: BTreeMap<OwnerKey, Millis> = there.collect();
    let all = claims.owners().flat_map(|owner| {
        let born = born.get(owner).copied();
        claims.of_owner(owner).iter().map(move |claim| Present {
            owner: owner.clone(),
            subnet: claim.subnet.clone(),
            ips: claim.ips,
            mac: claim.mac,
            source: claim.source.word(),
            since: claim.since,
            born,
        })
    });
    all.collect()
}

/// Since when something is known, and what is not.
fn log_notes(log: &Log, absent: bool) -> Vec<String> {
    let mut notes = Vec::new();
    match log.reaches {
        _ if absent => notes.push(
            "no log was given, so only what stands now is known. What was given back before stands in the controller's log: \
             kubectl logs -n kube-system -l app=kube-ovn-controller --tail=-1 | kubeovn-ctl ipam history ... --log -"
                .to_owned(),
        ),
        Some((first, last)) if !log.moves.is_empty() => notes.push(format!(
            "the log reaches from {} to {}. What happened before, after, or while another controller worked whose log is not \
             in it is not known",
            rfc3339(first),
            rfc3339(last)
        )),
        _ => notes.push(format!(
            "none of the log's {} lines tells of an address. Is it that of kubeovn-controller, and does RUST_LOG let \
             kubeovn_bins=info through?",
            log.lines
        )),
    }
    if log.spoiled > 0 {
        notes.push(format!("lines about addresses that can't be read, and are left out: {}", log.spoiled));
    }
    notes
}

impl Subject {
    fn parse(text: &str) -> Result<Self, CtlError> {
        match Holder::parse(text) {
            Ok(Holder::Address(ip)) => Ok(Subject::Address(ip)),
            Ok(Holder::Owner(owner)) => Ok(Subject::Owner(owner)),
            Err(_) if !text.is_empty() && !text.contains(['/', ':', ' ']) => Ok(Subject::Subnet(text.into())),
            Err(_) => Err(CtlError::HistoryInvalid { text: text.to_owned() }),
        }
    }

    /// A subnet that is neither there nor in the log is a slip of the pen. A pod that is nowhere is not: that is what
    /// becomes of pods.
    fn is_known(&self, objects: &[Object], spans: &[Span]) -> Result<(), CtlError> {
        let Subject::Subnet(name) = self else { return Ok(()) };
        let known = objects.iter().filter_map(|object| match object {
            Object::Subnet(subnet) => Some(subnet.meta.name.to_string()),
            _ => None,
        });
        let known: Vec<String> = known.collect();
        if known.iter().any(|other| **other == **name) || spans.iter().any(|span| span.subnet == *name) {
            return Ok(());
        }
        Err(CtlError::SubnetUnknown { name: name.to_string(), known })
    }

    fn is_held(&self, span: &Span) -> bool {
        match self {
            Subject::Address(ip) => span.ips.iter().any(|held| held == ip),
            Subject::Owner(owner) => span.owner == *owner,
            Subject::Subnet(name) => span.subnet == *name,
        }
    }

    /// Is an event about it, or does its text name the address?
    fn is_meant(&self, remark: &Remark) -> bool {
        match self {
            Subject::Address(ip) => {
                let ends = |c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':'));
                let mut words = remark.message.split(ends).map(|word| word.trim_end_matches(['.', ':']));
                words.any(|word| word.parse() == Ok(*ip))
            }
            Subject::Owner(owner) => {
                let (kind, name) = (&*remark.kind, format!("{}/{}", remark.namespace, remark.name));
                remark.reason.contains("IPAM-")
                    && match owner.kind {
                        OwnerKind::Pod => kind == "Pod" && name == *owner.name,
                        _ => kind == "Node" && remark.name == *owner.name,
                    }
            }
            Subject::Subnet(subnet) => remark.kind == "Subnet" && remark.name == **subnet,
        }
    }
}

impl History {
    fn to_json(&self, subject: &str) -> Value {
        let reaches =
            self.log.reaches.map(|(first, last)| json!({ "from": rfc3339(first), "to": rfc3339(last) }));
        json!({
            "subject": subject,
            "held": self.spans.iter().map(Span::to_json).collect::<Vec<_>>(),
            "events": self.remarks.iter().map(Remark::to_json).collect::<Vec<_>>(),
            "log": reaches,
            "notes": self.notes,
        })
    }

    fn to_text(&self, paint: Paint) -> String {
        let rows: Vec<Vec<String>> = self.spans.iter().map(Span::cells).collect();
        let mut out = if rows.is_empty() {
            "nobody is known to have held it\n".to_owned()
        } else {
            table(&["ADDRESS", "HOLDER", "SUBNET", "FROM", "UNTIL", "SAID BY"], &[], &rows)
        };
        if !self.remarks.is_empty() {
            out.extend(["\n", &paint.bold("events that are still there"), "\n"]);
            out.extend(self.remarks.iter().map(Remark::to_text));
        }
        out += "\n";
        out.extend(self.notes.iter().map(|note| wrapped(note, 0)));
        out
    }
}
