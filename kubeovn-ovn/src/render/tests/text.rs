//! Rows as a text: one line per column, in the order of the keys, so that a difference is a line.

use std::fmt::Write;

use kubeovn_core::rows::{Atom, Elem, OwnerKey, Rendered, RowKey, Value};

/// All that one owner has, below a line with its name.
pub(super) fn text(owner: &OwnerKey, rendered: &Rendered) -> String {
    let mut out = format!("== {owner}\n");
    for (key, row) in &rendered.rows {
        line(&mut out, "", key);
        for give in rendered.gives.iter().filter(|give| child(&give.elem) == Some(key)) {
            line(
                &mut out,
                if give.parent { "  in " } else { "  also in " },
                &format!("{} {}", give.row, give.column),
            );
        }
        for (column, value) in &row.values {
            line(&mut out, "  ", &format!("{column} = {}", value_text(value)));
        }
        for (column, pairs) in &row.pairs {
            for (key, value) in pairs {
                line(&mut out, "  ", &format!("{column}:{key} = {value}").trim_end());
            }
        }
    }
    let elsewhere =
        rendered.gives.iter().filter(|g| child(&g.elem).is_none_or(|row| !rendered.rows.contains_key(row)));
    for give in elsewhere {
        let elem = child(&give.elem).map_or_else(|| format!("{:?}", give.elem), ToString::to_string);
        line(&mut out, "gives ", &format!("{} {} {elem}", give.row, give.column));
    }
    for name in &rendered.names {
        line(&mut out, "name ", name);
    }
    for what in &rendered.exclusive {
        line(&mut out, "exclusive ", what);
    }
    for row in &rendered.needs {
        line(&mut out, "needs ", row);
    }
    for (table, start) in &rendered.keep {
        line(&mut out, "keeps ", &format!("{table} {start}"));
    }
    for problem in &rendered.reports {
        line(&mut out, "report ", problem);
    }
    out
}

fn line(out: &mut String, prefix: &str, rest: &dyn std::fmt::Display) {
    writeln!(out, "{prefix}{rest}").unwrap();
}

fn child(elem: &Elem) -> Option<&RowKey> {
    match elem {
        Elem::Item(Atom::Row(row)) => Some(row),
        _ => None,
    }
}

fn value_text(value: &Value) -> String {
    match value.atoms() {
        [one] => atom_text(one),
        several => format!("{{{}}}", several.iter().map(atom_text).collect::<Vec<_>>().join(", ")),
    }
}

fn atom_text(atom: &Atom) -> String {
    match atom {
        Atom::Str(text) if text.is_empty() => "\"\"".into(),
        Atom::Str(text) => text.to_string(),
        Atom::Int(number) => number.to_string(),
        Atom::Bool(truth) => truth.to_string(),
        Atom::Row(row) => row.to_string(),
    }
}
