//! `nb diff`: what manifests would change.

use kubeovn_core::rows::{Act, Elem, Op};
use serde_json::{Map, Value, json};

use super::manifests::Manifests;
use crate::ctl::paint::Paint;
use crate::run::plan::{Plan, atom};

/// For people: what has no effect first, then a line per row.
pub fn to_text(wanted: &Manifests, paint: Paint) -> String {
    let plan = &wanted.rehearsal.plan;
    let problems = wanted.problems().into_iter().map(|problem| format!("! {problem}\n"));
    let lines = plan.lines();
    let told = lines.iter().map(|line| paint.signed(line.sign, &line.to_string()) + "\n");
    problems.chain(told).chain([plan.summary(&lines) + "\n"]).collect()
}

/// For programs.
pub fn to_json(wanted: &Manifests) -> Value {
    let plan = &wanted.rehearsal.plan;
    json!({
        "problems": wanted.problems(),
        "changes": plan.ops().iter().map(|op| change(plan, op)).collect::<Vec<_>>(),
    })
}

fn change(plan: &Plan, op: &Op) -> Value {
    let value = |value: &kubeovn_core::rows::Value| match value.atoms() {
        [one] => json!(atom(one)),
        many => json!(many.iter().map(atom).collect::<Vec<_>>()),
    };
    let (what, columns) = match &op.act {
        Act::Delete => ("remove", Map::new()),
        Act::Insert(spec, given) => {
            let values = spec.values.iter().map(|(name, new)| ((*name).to_owned(), value(new)));
            let pairs = spec.pairs.iter().map(|(name, pairs)| ((*name).to_owned(), json!(pairs)));
            let given = given.iter().map(|(name, elems)| ((*name).to_owned(), elements(elems)));
            ("add", values.chain(pairs).chain(given).collect())
        }
        Act::Change(delta) => {
            let values = delta.values.iter().map(|(name, new)| {
                let old = plan.before(&op.row, name).map(value);
                ((*name).to_owned(), json!({ "old": old, "new": value(new) }))
            });
            let pairs = delta.pairs.iter().map(|(name, pairs)| ((*name).to_owned(), json!({ "set": pairs })));
            let mut columns: Map<String, Value> = values.chain(pairs).collect();
            for (sign, sets) in [("add", &delta.add), ("remove", &delta.remove)] {
                for (name, elems) in sets {
                    let column = columns.entry((*name).to_owned()).or_insert_with(|| json!({}));
                    if let Some(column) = column.as_object_mut() {
                        column.insert(sign.to_owned(), elements(elems));
                    }
                }
            }
            ("change", columns)
        }
    };
    json!({ "change": what, "table": op.row.table, "id": &*op.row.id, "columns": columns })
}

fn elements<'a>(elems: impl IntoIterator<Item = &'a Elem>) -> Value {
    let text = |elem: &Elem| match elem {
        Elem::Item(item) => atom(item),
        Elem::Pair(key, value) => format!("{key}={value}"),
    };
    elems.into_iter().map(text).collect::<Vec<_>>().into()
}
