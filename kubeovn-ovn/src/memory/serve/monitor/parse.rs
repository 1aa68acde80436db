//! Requests for monitors, and for other conditions of them.

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Kind, Kinds, Monitor, Notation, Watch, Watched};
use crate::memory::{
    Server,
    mutate::error,
    serve::{
        condition::{Source, Where},
        reply::Refusal,
        told::{RowTold, Told},
    },
    store::Table,
};

const EVERY: Kinds = Kinds(0b1111);

impl Monitor {
    /// Reads the `monitor-requests` of a monitor method.
    pub(in crate::memory::serve) fn parse(
        server: &Server,
        (id, about): (Value, bool),
        requests: &Value,
        notation: Notation,
    ) -> Result<Self, Refusal> {
        let Value::Object(requests) = requests else {
            return Err(Refusal::syntax("monitor-requests must be object", &requests.to_string()));
        };
        let mut tables = Vec::with_capacity(requests.len());
        for (name, requests) in requests {
            let at = server.tables.iter().position(|table| *table.name == **name);
            let found = at.and_then(|at| Some((at, server.tables.get(at)?)));
            let Some((at, table)) = found else {
                return Err(error("syntax error", format!("no table named {name}")).into());
            };
            let mut watched =
                Watched { table: at, columns: Vec::new(), kinds: Kinds(0), filter: Where::default() };
            let requests = match requests {
                Value::Array(requests) => requests.as_slice(),
                // as RFC 7047 has it
                one => std::slice::from_ref(one),
            };
            for (number, request) in requests.iter().enumerate() {
                watched.request(table, request, notation, number == 0)?;
            }
            tables.push(watched);
        }
        Ok(Self { id, notation, about, tables })
    }

    /// Gives tables other conditions, and answers what comes and goes thereby.
    pub(in crate::memory::serve) fn recondition<'a>(
        &'a mut self,
        server: &'a Server,
        requests: &Value,
    ) -> Result<Told<'a>, Refusal> {
        let Value::Object(requests) = requests else {
            return Err(Refusal::syntax(
                "monitor-cond-change requests must be object",
                &requests.to_string(),
            ));
        };
        let mut filters: Vec<(usize, Where)> = Vec::new();
        for (name, requests) in requests {
            let place = self.tables.iter().position(|watched| {
                server.tables.get(watched.table).is_some_and(|table| *table.name == **name)
            });
            let table = server.tables.iter().find(|table| *table.name == **name);
            let Some((place, table)) = place.zip(table) else {
                let details = format!("no table named {name} in monitor session");
                return Err(error("syntax error", details).into());
            };
            let Value::Array(requests) = requests else {
                let details = format!("table {name} no monitor-cond-change JSON array");
                return Err(error("syntax error", details).into());
            };
            for request in requests {
                let mut fields = Fields::of(request, &format!("table {name}"))?;
                if let Some(filter) = fields.conditions(table)? {
                    filters.push((place, filter));
                }
                fields.end()?;
            }
        }
        // all of it can be read: now, and not before, it is done
        let mut before: Vec<(usize, Where)> = Vec::with_capacity(filters.len());
        for (place, filter) in filters {
            let Some(watched) = self.tables.get_mut(place) else { continue };
            let old = std::mem::replace(&mut watched.filter, filter);
            if before.iter().all(|(known, _)| *known != place) {
                before.push((place, old));
            }
        }
        let mut told = Told::default();
        for (place, old) in before {
            let Some(watched) = self.tables.get(place) else { continue };
            let Some(table) = server.tables.get(watched.table) else { continue };
            for (uuid, cells) in &table.rows {
                let row = match (old.holds(*uuid, cells), watched.filter.holds(*uuid, cells)) {
                    (false, true) => self.row(watched, table, *uuid, (None, Some(cells)), Kind::Insert),
                    (true, false) => Some(self.gone(watched, *uuid, cells)),
                    _ => None,
                };
                if let Some(row) = row {
                    told.add(&table.name, *uuid, row);
                }
            }
        }
        Ok(told)
    }

    fn gone<'a>(
        &self,
        watched: &'a Watched,
        uuid: Uuid,
        cells: &'a crate::memory::store::Cells,
    ) -> RowTold<'a> {
        match self.notation {
            Notation::Plain => {
                RowTold::Plain { old: Some(watched.whole(uuid, cells, Kind::Delete)), new: None }
            }
            Notation::Cond | Notation::CondSince => RowTold::Delete,
        }
    }
}

impl Watched {
    /// Adds one `monitor-request` of the table.
    fn request(
        &mut self,
        table: &Table,
        request: &Value,
        notation: Notation,
        first: bool,
    ) -> Result<(), Refusal> {
        let mut fields = Fields::of(request, &format!("table {}", table.name))?;
        let kinds = match fields.take("select") {
            Some(select) => Kinds::parse(&select, &table.name)?,
            None => EVERY,
        };
        let names: Option<Vec<Arc<str>>> = match fields.take("columns") {
            Some(columns) => Some(
                serde_json::from_value(columns)
                    .map_err(|_| fields.failed("Type mismatch for member 'columns'."))?,
            ),
            None => None,
        };
        if notation != Notation::Plain {
            let filter = fields.conditions(table)?.unwrap_or_default();
            if !first && filter != self.filter {
                return Err(fields.failed("all requests of a table must have the same conditions"));
            }
            self.filter = filter;
        }
        fields.end()?;
        let all =
            || table.columns.iter().map(|column| column.name.clone()).chain(["_version".into()]).collect();
        for name in names.unwrap_or_else(all) {
            let unfit = |what: String| Refusal::syntax(what, &request.to_string());
            let source = Source::find(table, &name)
                .ok_or_else(|| unfit(format!("{name} is not a valid column name")))?;
            if self.columns.iter().any(|watch| watch.source == source) {
                return Err(unfit(format!("column {name} mentioned more than once")));
            }
            self.columns.push(Watch { name, source, kinds });
        }
        self.kinds = Kinds(self.kinds.0 | kinds.0);
        Ok(())
    }
}

impl Kinds {
    /// Reads a `select`: a kind that it does not name is wanted.
    fn parse(select: &Value, table: &str) -> Result<Self, Refusal> {
        let mut fields = Fields::of(select, &format!("table {table} select"))?;
        let mut kinds = 0;
        let words = [
            ("initial", Kind::Initial),
            ("insert", Kind::Insert),
            ("delete", Kind::Delete),
            ("modify", Kind::Modify),
        ];
        for (word, kind) in words {
            match fields.take(word) {
                None | Some(Value::Bool(true)) => kinds |= 1 << kind as u8,
                Some(Value::Bool(false)) => {}
                Some(_) => return Err(fields.failed(&format!("Type mismatch for member '{word}'."))),
            }
        }
        fields.end()?;
        Ok(Self(kinds))
    }
}

/// The members of an object that were not read yet.
struct Fields {
    members: Map<String, Value>,
    what: String,
    text: String,
}

impl Fields {
    fn of(value: &Value, what: &str) -> Result<Self, Refusal> {
        let text = value.to_string();
        match value {
            Value::Object(members) => Ok(Self { members: members.clone(), what: what.to_owned(), text }),
            _ => Err(Refusal::syntax(format!("Parsing {what} failed: Object expected."), &text)),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    fn conditions(&mut self, table: &Table) -> Result<Option<Where>, Refusal> {
        match self.take("where") {
            None => Ok(None),
            Some(Value::Array(clauses)) => Ok(Some(Where::parse(table, &clauses)?)),
            Some(_) => Err(self.failed("Type mismatch for member 'where'.")),
        }
    }

    fn failed(&self, why: &str) -> Refusal {
        Refusal::syntax(format!("Parsing {} failed: {why}", self.what), &self.text)
    }

    fn end(&self) -> Result<(), Refusal> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => Err(self.failed(&format!("Member '{name}' is present but not allowed here."))),
        }
    }
}
