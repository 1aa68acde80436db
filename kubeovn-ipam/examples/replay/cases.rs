//! Scenario files: cases of steps, and what is expected of each.

use std::{collections::BTreeMap, net::IpAddr};

use kubeovn_ipam::{IpRange, Mac};
use serde_json::{Map, Value};

use crate::kube_ovn::KubeOvn;

/// A file of cases.
pub(crate) struct File {
    pub(crate) cases: Vec<Case>,
}

/// Steps from an empty allocator.
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) title: String,
    steps: Vec<Step>,
}

struct Step {
    op: String,
    args: Map<String, Value>,
    expect: Map<String, Value>,
    /// Field of the result -> name by which later steps refer to it.
    bind: Map<String, Value>,
}

impl File {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        let schema = file.get("schema").and_then(Value::as_str).unwrap_or("none");
        if schema != "ipam-cases/v1" {
            return Err(format!("has schema {schema}, expected is ipam-cases/v1"));
        }
        let cases = file.get("cases").and_then(Value::as_array).ok_or("has no list of cases")?;
        Ok(File { cases: cases.iter().map(Case::read).collect::<Result<_, _>>()? })
    }
}

impl Case {
    fn read(case: &Value) -> Result<Self, String> {
        let text = |key: &str| case.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, title) = (text("id"), text("title"));
        let steps = case.get("steps").and_then(Value::as_array).ok_or(format!("case {id} has no steps"))?;
        let step = |step: &Value| {
            let map = |key: &str| step.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
            let op =
                step.get("op").and_then(Value::as_str).ok_or(format!("a step of case {id} has no op"))?;
            Ok(Step { op: op.to_owned(), args: map("args"), expect: map("expect"), bind: map("bind") })
        };
        let steps = steps.iter().map(step).collect::<Result<_, String>>()?;
        Ok(Case { id, title, steps })
    }

    /// Runs the steps; the error tells the first that differs.
    pub(crate) fn run(&self) -> Result<(), String> {
        let (mut allocator, mut bound) = (KubeOvn::default(), BTreeMap::new());
        for (number, step) in (1..).zip(&self.steps) {
            let Step { op, args, expect, bind } = step;
            let here = || format!("step {number}, {op} {}", Value::Object(args.clone()));
            let result = allocator.call(op, args).map_err(|error| format!("{}: {error}", here()))?;
            for (field, expected) in expect {
                let found = result.get(field).unwrap_or(&Value::Null);
                let met = meets(found, expected, &bound).map_err(|error| format!("{}: {error}", here()))?;
                if !met {
                    let whole = Value::Object(result.clone());
                    return Err(format!(
                        "{}: {field} is {found}, expected {expected}; result {whole}",
                        here()
                    ));
                }
            }
            for (field, name) in bind {
                let value = result.get(field).cloned().unwrap_or_default();
                bound.insert(name.as_str().unwrap_or_default().to_owned(), value);
            }
        }
        Ok(())
    }
}

/// Is a value what is expected of it? Every key of a matcher must hold.
fn meets(found: &Value, expected: &Value, bound: &BTreeMap<String, Value>) -> Result<bool, String> {
    let Some(matchers) = expected.as_object() else { return Ok(equal(found, expected)) };
    for (matcher, value) in matchers {
        let named = || {
            let name = value.as_str().unwrap_or_default();
            bound.get(name).ok_or(format!("nothing is bound to {name:?}"))
        };
        let text = found.as_str().unwrap_or_default();
        let holds = match matcher.as_str() {
            "any" => match value.as_str() {
                Some("mac") => mac(text).is_some_and(|mac| mac.to_string() == text),
                Some("mac-laa-unicast") => mac(text).is_some_and(|mac| mac.bytes()[0] & 3 == 2),
                _ => return Err(format!("unknown matcher any: {value}")),
            },
            "in" => {
                let range = value.as_str().and_then(|range| range.parse::<IpRange>().ok());
                let range = range.ok_or(format!("{value} is no range"))?;
                text.parse().is_ok_and(|ip| range.contains(ip))
            }
            "ref" => equal(found, named()?),
            "not_ref" => !equal(found, named()?),
            "not" => !meets(found, value, bound)?,
            "one_of" => {
                let choices = value.as_array().ok_or("one_of needs a list")?;
                let met: Result<Vec<_>, _> =
                    choices.iter().map(|choice| meets(found, choice, bound)).collect();
                met?.contains(&true)
            }
            _ => return Err(format!("unknown matcher {matcher}")),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Addresses and MACs by value, all else as it is written.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => {
            let ip = |text: &str| text.parse::<IpAddr>().ok();
            a == b || ip(a).is_some_and(|a| ip(b) == Some(a)) || mac(a).is_some_and(|a| mac(b) == Some(a))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        _ => a == b,
    }
}

fn mac(text: &str) -> Option<Mac> {
    text.parse().ok()
}
