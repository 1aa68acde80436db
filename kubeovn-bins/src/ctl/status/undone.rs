//! What the cluster asks for and this version does not do: kinds from the controller's own table, fields as it tells objects.

use std::collections::BTreeMap;

use kubeovn_core::{decide::in_vain, index::objects::Object};
use serde_json::{Value, json};

use crate::{
    controller::lacking::Lacking,
    ctl::{
        cluster::text::{counted, wrapped},
        paint::Paint,
    },
};

/// How many objects are named that set a field.
const NAMED: usize = 3;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Undone {
    kinds: Vec<(&'static Lacking, usize)>,
    /// Objects by kind and field.
    fields: BTreeMap<(&'static str, String), Vec<String>>,
    /// Kinds that can't be counted, by reason.
    unread: BTreeMap<String, Vec<&'static str>>,
}

impl Undone {
    pub(super) fn of(objects: &[Object], kinds: Vec<(&'static Lacking, Result<usize, String>)>) -> Self {
        let mut undone = Undone::default();
        for (kind, number) in kinds {
            match number {
                Ok(0) => {}
                Ok(number) => undone.kinds.push((kind, number)),
                Err(reason) => undone.unread.entry(reason).or_default().push(kind.resource.kind),
            }
        }
        for object in objects {
            for field in in_vain(object) {
                let key = object.key();
                let named = undone.fields.entry((key.kind.name(), field.to_string())).or_default();
                named.push(key.to_string());
            }
        }
        undone
    }

    pub(super) fn to_json(&self) -> Value {
        let kinds = self.kinds.iter().map(|(kind, number)| {
            let (version, name) = (kind.resource.api_version(), kind.resource.kind);
            json!({ "apiVersion": version, "kind": name, "objects": number, "what": kind.what })
        });
        let fields = self
            .fields
            .iter()
            .map(|((kind, field), objects)| json!({ "kind": kind, "field": field, "objects": objects }));
        let unread = self.unread.iter().map(|(reason, kinds)| json!({ "kinds": kinds, "reason": reason }));
        json!({
            "kinds": kinds.collect::<Vec<_>>(), "fields": fields.collect::<Vec<_>>(),
            "unknown": unread.collect::<Vec<_>>(),
        })
    }

    /// Empty when there is nothing.
    pub(super) fn to_text(&self, paint: Paint) -> String {
        let kinds = self.kinds.iter().map(|(kind, number)| {
            format!("{}: {}; {}", kind.resource.kind, counted(*number, "object"), kind.what)
        });
        let fields = self.fields.iter().map(|((kind, field), objects)| {
            let named: Vec<&str> = objects.iter().take(NAMED).map(String::as_str).collect();
            let more = objects.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{field} of {kind}: {}: {}{more}", counted(objects.len(), "object"), named.join(", "))
        });
        let unread =
            self.unread.iter().map(|(reason, kinds)| format!("not known of {}: {reason}", kinds.join(", ")));
        let lines: String = kinds.chain(fields).chain(unread).map(|line| wrapped(&line, 2)).collect();
        if lines.is_empty() {
            return lines;
        }
        format!("{}\n{lines}\n", paint.signed('~', "asked for, and not done by this version"))
    }
}
