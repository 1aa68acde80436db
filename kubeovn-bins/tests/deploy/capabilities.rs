//! Every capability in the manifests is needed: without any one of them something fails, and says what.

use std::{collections::BTreeSet, env, fs};

use kubeovn_node::{
    gateway::{Facts, Gateway, GatewayError, Iptables, Join, Nft, Subnet, plan},
    netlink::{Netlink, Veth},
    netns::NetNs,
    sysctl,
};
use serde_json::json;

use crate::{
    manifests::{container, texts},
    running::{run, said},
    server::Directory,
};

/// Tells this program which operation it is to do.
const OPERATION: &str = "KUBEOVN_TEST_OPERATION";

/// What the daemon does, which capabilities that takes, and what is said without them. All of it also takes the one to enter
/// the host's namespace, even where that is its own.
const OPERATIONS: [(&str, &[(&str, &str)]); 6] = [
    ("enter", &[("SYS_ADMIN", "cannot enter network namespace /run/netns/pod: Operation not permitted")]),
    ("connect", &[("NET_ADMIN", "cannot add veth h: Operation not permitted")]),
    (
        "settings",
        &[("NET_ADMIN", "cannot write kernel setting net/ipv4/ip_forward: Operation not permitted")],
    ),
    ("nftables", &[("NET_ADMIN", "GATEWAY-FIREWALL: nft")]),
    ("iptables", &[("NET_ADMIN", "GATEWAY-FIREWALL: ipset"), ("NET_RAW", RAW)]),
    ("takeover", &[("NET_ADMIN", "GATEWAY-FIREWALL: nft"), ("NET_RAW", RAW)]),
];

/// iptables asks by a raw socket what an ipset is.
const RAW: &str = "Can't open socket to ipset";

/// Without the capability to enter namespaces.
const ENTER: (&str, &str) = ("SYS_ADMIN", "/proc/thread-self/ns/net: Operation not permitted");

/// Everything that an operation needs of a host, and a rule of Kube-OVN's.
const HOST: &str = r"
mount -t tmpfs none /run
ip netns add pod
ip link add ovn0 type bridge
ip address add 100.64.0.2/16 dev ovn0
ip link set ovn0 up
echo 1 >/proc/sys/net/ipv4/ip_forward
ipset create ovn40subnets hash:net
iptables -t nat -N OVN-POSTROUTING
iptables -t nat -A OVN-POSTROUTING -m set --match-set ovn40subnets src -j RETURN
";

fn facts() -> Facts {
    let subnet = |name: &str, cidrs: &str, nat_outgoing| Subnet {
        name: name.to_owned(),
        uid: "5d0b1f7c-8f57-4a59-9c1e-a1b2c3d4e5f6".to_owned(),
        cidrs: cidrs.parse().unwrap(),
        nat_outgoing,
        ..Subnet::default()
    };
    Facts {
        node: "n1".to_owned(),
        node_ips: "192.0.2.1".parse().unwrap(),
        join: Join {
            link: "ovn0".to_owned(),
            cidrs: "100.64.0.0/16".parse().unwrap(),
            gateways: "100.64.0.1".parse().unwrap(),
        },
        subnets: vec![subnet("ovn-default", "10.16.0.0/16", true), subnet("join", "100.64.0.0/16", false)],
        ..Facts::default()
    }
}

async fn operate(operation: &str) -> Result<(), String> {
    let host = NetNs::current().map_err(|error| error.to_string())?;
    let pod = NetNs::named("pod").map_err(|error| error.to_string())?;
    let apply = async |gateway: Result<Gateway, GatewayError>| {
        let gateway = gateway.map_err(|error| error.to_string())?;
        gateway.apply(&plan(&facts())).await.map(drop).map_err(|error| error.to_string())
    };
    match operation {
        "enter" => pod.run(|| ()).map_err(|error| error.to_string()),
        "connect" => {
            let links = Netlink::new(&host).map_err(|error| error.to_string())?;
            let veth = Veth { name: "h", peer: "p", peer_ns: &pod, mtu: 1400 };
            links.add_veth(veth).await.map_err(|error| error.to_string())
        }
        "settings" => {
            sysctl::write(&host, &[("net/ipv4/ip_forward", "0")]).map_err(|error| error.to_string())
        }
        "nftables" => apply(Gateway::new(&host, Nft::new(&host))).await,
        "iptables" => apply(Gateway::new(&host, Iptables::new(&host))).await,
        "takeover" => apply(Gateway::new(&host, Nft::new(&host)).map(Gateway::with_takeover)).await,
        other => panic!("{other}"),
    }
}

/// No test: [`attempt`] starts it in a place of its own. Alone it does nothing.
#[tokio::test]
async fn an_operation() {
    let Ok(operation) = env::var(OPERATION) else { return };
    match operate(&operation).await {
        Ok(()) => eprintln!("it is done"),
        Err(error) => eprintln!("it failed: {error}"),
    }
}

/// Does something with these capabilities and no other; the error is what is said.
fn attempt(operation: &str, capabilities: &BTreeSet<&str>) -> Result<(), String> {
    let this = env::current_exe().unwrap();
    let script = format!(
        r#"{HOST}
( as_in "$MAY" "$THIS" --exact capabilities::an_operation --nocapture )"#
    );
    let output = run(
        &script,
        &[("MAY", &*setpriv(capabilities)), ("THIS", this.to_str().unwrap()), (OPERATION, operation)],
    );
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    if said.contains("it is done") { Ok(()) } else { Err(said) }
}

/// What `setpriv` is told.
fn setpriv(capabilities: &BTreeSet<&str>) -> String {
    capabilities.iter().fold("-all".to_owned(), |all, one| format!("{all},+{}", one.to_lowercase()))
}

/// The list without one of them.
fn without<'a>(capabilities: &BTreeSet<&'a str>, one: &str) -> BTreeSet<&'a str> {
    capabilities.iter().copied().filter(|capability| *capability != one).collect()
}

fn given(name: &str) -> BTreeSet<String> {
    let container = container("DaemonSet", name);
    texts(&container["securityContext"]["capabilities"]["add"]).into_iter().map(str::to_owned).collect()
}

#[test]
fn the_daemon_needs_each_of_its_capabilities() {
    let given = given("kube-ovn-cni");
    let given: BTreeSet<&str> = given.iter().map(String::as_str).collect();
    let needed = OPERATIONS.iter().flat_map(|(_, needed)| needed.iter().map(|(capability, _)| *capability));
    assert_eq!(given, needed.collect());
    for (operation, needed) in OPERATIONS {
        assert_eq!(attempt(operation, &given), Ok(()), "{operation}, with {given:?}");
        for capability in &given {
            let why = needed.iter().chain([&ENTER]).find(|(needed, _)| needed == capability);
            match (attempt(operation, &without(&given, capability)), why) {
                (Ok(()), None) => {}
                (Err(said), Some((_, why))) if said.contains(why) => {}
                (seen, why) => panic!("{operation} without {capability}: {seen:?}, not {why:?}"),
            }
        }
    }
}

/// What it can't begin without, it says where an operator looks: in the pod's log.
#[test]
fn a_daemon_that_may_not_enter_namespaces_says_so_and_ends() {
    let given = given("kube-ovn-cni");
    let given: BTreeSet<&str> = given.iter().map(String::as_str).collect();
    let place = Directory::new();
    fs::create_dir_all(place.path("")).unwrap();
    // nobody is asked
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": true}}],
        "users": [{"name": "it", "user": {"token": "t"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    });
    fs::write(place.path("config"), config.to_string()).unwrap();
    let script = r#"
( as_in "$MAY" "$DAEMON" --node-name=n1 --kubeconfig="$PLACE/config" --bind-socket="$PLACE/daemon.sock" \
  --ovs-socket="$PLACE/db.sock" ) || echo "it ended with $?"
"#;
    let variables = [
        ("MAY", &*setpriv(&without(&given, "SYS_ADMIN"))),
        ("DAEMON", env!("CARGO_BIN_EXE_kubeovn-daemon")),
        ("PLACE", place.path("").to_str().unwrap().trim_end_matches('/')),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
    let said = said(&run(script, &variables));
    assert!(said.contains("DAEMON-START: ") && said.contains(ENTER.1), "{said}");
    assert!(
        said.contains("the capabilities that the manifest names") && said.contains("it ended with 1"),
        "{said}"
    );
}

/// With these capabilities: whether a switch in user space makes its bridge and takes a port, and what it says.
fn switch(capabilities: &BTreeSet<&str>) -> (bool, String) {
    let place = Directory::new();
    fs::create_dir_all(place.path("")).unwrap();
    let script = r#"
ip link add port type veth peer name pod
as_in "$MAY" ./start-ovs.sh >"$PLACE/log" 2>&1 & node=$!
vsctl() { ovs-vsctl --db="unix:$OVS_RUNDIR/db.sock" --timeout=15 "$@"; }
within vsctl --no-wait get bridge br-int name
vsctl add-port br-int port || true
vsctl --columns=error find Interface name=port
ip link show br-int >/dev/null && [ "$(vsctl get Interface port ofport)" = 1 ] && echo all done
kill $node
wait $node
"#;
    let path = |name: &str| place.path(name).display().to_string();
    let output = run(
        script,
        &[
            ("MAY", &*setpriv(capabilities)),
            ("PLACE", path("").trim_end_matches('/')),
            ("OVN_RUNDIR", &path("ovn")),
            ("OVS_RUNDIR", &path("ovs")),
            ("OVS_DBDIR", &path("data")),
            ("OVN_SB_SERVICE_HOST", "127.0.0.1"),
            ("DATAPATH_TYPE", "netdev"),
        ],
    );
    let log = fs::read_to_string(place.path("log")).unwrap_or_default();
    (said(&output).contains("all done"), said(&output) + &log)
}

/// What it says without one of them.
const OF_SWITCHES: [(&str, &str); 2] = [
    ("NET_ADMIN", "creating tap device failed: Operation not permitted"),
    ("NET_RAW", "failed to create raw socket (Operation not permitted)"),
];

#[test]
fn the_switch_needs_each_of_its_capabilities() {
    let given = given("ovs-ovn");
    let given: BTreeSet<&str> = given.iter().map(String::as_str).collect();
    assert_eq!(given, OF_SWITCHES.iter().map(|(needed, _)| *needed).collect());
    let (works, said) = switch(&given);
    assert!(works, "{said}");
    for (capability, why) in OF_SWITCHES {
        let (works, said) = switch(&without(&given, capability));
        assert!(!works && said.contains(why), "without {capability}: {said}");
    }
}
