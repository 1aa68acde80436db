//! What somebody asked of an API server, as it wrote it down, and what somebody may ask, as the manifests say it.

use std::{collections::BTreeSet, fmt, fs, path::Path};

use serde_json::Value;

use crate::manifests::{list, object, objects, texts};

/// A verb on a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    pub(crate) verb: String,
    pub(crate) group: String,
    /// With what is below it, as in `nodes/status`.
    pub(crate) resource: String,
}

impl Right {
    pub(crate) fn new(verb: &str, group: &str, resource: &str) -> Self {
        Right { verb: verb.to_owned(), group: group.to_owned(), resource: resource.to_owned() }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.{}", self.verb, self.resource, self.group)
    }
}

/// What these manifests allow to a service account.
pub(crate) fn allowed(account: &str) -> BTreeSet<Right> {
    let is_his =
        |binding: &Value| list(&binding["subjects"]).iter().any(|subject| subject["name"] == account);
    let bindings = objects().into_iter().filter(|object| object["roleRef"].is_object()).filter(is_his);
    let roles = bindings.map(|binding| {
        let role = &binding["roleRef"];
        object(role["kind"].as_str().unwrap(), role["name"].as_str().unwrap())
    });
    roles.flat_map(|role| list(&role["rules"]).iter().flat_map(of_rule).collect::<Vec<_>>()).collect()
}

fn of_rule(rule: &Value) -> Vec<Right> {
    let mut rights = Vec::new();
    for group in texts(&rule["apiGroups"]) {
        for resource in texts(&rule["resources"]) {
            rights.extend(texts(&rule["verbs"]).into_iter().map(|verb| Right::new(verb, group, resource)));
        }
    }
    rights
}

/// What a service account asked for, and what of it was forbidden.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) used: BTreeSet<Right>,
    pub(crate) forbidden: BTreeSet<Right>,
}

impl Asked {
    pub(crate) fn read(log: &Path, account: &str) -> Self {
        let user = format!("system:serviceaccount:kube-system:{account}");
        let mut asked = Asked::default();
        let text = fs::read_to_string(log).unwrap();
        // The last line may be one that is being written.
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        for event in events.filter(|event| event["user"]["username"] == user) {
            let (verb, object) = (event["verb"].as_str().unwrap(), &event["objectRef"]);
            let part = |field: &str| object[field].as_str().unwrap_or_default();
            let below = if part("subresource").is_empty() { "" } else { "/" };
            let resource = format!("{}{below}{}", part("resource"), part("subresource"));
            let right = Right::new(verb, part("apiGroup"), &resource);
            if event["responseStatus"]["code"] == 403 {
                asked.forbidden.insert(right.clone());
            }
            asked.used.insert(right);
        }
        asked
    }
}
