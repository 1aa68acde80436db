//! `kubeovn-ctl crds`: the CRDs of all kinds, for `kubectl apply -f -`.

use std::path::{Path, PathBuf};

use clap::{Args as Group, ValueEnum};
use kubeovn_core::api;
use serde_json::{Value, json};

use super::error::CtlError;
use super::outcome::print;

/// What stands behind `crds`.
#[derive(Debug, Group)]
pub struct Args {
    /// What to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Write a YAML file per kind into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    to: Option<PathBuf>,
}

/// The form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One document per kind.
    #[default]
    Yaml,
    /// One list.
    Json,
}

/// Does what the command line says.
///
/// # Errors
/// A file cannot be written.
pub fn run(args: Args) -> Result<(), CtlError> {
    if let Some(folder) = args.to {
        return write(&folder);
    }
    // Whoever closed the pipe has read enough.
    let _ = print(&text(args.output)?);
    Ok(())
}

fn text(output: Output) -> Result<String, CtlError> {
    Ok(match output {
        Output::Yaml => files()?.into_iter().flat_map(|(_, text)| ["---\n".to_owned(), text]).collect(),
        Output::Json => {
            let items: Vec<_> = documents().into_iter().map(|(_, crd)| crd).collect();
            format!("{:#}\n", json!({ "apiVersion": "v1", "kind": "List", "items": items }))
        }
    })
}

fn write(folder: &Path) -> Result<(), CtlError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CtlError::Write { path, source }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    for (name, text) in files()? {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(failed(&path))?;
    }
    Ok(())
}

/// The CRDs as YAML, each with the name of its file, in the order in which they are best created.
///
/// # Errors
/// The YAML writer refuses one.
pub fn files() -> Result<Vec<(String, String)>, CtlError> {
    let file = |(plural, crd): (String, Value)| {
        let text = serde_saphyr::to_string(&crd);
        let text = text.map_err(|error| CtlError::Yaml { problem: error.to_string() })?;
        Ok((format!("{plural}.yaml"), text))
    };
    documents().into_iter().map(file).collect()
}

/// The CRDs with their plurals.
fn documents() -> Vec<(String, Value)> {
    let crds = api::crds().into_iter().map(|crd| {
        let plural = crd.spec.names.plural.clone();
        let mut document = serde_json::to_value(crd).unwrap_or_default();
        whole(&mut document);
        (plural, document)
    });
    crds.collect()
}

/// Bounds are floating-point numbers in the type of a schema: writes 65535 instead of 65535.0.
fn whole(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(whole),
        Value::Object(fields) => fields.values_mut().for_each(whole),
        Value::Number(number) => {
            let exact = number.as_f64().filter(|float| float.fract() == 0.0);
            if let Some(exact) = exact.and_then(|float| format!("{float:.0}").parse::<i64>().ok()) {
                *value = exact.into();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
