//! Who held what from when until when: what the log tells, and what stands now, put together.

use std::{collections::BTreeSet, net::IpAddr};

use kubeovn_core::{
    addr::{DualStack, Mac},
    index::objects::Name,
    rows::{Millis, OwnerKey},
    time::rfc3339,
};
use serde_json::{Value, json};

use super::log::Move;

/// The word for the log among those who say something.
const LOG: &str = "log";

/// Since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    At(Millis),
    /// The pod was not there before.
    After(Millis),
    Unknown,
}

/// Until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// It holds it.
    Still,
    /// It is not there, and it is kept for it.
    Kept,
    At(Millis),
    /// Another one was given it then, or it was given it anew.
    Before(Millis),
    Unknown,
}

/// What somebody held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) owner: OwnerKey,
    pub(super) subnet: Name,
    pub(super) ips: DualStack<IpAddr>,
    pub(super) mac: Option<Mac>,
    pub(super) from: From,
    pub(super) until: Until,
    pub(super) sources: BTreeSet<&'static str>,
    /// Empty where only what stands now tells of it.
    vpc: Name,
}

/// What stands now.
#[derive(Clone, Debug)]
pub(super) struct Present {
    pub(super) owner: OwnerKey,
    pub(super) subnet: Name,
    pub(super) ips: DualStack<IpAddr>,
    pub(super) mac: Option<Mac>,
    /// Where that is said.
    pub(super) source: &'static str,
    /// When it was said first.
    pub(super) since: Option<Millis>,
    /// When the pod or node was made; `None` where it is not there.
    pub(super) born: Option<Millis>,
}

/// Puts both together. Moves in the order of time.
pub(super) fn spans(moves: &[Move], present: &[Present]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for step in moves {
        // Who held any of it held all of it.
        let meets = |span: &Span| {
            span.vpc == step.vpc && span.until == Until::Unknown && overlap(&span.ips, &step.ips)
        };
        let mine = |span: &Span| span.owner == step.owner && span.ips == step.ips;
        if step.granted {
            for span in spans.iter_mut().filter(|span| meets(span)) {
                span.until = Until::Before(step.at);
            }
            spans.push(Span::of(step, From::At(step.at), Until::Unknown));
        } else if let Some(span) = spans.iter_mut().find(|span| meets(span) && mine(span)) {
            span.until = Until::At(step.at);
        } else {
            spans.push(Span::of(step, From::Unknown, Until::At(step.at)));
        }
    }
    for there in present {
        let until = if there.born.is_some() { Until::Still } else { Until::Kept };
        let open = |span: &&mut Span| {
            span.is(there) && matches!(span.until, Until::Unknown | Until::Still | Until::Kept)
        };
        if let Some(span) = spans.iter_mut().rev().find(open) {
            span.until = until;
            span.sources.insert(there.source);
            if span.from == From::Unknown {
                span.from = there.since.map_or(span.from, From::At);
            }
            continue;
        }
        // What is said since before it was given back only has not been taken down yet.
        let given_back = |span: &Span| {
            span.is(there)
                && matches!(span.until, Until::At(at) if there.since.is_none_or(|since| since <= at))
        };
        if !spans.iter().any(given_back) {
            let from = there.since.map(From::At).or(there.born.map(From::After)).unwrap_or(From::Unknown);
            spans.push(Span {
                owner: there.owner.clone(),
                subnet: there.subnet.clone(),
                ips: there.ips,
                mac: there.mac,
                from,
                until,
                sources: [there.source].into(),
                vpc: Name::default(),
            });
        }
    }
    spans.sort_by(|a, b| (a.order(), &a.owner).cmp(&(b.order(), &b.owner)));
    spans
}

fn overlap(one: &DualStack<IpAddr>, other: &DualStack<IpAddr>) -> bool {
    one.iter().any(|ip| other.iter().any(|there| there == ip))
}

impl Span {
    fn of(step: &Move, from: From, until: Until) -> Self {
        Span {
            owner: step.owner.clone(),
            subnet: step.subnet.clone(),
            ips: step.ips,
            mac: step.mac,
            from,
            until,
            sources: [LOG].into(),
            vpc: step.vpc.clone(),
        }
    }

    fn is(&self, there: &Present) -> bool {
        (&self.owner, self.ips) == (&there.owner, there.ips)
    }

    /// A time of it by which it is sorted.
    fn order(&self) -> Millis {
        match (self.from, self.until) {
            (From::At(at) | From::After(at), _) | (From::Unknown, Until::At(at) | Until::Before(at)) => at,
            _ => 0,
        }
    }

    /// Can it have been so at that time, as far as is known?
    pub(super) fn covers(&self, time: Millis) -> bool {
        let begun = match self.from {
            From::At(at) | From::After(at) => at <= time,
            From::Unknown => true,
        };
        let ended = match self.until {
            Until::At(at) | Until::Before(at) => at < time,
            Until::Still | Until::Kept | Until::Unknown => false,
        };
        begun && !ended
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let from = match self.from {
            From::At(at) => rfc3339(at),
            From::After(at) => format!("after {}", rfc3339(at)),
            From::Unknown => "not known".to_owned(),
        };
        let until = match self.until {
            Until::Still => "still".to_owned(),
            Until::Kept => "still, kept".to_owned(),
            Until::At(at) => rfc3339(at),
            Until::Before(at) => format!("before {}", rfc3339(at)),
            Until::Unknown => "not known".to_owned(),
        };
        let sources = self.sources.iter().copied().collect::<Vec<_>>().join(", ");
        vec![self.ips.to_string(), self.owner.to_string(), self.subnet.to_string(), from, until, sources]
    }

    pub(super) fn to_json(&self) -> Value {
        let from = match self.from {
            From::At(at) => json!({ "at": rfc3339(at) }),
            From::After(at) => json!({ "after": rfc3339(at) }),
            From::Unknown => Value::Null,
        };
        let until = match self.until {
            Until::Still => json!({ "still": true }),
            Until::Kept => json!({ "still": true, "kept": true }),
            Until::At(at) => json!({ "at": rfc3339(at) }),
            Until::Before(at) => json!({ "before": rfc3339(at) }),
            Until::Unknown => Value::Null,
        };
        json!({
            "owner": self.owner.to_string(), "ips": self.ips.to_string(), "subnet": &*self.subnet,
            "mac": self.mac.map(|mac| mac.to_string()), "from": from, "until": until, "sources": self.sources,
        })
    }
}

#[cfg(test)]
mod tests;
