//! Who listens where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::ctl::check::facts::{Holder, Protocol};
use crate::ctl::check::host::Host;
use crate::ctl::check::judge::tcp_ports;

/// TCP's state of a socket that listens, and UDP's of one that is bound.
const LISTENS: &str = "0A";
const BOUND: &str = "07";

/// Ports that are taken, of those that are looked at, and by whom.
pub(super) fn ports(
    host: &dyn Host,
    unknown: &mut Vec<(&'static str, String)>,
    tunnel: (Protocol, u16, &str),
) -> BTreeMap<(Protocol, u16), BTreeSet<Holder>> {
    let wanted: BTreeSet<(Protocol, u16)> =
        tcp_ports().map(|port| (Protocol::Tcp, port)).chain([(tunnel.0, tunnel.1)]).collect();
    let mut inodes: BTreeMap<u64, (Protocol, u16)> = BTreeMap::new();
    let tables = [
        ("/proc/net/tcp", Protocol::Tcp, LISTENS, true),
        ("/proc/net/tcp6", Protocol::Tcp, LISTENS, false),
        ("/proc/net/udp", Protocol::Udp, BOUND, true),
        ("/proc/net/udp6", Protocol::Udp, BOUND, false),
    ];
    for (path, protocol, state, must) in tables {
        match host.read(Path::new(path)) {
            Ok(text) => inodes.extend(
                sockets(&text, state)
                    .map(|(port, inode)| (inode, (protocol, port)))
                    .filter(|(_, socket)| wanted.contains(socket)),
            ),
            // Without IPv6 there is no table of its sockets.
            Err(error) if must => unknown.push(("ports", format!("{path}: {error}"))),
            Err(_) => {}
        }
    }
    let mut found: BTreeMap<(Protocol, u16), BTreeSet<Holder>> = BTreeMap::new();
    if inodes.is_empty() {
        return found;
    }
    let owners = owners(host, &inodes);
    for (inode, socket) in &inodes {
        let holder = owners.get(inode).cloned().unwrap_or(Holder::Unseen);
        found.entry(*socket).or_default().insert(holder);
    }
    found
}

/// Port and inode of the lines in this state.
fn sockets<'a>(text: &'a str, state: &'a str) -> impl Iterator<Item = (u16, u64)> + 'a {
    text.lines().skip(1).filter_map(move |line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let port = words.get(1)?.rsplit(':').next()?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let inode = words.get(9)?.parse().ok()?;
        (*words.get(3)? == state).then_some((port, inode))
    })
}

/// The processes that have these sockets open.
fn owners(host: &dyn Host, inodes: &BTreeMap<u64, (Protocol, u16)>) -> BTreeMap<u64, Holder> {
    let mut found = BTreeMap::new();
    let processes = host.names(Path::new("/proc")).unwrap_or_default();
    for pid in processes.iter().filter_map(|name| name.parse::<u32>().ok()) {
        let process = Path::new("/proc").join(pid.to_string());
        // It may have ended meanwhile.
        for file in host.names(&process.join("fd")).unwrap_or_default() {
            let Ok(target) = host.leads_to(&process.join("fd").join(file)) else { continue };
            let target = target.to_string_lossy().into_owned();
            let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            let Some(inode) = inode.and_then(|inode| inode.parse().ok()) else { continue };
            if inodes.contains_key(&inode) {
                let name = host.read(&process.join("comm")).unwrap_or_default().trim().to_owned();
                found.insert(inode, Holder::Process(name, pid));
            }
        }
    }
    found
}
