//! From a node to facts.

mod network;
mod sockets;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::facts::{Facts, Module, Setting, Tried, Wish};
use super::host::{Host, Made, Place, Refusal};
use super::judge::{program_names, tunnel_port};

/// What the daemon makes with nftables, in small.
const NFT: &str = "\
add table ip kubeovn-check
add set ip kubeovn-check pods { type ipv4_addr ; flags interval ; elements = { 192.0.2.0/24 } ; }
add chain ip kubeovn-check nat { type nat hook postrouting priority 100 ; policy accept ; }
add chain ip kubeovn-check forward { type filter hook forward priority 0 ; policy accept ; }
add rule ip kubeovn-check nat ip saddr @pods masquerade
add rule ip kubeovn-check forward ct state established,related accept
";

/// The same with iptables; the set is one of ipset's.
const IPTABLES: &str = "\
*nat
-A POSTROUTING -m set --match-set kubeovn-check src -j MASQUERADE
COMMIT
*filter
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
";
const IPSET: &str = "create kubeovn-check hash:net\nadd kubeovn-check 192.0.2.0/24\n";

/// Settings that are read; those of links come beside.
const SETTINGS: [&str; 5] = [
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/default/rp_filter",
    "net/bridge/bridge-nf-call-iptables",
];

/// Looks at everything.
pub(super) async fn collect(host: &dyn Host, wish: &Wish, confs: &Path) -> Facts {
    let mut unknown = Vec::new();
    let (interfaces, links, routes) = host.network().await.unwrap_or_else(|why| {
        unknown.push(("links, addresses and routes", why));
        Default::default()
    });
    let kernel = host.read(Path::new("/proc/sys/kernel/osrelease")).unwrap_or_default().trim().to_owned();
    let mut keys: Vec<String> = SETTINGS.map(str::to_owned).to_vec();
    keys.extend(interfaces.iter().map(|interface| format!("net/ipv4/conf/{}/rp_filter", interface.name)));
    let settings = keys.into_iter().map(|key| {
        let path = Path::new("/proc/sys").join(&key);
        let value = host.read(&path).ok().map(|text| text.trim().to_owned());
        (key, Setting { value, writable: host.writable(&path) })
    });
    let ipset = tried(host.run(Place::Scratch, "ipset", &["restore"], IPSET).await);
    let is_bridge = |link: &&String| host.exists(&Path::new("/sys/class/net").join(link).join("bridge"));
    Facts {
        openvswitch: module(host, &kernel, "openvswitch"),
        tun: host.exists(Path::new("/dev/net/tun")),
        veth: made(host.make(Made::Veth).await),
        tunnel: made(host.make(Made::Tunnel(wish.network)).await),
        nft: tried(host.run(Place::Scratch, "nft", &["-f", "-"], NFT).await),
        // It names the set, which has to be there.
        iptables: tried(host.run(Place::Scratch, "iptables-restore", &[], IPTABLES).await),
        ipset,
        settings: settings.collect(),
        programs: programs(host).await,
        ports: sockets::ports(host, &mut unknown, tunnel_port(wish.network)),
        bridges: links.iter().filter(is_bridge).cloned().collect(),
        links: links.into_iter().collect::<BTreeSet<String>>(),
        interfaces,
        routes,
        confs: network::confs(host, confs),
        drops: network::drops(host, &mut unknown).await,
        kernel,
        unknown,
        cluster: None,
    }
}

fn tried(ran: Result<String, Refusal>) -> Tried {
    match ran {
        Ok(_) => Tried::Works,
        Err(Refusal::Said(why)) => Tried::Refused(why),
        Err(Refusal::Absent(why)) => Tried::Untried(why),
    }
}

fn made(made: Result<Result<(), String>, String>) -> Tried {
    match made {
        Ok(Ok(())) => Tried::Works,
        Ok(Err(why)) => Tried::Refused(why),
        Err(why) => Tried::Untried(why),
    }
}

/// It is looked for, not tried: OVS makes its datapath in the node's own namespace.
fn module(host: &dyn Host, kernel: &str, name: &str) -> Module {
    if host.exists(&Path::new("/sys/module").join(name)) {
        return Module::Loaded;
    }
    let folder = Path::new("/lib/modules").join(kernel);
    let file = format!("/{name}.ko");
    let has =
        |text: &str| text.lines().any(|line| line.split(':').next().is_some_and(|path| path.contains(&file)));
    let (built_in, list) =
        (host.read(&folder.join("modules.builtin")), host.read(&folder.join("modules.dep")));
    match (built_in, list) {
        (Ok(text), _) if has(&text) => Module::Loaded,
        (_, Ok(text)) if has(&text) => Module::Available,
        (_, Ok(_)) => Module::Absent,
        // A kernel without modules has no list of them.
        (_, Err(_)) if !host.exists(Path::new("/proc/modules")) => Module::Absent,
        (_, Err(error)) => Module::Unknown(format!("{}: {error}", folder.join("modules.dep").display())),
    }
}

/// The first line of what each says of itself.
async fn programs(host: &dyn Host) -> BTreeMap<&'static str, Option<String>> {
    let mut found = BTreeMap::new();
    for name in program_names() {
        let said = host.run(Place::Node, name, &["--version"], "").await;
        let line = match said {
            Ok(text) => Some(text.lines().next().unwrap_or_default().trim().to_owned()),
            Err(Refusal::Said(why)) => Some(why),
            Err(Refusal::Absent(_)) => None,
        };
        found.insert(name, line);
    }
    found
}

#[cfg(test)]
mod tests;
