//! The operations of a `transact` request, read as strictly as ovsdb-server does: a member that is not known is an
//! error, for it might be what makes the operation right.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    memory::{
        mutate::error,
        server::{Step, unknown_member},
    },
    ovsdb::wire::{Condition, Datum, DbSchema, Function, Mutation, Mutator, Operation, Row, ServerError},
};

/// One operation as it was asked for.
#[derive(Debug)]
pub(super) enum Asked {
    Run(Operation),
    /// Fails unless the client has this lock.
    Assert(String),
    /// Asks for what is always so: what is told is as durable as it gets.
    Commit,
    /// Fails.
    Abort,
    /// Can't be understood; the operations before it are executed all the same, and one of them may fail first.
    Wrong(ServerError),
}

impl Asked {
    /// What to do, for a client that has the locks of which `owns` is true.
    pub(super) fn step(&self, owns: impl Fn(&str) -> bool) -> Step<'_> {
        match self {
            Self::Run(op) => Step::Run(op),
            Self::Assert(lock) if owns(lock) => Step::Pass,
            Self::Assert(lock) => Step::Fail(error("not owner", format!("Asserted lock {lock} not held."))),
            Self::Commit => Step::Pass,
            Self::Abort => Step::Fail(error("aborted", "aborted by request")),
            Self::Wrong(error) => Step::Fail(error.clone()),
        }
    }
}

/// Reads all operations of a transaction on a database of this schema.
pub(super) fn parse(ops: Vec<Value>, schema: &DbSchema) -> Vec<Asked> {
    let total = ops.len();
    let one = |(at, op): (usize, Value)| {
        let Value::Object(members) = op else {
            let details = format!("Parsing ovsdb operation {} of {total} failed: Object expected.", at + 1);
            return Asked::Wrong(error("syntax error", details));
        };
        Fields { members, schema, number: at + 1, total }.operation().unwrap_or_else(Asked::Wrong)
    };
    ops.into_iter().enumerate().map(one).collect()
}

/// The members of an operation that were not read yet.
struct Fields<'a> {
    members: Map<String, Value>,
    schema: &'a DbSchema,
    number: usize,
    total: usize,
}

impl Fields<'_> {
    fn operation(mut self) -> Result<Asked, ServerError> {
        let op: String = self.required("op")?;
        let asked = match op.as_str() {
            "insert" => Asked::Run(self.insert()?),
            "select" => {
                let table = self.required("table")?;
                let r#where = self.conditions()?;
                let columns = self.optional("columns")?;
                Asked::Run(Operation::Select { table, r#where, columns })
            }
            "update" => {
                let table = self.required("table")?;
                let r#where = self.conditions()?;
                let row = row(&self.required("row")?)?;
                Asked::Run(Operation::Update { table, r#where, row })
            }
            "mutate" => {
                let table = self.required("table")?;
                let r#where = self.conditions()?;
                let mutations: Vec<Value> = self.required("mutations")?;
                let mutations = mutations.iter().map(mutation).collect::<Result<_, _>>()?;
                Asked::Run(Operation::Mutate { table, r#where, mutations })
            }
            "delete" => {
                let table = self.required("table")?;
                Asked::Run(Operation::Delete { table, r#where: self.conditions()? })
            }
            "wait" => Asked::Run(self.wait()?),
            "comment" => Asked::Run(Operation::Comment { text: self.required("comment")? }),
            "assert" => Asked::Assert(self.required("lock")?),
            "commit" => {
                self.required::<bool>("durable")?;
                Asked::Commit
            }
            "abort" => Asked::Abort,
            other => return Err(self.failed(&format!("No operation \"{other}\""))),
        };
        match self.members.keys().next() {
            None => Ok(asked),
            Some(member) => Err(error("syntax error", unknown_member(self.number, self.total, member))),
        }
    }

    fn insert(&mut self) -> Result<Operation, ServerError> {
        let table = self.required("table")?;
        let row = row(&self.required("row")?)?;
        let uuid: Option<String> = self.optional("uuid")?;
        let uuid = match uuid {
            Some(text) => Some(Uuid::try_parse(&text).map_err(|_| error("syntax error", "bad uuid"))?),
            None => None,
        };
        let name: Option<Arc<str>> = self.optional("uuid-name")?;
        if name.as_deref().is_some_and(|name| !is_id(name)) {
            return Err(self.mismatch("uuid-name"));
        }
        Ok(Operation::Insert { table, row, uuid, name })
    }

    fn wait(&mut self) -> Result<Operation, ServerError> {
        let table: Arc<str> = self.required("table")?;
        let timeout: Option<i64> = self.optional("timeout")?;
        let timeout = timeout.map(u64::try_from).transpose();
        let timeout = timeout.map_err(|_| error("syntax error", "timeout must be nonnegative"))?;
        let r#where = self.conditions()?;
        let columns = self.optional("columns")?.unwrap_or_else(|| self.all(&table));
        let until: String = self.required("until")?;
        let until_equal = match until.as_str() {
            "==" => true,
            "!=" => false,
            _ => return Err(error("syntax error", "\"until\" must be \"==\" or \"!=\"")),
        };
        let rows: Vec<Map<String, Value>> = self.required("rows")?;
        let rows = rows.iter().map(row).collect::<Result<_, _>>()?;
        Ok(Operation::Wait { table, timeout, r#where, columns, until_equal, rows })
    }

    /// The columns compared by a `wait` that names none. With `_uuid` among them no given row is equal to one there.
    fn all(&self, table: &str) -> Vec<Arc<str>> {
        let columns =
            self.schema.tables.get(table).into_iter().flat_map(|table| table.columns.keys().cloned());
        columns.chain(["_uuid".into()]).collect()
    }

    fn conditions(&mut self) -> Result<Vec<Condition>, ServerError> {
        let clauses: Vec<Value> = self.required("where")?;
        let held = clauses.iter().filter(|clause| **clause != Value::Bool(true));
        held.map(condition).collect()
    }

    fn optional<T: for<'de> Deserialize<'de>>(&mut self, name: &str) -> Result<Option<T>, ServerError> {
        let Some(value) = self.members.remove(name) else { return Ok(None) };
        T::deserialize(value).map(Some).map_err(|_| self.mismatch(name))
    }

    fn required<T: for<'de> Deserialize<'de>>(&mut self, name: &str) -> Result<T, ServerError> {
        let value = self.optional(name)?;
        value.ok_or_else(|| self.failed(&format!("Required '{name}' member is missing.")))
    }

    fn mismatch(&self, name: &str) -> ServerError {
        self.failed(&format!("Type mismatch for member '{name}'."))
    }

    fn failed(&self, why: &str) -> ServerError {
        let details = format!("Parsing ovsdb operation {} of {} failed: {why}", self.number, self.total);
        error("syntax error", details)
    }
}

/// Whether a text may name a row or a lock.
pub(super) fn is_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

/// A function of conditions.
pub(super) fn function(word: &str) -> Result<Function, ServerError> {
    Ok(match word {
        "<" => Function::Less,
        "<=" => Function::LessOrEqual,
        "==" => Function::Equal,
        "!=" => Function::NotEqual,
        ">=" => Function::GreaterOrEqual,
        ">" => Function::Greater,
        "includes" => Function::Includes,
        "excludes" => Function::Excludes,
        other => return Err(error("unknown function", format!("No function named {other}."))),
    })
}

/// A value. One that says something twice is refused, where the decoder would just take it once.
pub(super) fn datum(value: &Value) -> Result<Datum, ServerError> {
    let datum = Datum::deserialize(value).map_err(|unfit| error("syntax error", unfit.to_string()))?;
    let given = match value {
        Value::Array(tagged) => tagged.get(1).and_then(Value::as_array).map(Vec::len),
        _ => None,
    };
    if given.is_some_and(|given| given != datum.len()) {
        let what = if matches!(datum, Datum::Map(_)) {
            "map contains duplicate key"
        } else {
            "set contains duplicate"
        };
        return Err(error("ovsdb error", what));
    }
    Ok(datum)
}

fn condition(clause: &Value) -> Result<Condition, ServerError> {
    if *clause == Value::Bool(false) {
        // what no row fulfils: none is without a UUID
        return Ok(Condition::new("_uuid", Function::Equal, Datum::empty()));
    }
    let (column, word, value) = <(Arc<str>, String, Value)>::deserialize(clause)
        .map_err(|_| error("syntax error", "Parse error in condition."))?;
    Ok(Condition { column, function: function(&word)?, value: datum(&value)? })
}

fn mutation(mutation: &Value) -> Result<Mutation, ServerError> {
    let (column, word, value) = <(Arc<str>, String, Value)>::deserialize(mutation)
        .map_err(|_| error("syntax error", "Parse error in mutation."))?;
    let mutator = match word.as_str() {
        "+=" => Mutator::Add,
        "-=" => Mutator::Subtract,
        "*=" => Mutator::Multiply,
        "/=" => Mutator::Divide,
        "%=" => Mutator::Remainder,
        "insert" => Mutator::Insert,
        "delete" => Mutator::Delete,
        other => return Err(error("unknown mutator", format!("No mutator named {other}."))),
    };
    Ok(Mutation { column, mutator, value: datum(&value)? })
}

fn row(columns: &Map<String, Value>) -> Result<Row, ServerError> {
    columns.iter().map(|(name, value)| Ok((Arc::from(name.as_str()), datum(value)?))).collect()
}
