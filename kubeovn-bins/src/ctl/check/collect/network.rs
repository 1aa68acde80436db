//! Other networks' configurations, and chains that drop.

use std::path::Path;

use serde_json::Value;

use crate::ctl::check::facts::Conf;
use crate::ctl::check::host::{Host, Place, Refusal};

/// What container runtimes read of the folder.
const ENDINGS: [&str; 3] = ["conf", "conflist", "json"];

/// The configurations in a folder, by name. Without a folder there are none.
pub(super) fn confs(host: &dyn Host, folder: &Path) -> Result<Vec<Conf>, String> {
    let names = match host.names(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(format!("{}: {error}", folder.display())),
    };
    let read = |name: &String| {
        Path::new(name).extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
    };
    let mut names: Vec<String> = names.into_iter().filter(read).collect();
    names.sort_unstable();
    let conf = |file: String| Conf { plugin: plugin(host, &folder.join(&file)), file };
    Ok(names.into_iter().map(conf).collect())
}

/// The type of the first plugin.
fn plugin(host: &dyn Host, path: &Path) -> String {
    let text = match host.read(path) {
        Ok(text) => text,
        Err(error) => return format!("can't be read: {error}"),
    };
    let Ok(value) = serde_json::from_str::<Value>(&text) else { return "no JSON".to_owned() };
    let first = value.pointer("/plugins/0/type").or_else(|| value.get("type"));
    first.and_then(Value::as_str).unwrap_or("without a plugin").to_owned()
}

/// Chains at the hook of forwarded packets whose policy is to drop, of all writers.
pub(super) async fn drops(host: &dyn Host, unknown: &mut Vec<(&'static str, String)>) -> Vec<String> {
    const WHAT: &str = "chains of the packet filter";
    let mut found = Vec::new();
    match host.run(Place::Node, "nft", &["-j", "list", "chains"], "").await {
        Ok(text) => match serde_json::from_str::<Value>(&text) {
            Ok(value) => found.extend(nft(&value)),
            Err(error) => unknown.push((WHAT, format!("nft printed what can't be read: {error}"))),
        },
        Err(Refusal::Absent(why) | Refusal::Said(why)) => unknown.push((WHAT, format!("nft: {why}"))),
    }
    // nft does not show what the older programs write. They are asked only where they have written already: asking makes
    // the tables.
    let families = [
        ("/proc/net/ip_tables_names", "iptables-legacy"),
        ("/proc/net/ip6_tables_names", "ip6tables-legacy"),
    ];
    for (tables, program) in families {
        if !host.read(Path::new(tables)).unwrap_or_default().lines().any(|table| table == "filter") {
            continue;
        }
        match host.run(Place::Node, program, &["-S", "FORWARD"], "").await {
            Ok(text) if text.lines().any(|line| line.trim() == "-P FORWARD DROP") => {
                found.push(format!("FORWARD of {program}"));
            }
            Ok(_) => {}
            Err(Refusal::Absent(why) | Refusal::Said(why)) => {
                unknown.push((WHAT, format!("{program}: {why}")));
            }
        }
    }
    found
}

fn nft(value: &Value) -> Vec<String> {
    let items = value.get("nftables").and_then(Value::as_array);
    let chains = items.into_iter().flatten().filter_map(|item| item.get("chain"));
    let named = chains.filter_map(|chain| {
        let text = |key: &str| chain.get(key).and_then(Value::as_str);
        let drops = text("hook") == Some("forward") && text("policy") == Some("drop");
        drops.then(|| {
            format!(
                "chain {} of table {} {}",
                text("name").unwrap_or("?"),
                text("family").unwrap_or("?"),
                text("table").unwrap_or("?")
            )
        })
    });
    named.collect()
}
