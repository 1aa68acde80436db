//! `nb owner`: which object, and which of its fields, caused a row.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use kubeovn_core::rows::{OwnerKey, Render, RowKey};
use kubeovn_ovn::nb::NORTHBOUND;
use kubeovn_ovn::render::{Absent, Fabric, Origin};
use serde_json::{Value, json};
use uuid::Uuid;

use super::dump::lines;
use super::listing::{Entry, Listing, Mark};
use super::manifests::Manifests;
use crate::ctl::error::CtlError;
use crate::ctl::paint::Paint;

/// How many elements of one owner are named.
const NAMED: usize = 5;

/// The answer.
pub struct Answer<'a> {
    entry: &'a Entry,
    /// What the manifests say of it, if they were asked.
    state: Option<String>,
    causes: Vec<Cause>,
    /// Elements of its columns that others gave, by column and giver.
    given: BTreeMap<&'static str, BTreeMap<String, Vec<String>>>,
}

/// A feature that made the row, or may have.
struct Cause {
    origin: Origin,
    /// Its fields that this row depends on, and their values where they are known.
    fields: Vec<(&'static str, Option<String>)>,
    /// The columns that it writes, if that is known.
    columns: Option<Vec<String>>,
}

/// Answers for the row that is called so.
///
/// # Errors
/// When none is, or several are.
pub fn explain<'a>(
    listing: &'a Listing,
    text: &str,
    wanted: Option<&Manifests>,
) -> Result<Answer<'a>, CtlError> {
    let entry = find(listing, text)?;
    let mut answer = Answer { entry, state: None, causes: Vec::new(), given: given(listing, entry) };
    let (Some(owner), Some(row)) = (entry.owner(), entry.key()) else { return Ok(answer) };
    match wanted {
        Some(wanted) => answer.ask(owner, &row, wanted),
        None => answer.guess(owner, &row),
    }
    Ok(answer)
}

fn find<'a>(listing: &'a Listing, text: &str) -> Result<&'a Entry, CtlError> {
    if let Some(entry) = Uuid::try_parse(text).ok().and_then(|uuid| listing.row(uuid)) {
        return Ok(entry);
    }
    let exact = |entry: &&Entry| {
        let rest = text.strip_prefix(&*entry.table).and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|id| *id == *entry.id)
    };
    let id = |entry: &&Entry| *entry.id == *text || entry.id.strip_prefix('@') == Some(text);
    let name = |entry: &&Entry| entry.text("name") == text;
    let mut found: Vec<&Entry> = listing.entries.iter().filter(exact).collect();
    if found.is_empty() {
        found = listing.entries.iter().filter(id).collect();
    }
    if found.is_empty() {
        found = listing.entries.iter().filter(name).collect();
    }
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(CtlError::RowUnknown {
            text: text.to_owned(),
            count: listing.entries.len(),
            origin: listing.origin.clone(),
        }),
        many => Err(CtlError::RowAmbiguous {
            text: text.to_owned(),
            rows: many.iter().map(|entry| entry.name()).collect(),
        }),
    }
}

/// Elements of reference columns that belong to others than the row's owner.
fn given(listing: &Listing, entry: &Entry) -> BTreeMap<&'static str, BTreeMap<String, Vec<String>>> {
    let mut given: BTreeMap<_, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    let columns = NORTHBOUND.table(&entry.table).map_or(&[][..], |table| table.columns);
    for column in columns {
        for target in entry.refs(column.name).filter_map(|uuid| listing.row(uuid)) {
            let from = match &target.mark {
                Mark::Ours(owner) if Some(owner) == entry.owner() => continue,
                Mark::Ours(owner) => owner.to_string(),
                Mark::Unreadable(_) => "unreadable".to_owned(),
                Mark::Foreign => "others".to_owned(),
            };
            given.entry(column.name).or_default().entry(from).or_default().push(target.id.to_string());
        }
    }
    given
}

impl Answer<'_> {
    /// Renders the owner feature by feature.
    fn ask(&mut self, owner: &OwnerKey, row: &RowKey, wanted: &Manifests) {
        let world = wanted.rehearsal.spine.world();
        match Fabric.explain(world, owner) {
            Ok(parts) => {
                for part in &parts {
                    let Some(spec) = part.rendered.rows.get(row) else { continue };
                    let pairs =
                        spec.pairs.iter().flat_map(|(c, keys)| keys.keys().map(move |k| format!("{c}:{k}")));
                    let columns = spec.values.keys().map(ToString::to_string).chain(pairs);
                    let fields = part.origin.fields().iter().filter(|field| field.concerns(row));
                    self.causes.push(Cause {
                        origin: part.origin,
                        fields: fields.map(|field| (field.path(), field.value(world, owner))).collect(),
                        columns: Some(columns.collect()),
                    });
                }
                let kept = matches!(wanted.render(owner), Render::Want(all) if all.keeps(row));
                let change = wanted.rehearsal.plan.lines().into_iter().find(|line| line.row == row);
                self.state = Some(match (self.causes.is_empty(), kept, change) {
                    (true, true, _) => {
                        format!("kept: a part of {owner} cannot be read, so what it stood for stays")
                    }
                    (true, false, _) => {
                        format!("unwanted: {owner} is there, but does not make this row any more")
                    }
                    (false, _, Some(line)) if !line.details.is_empty() => {
                        format!("wanted otherwise: {}", line.details)
                    }
                    (false, ..) => "wanted as it is".to_owned(),
                });
            }
            Err(Absent::Gone) => {
                self.state = Some(format!("unwanted: the manifests have no {owner}"));
                self.guess(owner, row);
            }
            Err(Absent::Held(problems)) => {
                let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
                let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
                self.state = Some(format!("held: it is not decided what {owner} wants{why}"));
                self.guess(owner, row);
            }
        }
    }

    /// Says what the table alone tells.
    fn guess(&mut self, owner: &OwnerKey, row: &RowKey) {
        self.causes.extend(Fabric::origins(owner.kind, row.table).map(|origin| {
            let fields = origin.fields().iter().filter(|field| field.concerns(row));
            Cause { origin, fields: fields.map(|field| (field.path(), None)).collect(), columns: None }
        }));
    }

    fn whose(&self) -> (&'static str, Option<String>) {
        match &self.entry.mark {
            Mark::Ours(owner) => ("ours", Some(owner.to_string())),
            Mark::Unreadable(_) => ("unreadable", None),
            Mark::Foreign => ("foreign", None),
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let (mark, owner) = self.whose();
        let causes = self.causes.iter().map(|cause| {
            let fields: Vec<Value> =
                cause.fields.iter().map(|(path, value)| json!({ "path": path, "value": value })).collect();
            json!({ "feature": cause.origin.name(), "fields": fields, "columns": cause.columns })
        });
        json!({
            "row": self.entry.to_json(), "mark": mark, "owner": owner, "state": self.state,
            "causes": causes.collect::<Vec<_>>(), "given": self.given,
        })
    }

    /// For people.
    pub fn to_text(&self, paint: Paint) -> String {
        let mut out = String::new();
        lines(&mut out, self.entry);
        let mut line = |name: &str, text: &str| {
            let _ = writeln!(out, "{}  {text}", paint.bold(&format!("{name:>9}")));
        };
        match &self.entry.mark {
            Mark::Ours(owner) => line("owner", &owner.to_string()),
            Mark::Unreadable(why) => line("owner", &format!("unreadable: {why}")),
            Mark::Foreign => {
                line("owner", "somebody else: the row has no mark of ours, and we never change it");
            }
        }
        if let Some(state) = &self.state {
            line("state", state);
        }
        for cause in &self.causes {
            line("feature", cause.origin.name());
            let width = cause.fields.iter().map(|(path, _)| path.len()).max().unwrap_or(0);
            for (path, value) in &cause.fields {
                let text = match (value, self.state.is_some()) {
                    (Some(value), _) => format!("{path:width$} = {value}"),
                    (None, true) => format!("{path:width$}   (not set)"),
                    (None, false) => (*path).to_owned(),
                };
                line("field", &text);
            }
            if let Some(columns) = &cause.columns {
                line("columns", &columns.join(", "));
            }
        }
        for (column, givers) in &self.given {
            for (giver, ids) in givers {
                let named: BTreeSet<&str> = ids.iter().take(NAMED).map(String::as_str).collect();
                let named: Vec<&str> = named.into_iter().collect();
                let more = ids.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                line(column, &format!("{} from {giver}{more}", named.join(", ")));
            }
        }
        out
    }
}
